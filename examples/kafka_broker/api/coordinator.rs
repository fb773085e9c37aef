//! `FindCoordinator` and `InitProducerId`, 0 to 1 each: the coordinator of a group, and ids for idempotence.

use bytebuf::ByteBuf;
use bytes::BufMut;

use super::code::Code;
use super::metadata::NODE;
use crate::wire::{Malformed, Reader, Write};

#[derive(Debug)]
pub(crate) struct Find {
    /// Whether a coordinator of transactions is asked for, which there is none of.
    pub(crate) transactional: bool,
}

impl Find {
    pub(crate) fn read(r: &mut Reader<'_>, version: i16) -> Result<Self, Malformed> {
        let _key = r.string()?;
        Ok(Self { transactional: version >= 1 && r.i8()? != 0 })
    }
}

pub(crate) fn write_found(
    out: &mut ByteBuf,
    version: i16,
    found: Result<(&str, u16), (Code, &'static str)>,
) {
    let (code, message) = found.err().map_or((Code::NONE, None), |(code, text)| (code, Some(text)));
    if version >= 1 {
        out.put_i32(0); // not throttled
    }
    out.put_i16(code.0);
    if version >= 1 {
        out.put_nullable_string(message);
    }
    let (host, port) = found.unwrap_or(("", 0));
    out.put_i32(if found.is_ok() { NODE } else { -1 });
    out.put_string(host);
    out.put_i32(port.into());
}

#[derive(Debug)]
pub(crate) struct InitProducerId {
    pub(crate) transactional: bool,
}

impl InitProducerId {
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let transactional = r.nullable_string()?.is_some();
        let _timeout = r.i32()?;
        Ok(Self { transactional })
    }
}

/// The id comes with epoch 0: it is never given twice.
pub(crate) fn write_producer_id(out: &mut ByteBuf, id: Result<i64, Code>) {
    out.put_i32(0); // not throttled
    out.put_i16(id.err().unwrap_or(Code::NONE).0);
    out.put_i64(id.unwrap_or(-1));
    out.put_i16(if id.is_ok() { 0 } else { -1 });
}
