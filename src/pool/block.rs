//! [`Block`]: one reference of a block of memory, as a value. What handles are made of.
#![allow(unsafe_code, reason = "ends blocks that nobody holds any more")]

use crate::memory::count::Remaining;
use crate::memory::header::{HeaderRef, Kind};
use crate::memory::ref_cache::Released;
use crate::memory::{hooks, owned};
use crate::pool::block_ext::{self, BlockExt};
use crate::pool::error::{AllocError, AllocErrorKind};
use crate::pool::pages::size_class;
use crate::pool::shared::central::Central;
use crate::pool::shared::large;
use crate::pool::thread::local;
use crate::sys::memory;
use core::ptr::NonNull;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

/// One reference of a block. Cloning takes another; dropping gives it up, and sends the block home if it was
/// the last.
///
/// Cost of both: no atomic read-modify-write while the thread's bank knows the block, one otherwise.
pub(crate) struct Block(HeaderRef);

// A panic leaves nothing half-changed in a block: what of the header changes is the count, which is
// atomic, and what a sole owner writes.
impl UnwindSafe for Block {}
impl RefUnwindSafe for Block {}

impl Block {
    /// Memory of at least `size` bytes that nobody else holds, if this thread has a block of that class
    /// at hand.
    #[inline(always)]
    pub(crate) fn try_cached(central: &Arc<Central>, size: usize) -> Option<Self> {
        // No slab has blocks of no bytes, or of so many; with zero, this wraps.
        if size.wrapping_sub(1) >= size_class::MAX {
            return None;
        }
        let block = local::take(central, size_class::look_up(size), size)?;
        Some(Self::for_request(block, size))
    }

    /// As [`try_cached`](Self::try_cached), wherever it must come from.
    pub(crate) fn allocate(central: &Arc<Central>, size: usize) -> Result<Self, AllocError> {
        if let Some(block) = Self::try_cached(central, size) {
            return Ok(block);
        }
        if size > size_class::MAX {
            return Self::allocate_large(central, size);
        }
        let block = local::take_slowly(central, size_class::class_of(size), size);
        Self::emit_and_wrap(central, block, size)
    }

    /// Tells what an allocation has mapped. Who listens may panic: the block is somebody's by then.
    #[cold]
    fn emit_and_wrap(
        central: &Arc<Central>,
        block: Result<HeaderRef, AllocError>,
        size: usize,
    ) -> Result<Self, AllocError> {
        let block = block.map(|block| Self::for_request(block, size));
        central.emit_events();
        block.map_err(|error| AllocError { requested: size, ..error })
    }

    #[inline(always)]
    fn for_request(block: HeaderRef, size: usize) -> Self {
        block.set_requested(size);
        hooks::on_take(block);
        Self(block)
    }

    #[cold]
    fn allocate_large(central: &Arc<Central>, size: usize) -> Result<Self, AllocError> {
        let take = || central.take_large(size);
        let block = take().or_else(|error| match error.kind {
            AllocErrorKind::TooLarge => Err(error),
            _ => {
                // What this thread keeps makes room.
                local::flush(central);
                take()
            }
        });
        Self::emit_and_wrap(central, block, size)
    }

    /// The reference that comes with a block that was just adopted.
    pub(crate) fn adopted(block: HeaderRef) -> Self {
        Self(block)
    }

    /// The first byte of the block. It may be written through only by a sole owner of a part of it, and
    /// if [`is_writable`](Self::is_writable).
    #[inline]
    pub(crate) fn data(&self) -> NonNull<u8> {
        self.0.data()
    }

    /// The size of the block in bytes.
    #[inline]
    pub(crate) fn capacity(&self) -> usize {
        self.0.capacity()
    }

    /// How many bytes of it handles may use: what was asked for.
    #[inline]
    pub(crate) fn requested(&self) -> usize {
        self.0.requested()
    }

    /// Whether the memory belongs to an adopted value.
    #[inline]
    pub(crate) fn is_adopted(&self) -> bool {
        self.0.kind == Kind::Owned
    }

    /// Whether the memory may be written at all.
    #[inline]
    pub(crate) fn is_writable(&self) -> bool {
        self.0.flags.is_writable()
    }

    /// Whether no other handle of the block exists, and the kernel is not sending from it. May say no while
    /// another thread's bank has references.
    #[inline]
    pub(crate) fn is_unique(&self) -> bool {
        local::is_unique(self.0) && !self.0.flags.is_in_flight()
    }

    /// As [`is_unique`](Self::is_unique), for a caller who will write: after a yes the block is his.
    #[inline]
    pub(crate) fn claim(&mut self) -> bool {
        // In this order: only who is alone is sure to see the flag (H4).
        local::claim(self.0) && !self.0.flags.is_in_flight()
    }

    /// Whether the block's pages can be replaced by others, so that [`put_in_flight`](Self::put_in_flight)
    /// may be called: it is the pool's, and nobody else's bytes are on them.
    #[cfg(unix)]
    pub(crate) fn has_pages_of_its_own(&self) -> bool {
        let (start, len) = (self.0.data().addr().get(), self.0.capacity());
        self.0.kind != Kind::Owned && memory::are_whole_pages(start, len)
    }

    /// Notes that the kernel may be sending from the block's pages, for as long as it likes and without
    /// telling when it is done. Nobody will write to these pages: the last handle replaces them.
    #[cfg(unix)]
    pub(crate) fn put_in_flight(&self) {
        debug_assert!(self.has_pages_of_its_own());
        self.0.flags.set_in_flight();
    }

    /// Whether both are references of one block.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.0 == other.0
    }

    /// The value whose memory this is, if it was adopted as a `T`.
    pub(crate) fn owner<T: 'static>(&self) -> Option<&T> {
        owned::value(&self.0)
    }

    /// Takes the value out whose memory this is, if it was adopted as a `T` and nobody else holds the
    /// block.
    pub(crate) fn into_owner<T: 'static>(mut self) -> Result<T, Self> {
        if self.owner::<T>().is_none() || !self.claim() {
            return Err(self);
        }
        let block = core::mem::ManuallyDrop::new(self);
        // SAFETY: alone, and this handle is consumed.
        let value = unsafe { owned::take(block.0) };
        value.ok_or_else(|| core::mem::ManuallyDrop::into_inner(block))
    }

    pub(super) fn header(&self) -> HeaderRef {
        self.0
    }

    /// Attaches an extension to a block that was just allocated.
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
                hooks::on_release(block);
                local::put(block);
            }
            Released::Cached => {}
            Released::Sole | Released::Last => send_home(block),
            Released::NoSlot => release_slowly(block),
        }
    }
}

#[cold]
fn release_slowly(block: HeaderRef) {
    if local::release_slowly(block) == Remaining::None {
        send_home(block);
    }
}

/// Sends a block home that the caller owns alone.
#[cold]
pub(crate) fn send_home(block: HeaderRef) {
    send_home_by(block, local::put);
}

/// As [`send_home`], with another way for blocks of slabs.
pub(crate) fn send_home_by(block: HeaderRef, put: impl FnOnce(HeaderRef)) {
    block.count.reset_if_needed();
    if !block.ext().is_null() {
        return send_extended(block);
    }
    match block.kind {
        Kind::Slab => {
            if block.flags.is_special() && !prepare(block) {
                return;
            }
            hooks::on_release(block);
            put(block);
        }
        // SAFETY: the caller owns the block alone.
        Kind::Large => unsafe { large::release(block) },
        // SAFETY: the caller owns the block alone.
        Kind::Owned => unsafe { owned::release(block) },
    }
}

/// Returns a block that has an extension to the pool, and ends its charge when the block is there.
#[cold]
fn send_extended(block: HeaderRef) {
    let _ended_last = block_ext::take(block);
    send_home_by(block, local::put);
}

/// Does to a slab's block, which the caller owns alone, what its flags ask for. Says whether it can go
/// home: not if the kernel may be sending from its pages and they can't be replaced, which takes a process
/// that locks all its memory. Then it stays out for ever.
#[cold]
fn prepare(block: HeaderRef) -> bool {
    if block.flags.is_in_flight() {
        // Fresh pages are zero (V2). The old ones are the kernel's alone now.
        // SAFETY: whole pages of a mapping of the pool's, as `has_pages_of_its_own` has found, and the
        // caller owns the block alone.
        let replaced = unsafe { memory::discard(block.data(), block.capacity()) };
        if replaced {
            block.flags.clear_in_flight();
        }
        return replaced;
    }
    if block.flags.is_zeroed() {
        // SAFETY: the caller owns the block alone, so its bytes are its to write (H3).
        unsafe { block.data().write_bytes(0, block.requested()) };
    }
    true
}
