//! Sets of small numbers, and runs of set bits, in words of 64 bits.

/// Returns a word whose lowest `len` bits are set; `len` is at least 1.
pub(crate) fn run_of(len: u32) -> u64 {
    u64::MAX >> (u64::BITS - len)
}

/// Returns the lowest position where `len` consecutive bits are set.
pub(crate) fn find_run(bits: u64, len: u32) -> Option<u32> {
    let mut starts = bits;
    let mut covered = 1;
    while covered < len && starts != 0 {
        let step = covered.min(len - covered);
        starts &= starts >> step;
        covered += step;
    }
    (starts != 0).then(|| starts.trailing_zeros())
}

/// Returns the length of the longest run of set bits, or `most` if that is less.
pub(crate) fn longest_run(bits: u64, most: u32) -> u32 {
    let (mut starts, mut len) = (bits, 0);
    while starts != 0 && len < most {
        starts &= starts >> 1;
        len += 1;
    }
    len
}

/// A set of indexes that finds its lowest one.
#[derive(Default)]
pub(crate) struct IndexSet {
    words: Vec<u64>,
    /// No word below this one has a set bit.
    low: usize,
}

impl IndexSet {
    /// Reserves memory for indexes below `len`, so that `insert` does not fail.
    pub(crate) fn try_reserve(&mut self, len: usize) -> Option<()> {
        let words = len.div_ceil(64);
        self.words.try_reserve(words.saturating_sub(self.words.len())).ok()?;
        if words > self.words.len() {
            self.words.resize(words, 0);
        }
        Some(())
    }

    pub(crate) fn insert(&mut self, index: usize) {
        self.words[index / 64] |= 1 << (index % 64);
        self.low = self.low.min(index / 64);
    }

    pub(crate) fn remove(&mut self, index: usize) {
        self.words[index / 64] &= !(1 << (index % 64));
    }

    /// Returns the lowest index.
    ///
    /// # Cost
    ///
    /// O(empty words skipped). A later call does not skip them again, unless a lower index was inserted meanwhile.
    pub(crate) fn first(&mut self) -> Option<usize> {
        while let Some(&word) = self.words.get(self.low) {
            if word != 0 {
                return Some(self.low * 64 + word.trailing_zeros() as usize);
            }
            self.low += 1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_found_where_a_scan_finds_them() {
        let scan = |bits: u64, len: u32| {
            (0..=64 - len).find(|&at| bits >> at & run_of(len) == run_of(len))
        };
        let mut bits = 0x9e37_79b9_7f4a_7c15_u64;
        for _ in 0..if cfg!(miri) { 10 } else { 2_000 } {
            bits = bits.rotate_left(7).wrapping_mul(0x5851_f42d_4c95_7f2d) | bits >> 33;
            for len in 1..=20 {
                assert_eq!(find_run(bits, len), scan(bits, len), "{bits:b} {len}");
            }
            let longest = (1..=16).rev().find(|&len| scan(bits, len).is_some()).unwrap_or(0);
            assert_eq!(longest_run(bits, 16), longest, "{bits:b}");
        }
        assert_eq!(find_run(u64::MAX, 64), Some(0));
        assert_eq!(find_run(0, 1), None);
    }

    #[test]
    fn the_lowest_index_is_found_whatever_came_and_went() {
        let (mut set, mut model) = (IndexSet::default(), std::collections::BTreeSet::new());
        set.try_reserve(1000).unwrap();
        let mut x = 1_u64;
        for _ in 0..if cfg!(miri) { 100 } else { 5_000 } {
            x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let index = (x >> 33) as usize % 1000;
            if x >> 63 == 0 {
                set.insert(index);
                model.insert(index);
            } else {
                set.remove(index);
                model.remove(&index);
            }
            assert_eq!(set.first(), model.first().copied());
        }
    }
}
