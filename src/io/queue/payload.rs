//! What can be pushed, and the part that it becomes.

use std::mem;

use crate::buf::{ByteBuf, ByteView, CompositeByteBuf};
use crate::io::file::region::FileRegion;

/// Something to be sent: bytes in memory or a range of a file.
///
/// [`WriteQueue::push`](crate::WriteQueue::push) takes anything that converts into it, and
/// [`WriteQueue::take_unsent`](crate::WriteQueue::take_unsent) gives it back.
///
/// # Examples
///
/// ```
/// use bytebuf::{ByteView, Payload};
///
/// let part = Payload::from(ByteView::from_static(b"pong"));
/// assert_eq!(part.len(), 4);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Payload {
    /// Bytes in memory.
    Bytes(ByteView),
    /// Bytes in memory, in many places.
    Composite(CompositeByteBuf),
    /// A range of a file.
    File(FileRegion),
}

impl Payload {
    /// The number of bytes that it puts on the stream.
    pub fn len(&self) -> u64 {
        match self {
            Payload::Bytes(bytes) => bytes.len() as u64,
            Payload::Composite(bytes) => bytes.len() as u64,
            Payload::File(region) => region.len(),
        }
    }

    /// Whether it puts nothing on the stream.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl From<ByteView> for Payload {
    #[inline]
    fn from(bytes: ByteView) -> Payload {
        Payload::Bytes(bytes)
    }
}

impl From<CompositeByteBuf> for Payload {
    #[inline]
    fn from(bytes: CompositeByteBuf) -> Payload {
        Payload::Composite(bytes)
    }
}

impl From<FileRegion> for Payload {
    #[inline]
    fn from(region: FileRegion) -> Payload {
        Payload::File(region)
    }
}

/// Bytes by way of a view, which costs no copy for any of these.
macro_rules! from_bytes {
    ($($source:ty),+) => {$(
        impl From<$source> for Payload {
            #[inline]
            fn from(bytes: $source) -> Payload {
                Payload::Bytes(bytes.into())
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

impl From<Part> for Payload {
    fn from(part: Part) -> Payload {
        match part {
            Part::View(bytes) | Part::Block(bytes) => Payload::Bytes(bytes),
            Part::File(region) => Payload::File(region),
        }
    }
}
