//! Random numbers and recognisable bytes, for unit tests, `tests/`, `fuzz/` and the feature `testing`.
#![allow(dead_code, reason = "each test program uses its part")]

/// A small random number generator, which hashes a counter. A seed gives the same numbers on every machine.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = u128::from(self.0) * 0xD134_2543_DE82_EF95_u128;
        mixed ^= mixed >> 64;
        let mixed = mixed as u64;
        (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 8
    }

    /// Returns a number below `end`, which must not be 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// Returns bytes that do not compress and do not repeat.
    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(len + 7);
        while bytes.len() < len {
            bytes.extend_from_slice(&self.next().to_le_bytes()[..7]);
        }
        bytes.truncate(len);
        bytes
    }
}

/// Returns bytes that do not compress and do not repeat, the same ones for each `seed`.
pub(crate) fn noise(seed: u64, len: usize) -> Vec<u8> {
    Random::new(seed).bytes(len)
}

/// Returns `len` bytes that depend on the position and on `salt`. A comparison finds lost, repeated and foreign ranges,
/// also of a length that is a power of two. All bytes are below 0x80: tests mark memory with larger bytes.
pub(crate) fn pattern(len: usize, salt: u8) -> Vec<u8> {
    let byte = |i: usize| i.wrapping_mul(31) ^ (i >> 8) ^ (i >> 13) ^ (i >> 17);
    (0..len).map(|i| (byte(i) as u8 ^ salt) & 0x7F).collect()
}
