//! The fields of a buffer that are seldom used. All are zero in a new buffer, so a few stores write them.

/// The maximum capacity.
#[derive(Clone, Copy)]
pub(super) struct MaxCapacity {
    /// The difference to `usize::MAX`.
    below: usize,
}

impl MaxCapacity {
    /// No maximum: `usize::MAX`.
    pub(super) const NONE: Self = Self::new(usize::MAX);

    pub(super) const fn new(max: usize) -> Self {
        Self { below: usize::MAX - max }
    }

    pub(super) const fn get(self) -> usize {
        usize::MAX - self.below
    }
}

/// Which handle owns the range from the start of the block to `base` (W1).
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub(super) enum Front {
    Own = 0,
    OfOthers,
}

/// The capacity that a buffer was made with, which its new blocks have too. So while parts that were split off are
/// held, each new block serves as many reads as the first one.
#[derive(Clone, Copy)]
pub(super) struct MadeWith {
    /// In units of [`UNIT`](Self::UNIT) bytes; zero for the requested length of the block.
    units: u16,
}

impl MadeWith {
    const UNIT: usize = 16;

    /// The limit of what is remembered: a held part should not pin more than this.
    const MAX: usize = 64 * 1024;

    /// The requested length of the block: the buffer still has its first block.
    pub(super) const BLOCK: Self = Self { units: 0 };

    pub(super) fn new(capacity: usize) -> Self {
        Self { units: capacity.min(Self::MAX).div_ceil(Self::UNIT) as u16 }
    }

    /// Returns the capacity, of at most 64 KiB, for a buffer whose block was requested with `requested` bytes; zero
    /// for one that never had memory.
    pub(super) fn capacity(self, requested: Option<usize>) -> usize {
        match (self.units, requested) {
            (0, Some(requested)) => requested.min(Self::MAX),
            (units, _) => usize::from(units) * Self::UNIT,
        }
    }
}
