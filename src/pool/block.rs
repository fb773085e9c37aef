//! [`Block`]: an owned reference to a block of memory. The handles are built on it.
#![allow(unsafe_code, reason = "takes an owned value out of its block")]

use crate::memory::count::Remaining;
use crate::memory::header::{HeaderRef, Kind};
use crate::memory::ref_cache::Released;
use crate::memory::{hooks, owned};
use crate::pool::block_ext::{self, BlockExt};
use crate::pool::error::{AllocError, AllocErrorKind};
use crate::pool::pages::size_class;
use crate::pool::shared::central::Central;
use crate::pool::thread::local;
#[cfg(unix)]
use crate::sys::memory;
use core::ptr::NonNull;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

/// One reference to a block. Cloning acquires another. Dropping releases it, and frees the block if it was the last.
///
/// # Cost
///
/// Cloning and dropping need no atomic read-modify-write while the thread caches references to the block, and one
/// otherwise.
pub(crate) struct Block(HeaderRef);

// A panic leaves no partial change in a block: handles change only the count, which is atomic, and an exclusive owner
// writes the other fields.
impl UnwindSafe for Block {}
impl RefUnwindSafe for Block {}

impl Block {
    /// Returns a block of at least `size` bytes, if this thread's cache has one of that class.
    #[inline(always)]
    pub(crate) fn try_cached(central: &Arc<Central>, size: usize) -> Option<Self> {
        local::take(central, size).map(Self::of_slab)
    }

    /// As [`try_cached`](Self::try_cached), from any part of the pool.
    pub(crate) fn allocate(central: &Arc<Central>, size: usize) -> Result<Self, AllocError> {
        if let Some(block) = Self::try_cached(central, size) {
            return Ok(block);
        }
        if size > size_class::MAX {
            return Self::allocate_large(central, size);
        }
        let block =
            local::take_slowly(central, size).inspect(|block| block.set_slab_requested(size));
        Self::finish(central, block.map(Self::of_slab), size)
    }

    /// Emits events for memory that the allocation has mapped. If a subscriber panics, dropping `block` frees the
    /// block.
    #[cold]
    fn finish(
        central: &Arc<Central>,
        block: Result<Self, AllocError>,
        size: usize,
    ) -> Result<Self, AllocError> {
        central.emit_events();
        block.map_err(|error| AllocError { requested: size, ..error })
    }

    /// Returns the first reference to a slab's block whose requested length is set.
    #[inline(always)]
    fn of_slab(block: HeaderRef) -> Self {
        hooks::on_take(block, size_class::size_of_class(block.class));
        Self(block)
    }

    #[cold]
    fn allocate_large(central: &Arc<Central>, size: usize) -> Result<Self, AllocError> {
        let take = || central.take_large(size);
        let block = take().or_else(|error| match error.kind {
            AllocErrorKind::TooLarge => Err(error),
            _ => {
                // Frees the blocks that only this thread's cached references keep in use.
                local::flush_references();
                take()
            }
        });
        let block = block.map(|block| {
            block.set_requested(size);
            hooks::on_take(block, block.long_capacity().unwrap_or(size));
            Self(block)
        });
        Self::finish(central, block, size)
    }

    /// Returns the first reference to a block that was just adopted.
    pub(crate) fn adopted(block: HeaderRef) -> Self {
        Self(block)
    }

    /// Returns the address of the first byte of the block. Only the exclusive owner of a range may write to it, and
    /// only if the block [is writable](Self::is_writable).
    #[inline]
    pub(crate) fn data(&self) -> NonNull<u8> {
        self.0.data()
    }

    /// Returns the size of the block in bytes.
    #[inline]
    pub(crate) fn capacity(&self) -> usize {
        self.0.long_capacity().unwrap_or_else(|| size_class::size_of_class(self.0.class))
    }

    /// Returns the number of bytes that handles may use: the requested length.
    #[inline]
    pub(crate) fn requested(&self) -> usize {
        self.0.requested()
    }

    /// Returns whether the memory belongs to an adopted value.
    #[inline]
    pub(crate) fn is_adopted(&self) -> bool {
        self.0.kind == Kind::Owned
    }

    /// Returns whether the memory may be written.
    #[inline]
    pub(crate) fn is_writable(&self) -> bool {
        self.0.flags.is_writable()
    }

    /// Returns whether no other handle of the block exists, and the kernel is not sending from it. May return `false`
    /// while another thread caches references to it.
    #[inline]
    pub(crate) fn is_unique(&self) -> bool {
        local::is_unique(self.0) && !self.0.flags.is_in_flight()
    }

    /// As [`is_unique`](Self::is_unique), for a caller that will write: on `true` the caller owns the block
    /// exclusively.
    #[inline]
    pub(crate) fn claim(&mut self) -> bool {
        // In this order: only the exclusive owner is certain to see the flag (H4).
        local::claim(self.0) && !self.0.flags.is_in_flight()
    }

    /// Returns whether the block's pages can be replaced, as [`put_in_flight`](Self::put_in_flight) requires: the
    /// memory belongs to the pool, and no other block shares the pages.
    #[cfg(unix)]
    pub(crate) fn has_pages_of_its_own(&self) -> bool {
        let (start, len) = (self.0.data().addr().get(), self.capacity());
        self.0.kind != Kind::Owned && memory::are_whole_pages(start, len)
    }

    /// Records that the kernel may be sending from the block's pages for an unknown time, and that no completion will
    /// arrive. These pages are not written any more: releasing the last handle replaces them.
    #[cfg(unix)]
    pub(crate) fn put_in_flight(&self) {
        debug_assert!(self.has_pages_of_its_own());
        self.0.flags.set_in_flight();
    }

    /// Returns whether both are references to one block.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.0 == other.0
    }

    /// Returns the value that owns the memory, if it was adopted as a `T`.
    pub(crate) fn owner<T: 'static>(&self) -> Option<&T> {
        owned::value(&self.0)
    }

    /// Takes out the value that owns the memory, if it was adopted as a `T` and no other handle exists.
    pub(crate) fn into_owner<T: 'static>(mut self) -> Result<T, Self> {
        if self.owner::<T>().is_none() || !self.claim() {
            return Err(self);
        }
        let block = core::mem::ManuallyDrop::new(self);
        // SAFETY: `claim` has found this handle to be the only one, and it is consumed here.
        let value = unsafe { owned::take(block.0) };
        value.ok_or_else(|| core::mem::ManuallyDrop::into_inner(block))
    }

    pub(super) fn header(&self) -> HeaderRef {
        self.0
    }

    /// Attaches an extension to a block that was just allocated. Returns it if there is no memory for it.
    pub(super) fn attach(&self, ext: BlockExt) -> Result<(), BlockExt> {
        block_ext::attach(self.0, ext)
    }
}

impl Clone for Block {
    #[inline]
    fn clone(&self) -> Self {
        local::acquire(self.0);
        Self(self.0)
    }
}

impl Drop for Block {
    #[inline]
    fn drop(&mut self) {
        let block = self.0;
        match local::release(block) {
            Released::Sole if block.flags.is_plain() => {
                hooks::on_release(block, size_class::size_of_class(block.class));
                local::put(block);
            }
            Released::Cached => {}
            Released::Sole | Released::Last => local::free(block),
            Released::NoSlot => release_slowly(block),
        }
    }
}

#[cold]
fn release_slowly(block: HeaderRef) {
    if local::release_slowly(block) == Remaining::None {
        local::free(block);
    }
}
