//! Slabs: spans cut into blocks of one class, with their headers beside them.
//!
//! Rules:
//!
//! * **S1** A block of a slab is free (its bit is set) or out: in a magazine, the depot or a handle.
//! * **S2** The headers (E1) live as long as the slab, and a slab is dropped only when all its blocks are free:
//!   nobody holds a [`HeaderRef`] of it then (H1).
//! * **S3** A header is written once, when its block is first taken: slots below `fresh` have one.
#![allow(
    unsafe_code,
    reason = "writes the headers of its blocks by raw pointer, and discards free pages"
)]

use crate::memory::header::{Header, HeaderRef, Origin};
use crate::pool::pages::bits::run_of;
use crate::pool::pages::chunk::{Span, UNIT};
use crate::pool::pages::headers::Run;
use crate::pool::pages::size_class;
use crate::sys::memory::PAGE;
use core::ptr::NonNull;

/// The most blocks in a slab.
const MAX_BLOCKS: usize = UNIT / size_class::MIN;
const WORDS: usize = MAX_BLOCKS / 64;

/// How many units a slab of a class takes: the fewest of which blocks fill seven eighths, so that one
/// survivor keeps little.
pub(crate) fn units_of(class: u16) -> u32 {
    let size = size_class::size_of_class(class);
    let least = size.div_ceil(UNIT);
    let units = (least..).find(|units| units * UNIT % size <= units * UNIT / 8);
    units.expect("as many units as a block has bytes leave nothing over") as u32
}

/// A set of block numbers: a word, or more where a slab has more blocks than that has bits.
enum Bits {
    One([u64; 1]),
    Many(Box<[u64; WORDS]>),
}

impl Bits {
    /// A set for `blocks` blocks, all or none of which are in it. `None` without memory for it.
    fn try_new(blocks: u32, all: bool) -> Option<Self> {
        let full = if all { blocks } else { 0 };
        let word = |start: u32| if start < full { run_of((full - start).min(64)) } else { 0 };
        if blocks <= u64::BITS {
            return Some(Self::One([word(0)]));
        }
        let mut words = Vec::new();
        words.try_reserve_exact(WORDS).ok()?;
        words.extend((0..MAX_BLOCKS as u32).step_by(64).map(word));
        Some(Self::Many(words.into_boxed_slice().try_into().ok()?))
    }

    fn words(&self) -> &[u64] {
        match self {
            Self::One(words) => words,
            Self::Many(words) => &words[..],
        }
    }

    fn words_mut(&mut self) -> &mut [u64] {
        match self {
            Self::One(words) => words,
            Self::Many(words) => &mut words[..],
        }
    }

    fn has(&self, bit: u32) -> bool {
        self.words()[bit as usize / 64] >> (bit % 64) & 1 == 1
    }

    fn insert(&mut self, bit: u32) {
        self.words_mut()[bit as usize / 64] |= 1 << (bit % 64);
    }

    fn remove(&mut self, bit: u32) {
        self.words_mut()[bit as usize / 64] &= !(1 << (bit % 64));
    }

    fn first(&self) -> Option<u32> {
        let words = self.words();
        let word = words.iter().position(|&word| word != 0)?;
        Some(word as u32 * 64 + words[word].trailing_zeros())
    }
}

/// One span of blocks of one class.
pub(crate) struct Slab {
    span: Span,
    headers: Run,
    size: usize,
    blocks: u32,
    /// Slots from here on were never taken (S3).
    fresh: u32,
    free: Bits,
    free_count: u32,
    /// Free blocks whose pages were given back to the system, or never touched.
    cold: Bits,
    /// What new headers get.
    origin: Origin,
}

// SAFETY: a slab owns its span and headers, plain memory that is not bound to a thread; `origin.home` is
// only copied.
unsafe impl Send for Slab {}

/// How many blocks a slab of a class has.
pub(crate) fn blocks_of(class: u16) -> u32 {
    (units_of(class) as usize * UNIT / size_class::size_of_class(class)) as u32
}

impl Slab {
    /// Cuts a span up into blocks of `origin.class`, with a header for each. Gives both back without memory
    /// for the slab itself.
    pub(crate) fn new(span: Span, headers: Run, origin: Origin) -> Result<Self, (Span, Run)> {
        let size = size_class::size_of_class(origin.class);
        let blocks = headers.len();
        assert!(blocks as usize * size <= span.len(), "a span holds its blocks");
        match (Bits::try_new(blocks, true), Bits::try_new(blocks, span.clean)) {
            (Some(free), Some(cold)) => {
                let free_count = blocks;
                Ok(Self { span, headers, size, blocks, fresh: 0, free, free_count, cold, origin })
            }
            _ => Err((span, headers)),
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.free_count == 0
    }

    pub(crate) fn is_unused(&self) -> bool {
        self.free_count == self.blocks
    }

    pub(crate) fn free(&self) -> usize {
        self.free_count as usize
    }

    pub(crate) fn used(&self) -> usize {
        (self.blocks - self.free_count) as usize
    }

    /// Bytes of free blocks that may be resident.
    pub(crate) fn warm_free(&self) -> usize {
        let words = self.free.words().iter().zip(self.cold.words());
        let warm = words.map(|(free, cold)| (free & !cold).count_ones());
        warm.sum::<u32>() as usize * self.size
    }

    /// Takes the free block with the lowest address, and says whether it may be resident.
    pub(crate) fn take(&mut self) -> Option<(HeaderRef, bool)> {
        let slot = self.free.first()?;
        self.free.remove(slot);
        self.free_count -= 1;
        let warm = !self.cold.has(slot);
        self.cold.remove(slot);
        // Slots are first taken in order, so this is the only one without a header (S3).
        if slot == self.fresh {
            self.fresh += 1;
            let data = self.at(slot as usize * self.size);
            let header = Header::new(data, self.size, Origin { slot, ..self.origin });
            // SAFETY: the slot is inside the run, and nobody has a reference to it (S3).
            unsafe { self.header(slot).write(header) };
        }
        // SAFETY: the header is written, and lives until all blocks are back (S2).
        Some((unsafe { HeaderRef::new(self.header(slot)) }, warm))
    }

    /// Takes a block back that `take` gave.
    pub(crate) fn put(&mut self, slot: u32) {
        debug_assert!(slot < self.fresh && !self.free.has(slot), "a block comes home once (S1)");
        self.free.insert(slot);
        self.free_count += 1;
    }

    /// Gives the pages that hold nothing but free blocks back to the system. Returns the bytes of free
    /// blocks that are not resident any more.
    pub(crate) fn shed(&mut self) -> usize {
        let pages = (self.blocks as usize * self.size).div_ceil(PAGE);
        let mut shed = 0;
        let mut page = 0;
        while page < pages {
            let run = (page..pages).take_while(|&page| self.is_idle(page)).count();
            if run > 0 {
                shed += self.purge_pages(page, run);
            }
            page += run + 1;
        }
        shed
    }

    /// The blocks that reach into a page, or a run of them.
    fn blocks_in(&self, page: usize, run: usize) -> core::ops::RangeInclusive<u32> {
        let last = (((page + run) * PAGE - 1) / self.size) as u32;
        (page * PAGE / self.size) as u32..=last.min(self.blocks - 1)
    }

    fn is_idle(&self, page: usize) -> bool {
        self.blocks_in(page, 1).all(|slot| self.free.has(slot))
    }

    fn purge_pages(&mut self, page: usize, run: usize) -> usize {
        let range = page * PAGE..(page + run) * PAGE;
        let inside = |slot: u32| {
            let start = slot as usize * self.size;
            start >= range.start && start + self.size <= range.end
        };
        let warm: Vec<u32> =
            self.blocks_in(page, run).filter(|&s| inside(s) && !self.cold.has(s)).collect();
        if warm.is_empty() {
            return 0;
        }
        // SAFETY: all blocks that reach into these pages are free, and the slab owns its span (U1, S1).
        if !unsafe { crate::sys::memory::discard(self.at(range.start), range.len()) } {
            return 0;
        }
        for &slot in &warm {
            self.cold.insert(slot);
        }
        warm.len() * self.size
    }

    fn at(&self, offset: usize) -> NonNull<u8> {
        assert!(offset <= self.span.len());
        // SAFETY: inside the span, which is one range of a mapping.
        unsafe { self.span.base.add(offset) }
    }

    fn header(&self, slot: u32) -> NonNull<Header> {
        assert!(slot < self.blocks);
        // SAFETY: within the run, as just checked (E1).
        unsafe { self.headers.base.add(slot as usize) }
    }

    /// Ends an unused slab: what it was made of can be put back, as nobody has a reference to a header.
    pub(crate) fn into_parts(self) -> (Span, Run) {
        assert!(self.is_unused(), "a slab with blocks out can't end (S2)");
        (self.span, self.headers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slab_of_any_class_fits_a_chunk_and_wastes_little() {
        for class in 0..size_class::COUNT as u16 {
            let (size, bytes) = (size_class::size_of_class(class), units_of(class) as usize * UNIT);
            assert!(bytes <= size_class::MAX && bytes >= size, "{size} in {bytes}");
            assert!(bytes % size <= bytes / 8, "{size} in {bytes}");
            assert!(
                bytes / size <= MAX_BLOCKS && MAX_BLOCKS <= crate::pool::pages::headers::MAX_RUN
            );
        }
    }
}
