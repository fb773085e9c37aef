//! A small generator of random numbers: a seed gives the same numbers on every machine.

/// A counter whose values are hashed. Good enough to choose faults.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = u128::from(self.0) * 0xD134_2543_DE82_EF95_u128;
        mixed ^= mixed >> 64;
        let mixed = mixed as u64;
        (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 8
    }

    /// Returns a number below `end`, which must not be 0.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}
