//! Fetch, 4 to 11: batches from an offset on.

use bytebuf::ByteBuf;
use bytes::BufMut;

use super::code::Code;
use crate::wire::{Malformed, Reader, Write};

#[derive(Debug)]
pub(crate) struct Request<'f> {
    pub(crate) max_wait_ms: i32,
    pub(crate) min_bytes: i32,
    pub(crate) max_bytes: i32,
    /// There are no fetch sessions: a client that asks for one is given session 0.
    pub(crate) session: i32,
    pub(crate) topics: Vec<Topic<'f>>,
}

#[derive(Debug)]
pub(crate) struct Topic<'f> {
    pub(crate) name: &'f str,
    pub(crate) partitions: Vec<Partition>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Partition {
    pub(crate) index: i32,
    pub(crate) leader_epoch: i32,
    pub(crate) offset: i64,
    pub(crate) max_bytes: i32,
}

impl<'f> Request<'f> {
    pub(crate) fn read(r: &mut Reader<'f>, version: i16) -> Result<Self, Malformed> {
        let _replica = r.i32()?;
        let (max_wait_ms, min_bytes, max_bytes) = (r.i32()?, r.i32()?, r.i32()?);
        let _isolation = r.i8()?; // there are no transactions to hide
        let mut session = 0;
        if version >= 7 {
            session = r.i32()?;
            let _session_epoch = r.i32()?;
        }
        let topics = r.array(6, |r| {
            let name = r.string()?;
            let partitions = r.array(16, |r| Partition::read(r, version))?;
            Ok(Topic { name, partitions })
        })?;
        if version >= 7 {
            r.array(6, |r| {
                r.string()?;
                r.array(4, Reader::i32)
            })?; // partitions to forget of a session
        }
        if version >= 11 {
            r.string()?; // rack
        }
        Ok(Self { max_wait_ms, min_bytes, max_bytes, session, topics })
    }
}

impl Partition {
    fn read(r: &mut Reader<'_>, version: i16) -> Result<Self, Malformed> {
        let index = r.i32()?;
        let leader_epoch = if version >= 9 { r.i32()? } else { -1 };
        let offset = r.i64()?;
        if version >= 5 {
            let _start_of_follower = r.i64()?;
        }
        Ok(Self { index, leader_epoch, offset, max_bytes: r.i32()? })
    }
}

/// What stands in front of the topics.
pub(crate) fn write_head(out: &mut ByteBuf, version: i16, code: Code, topics: usize) {
    out.put_i32(0); // not throttled
    if version >= 7 {
        out.put_i16(code.0);
        out.put_i32(0); // no session
    }
    out.put_i32(topics as i32);
}

pub(crate) fn write_topic(out: &mut ByteBuf, name: &str, partitions: usize) {
    out.put_string(name);
    out.put_i32(partitions as i32);
}

/// What stands in front of the batches of a partition.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PartitionHead {
    pub(crate) index: i32,
    pub(crate) code: Code,
    /// The end of what consumers see, -1 with an error.
    pub(crate) end: i64,
    pub(crate) start: i64,
    /// Bytes of batches that follow.
    pub(crate) bytes: u32,
}

impl PartitionHead {
    pub(crate) fn failed(index: i32, code: Code) -> Self {
        Self { index, code, end: -1, start: -1, bytes: 0 }
    }

    pub(crate) fn write(self, out: &mut ByteBuf, version: i16) {
        out.put_i32(self.index);
        out.put_i16(self.code.0);
        out.put_i64(self.end);
        out.put_i64(self.end); // all of it is stable: there are no transactions
        if version >= 5 {
            out.put_i64(self.start);
        }
        out.put_i32(-1); // no aborted transactions
        if version >= 11 {
            out.put_i32(-1); // no other replica to read from
        }
        out.put_u32(self.bytes);
    }
}
