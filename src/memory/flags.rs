//! The flags of a block: what may be done with it, and what is to be done before it goes home.
//!
//! What a flag says is ordered by the block's count, not here: all is `Relaxed`. The sole owner of a block
//! has synchronised with all that its former holders did (C3), and nobody else acts on a flag that changes.

use crate::sync::{AtomicU8, Ordering::Relaxed};

/// The block must not be written to: it belongs to an owner that only showed it.
pub(crate) const READ_ONLY: u8 = 1;

/// Credits of the block may lie in banks.
pub(crate) const BANKED: u8 = 2;

/// The block is overwritten with zeros before it goes home.
pub(crate) const ZEROED: u8 = 4;

/// The kernel may be sending from the block's pages, and nobody will be told when it is done.
const IN_FLIGHT: u8 = 8;

/// Something is noted for this owner of the block.
const NOTED: u8 = 16;

/// The block is none of a slab's.
pub(super) const NO_SLAB: u8 = 32;

/// The flags of one block.
pub(crate) struct Flags(AtomicU8);

impl Flags {
    pub(super) fn new(flags: u8) -> Self {
        Self(AtomicU8::new(flags))
    }

    /// Whether the block goes home to a slab, with nothing to be done about it.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        self.get() & (ZEROED | IN_FLIGHT | NOTED | NO_SLAB) == 0
    }

    /// Whether a sole owner may write.
    #[inline]
    pub(crate) fn is_writable(&self) -> bool {
        self.get() & READ_ONLY == 0
    }

    /// Whether something is to be done to the block's bytes before it goes home: it
    /// [is to be zeroed](Self::is_zeroed) or [is in flight](Self::is_in_flight).
    #[inline]
    pub(crate) fn is_special(&self) -> bool {
        self.get() & (ZEROED | IN_FLIGHT) != 0
    }

    /// Whether the block is to be zeroed before it goes home.
    #[inline]
    pub(crate) fn is_zeroed(&self) -> bool {
        self.get() & ZEROED != 0
    }

    /// Whether the kernel may still be sending from the block's pages (H4).
    #[inline]
    pub(crate) fn is_in_flight(&self) -> bool {
        self.get() & IN_FLIGHT != 0
    }

    /// Whether credits may lie in banks. Not those of a block that is charged or tracked: who waits for
    /// its bytes, or looks for leaks, is not to wait for an idle thread's bank.
    #[inline]
    pub(crate) fn is_banked(&self) -> bool {
        self.get() & (BANKED | NOTED) == BANKED
    }

    /// Notes that the kernel may be sending from the block's pages for as long as it likes (H4). For anybody
    /// who holds a credit.
    #[cfg(unix)]
    pub(crate) fn set_in_flight(&self) {
        self.0.fetch_or(IN_FLIGHT, Relaxed);
    }

    /// Notes that the block has other pages now. Only for the sole owner (H4).
    pub(crate) fn clear_in_flight(&self) {
        self.0.fetch_and(!IN_FLIGHT, Relaxed);
    }

    /// Notes whether something is noted for this owner. Only for the sole owner.
    pub(super) fn set_noted(&self, noted: bool) {
        // A load and a store: nobody else has a credit, so nobody sets a flag meanwhile (H4).
        let others = self.get() & !NOTED;
        self.0.store(if noted { others | NOTED } else { others }, Relaxed);
    }

    #[inline]
    fn get(&self) -> u8 {
        self.0.load(Relaxed)
    }
}
