//! Large blocks: each its own mapping, the recent ones kept warm for the next.
//!
//! Rules:
//!
//! * **G1** A large block's header is the first field of a leaked box; it is freed by whoever finds it
//!   alone: `release` and `purge_large`.
//! * **G2** A large block that is out holds one reference to its pool, which `release` gives back.
#![allow(unsafe_code, reason = "boxes behind raw header pointers")]

use crate::memory::header::{Header, HeaderRef, Kind, Origin};
use crate::memory::hooks;
use crate::pool::error::{AllocError, AllocErrorKind};
use crate::pool::pages::size_class;
use crate::pool::shared::central::Central;
use crate::sync::lock;
use crate::sys::memory::Mapping;
use core::ptr::NonNull;
use std::sync::Arc;

/// The most warm blocks; the search goes through all of them.
const MAX_CACHED: usize = 16;

#[repr(C)]
struct Large {
    header: Header,
    mapping: Mapping,
}

/// LargeCache blocks, the most recent last, and the account of those that are out.
#[derive(Default)]
pub(crate) struct LargeCache {
    list: Vec<HeaderRef>,
    pinned: usize,
    asked: usize,
    live_blocks: usize,
}

impl LargeCache {
    pub(crate) fn bytes(&self) -> usize {
        self.list.iter().map(|block| block.capacity()).sum()
    }

    /// The full size of the blocks that are out.
    pub(crate) fn pinned(&self) -> usize {
        self.pinned
    }

    /// What was asked for of the blocks that are out.
    pub(crate) fn asked(&self) -> usize {
        self.asked
    }

    pub(crate) fn live_blocks(&self) -> usize {
        self.live_blocks
    }
}

impl Central {
    /// A block of more than `size_class::MAX` bytes.
    pub(crate) fn take_large(self: &Arc<Self>, size: usize) -> Result<HeaderRef, AllocError> {
        let kind = AllocErrorKind::TooLarge;
        let absurd = || AllocError { kind, requested: size, ..self.refuse(size) };
        let len = size_class::large_size(size).ok_or_else(absurd)?;
        let mut warm = lock(&self.large_cache);
        let fits = |block: &HeaderRef| block.capacity() == len;
        let block = match warm.list.iter().rposition(fits) {
            Some(place) => {
                let block = warm.list.remove(place);
                self.idle_less(block.capacity());
                block
            }
            None => {
                drop(warm);
                let block = self.map_large(len, size)?;
                warm = lock(&self.large_cache);
                block
            }
        };
        warm.pinned += block.capacity();
        warm.asked += size;
        warm.live_blocks += 1;
        drop(warm);
        self.large.count_shared_alloc(size);
        // The block's own reference (G2).
        let _ = Arc::into_raw(Arc::clone(self));
        Ok(block)
    }

    fn map_large(self: &Arc<Self>, len: usize, asked: usize) -> Result<HeaderRef, AllocError> {
        let mapping = match self.map(len, asked) {
            Err(_) if self.idle() > 0 => {
                self.shed(usize::MAX);
                self.map(len, asked)?
            }
            mapping => mapping?,
        };
        if self.config.huge_pages {
            mapping.advise_huge();
        }
        let home = Arc::as_ptr(self).cast();
        let origin = Origin { home, kind: Kind::Large, ..Origin::NOWHERE };
        let header = Header::new(mapping.base(), len, origin);
        let block = NonNull::from(Box::leak(Box::new(Large { header, mapping })));
        // SAFETY: the first field of a leaked box (G1).
        Ok(unsafe { HeaderRef::new(block.cast()) })
    }

    fn put_large(self: &Arc<Self>, block: HeaderRef) {
        self.large.count_shared_free(block.requested());
        let size = block.capacity();
        self.idle_more(size);
        let mut warm = lock(&self.large_cache);
        warm.pinned -= block.capacity();
        warm.asked -= block.requested();
        warm.live_blocks -= 1;
        let keep = warm.list.len() < MAX_CACHED && !self.is_closed() && !block.flags.is_in_flight();
        if !keep || warm.list.try_reserve(1).is_err() {
            drop(warm);
            self.idle_less(size);
            self.end_large(block);
            return;
        }
        warm.list.push(block);
        drop(warm);
        if self.is_closed_by_now() {
            self.shed(usize::MAX);
        }
    }

    fn end_large(&self, block: HeaderRef) {
        self.unmapped(block.capacity());
        hooks::on_retire(block.data(), block.capacity());
        let large = block.as_ptr().cast::<Large>();
        // SAFETY: G1: a leaked box, in nobody's hand but this one.
        drop(unsafe { Box::from_raw(large.as_ptr()) });
    }

    /// Unmaps warm blocks, the oldest first, until `bytes` are gone or none is left. Returns how many are gone.
    pub(in crate::pool) fn purge_large(&self, bytes: usize) -> usize {
        let mut shed = 0;
        while shed < bytes {
            let mut warm = lock(&self.large_cache);
            if warm.list.is_empty() {
                break;
            }
            let block = warm.list.remove(0);
            drop(warm);
            shed += block.capacity();
            self.idle_less(block.capacity());
            self.end_large(block);
        }
        shed
    }
}

/// Takes a block back.
///
/// # Safety
///
/// The block came from `take_large`, and the caller owns it alone.
pub(crate) unsafe fn release(block: HeaderRef) {
    // SAFETY: G2: the reference that `take_large` left with the block.
    let pool = unsafe { Arc::from_raw(block.home.cast::<Central>()) };
    // What the kernel may be sending from is left to it: the mapping ends, its pages live on there (H4).
    if pool.config.zero_on_release && !block.flags.is_in_flight() {
        // SAFETY: the caller owns the block alone (H3).
        unsafe { block.data().write_bytes(0, block.requested()) };
    }
    hooks::on_release(block);
    pool.put_large(block);
}
