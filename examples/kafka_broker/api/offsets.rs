//! `OffsetCommit` 2 to 3 and `OffsetFetch` 1 to 3: how far groups have come.

use bytebuf::ByteBuf;
use bytes::BufMut;

use super::code::Code;
use super::group::Identity;
use crate::wire::{Malformed, Reader, Write};

#[derive(Debug)]
pub(crate) struct Commit<'f> {
    /// Generation -1 and no member if the consumer assigns partitions to itself.
    pub(crate) who: Identity<'f>,
    pub(crate) topics: Vec<(&'f str, Vec<Committed<'f>>)>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Committed<'f> {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) metadata: &'f str,
}

impl<'f> Commit<'f> {
    pub(crate) fn read(r: &mut Reader<'f>) -> Result<Self, Malformed> {
        let who = Identity::read(r)?;
        let _retention = r.i64()?; // offsets are kept
        let topics = r.array(6, |r| {
            let name = r.string()?;
            let partitions = r.array(14, |r| {
                let (partition, offset) = (r.i32()?, r.i64()?);
                let metadata = r.nullable_string()?.unwrap_or_default();
                Ok(Committed { partition, offset, metadata })
            })?;
            Ok((name, partitions))
        })?;
        Ok(Self { who, topics })
    }
}

pub(crate) fn write_committed(
    out: &mut ByteBuf,
    version: i16,
    topics: &[(String, Vec<(i32, Code)>)],
) {
    if version >= 3 {
        out.put_i32(0); // not throttled
    }
    out.put_array(topics.iter(), |out, (name, partitions)| {
        out.put_string(name);
        out.put_array(partitions.iter(), |out, (partition, code)| {
            out.put_i32(*partition);
            out.put_i16(code.0);
        });
    });
}

#[derive(Debug)]
pub(crate) struct Fetch<'f> {
    pub(crate) group: &'f str,
    /// `None` asks for all that the group has committed.
    pub(crate) topics: Option<Vec<(&'f str, Vec<i32>)>>,
}

impl<'f> Fetch<'f> {
    pub(crate) fn read(r: &mut Reader<'f>) -> Result<Self, Malformed> {
        let group = r.string()?;
        let topics = r.nullable_array(6, |r| Ok((r.string()?, r.array(4, Reader::i32)?)))?;
        Ok(Self { group, topics })
    }
}

/// A committed offset, -1 if there is none, and the text that was committed with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fetched {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) metadata: String,
}

pub(crate) fn write_fetched(out: &mut ByteBuf, version: i16, topics: &[(String, Vec<Fetched>)]) {
    if version >= 3 {
        out.put_i32(0); // not throttled
    }
    out.put_array(topics.iter(), |out, (name, partitions)| {
        out.put_string(name);
        out.put_array(partitions.iter(), |out, fetched| {
            out.put_i32(fetched.partition);
            out.put_i64(fetched.offset);
            out.put_string(&fetched.metadata);
            out.put_i16(Code::NONE.0);
        });
    });
    if version >= 2 {
        out.put_i16(Code::NONE.0);
    }
}
