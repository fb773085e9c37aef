//! Produce, 0 to 7: batches to append.
//!
//! Before version 3, a client sends messages of an older format, which the broker refuses. They are spoken
//! because librdkafka compresses only for brokers that offer version 0, whatever version it uses.

use std::ops::Range;

use bytebuf::ByteBuf;
use bytes::BufMut;

use super::code::Code;
use crate::wire::{Malformed, Reader, Write};

/// It owns what it names, so that the batches can be changed where they are in the frame.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) transactional: bool,
    pub(crate) acks: i16,
    pub(crate) topics: Vec<Topic>,
}

#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) name: String,
    /// Each partition, and where in the frame its batches are.
    pub(crate) partitions: Vec<(i32, Range<usize>)>,
}

impl Request {
    pub(crate) fn read(r: &mut Reader<'_>, version: i16) -> Result<Self, Malformed> {
        let transactional = version >= 3 && r.nullable_string()?.is_some();
        let acks = r.i16()?;
        let _timeout = r.i32()?;
        let topics = r.array(6, |r| {
            let name = r.string()?.to_owned();
            let partitions =
                r.array(8, |r| Ok((r.i32()?, r.bytes_range()?.unwrap_or_default())))?;
            Ok(Topic { name, partitions })
        })?;
        Ok(Self { transactional, acks, topics })
    }
}

/// What became of the batches of a partition.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Produced {
    pub(crate) partition: i32,
    /// The offset of the first record and the start of the log, or why nothing was appended.
    pub(crate) appended: Result<(i64, i64), Code>,
}

pub(crate) fn write(out: &mut ByteBuf, version: i16, topics: &[(String, Vec<Produced>)]) {
    out.put_array(topics.iter(), |out, (name, partitions)| {
        out.put_string(name);
        out.put_array(partitions.iter(), |out, produced| {
            let (base, start) = produced.appended.unwrap_or((-1, -1));
            out.put_i32(produced.partition);
            out.put_i16(produced.appended.err().unwrap_or(Code::NONE).0);
            out.put_i64(base);
            if version >= 2 {
                out.put_i64(-1); // records keep the time that the producer gave them
            }
            if version >= 5 {
                out.put_i64(start);
            }
        });
    });
    if version >= 1 {
        out.put_i32(0); // not throttled
    }
}
