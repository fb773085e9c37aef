//! What is said over a connection. Numbers are little-endian; requests are answered in order, and
//! the next may be sent before the answer to the last has come.
//!
//! ```text
//! append   1 u8   length u32   payload       0 u8   offset u64              once it is synced
//! fetch    2 u8   offset u64   most u32      0 u8   start u64   length u32  records
//! ```
//!
//! A fetch at the end waits until there is more. The records that it brings begin at `start`, each
//! with its length (u32), a checksum of the log's own (u32) and its payload; the last may be cut
//! off by `most`. Go on at `start` and the length of the whole ones. Fetch only at 0, at offsets
//! that the broker gave, or where whole records ended.
//!
//! A request that can't be served is answered by 1 (u8), a length (u32) and a text that says why,
//! and the connection ends.

use bytebuf::{ByteBuf, ByteView, FileRegion, WriteQueue};
use bytes::{Buf, BufMut};

/// The longest record that is taken.
pub(crate) const RECORD_MAX: usize = 1 << 20;

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Request {
    Append(ByteView),
    Fetch { offset: u64, most: u32 },
}

/// Takes the first request off what was received, if it is whole; the error says what is wrong.
pub(crate) fn parse(inbox: &mut ByteBuf) -> Result<Option<Request>, String> {
    match inbox.first() {
        None => Ok(None),
        Some(1) => {
            let Some(length) = inbox.peek_u32_le(1) else { return Ok(None) };
            let length = length as usize;
            if length > RECORD_MAX {
                return Err(format!("a record of {length} bytes; {RECORD_MAX} are allowed"));
            }
            if inbox.len() < 5 + length {
                return Ok(None);
            }
            inbox.advance(5);
            Ok(Some(Request::Append(inbox.split_to(length).freeze())))
        }
        Some(2) => {
            let (Some(offset), Some(most)) = (inbox.peek_u64_le(1), inbox.peek_u32_le(9)) else {
                return Ok(None);
            };
            inbox.advance(13);
            Ok(Some(Request::Fetch { offset, most }))
        }
        Some(kind) => Err(format!("there is no request of kind {kind}")),
    }
}

pub(crate) fn appended(out: &mut WriteQueue, offset: u64) {
    let mut reply = ByteBuf::with_capacity(9);
    reply.put_u8(0);
    reply.put_u64_le(offset);
    out.push(reply);
}

/// The records follow their head in one stream, and the bytes of the file stay in the kernel.
pub(crate) fn fetched(out: &mut WriteQueue, start: u64, records: FileRegion) {
    let mut reply = ByteBuf::with_capacity(13);
    reply.put_u8(0);
    reply.put_u64_le(start);
    reply.put_u32_le(u32::try_from(records.len()).expect("as many as a u32 asked for, or less"));
    out.push(reply);
    out.push(records);
}

pub(crate) fn refused(out: &mut WriteQueue, why: &str) {
    let mut reply = ByteBuf::with_capacity(5 + why.len());
    reply.put_u8(1);
    reply.put_u32_le(why.len() as u32);
    reply.put_slice(why.as_bytes());
    out.push(reply);
}
