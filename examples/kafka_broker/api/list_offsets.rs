//! `ListOffsets`, 1 to 3: the ends of a partition, and offsets by time.

use bytebuf::ByteBuf;
use bytes::BufMut;

use super::code::Code;
use crate::wire::{Malformed, Reader, Write};

/// Timestamps that ask for the offset of the next record, and of the first.
pub(crate) const LATEST: i64 = -1;
pub(crate) const EARLIEST: i64 = -2;

#[derive(Debug)]
pub(crate) struct Request<'f> {
    /// Each topic with its partitions and the timestamps that are asked for.
    pub(crate) topics: Vec<(&'f str, Vec<(i32, i64)>)>,
}

impl<'f> Request<'f> {
    pub(crate) fn read(r: &mut Reader<'f>, version: i16) -> Result<Self, Malformed> {
        let _replica = r.i32()?;
        if version >= 2 {
            let _isolation = r.i8()?;
        }
        let topics = r.array(6, |r| {
            let name = r.string()?;
            Ok((name, r.array(12, |r| Ok((r.i32()?, r.i64()?)))?))
        })?;
        Ok(Self { topics })
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Listed {
    pub(crate) partition: i32,
    /// The timestamp, -1 if it was not asked for, and the offset, -1 if there is none.
    pub(crate) found: Result<(i64, i64), Code>,
}

pub(crate) fn write(out: &mut ByteBuf, version: i16, topics: &[(&str, Vec<Listed>)]) {
    if version >= 2 {
        out.put_i32(0); // not throttled
    }
    out.put_array(topics.iter(), |out, (name, partitions)| {
        out.put_string(name);
        out.put_array(partitions.iter(), |out, listed| {
            let (timestamp, offset) = listed.found.unwrap_or((-1, -1));
            out.put_i32(listed.partition);
            out.put_i16(listed.found.err().unwrap_or(Code::NONE).0);
            out.put_i64(timestamp);
            out.put_i64(offset);
        });
    });
}
