//! The types that can be pushed, and the parts of the queue that they become.

use std::mem;
use std::ops::{AddAssign, SubAssign};

use super::gather::PartKind;
use crate::buf::{ByteBuf, ByteStr, ByteView, CompositeByteBuf};
#[cfg(unix)]
use crate::io::file::mapped;
use crate::io::file::region::FileRegion;

/// Bytes in memory, or a range of a file, to be sent.
///
/// [`WriteQueue::push`](crate::WriteQueue::push) takes any type that converts into a payload.
/// [`WriteQueue::take_unsent`](crate::WriteQueue::take_unsent) returns payloads.
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
    /// Bytes in several blocks of memory.
    Composite(CompositeByteBuf),
    /// A range of a file.
    File(FileRegion),
}

impl Payload {
    /// Returns the length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Composite(bytes) => bytes.len() as u64,
            Self::File(region) => region.len(),
        }
    }

    /// Returns whether the length is 0.
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

/// Conversions through a view. None of them copies bytes.
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
    /// Bytes that other handles may share.
    View(ByteView),
    /// A view that is small beside its block, so that the whole block counts as pinned.
    Pinning(ByteView),
    /// Small parts and contents of files, copied one after the other into a block that the queue allocated.
    Block(ByteView),
    /// A range of a file.
    File(FileRegion),
}

#[cfg(target_pointer_width = "64")]
static_assertions::assert_eq_size!(Part, [u64; 4]);

/// Blocks up to this size never count as pinned, because the weight of the part suffices: a part weighs at least
/// 65, so the default watermarks allow at most 1009 parts.
const SMALL_BLOCK: usize = 512;

/// Returns whether a view uses less than half of its block. If the block [counts](counts_its_block), its part is
/// [`Part::Pinning`].
#[inline(always)]
pub(super) fn uses_less_than_half(view: &ByteView) -> bool {
    view.pinned() / 2 > view.len()
}

/// Returns whether the block of a view that uses little of it counts as pinned.
pub(super) fn counts_its_block(view: &ByteView) -> bool {
    view.pinned() > SMALL_BLOCK && !is_mapped_file(view)
}

/// Returns whether the bytes are pages of a mapped file, which are not memory of the process.
#[cfg(unix)]
fn is_mapped_file(view: &ByteView) -> bool {
    view.block().is_some_and(|block| block.owner::<mapped::Shared>().is_some())
}

/// Returns false: there are no mapped files here.
#[cfg(not(unix))]
fn is_mapped_file(_: &ByteView) -> bool {
    false
}

/// The descriptors and pinned blocks that parts hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held {
    /// The number of parts that hold a descriptor open.
    pub(super) files: usize,
    /// The total size of the pinned blocks.
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

    /// Returns the bytes, if they are in memory.
    pub(super) fn bytes(&self) -> Option<&[u8]> {
        self.memory().map(|bytes| &bytes[..])
    }

    /// Returns the view of the bytes, if they are in memory.
    pub(super) fn memory(&self) -> Option<&ByteView> {
        match self {
            Self::View(bytes) | Self::Pinning(bytes) | Self::Block(bytes) => Some(bytes),
            Self::File(_) => None,
        }
    }

    /// Returns how the part is to be sent.
    #[inline(always)]
    pub(super) fn kind(&self) -> PartKind {
        match self {
            Self::View(bytes) | Self::Pinning(bytes) | Self::Block(bytes) => {
                PartKind::Copied(bytes.len())
            }
            Self::File(region) if region.must_copy() => PartKind::Read(region.len()),
            Self::File(region) => PartKind::File(region.len()),
        }
    }

    /// Returns the view, if the part is one.
    pub(super) fn view(&self) -> Option<&ByteView> {
        match self {
            Self::View(view) | Self::Pinning(view) => Some(view),
            Self::Block(_) | Self::File(_) => None,
        }
    }

    /// Makes a view pin its block if the view is small beside it.
    pub(super) fn pin(&mut self) {
        if let Self::View(view) = self
            && uses_less_than_half(view)
            && counts_its_block(view)
        {
            *self = Self::Pinning(mem::take(view));
        }
    }

    /// Makes a view no longer pin its block, because a later part of the same block pins it.
    pub(super) fn unpin(&mut self) {
        if let Self::Pinning(view) = self {
            *self = Self::View(mem::take(view));
        }
    }

    /// Returns the descriptor or pinned block that the part holds.
    #[inline(always)]
    pub(super) fn held(&self) -> Held {
        match self {
            Self::View(_) | Self::Block(_) => Held::NOTHING,
            Self::Pinning(view) => Held { files: 0, pinned: view.pinned() as u64 },
            Self::File(_) => Held { files: 1, pinned: 0 },
        }
    }

    /// Takes the block out to append to it, if the part is a block with at least `spare` bytes of spare capacity.
    /// The part is then empty until it is replaced.
    pub(super) fn reopen(&mut self, spare: usize) -> Option<ByteBuf> {
        let Self::Block(bytes) = self else { return None };
        match mem::take(bytes).try_into_mut() {
            Ok(block) if block.capacity() - block.len() >= spare => return Some(block),
            Ok(block) => *bytes = block.freeze(),
            Err(shared) => *bytes = shared,
        }
        None
    }

    /// Removes the first `at` bytes and returns them; `at` is less than the length.
    #[cfg(all(target_os = "linux", feature = "io-uring"))]
    pub(super) fn split_to(&mut self, at: u64) -> Self {
        match self {
            // The cast is lossless: the length fits a `usize`.
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

    /// Drops the bytes of a block behind the first `len`, which were copied there.
    pub(super) fn truncate_block(&mut self, len: u64) {
        let Self::Block(bytes) = self else { unreachable!("only a block is appended to") };
        // The cast is lossless: the length fits a `usize`.
        bytes.truncate(len as usize);
    }

    /// Drops the first `n` bytes; `n` is less than the length.
    pub(super) fn advance(&mut self, n: u64) {
        match self {
            // The cast is lossless: the length fits a `usize`.
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
    /// Returns an empty part, the placeholder of a part that is being changed.
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
