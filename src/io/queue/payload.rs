//! What can be pushed, and the part of the queue that it becomes.

use std::mem;
use std::ops::{AddAssign, SubAssign};

use super::gather::Shape;
use crate::buf::{ByteBuf, ByteStr, ByteView, CompositeByteBuf};
#[cfg(unix)]
use crate::io::file::mapped;
use crate::io::file::region::FileRegion;

/// Bytes in memory or a range of a file, to be sent.
///
/// [`WriteQueue::push`](crate::WriteQueue::push) takes anything that converts into it, and
/// [`WriteQueue::take_unsent`](crate::WriteQueue::take_unsent) returns it.
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
    /// Returns the number of bytes that it adds to the stream.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Composite(bytes) => bytes.len() as u64,
            Self::File(region) => region.len(),
        }
    }

    /// Returns whether it adds nothing to the stream.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl From<ByteView> for Payload {
    #[inline]
    fn from(bytes: ByteView) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<CompositeByteBuf> for Payload {
    #[inline]
    fn from(bytes: CompositeByteBuf) -> Self {
        Self::Composite(bytes)
    }
}

impl From<FileRegion> for Payload {
    #[inline]
    fn from(region: FileRegion) -> Self {
        Self::File(region)
    }
}

/// Conversions by way of a view. None of them copies bytes.
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

from_bytes!(
    ByteBuf,
    ByteStr,
    bytes::Bytes,
    &'static [u8],
    &'static str,
    Vec<u8>,
    Box<[u8]>,
    String
);

/// One element of the queue; not empty.
#[derive(Debug)]
pub(super) enum Part {
    /// Bytes that others may hold too.
    View(ByteView),
    /// The same, where the block is so much larger than the view that all of it counts.
    Pinning(ByteView),
    /// Small parts and contents of files, copied one after the other into a block that only the queue
    /// holds.
    Block(ByteView),
    /// A range of a file.
    File(FileRegion),
}

#[cfg(target_pointer_width = "64")]
static_assertions::assert_eq_size!(Part, [u64; 4]);

/// Blocks up to this size never count as a whole: a part weighs enough without. The least that one weighs is 65, so
/// that with the default watermarks there are at most 1009 of them.
const SMALL_BLOCK: usize = 512;

/// Whether a view uses less than half of its block, which is not small itself.
#[inline(always)]
pub(super) fn is_small_beside_its_block(view: &ByteView) -> bool {
    let pinned = view.pinned();
    pinned / 2 > view.len() && pinned > SMALL_BLOCK && !is_mapped_file(view)
}

/// Pages of a mapped file are not memory of the process.
#[cold]
#[cfg(unix)]
fn is_mapped_file(view: &ByteView) -> bool {
    view.block().is_some_and(|block| block.owner::<mapped::Shared>().is_some())
}

/// There are none.
#[cfg(not(unix))]
fn is_mapped_file(_: &ByteView) -> bool {
    false
}

/// What parts hold beyond their bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held {
    /// Parts that hold a descriptor open.
    pub(super) files: usize,
    /// The sizes of the blocks of which the queue holds a small part.
    pub(super) pinned: u64,
}

impl Held {
    pub(super) const NOTHING: Self = Self { files: 0, pinned: 0 };
}

impl AddAssign for Held {
    #[inline(always)]
    fn add_assign(&mut self, more: Self) {
        self.files += more.files;
        self.pinned += more.pinned;
    }
}

impl SubAssign for Held {
    #[inline(always)]
    fn sub_assign(&mut self, less: Self) {
        self.files -= less.files;
        self.pinned -= less.pinned;
    }
}

impl Part {
    #[inline(always)]
    pub(super) fn len(&self) -> u64 {
        match self {
            Self::View(bytes) | Self::Pinning(bytes) | Self::Block(bytes) => bytes.len() as u64,
            Self::File(region) => region.len(),
        }
    }

    /// The bytes, if they are in memory.
    pub(super) fn bytes(&self) -> Option<&[u8]> {
        self.memory().map(|bytes| &bytes[..])
    }

    /// The same, with what keeps them.
    pub(super) fn memory(&self) -> Option<&ByteView> {
        match self {
            Self::View(bytes) | Self::Pinning(bytes) | Self::Block(bytes) => Some(bytes),
            Self::File(_) => None,
        }
    }

    /// What decides how it leaves.
    #[inline(always)]
    pub(super) fn shape(&self) -> Shape {
        match self {
            Self::View(bytes) | Self::Pinning(bytes) | Self::Block(bytes) => {
                Shape::Copied(bytes.len())
            }
            Self::File(region) if region.must_copy() => Shape::Read(region.len()),
            Self::File(region) => Shape::File(region.len()),
        }
    }

    /// The bytes, if they are a view.
    pub(super) fn view(&self) -> Option<&ByteView> {
        match self {
            Self::View(view) | Self::Pinning(view) => Some(view),
            Self::Block(_) | Self::File(_) => None,
        }
    }

    /// Has the block of a view count if the view is small beside it.
    pub(super) fn pin(&mut self) {
        if let Self::View(view) = self
            && is_small_beside_its_block(view)
        {
            *self = Self::Pinning(mem::take(view));
        }
    }

    /// Has the block of a view no longer count: a later part of the same block counts it.
    pub(super) fn unpin(&mut self) {
        if let Self::Pinning(view) = self {
            *self = Self::View(mem::take(view));
        }
    }

    /// What it holds beyond its bytes.
    #[inline(always)]
    pub(super) fn held(&self) -> Held {
        match self {
            Self::View(_) | Self::Block(_) => Held::NOTHING,
            Self::Pinning(view) => Held { files: 0, pinned: view.pinned() as u64 },
            Self::File(_) => Held { files: 1, pinned: 0 },
        }
    }

    /// Takes the bytes out to append to them, if this is a block with so much spare capacity. The part is
    /// empty then, until it is replaced.
    pub(super) fn reopen(&mut self, spare: usize) -> Option<ByteBuf> {
        let Self::Block(bytes) = self else { return None };
        match mem::take(bytes).try_into_mut() {
            Ok(block) if block.capacity() - block.len() >= spare => return Some(block),
            Ok(block) => *bytes = block.freeze(),
            Err(shared) => *bytes = shared,
        }
        None
    }

    /// Takes the first `at` bytes off, fewer than there are, and returns them.
    #[cfg(all(target_os = "linux", feature = "io-uring"))]
    pub(super) fn split_to(&mut self, at: u64) -> Self {
        match self {
            // It fits a `usize`, since the length does.
            Self::View(bytes) | Self::Pinning(bytes) => {
                let mut front = Self::View(bytes.split_to(at as usize));
                let mut rest = Self::View(mem::take(bytes));
                front.pin();
                rest.pin();
                *self = rest;
                front
            }
            Self::Block(bytes) => Self::Block(bytes.split_to(at as usize)),
            Self::File(region) => Self::File(region.split_to(at)),
        }
    }

    /// Drops the first `n` bytes, fewer than there are.
    pub(super) fn advance(&mut self, n: u64) {
        match self {
            // It fits a `usize`, since the length does.
            Self::Pinning(bytes) | Self::Block(bytes) => bytes::Buf::advance(bytes, n as usize),
            Self::View(bytes) => {
                bytes::Buf::advance(bytes, n as usize);
                self.pin();
            }
            Self::File(region) => region.advance(n),
        }
    }
}

impl Default for Part {
    /// An empty part: one that is being changed.
    fn default() -> Self {
        Self::Block(ByteView::new())
    }
}

impl From<Part> for Payload {
    fn from(part: Part) -> Self {
        match part {
            Part::View(bytes) | Part::Pinning(bytes) | Part::Block(bytes) => Self::Bytes(bytes),
            Part::File(region) => Self::File(region),
        }
    }
}
