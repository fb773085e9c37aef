//! Metadata, 0 to 5: the topics, their partitions, and where the broker is.

use bytebuf::ByteBuf;
use bytes::BufMut;

use super::code::Code;
use crate::wire::{Malformed, Reader, Write};

/// The one broker.
pub(crate) const NODE: i32 = 1;

/// Partitions have had no other leader yet.
pub(crate) const LEADER_EPOCH: i32 = 0;

#[derive(Debug)]
pub(crate) struct Request<'f> {
    /// `None` asks for all topics.
    pub(crate) topics: Option<Vec<&'f str>>,
    /// Whether topics that do not exist are to be made.
    pub(crate) create: bool,
}

impl<'f> Request<'f> {
    pub(crate) fn read(r: &mut Reader<'f>, version: i16) -> Result<Self, Malformed> {
        let topics = r.nullable_array(2, Reader::string)?;
        // Version 0 has no null: there no topic means all.
        let topics = topics.filter(|topics| version > 0 || !topics.is_empty());
        let create = version < 4 || r.bool()?;
        Ok(Self { topics, create })
    }
}

#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) name: String,
    /// The number of partitions, or why there is no such topic.
    pub(crate) partitions: Result<u32, Code>,
}

pub(crate) fn write(out: &mut ByteBuf, version: i16, (host, port): (&str, u16), topics: &[Topic]) {
    if version >= 3 {
        out.put_i32(0); // not throttled
    }
    out.put_array([()].into_iter(), |out, ()| {
        out.put_i32(NODE);
        out.put_string(host);
        out.put_i32(port.into());
        if version >= 1 {
            out.put_nullable_string(None); // rack
        }
    });
    if version >= 2 {
        out.put_nullable_string(Some("bytebuf")); // cluster
    }
    if version >= 1 {
        out.put_i32(NODE); // controller
    }
    out.put_array(topics.iter(), |out, topic| {
        out.put_i16(topic.partitions.err().unwrap_or(Code::NONE).0);
        out.put_string(&topic.name);
        if version >= 1 {
            out.put_bool(false); // internal
        }
        let partitions = topic.partitions.unwrap_or(0) as i32;
        out.put_array(0..partitions as usize, |out, partition| {
            out.put_i16(Code::NONE.0);
            out.put_i32(partition as i32);
            out.put_i32(NODE);
            out.put_array([NODE].into_iter(), |out, node| out.put_i32(node)); // replicas
            out.put_array([NODE].into_iter(), |out, node| out.put_i32(node)); // in sync
            if version >= 5 {
                out.put_i32(0); // none offline
            }
        });
    });
}
