//! What can be pushed, and the part that it becomes.

use std::mem;

use crate::buf::{ByteBuf, ByteView, CompositeByteBuf};
use crate::io::region::FileRegion;

/// Something to be sent: bytes in memory or a range of a file.
///
/// [`WriteQueue::push`](crate::WriteQueue::push) takes anything that converts into it, and
/// [`WriteQueue::take_unsent`](crate::WriteQueue::take_unsent) gives it back.
///
/// # Examples
///
/// ```
/// use bytebuf::{ByteView, Outgoing};
///
/// let part = Outgoing::from(ByteView::from_static(b"pong"));
/// assert_eq!(part.len(), 4);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Outgoing {
    /// Bytes in memory.
    Bytes(ByteView),
    /// Bytes in memory, in many places.
    Composite(CompositeByteBuf),
    /// A range of a file.
    File(FileRegion),
}

impl Outgoing {
    /// The number of bytes that it puts on the stream.
    pub fn len(&self) -> u64 {
        match self {
            Outgoing::Bytes(bytes) => bytes.len() as u64,
            Outgoing::Composite(bytes) => bytes.len() as u64,
            Outgoing::File(region) => region.len(),
        }
    }

    /// Whether it puts nothing on the stream.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl From<ByteView> for Outgoing {
    #[inline]
    fn from(bytes: ByteView) -> Outgoing {
        Outgoing::Bytes(bytes)
    }
}

impl From<CompositeByteBuf> for Outgoing {
    #[inline]
    fn from(bytes: CompositeByteBuf) -> Outgoing {
        Outgoing::Composite(bytes)
    }
}

impl From<FileRegion> for Outgoing {
    #[inline]
    fn from(region: FileRegion) -> Outgoing {
        Outgoing::File(region)
    }
}

/// Bytes by way of a view, which costs no copy for any of these.
macro_rules! from_bytes {
    ($($source:ty),+) => {$(
        impl From<$source> for Outgoing {
            #[inline]
            fn from(bytes: $source) -> Outgoing {
                Outgoing::Bytes(bytes.into())
            }
        }
    )+};
}

from_bytes!(ByteBuf, bytes::Bytes, &'static [u8], &'static str, Vec<u8>, Box<[u8]>, String);

/// One element of the queue. None is ever empty.
#[derive(Debug)]
pub(super) enum Part {
    /// Bytes that somebody else may also hold.
    View(ByteView),
    /// Small parts and file contents, copied behind each other into a block that only the queue
    /// holds.
    Block(ByteView),
    /// A range of a file.
    File(FileRegion),
}

#[cfg(target_pointer_width = "64")]
static_assertions::assert_eq_size!(Part, [u64; 4]);

impl Part {
    pub(super) fn len(&self) -> u64 {
        match self {
            Part::View(bytes) | Part::Block(bytes) => bytes.len() as u64,
            Part::File(region) => region.len(),
        }
    }

    /// The bytes, if they are in memory.
    pub(super) fn bytes(&self) -> Option<&[u8]> {
        match self {
            Part::View(bytes) | Part::Block(bytes) => Some(bytes),
            Part::File(_) => None,
        }
    }

    /// The bytes, if they are a view.
    #[cfg(unix)]
    pub(super) fn view(&self) -> Option<&ByteView> {
        match self {
            Part::View(view) => Some(view),
            Part::Block(_) | Part::File(_) => None,
        }
    }

    /// Takes the bytes out to write more behind them, if this is a block with so much room. It is
    /// empty then, until it is replaced.
    pub(super) fn reopen(&mut self, room: usize) -> Option<ByteBuf> {
        let Part::Block(bytes) = self else { return None };
        match mem::take(bytes).try_into_mut() {
            Ok(block) if block.capacity() - block.len() >= room => return Some(block),
            Ok(block) => *bytes = block.freeze(),
            Err(shared) => *bytes = shared,
        }
        None
    }

    /// Drops the first `n` bytes; `n` is less than the length.
    pub(super) fn advance(&mut self, n: u64) {
        match self {
            // It fits a `usize`, since the length does.
            Part::View(bytes) | Part::Block(bytes) => bytes::Buf::advance(bytes, n as usize),
            Part::File(region) => region.advance(n),
        }
    }
}

impl From<Part> for Outgoing {
    fn from(part: Part) -> Outgoing {
        match part {
            Part::View(bytes) | Part::Block(bytes) => Outgoing::Bytes(bytes),
            Part::File(region) => Outgoing::File(region),
        }
    }
}
