//! The flags of a block: the permitted uses of its memory, and the work to do before it is free.
//!
//! All accesses are `Relaxed`: the block's count orders them. The exclusive owner of a block has synchronised with
//! all former holders (C3), and only the exclusive owner acts on a flag that can change.

use crate::sync::{AtomicU8, Ordering::Relaxed};

/// The block must not be written: its memory belongs to an adopted value that gives only read access.
pub(crate) const READ_ONLY: u8 = 1;

/// Threads may cache references to the block.
pub(crate) const REF_CACHED: u8 = 2;

/// The requested bytes of the block are overwritten with zeros before it is free.
pub(crate) const ZEROED: u8 = 4;

/// The kernel may be sending from the block's pages, and no completion will arrive.
const IN_FLIGHT: u8 = 8;

/// The block has an extension for this allocation.
const EXTENDED: u8 = 16;

/// The block does not come from a slab.
pub(super) const NO_SLAB: u8 = 32;

/// References to the block are cached in few slots, because the block is large.
pub(crate) const FEW_SLOTS: u8 = 64;

/// The flags of one block.
pub(crate) struct Flags(AtomicU8);

impl Flags {
    pub(super) fn new(flags: u8) -> Self {
        Self(AtomicU8::new(flags))
    }

    /// Returns whether the block comes from a slab and is free without further work.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        self.get() & (ZEROED | IN_FLIGHT | EXTENDED | NO_SLAB) == 0
    }

    /// Returns whether the exclusive owner may write.
    #[inline]
    pub(crate) fn is_writable(&self) -> bool {
        self.get() & READ_ONLY == 0
    }

    /// Returns whether the block's bytes need work before the block is free: it [is zeroed](Self::is_zeroed)
    /// or [in flight](Self::is_in_flight).
    #[inline]
    pub(crate) fn is_special(&self) -> bool {
        self.get() & (ZEROED | IN_FLIGHT) != 0
    }

    /// Returns whether the block is overwritten with zeros before it is free.
    #[inline]
    pub(crate) fn is_zeroed(&self) -> bool {
        self.get() & ZEROED != 0
    }

    /// Returns whether the kernel may still be sending from the block's pages (H4).
    #[inline]
    pub(crate) fn is_in_flight(&self) -> bool {
        self.get() & IN_FLIGHT != 0
    }

    /// Returns whether the block has an extension for this allocation.
    #[inline]
    pub(crate) fn is_extended(&self) -> bool {
        self.get() & EXTENDED != 0
    }

    /// Returns whether threads may cache references to the block. They may not if it has an extension: a waiter
    /// for its bytes, or a search for leaks, must not depend on an idle thread.
    #[inline]
    pub(crate) fn is_ref_cached(&self) -> bool {
        self.get() & (REF_CACHED | EXTENDED) == REF_CACHED
    }

    /// Records that the kernel may be sending from the block's pages for an unknown time (H4). Any holder of a
    /// reference may call this.
    #[cfg(unix)]
    pub(crate) fn set_in_flight(&self) {
        self.0.fetch_or(IN_FLIGHT, Relaxed);
    }

    /// Records that the block's pages were replaced. Only the exclusive owner may call this (H4).
    pub(crate) fn clear_in_flight(&self) {
        self.0.fetch_and(!IN_FLIGHT, Relaxed);
    }

    /// Sets whether the block has an extension. Only the exclusive owner may call this.
    pub(super) fn set_extended(&self, extended: bool) {
        // A load and a store suffice: no other thread holds a reference, so none sets a flag (H4).
        let others = self.get() & !EXTENDED;
        self.0.store(if extended { others | EXTENDED } else { others }, Relaxed);
    }

    #[inline]
    fn get(&self) -> u8 {
        self.0.load(Relaxed)
    }
}
