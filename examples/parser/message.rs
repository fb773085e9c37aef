//! Messages with a length prefix of two bytes, from input that arrives in any pieces.

use bytebuf::CompositeByteBuf;
use bytes::Buf;

/// No message may be longer.
pub(crate) const LONGEST: usize = 1024;

/// A peer announced a message of so many bytes.
#[derive(Debug, PartialEq)]
pub(crate) struct TooLong(pub(crate) usize);

/// Takes the next message off the front, if all of it has arrived.
pub(crate) fn next(input: &mut CompositeByteBuf) -> Result<Option<CompositeByteBuf>, TooLong> {
    let Some(len) = input.peek_u16(0).map(usize::from) else { return Ok(None) };
    if len > LONGEST {
        return Err(TooLong(len));
    }
    if input.len() - 2 < len {
        return Ok(None);
    }
    input.advance(2);
    Ok(Some(input.split_to(len)))
}
