//! Search for bytes, sets of bytes, needles and conditions; in one buffer, or chunk by chunk.
//!
//! [`Search`] has the methods; `inherent_search!` gives a type the same ones as its own. A composite is
//! searched component by component, at the speed of `memchr`; only the bytes around a boundary are
//! compared one by one.

mod stream;
pub(crate) mod table;

use memchr::memmem;

use self::{
    stream::{Partial, feed},
    table::search_methods,
};
use super::CompositeByteBuf;

pub use self::stream::{Finder, Found, MultiFinder, NeedleError};

/// Search for bytes, sets of bytes, needles and conditions.
///
/// For `[u8]` and [`CompositeByteBuf`]. Results are offsets from the first readable byte. Copies nothing. O(n)
/// for any needle. A composite of several components allocates a table for a needle of more than 16 bytes: 16 bytes
/// for each of its bytes.
///
/// # Examples
///
/// ```
/// use bytebuf::Search;
///
/// let request = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
/// assert_eq!(request.find(b"\r\n\r\n"), Some(23));
/// assert_eq!(request.find_any(b"\r\n"), Some(14));
/// assert_eq!(request.rfind_byte(b':'), Some(20));
/// ```
pub trait Search {
    search_methods! { [declare] }
}

impl Search for [u8] {
    fn find(&self, needle: impl AsRef<[u8]>) -> Option<usize> {
        memmem::find(self, fitting(needle.as_ref(), self.len())?)
    }

    fn rfind(&self, needle: impl AsRef<[u8]>) -> Option<usize> {
        memmem::rfind(self, fitting(needle.as_ref(), self.len())?)
    }

    fn find_byte(&self, byte: u8) -> Option<usize> {
        memchr::memchr(byte, self)
    }

    fn rfind_byte(&self, byte: u8) -> Option<usize> {
        memchr::memrchr(byte, self)
    }

    fn find_any(&self, set: &[u8]) -> Option<usize> {
        ByteSet::new(set).find_in(self)
    }

    fn rfind_any(&self, set: &[u8]) -> Option<usize> {
        ByteSet::new(set).rfind_in(self)
    }

    fn find_by(&self, mut stop: impl FnMut(u8) -> bool) -> Option<usize> {
        self.iter().position(|&byte| stop(byte))
    }

    fn rfind_by(&self, mut stop: impl FnMut(u8) -> bool) -> Option<usize> {
        self.iter().rposition(|&byte| stop(byte))
    }
}

impl Search for CompositeByteBuf {
    fn find(&self, needle: impl AsRef<[u8]>) -> Option<usize> {
        let needle = fitting(needle.as_ref(), self.len())?;
        if needle.is_empty() {
            return Some(0);
        }
        if self.component(1).is_none() {
            return self.component(0)?.find(needle);
        }
        let whole = memmem::Finder::new(needle);
        let mut partial = Partial::new(needle.iter());
        // A match can begin in an earlier component than the one in which it ends.
        let end = first(self, |chunk| feed(&whole, &mut partial, chunk))?;
        Some(end - needle.len())
    }

    fn rfind(&self, needle: impl AsRef<[u8]>) -> Option<usize> {
        let needle = fitting(needle.as_ref(), self.len())?;
        if needle.is_empty() {
            return Some(self.len());
        }
        if self.component(1).is_none() {
            return self.component(0)?.rfind(needle);
        }
        let whole = memmem::FinderRev::new(needle);
        let mut partial = Partial::new(needle.iter().rev());
        last(self, |chunk| {
            let mut at = chunk.len();
            while partial.matched() > chunk.len() - at {
                at = at.checked_sub(1)?;
                if partial.step(chunk[at]) {
                    return Some(at);
                }
            }
            let end = at + partial.forget();
            whole.rfind(&chunk[..end]).or_else(|| {
                let head = end.min(needle.len() - 1);
                partial.begin(chunk[..head].iter().rev());
                None
            })
        })
    }

    fn find_byte(&self, byte: u8) -> Option<usize> {
        first(self, |chunk| chunk.find_byte(byte))
    }

    fn rfind_byte(&self, byte: u8) -> Option<usize> {
        last(self, |chunk| chunk.rfind_byte(byte))
    }

    fn find_any(&self, set: &[u8]) -> Option<usize> {
        let set = ByteSet::new(set);
        first(self, |chunk| set.find_in(chunk))
    }

    fn rfind_any(&self, set: &[u8]) -> Option<usize> {
        let set = ByteSet::new(set);
        last(self, |chunk| set.rfind_in(chunk))
    }

    fn find_by(&self, mut stop: impl FnMut(u8) -> bool) -> Option<usize> {
        first(self, |chunk| chunk.find_by(&mut stop))
    }

    fn rfind_by(&self, mut stop: impl FnMut(u8) -> bool) -> Option<usize> {
        last(self, |chunk| chunk.rfind_by(&mut stop))
    }
}

/// Returns the needle, unless it is longer than the content: preparing a search for it takes time and memory.
fn fitting(needle: &[u8], len: usize) -> Option<&[u8]> {
    (needle.len() <= len).then_some(needle)
}

/// Searches the components from the front, until `find` finds a match.
fn first(
    composite: &CompositeByteBuf,
    mut find: impl FnMut(&[u8]) -> Option<usize>,
) -> Option<usize> {
    let mut at = 0;
    composite.chunks().find_map(|chunk| {
        let found = find(chunk).map(|offset| at + offset);
        at += chunk.len();
        found
    })
}

/// Searches the components from the back, until `find` finds a match.
fn last(
    composite: &CompositeByteBuf,
    mut find: impl FnMut(&[u8]) -> Option<usize>,
) -> Option<usize> {
    let mut at = composite.len();
    composite.chunks().rev().find_map(|chunk| {
        at -= chunk.len();
        find(chunk).map(|offset| at + offset)
    })
}

/// A set of bytes to find. `memchr` takes up to three; for more, a table is indexed by each byte.
#[allow(clippy::large_enum_variant, reason = "a search allocates nothing for its set")]
enum ByteSet {
    Few(u8, u8, u8),
    Many([bool; 256]),
    None,
}

impl ByteSet {
    fn new(set: &[u8]) -> Self {
        match *set {
            [] => Self::None,
            [a] => Self::Few(a, a, a),
            [a, b] => Self::Few(a, b, b),
            [a, b, c] => Self::Few(a, b, c),
            _ => {
                let mut table = [false; 256];
                set.iter().for_each(|&byte| table[usize::from(byte)] = true);
                Self::Many(table)
            }
        }
    }

    fn find_in(&self, chunk: &[u8]) -> Option<usize> {
        match self {
            Self::Few(a, b, c) => memchr::memchr3(*a, *b, *c, chunk),
            Self::Many(table) => chunk.iter().position(|&byte| table[usize::from(byte)]),
            Self::None => None,
        }
    }

    fn rfind_in(&self, chunk: &[u8]) -> Option<usize> {
        match self {
            Self::Few(a, b, c) => memchr::memrchr3(*a, *b, *c, chunk),
            Self::Many(table) => chunk.iter().rposition(|&byte| table[usize::from(byte)]),
            Self::None => None,
        }
    }
}

#[cfg(test)]
mod tests;
