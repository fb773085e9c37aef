//! Bytes for people to read: bounded `Debug`, hexadecimal, boxed dumps.

use std::fmt;

/// What `Debug` shows at most of any content.
const DEBUG_LIMIT: usize = 512;

/// Content, given in pieces, as a byte string literal; cut, with a note, behind `DEBUG_LIMIT`
/// bytes.
pub(crate) struct Literal<I>(pub(crate) usize, pub(crate) I);

impl<'a, I: Iterator<Item = &'a [u8]> + Clone> fmt::Debug for Literal<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(len, pieces) = self;
        f.write_str("b\"")?;
        for &byte in pieces.clone().flatten().take(DEBUG_LIMIT) {
            match byte {
                // `escape_ascii` would escape it, a byte string need not.
                b'\'' => f.write_str("'")?,
                0 => f.write_str("\\0")?,
                _ => write!(f, "{}", byte.escape_ascii())?,
            }
        }
        f.write_str("\"")?;
        match len.saturating_sub(DEBUG_LIMIT) {
            0 => Ok(()),
            more => write!(f, "... and {more} bytes more"),
        }
    }
}

impl<'a> Literal<std::iter::Once<&'a [u8]>> {
    /// Content in one piece.
    pub(crate) fn of(bytes: &'a [u8]) -> Self {
        Self(bytes.len(), std::iter::once(bytes))
    }
}
