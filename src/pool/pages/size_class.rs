//! The arithmetic of size classes.
//!
//! From [`MIN`] to 128 bytes a class is 16 bytes larger than the one before; above that each doubling has eight equal
//! steps. Above 128 bytes a block is at most 12.5 % larger than the requested length, 6 % on average. Blocks whose size
//! is a multiple of the page size start on page boundaries: among them all powers of two from one page on, and all
//! classes from 32 KiB on.

/// The size of the smallest block, in bytes.
pub(crate) const MIN: usize = 64;

/// The size of the largest block of a slab, in bytes. Larger blocks have a mapping each.
pub(crate) const MAX: usize = 1 << 20;

/// The number of classes.
pub(crate) const COUNT: usize = class_of(MAX) as usize + 1;

const LINEAR: usize = 128;
const FIRST_STEP: usize = (LINEAR - MIN) / 16 + 1;

/// Returns the smallest class whose blocks hold `size` bytes, at most [`MAX`].
#[inline]
pub(crate) const fn class_of(size: usize) -> u8 {
    debug_assert!(size <= MAX);
    if size <= LINEAR {
        return (size.saturating_sub(MIN).div_ceil(16)) as u8;
    }
    let last = size - 1;
    let doubling = last.ilog2() as usize;
    let step = last >> (doubling - 3);
    (FIRST_STEP + (doubling - 7) * 8 + (step - 8)) as u8
}

/// The classes of all sizes up to 4 KiB, in steps of 16 bytes.
static SMALL: [u8; 257] = {
    let mut classes = [0; 257];
    let mut step = 0;
    while step < classes.len() {
        classes[step] = class_of(step * 16);
        step += 1;
    }
    classes
};

/// As [`class_of`], in fewer instructions for sizes up to 4 KiB, which are allocated most often. Returns `None` for zero
/// bytes and for more than [`MAX`], of which no slab has blocks.
#[inline(always)]
pub(crate) fn look_up(size: usize) -> Option<u8> {
    // For zero the subtraction wraps.
    if size.wrapping_sub(1) >= MAX {
        return None;
    }
    match SMALL.get(size.wrapping_add(15) / 16) {
        Some(&class) => Some(class),
        None => Some(class_of(size)),
    }
}

/// Returns the size of a class's blocks, in bytes.
pub(crate) const fn size_of_class(class: u8) -> usize {
    let class = class as usize;
    if class < FIRST_STEP {
        return MIN + class * 16;
    }
    let (doubling, step) = ((class - FIRST_STEP) / 8 + 7, (class - FIRST_STEP) % 8 + 8);
    (step + 1) << (doubling - 3)
}

/// Returns the size that is mapped for a block above [`MAX`]; `None` if it exceeds every address space. Each doubling
/// has eight steps here too, so that a cached block often fits the next request.
pub(crate) fn large_size(size: usize) -> Option<usize> {
    debug_assert!(size > MAX);
    let step = 1_usize << (size - 1).ilog2().saturating_sub(3);
    size.checked_next_multiple_of(step).filter(|&size| size <= isize::MAX as usize)
}

/// Returns the size of the block for `size` bytes; `None` if it exceeds every address space.
pub(crate) fn block_size(size: usize) -> Option<usize> {
    if size <= MAX { Some(size_of_class(class_of(size))) } else { large_size(size) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The distance of the tested sizes: all are tested, except under Miri.
    const STEP: usize = if cfg!(miri) { 997 } else { 1 };

    #[test]
    fn every_size_fits_its_class_and_no_smaller_one() {
        for size in (1..=MAX).step_by(STEP) {
            let class = class_of(size);
            let fits = size_of_class(class);
            assert!(fits >= size, "{size} in {fits}");
            assert_eq!(look_up(size), Some(class));
            assert!(class == 0 || size_of_class(class - 1) < size, "{size} wastes in {fits}");
        }
        assert!([0, MAX + 1, usize::MAX].iter().all(|&size| look_up(size).is_none()));
    }

    #[test]
    fn waste_is_bounded() {
        for size in (65..=MAX).step_by(STEP) {
            let waste = size_of_class(class_of(size)) - size;
            let bound = if size <= 128 { size / 4 } else { size / 8 };
            assert!(waste <= bound, "{size} wastes {waste}");
        }
        for size in [MAX + 1, 3 << 20, (1 << 30) + 5] {
            let fits = large_size(size).unwrap();
            assert!(fits >= size && fits - size <= size / 8);
        }
    }

    #[test]
    fn classes_grow_and_whole_pages_stay_whole() {
        for class in 1..COUNT as u8 {
            assert!(size_of_class(class) > size_of_class(class - 1));
            assert_eq!(class_of(size_of_class(class)), class);
        }
        assert_eq!(size_of_class(COUNT as u8 - 1), MAX);
        for class in class_of(32 * 1024)..COUNT as u8 {
            assert_eq!(size_of_class(class) % 4096, 0);
        }
    }

    #[test]
    fn absurd_sizes_are_refused() {
        assert_eq!(large_size(usize::MAX), None);
        assert_eq!(large_size(isize::MAX as usize + 1), None);
        assert!(large_size(isize::MAX as usize / 2 + 1).is_some());
    }
}
