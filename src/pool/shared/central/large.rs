//! Large blocks: each has a mapping of its own; recently freed ones are cached for later requests.
//!
//! Rules:
//!
//! * **G1** A large block's header is the first field of a leaked box. The thread that owns the block exclusively
//!   frees the box, in `end_large`.
//! * **G2** A large block that is out holds one reference to its pool, which `release` takes over.
#![allow(unsafe_code, reason = "boxes behind raw header pointers")]

use crate::memory::flags::ZEROED;
use crate::memory::header::{HeaderRef, Kind, LongHeader, Origin};
use crate::memory::hooks;
use crate::memory::try_box::try_box;
use crate::pool::error::{AllocError, AllocErrorKind};
use crate::pool::pages::size_class;
use crate::pool::shared::central::Central;
use crate::pool::shared::stores::large_cache::capacity;
use crate::sync::{Ordering::Relaxed, lock};
use crate::sys::memory::Mapping;
use core::mem::MaybeUninit;
use core::ptr::NonNull;
use std::sync::Arc;

#[repr(C)]
struct Large {
    header: LongHeader,
    mapping: Mapping,
}

impl Central {
    /// Takes a block of more than `size_class::MAX` bytes from the cache, or maps one.
    pub(crate) fn take_large(self: &Arc<Self>, size: usize) -> Result<HeaderRef, AllocError> {
        let kind = AllocErrorKind::TooLarge;
        let too_large = || AllocError { kind, requested: size, ..self.refuse(size) };
        let len = size_class::large_size(size).ok_or_else(too_large)?;
        let mut cache = lock(&self.large);
        let block = match cache.take(len) {
            Some(block) => {
                self.cached.fetch_sub(len, Relaxed);
                self.idle.remove(len);
                block
            }
            None => {
                drop(cache);
                let block = self.map_large(len, size)?;
                cache = lock(&self.large);
                block
            }
        };
        cache.pinned += len;
        cache.requested += size;
        cache.live_blocks += 1;
        drop(cache);
        self.retired.allocations.fetch_add(1, Relaxed);
        // The block's own reference (G2).
        let _ = Arc::into_raw(Arc::clone(self));
        Ok(block)
    }

    fn map_large(self: &Arc<Self>, len: usize, requested: usize) -> Result<HeaderRef, AllocError> {
        self.charge(len, requested).or_else(|error| {
            if self.reclaim_for(len) { self.charge(len, requested) } else { Err(error) }
        })?;
        self.bound_resident(usize::MAX);
        let refuse = |error| {
            self.uncharge(len);
            error
        };
        let Some(place) = try_box(MaybeUninit::<Large>::uninit()) else {
            return Err(refuse(self.refuse(requested)));
        };
        let mapping = match self.map(len, requested) {
            Err(_) if self.idle() > 0 => {
                self.purge(usize::MAX);
                self.map(len, requested).map_err(refuse)?
            }
            mapping => mapping.map_err(refuse)?,
        };
        let home = Arc::as_ptr(self).cast();
        let flags = if self.config.zero_on_release { ZEROED } else { 0 };
        let origin = Origin { home, kind: Kind::Large, flags, ..Origin::NOWHERE };
        let header = LongHeader::new(NonNull::from(&*place).cast(), mapping.base(), len, origin);
        let block = NonNull::from(Box::leak(Box::write(place, Large { header, mapping })));
        // SAFETY: the first field of a leaked box (G1), a long header (H7).
        Ok(unsafe { HeaderRef::new(block.cast()) })
    }

    fn put_large(self: &Arc<Self>, block: HeaderRef) {
        let size = capacity(block);
        self.idle.add(size);
        let mut cache = lock(&self.large);
        cache.pinned -= size;
        cache.requested -= block.requested();
        cache.live_blocks -= 1;
        let keep = !self.is_closed() && !block.flags.is_in_flight() && cache.put(block);
        if keep {
            self.cached.fetch_add(size, Relaxed);
        }
        drop(cache);
        if !keep {
            self.idle.remove(size);
            self.end_large(block);
        } else if self.is_closed_by_now() {
            self.purge_large(usize::MAX);
        }
        self.watch_if_needed();
    }

    fn end_large(&self, block: HeaderRef) {
        let size = capacity(block);
        hooks::on_retire(block.data(), size);
        let large = block.as_ptr().cast::<Large>();
        // SAFETY: G1: a leaked box, to which no other reference exists.
        drop(unsafe { Box::from_raw(large.as_ptr()) });
        self.unmapped(size);
        self.uncharge(size);
    }

    /// Unmaps cached blocks, the oldest first, until `bytes` are unmapped or none is left. Returns the number of
    /// bytes unmapped.
    pub(super) fn purge_large(&self, bytes: usize) -> usize {
        let mut purged = 0;
        while purged < bytes {
            let oldest = lock(&self.large).take_oldest();
            let Some(block) = oldest else { break };
            let size = capacity(block);
            self.cached.fetch_sub(size, Relaxed);
            purged += size;
            self.idle.remove(size);
            self.end_large(block);
        }
        purged
    }
}

/// Returns a block to its pool.
///
/// # Safety
///
/// `take_large` returned the block, and the caller owns it exclusively.
pub(crate) unsafe fn release(block: HeaderRef) {
    // SAFETY: G2: the reference that `take_large` stored for the block.
    let pool = unsafe { Arc::from_raw(block.home().cast::<Central>()) };
    // Not if the kernel may be sending the bytes (H4): then the block is unmapped, and the kernel keeps the pages.
    if pool.config.zero_on_release && !block.flags.is_in_flight() {
        // SAFETY: the caller owns the block exclusively (H3).
        unsafe { block.data().write_bytes(0, block.requested()) };
    }
    hooks::on_release(block, capacity(block));
    pool.put_large(block);
}
