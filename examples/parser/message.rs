//! Messages with a length prefix of two bytes. The input arrives in pieces of any size.

use bytebuf::CompositeByteBuf;
use bytes::Buf;

/// Maximum length of a message.
pub(crate) const MAX_LEN: usize = 1024;

/// A peer announced a message of this many bytes, more than [`MAX_LEN`].
#[derive(Debug, PartialEq)]
pub(crate) struct TooLong(pub(crate) usize);

/// Removes and returns the next message, or returns `None` until all of it has arrived.
pub(crate) fn next(input: &mut CompositeByteBuf) -> Result<Option<CompositeByteBuf>, TooLong> {
    let Some(len) = input.peek_u16(0).map(usize::from) else { return Ok(None) };
    if len > MAX_LEN {
        return Err(TooLong(len));
    }
    if input.len() - 2 < len {
        return Ok(None);
    }
    input.advance(2);
    Ok(Some(input.split_to(len)))
}
