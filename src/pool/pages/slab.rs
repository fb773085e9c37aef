//! Slabs: spans cut into blocks of one class, with their headers beside them.
//!
//! Rules:
//!
//! * **S1** A block of a slab is free (its bit is set), out (in a magazine, the depot or a handle), or reserved for
//!   a [`PagePurge`], which the slab notes.
//! * **S2** The headers (E1) live as long as the slab, and a slab ends only when all its blocks are free: then no
//!   [`HeaderRef`] of it exists (H1).
//! * **S3** A header is written once, when its block is first taken: slots below `fresh` have one.
#![allow(
    unsafe_code,
    reason = "writes the headers of its blocks by raw pointer, and discards free pages"
)]

use crate::memory::header::{Header, HeaderRef, Origin};
use crate::memory::try_box::try_box;
use crate::pool::pages::bits::run_of;
use crate::pool::pages::chunk::{Span, UNIT};
use crate::pool::pages::headers::Run;
use crate::pool::pages::size_class;
use crate::sys::memory::{self, PAGE};
use core::ops::Range;
use core::ptr::NonNull;

/// The most blocks in a slab.
const MAX_BLOCKS: usize = UNIT / size_class::MIN;
const WORDS: usize = MAX_BLOCKS / 64;

/// Returns the units of a slab of a class: the fewest of which blocks fill seven eighths, so that one survivor
/// keeps little.
pub(crate) fn units_of(class: u8) -> u32 {
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
    /// Returns a set for `blocks` blocks, all or none of which are in it. `None` without memory for it.
    fn try_new(blocks: u32, all: bool) -> Option<Self> {
        let full = if all { blocks } else { 0 };
        let word = |start: u32| if start < full { run_of((full - start).min(64)) } else { 0 };
        if blocks <= u64::BITS {
            return Some(Self::One([word(0)]));
        }
        Some(Self::Many(try_box(core::array::from_fn(|i| word(i as u32 * 64)))?))
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
    /// Blocks whose pages were given back to the system, or never touched.
    cold: Bits,
    /// What new headers get.
    origin: Origin,
    /// The slots reserved for a purge (S1); empty if there is none.
    purging: Range<u32>,
}

// SAFETY: a slab owns its span and headers, plain memory that is not bound to a thread; `origin.home` is
// only copied.
unsafe impl Send for Slab {}

/// Pages of a slab without blocks in use, given back to the system while no lock is held.
pub(crate) struct PagePurge {
    base: NonNull<u8>,
    len: usize,
    /// The page at which the next search of this slab begins.
    pub(crate) next_page: usize,
}

impl PagePurge {
    /// Gives the pages back. Returns whether the system took them. Call this without a lock.
    pub(crate) fn run(&self) -> bool {
        // SAFETY: whole pages of a mapping; all blocks that reach into them are reserved for this (S1), and the
        // slab owns its span (U1).
        unsafe { memory::discard(self.base, self.len) }
    }
}

/// Returns the number of blocks that a slab of a class has.
pub(crate) fn blocks_of(class: u8) -> u32 {
    (units_of(class) as usize * UNIT / size_class::size_of_class(class)) as u32
}

impl Slab {
    /// Cuts a span up into blocks of `origin.class`, with a header for each. Gives both back without memory for the
    /// slab itself.
    pub(crate) fn new(span: Span, headers: Run, origin: Origin) -> Result<Self, (Span, Run)> {
        let size = size_class::size_of_class(origin.class);
        let blocks = headers.len();
        assert!(blocks as usize * size <= span.len(), "a span holds its blocks");
        let bits = (Bits::try_new(blocks, true), Bits::try_new(blocks, span.clean));
        let (Some(free), Some(cold)) = bits else { return Err((span, headers)) };
        let (fresh, free_count, purging) = (0, blocks, 0..0);
        Ok(Self { span, headers, size, blocks, fresh, free, free_count, cold, origin, purging })
    }

    /// Sets the index that new headers get, before the first block is taken.
    pub(crate) fn set_index(&mut self, index: u32) {
        debug_assert_eq!(self.fresh, 0);
        self.origin.slab = index;
    }

    /// Returns the bytes of its span.
    pub(crate) fn span_len(&self) -> usize {
        self.span.len()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.free_count == 0
    }

    pub(crate) fn is_unused(&self) -> bool {
        self.free_count == self.blocks
    }

    pub(crate) fn blocks(&self) -> usize {
        self.blocks as usize
    }

    /// Returns the sum of the requested lengths of the blocks in use.
    pub(crate) fn requested(&self) -> usize {
        let is_out = |slot: u32| !self.free.has(slot) && !self.purging.contains(&slot);
        let slots = (0..self.fresh).filter(|&slot| is_out(slot));
        // SAFETY: slots below `fresh` have a header (S3), which lives as long as the slab (S2).
        slots.map(|slot| unsafe { self.header(slot).as_ref() }.slab_requested()).sum()
    }

    /// Returns the number of blocks that only cached references keep, and the sum of their requested lengths.
    /// `cached` has the addresses of headers, in order, and the number of cached references to each.
    pub(crate) fn only_cached(&self, cached: &[(usize, u32)]) -> (usize, usize) {
        let (start, size) = (self.headers.base.addr().get(), size_of::<Header>());
        let end = start + self.fresh as usize * size;
        let place_of = |end| cached.partition_point(|&(address, _)| address < end);
        let mut sum = (0, 0);
        for &(address, references) in &cached[place_of(start)..place_of(end)] {
            let slot = ((address - start) / size) as u32;
            if self.free.has(slot) {
                continue;
            }
            // SAFETY: slots below `fresh` have a header (S3), which lives as long as the slab (S2).
            let header = unsafe { self.header(slot).as_ref() };
            if header.count.references() == references {
                sum = (sum.0 + 1, sum.1 + header.slab_requested());
            }
        }
        sum
    }

    /// Returns the bytes of free blocks that may be resident.
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
        while self.fresh <= slot {
            // A purge may have reserved slots before this one, so that more than one has no header yet.
            let data = self.at(self.fresh as usize * self.size);
            let place = self.header(self.fresh);
            // SAFETY: the slot is inside the run, and no reference to it exists (S3).
            unsafe { place.write(Header::new(place, data, self.origin)) };
            self.fresh += 1;
        }
        // SAFETY: the header is written, and lives until all blocks are back (S2); its kind is `Slab` (H7).
        Some((unsafe { HeaderRef::new(self.header(slot)) }, warm))
    }

    /// Takes a block back that `take` gave.
    pub(crate) fn put(&mut self, block: HeaderRef) {
        let offset = block.as_ptr().addr().get() - self.headers.base.addr().get();
        let slot = (offset / size_of::<Header>()) as u32;
        debug_assert!(slot < self.fresh && !self.free.has(slot), "a block returns once (S1)");
        self.free.insert(slot);
        self.free_count += 1;
    }

    /// Reserves pages that hold nothing but free blocks, some of which may be resident, from a page on, so that the
    /// caller can give them back to the system without a lock. `None` if there are no more, or others are reserved.
    pub(crate) fn begin_purge(&mut self, from: usize) -> Option<PagePurge> {
        let pages = (self.blocks as usize * self.size).div_ceil(PAGE);
        let mut page = from;
        while page < pages && self.purging.is_empty() {
            let run = (page..pages).take_while(|&page| self.is_idle(page)).count();
            if run > 0 && self.warm_in(page, run) > 0 {
                self.reserve(self.blocks_in(page, run));
                let (base, len) = (self.at(page * PAGE), run * PAGE);
                return Some(PagePurge { base, len, next_page: page + run });
            }
            page += run + 1;
        }
        None
    }

    /// Frees the blocks that were reserved for a purge. Returns the bytes of those that are not resident any more.
    pub(crate) fn end_purge(&mut self, purge: &PagePurge, discarded: bool) -> usize {
        let slots = core::mem::replace(&mut self.purging, 0..0);
        self.free_count += slots.len() as u32;
        let start = purge.base.addr().get() - self.span.base.addr().get();
        let mut cooled = 0;
        for slot in slots {
            self.free.insert(slot);
            let first = slot as usize * self.size;
            let inside = first >= start && first + self.size <= start + purge.len;
            if discarded && inside && !self.cold.has(slot) {
                self.cold.insert(slot);
                cooled += self.size;
            }
        }
        cooled
    }

    fn reserve(&mut self, slots: Range<u32>) {
        for slot in slots.clone() {
            self.free.remove(slot);
        }
        self.free_count -= slots.len() as u32;
        self.purging = slots;
    }

    /// Returns the slots of the blocks that reach into a run of pages.
    fn blocks_in(&self, page: usize, run: usize) -> Range<u32> {
        let last = (((page + run) * PAGE - 1) / self.size) as u32;
        (page * PAGE / self.size) as u32..(last + 1).min(self.blocks)
    }

    /// Returns the number of blocks that lie in a run of pages and may be resident.
    fn warm_in(&self, page: usize, run: usize) -> usize {
        let range = page * PAGE..(page + run) * PAGE;
        let inside = |slot: u32| {
            let start = slot as usize * self.size;
            start >= range.start && start + self.size <= range.end
        };
        self.blocks_in(page, run).filter(|&slot| inside(slot) && !self.cold.has(slot)).count()
    }

    fn is_idle(&self, page: usize) -> bool {
        self.blocks_in(page, 1).all(|slot| self.free.has(slot))
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

    /// Ends an unused slab: no reference to one of its headers exists, so its parts can be used again.
    pub(crate) fn into_parts(self) -> (Span, Run) {
        assert!(self.is_unused(), "a slab with blocks out can't end (S2)");
        (self.span, self.headers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::pages::chunk::MAX_SPAN;
    use crate::pool::pages::headers::MAX_RUN;

    #[test]
    fn a_slab_of_any_class_fits_a_chunk_and_wastes_little() {
        for class in 0..size_class::COUNT as u8 {
            let (size, bytes) = (size_class::size_of_class(class), units_of(class) as usize * UNIT);
            assert!(bytes <= size_class::MAX && bytes >= size, "{size} in {bytes}");
            assert!(bytes % size <= bytes / 8, "{size} in {bytes}");
            assert!(bytes / size <= MAX_BLOCKS && MAX_BLOCKS <= MAX_RUN);
            assert!(units_of(class) <= MAX_SPAN);
        }
    }
}
