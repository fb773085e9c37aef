//! Slabs: spans cut into blocks of one class, with a run of headers for them.
//!
//! Rules:
//!
//! * **S1** A block of a slab is free (its bit in `free` is set), out (in a magazine, the depot or a handle), or
//!   reserved for a [`PagePurge`] (its slot is in `purging`).
//! * **S2** The headers (E1) exist as long as the slab. A slab ends only when all its blocks are free: then no
//!   [`HeaderRef`] to one of its headers exists (H1).
//! * **S3** A header is written once, before its block is first taken: the slots below `fresh` have a header.
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

/// The maximum number of blocks in a slab.
const MAX_BLOCKS: usize = UNIT / size_class::MIN;
const WORDS: usize = MAX_BLOCKS / 64;

/// Returns the number of units in a slab of a class: the smallest of which blocks fill at least seven eighths. Small
/// slabs, so that one block in use keeps little memory.
pub(crate) fn units_of(class: u8) -> u32 {
    let size = size_class::size_of_class(class);
    let least = size.div_ceil(UNIT);
    let units = (least..).find(|units| units * UNIT % size <= units * UNIT / 8);
    units.expect("as many units as a block has bytes leave nothing over") as u32
}

/// A set of slots of a slab: one word if that has enough bits, otherwise a box of words.
enum Bits {
    One([u64; 1]),
    Many(Box<[u64; WORDS]>),
}

impl Bits {
    /// Returns a set for `blocks` slots, which has all or none of them. Returns `None` if there is no memory for it.
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

/// A span, cut into blocks of one class.
pub(crate) struct Slab {
    span: Span,
    headers: Run,
    size: usize,
    blocks: u32,
    /// Slots from this one on were never taken (S3).
    fresh: u32,
    free: Bits,
    free_count: u32,
    /// The free blocks that are not resident: the system has their pages, or they were never touched.
    clean: Bits,
    /// The values for new headers.
    origin: Origin,
    /// The slots reserved for a purge (S1); empty if there is none.
    purging: Range<u32>,
}

// SAFETY: a slab owns its span and headers, plain memory that any thread may use; `origin.home` is only copied.
unsafe impl Send for Slab {}

/// Pages of a slab that have only free blocks, to be returned to the system while no lock is held.
pub(crate) struct PagePurge {
    base: NonNull<u8>,
    len: usize,
    /// The page at which the next search of this slab begins.
    pub(crate) next_page: usize,
}

impl PagePurge {
    /// Discards the pages. Returns whether the system accepted it. The caller holds no lock.
    pub(crate) fn run(&self) -> bool {
        // SAFETY: whole pages of a mapping; all blocks that overlap them are reserved for this purge (S1), and the
        // slab owns its span (U1).
        unsafe { memory::discard(self.base, self.len) }
    }
}

/// Returns the number of blocks in a slab of a class.
pub(crate) fn blocks_of(class: u8) -> u32 {
    (units_of(class) as usize * UNIT / size_class::size_of_class(class)) as u32
}

impl Slab {
    /// Cuts a span into blocks of `origin.class`, with a header for each. Returns the span and the headers if there is
    /// no memory for the slab's sets.
    pub(crate) fn new(span: Span, headers: Run, origin: Origin) -> Result<Self, (Span, Run)> {
        let size = size_class::size_of_class(origin.class);
        let blocks = headers.len();
        assert!(blocks as usize * size <= span.len(), "a span holds its blocks");
        let bits = (Bits::try_new(blocks, true), Bits::try_new(blocks, span.clean));
        let (Some(free), Some(clean)) = bits else { return Err((span, headers)) };
        let (fresh, free_count, purging) = (0, blocks, 0..0);
        Ok(Self { span, headers, size, blocks, fresh, free, free_count, clean, origin, purging })
    }

    /// Sets the slab's index for new headers. Call this before the first block is taken.
    pub(crate) fn set_index(&mut self, index: u32) {
        debug_assert_eq!(self.fresh, 0);
        self.origin.slab = index;
    }

    /// Returns the size of the span in bytes.
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

    /// Returns the sum of the last requested lengths of the blocks that are out.
    pub(crate) fn requested(&self) -> usize {
        let is_out = |slot: u32| !self.free.has(slot) && !self.purging.contains(&slot);
        let slots = (0..self.fresh).filter(|&slot| is_out(slot));
        // SAFETY: slots below `fresh` have a header (S3), which exists as long as the slab (S2).
        slots.map(|slot| unsafe { self.header(slot).as_ref() }.slab_requested()).sum()
    }

    /// Returns the number of blocks that only cached references keep in use, and the sum of their requested lengths.
    /// `cached` has the addresses of headers in ascending order, and the number of cached references to each.
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
            // SAFETY: slots below `fresh` have a header (S3), which exists as long as the slab (S2).
            let header = unsafe { self.header(slot).as_ref() };
            if header.count.references() == references {
                sum = (sum.0 + 1, sum.1 + header.slab_requested());
            }
        }
        sum
    }

    /// Returns the bytes of free blocks that may be resident.
    pub(crate) fn dirty_free(&self) -> usize {
        let words = self.free.words().iter().zip(self.clean.words());
        let dirty = words.map(|(free, clean)| (free & !clean).count_ones());
        dirty.sum::<u32>() as usize * self.size
    }

    /// Takes the free block with the lowest address. Returns it, and whether it may be resident.
    pub(crate) fn take(&mut self) -> Option<(HeaderRef, bool)> {
        let slot = self.free.first()?;
        self.free.remove(slot);
        self.free_count -= 1;
        let dirty = !self.clean.has(slot);
        self.clean.remove(slot);
        while self.fresh <= slot {
            // A purge may have reserved lower slots, so several slots may have no header yet.
            let data = self.at(self.fresh as usize * self.size);
            let place = self.header(self.fresh);
            // SAFETY: the place is inside the run, and no reference to it exists (S3).
            unsafe { place.write(Header::new(place, data, self.origin)) };
            self.fresh += 1;
        }
        // SAFETY: the header is written, and exists until all blocks are free (S2); its kind is `Slab` (H7).
        Some((unsafe { HeaderRef::new(self.header(slot)) }, dirty))
    }

    /// Frees a block that `take` returned.
    pub(crate) fn put(&mut self, block: HeaderRef) {
        let offset = block.as_ptr().addr().get() - self.headers.base.addr().get();
        let slot = (offset / size_of::<Header>()) as u32;
        debug_assert!(slot < self.fresh && !self.free.has(slot), "a block returns once (S1)");
        self.free.insert(slot);
        self.free_count += 1;
    }

    /// Reserves pages, from page `from` on, that have only free blocks, at least one of which may be resident. The
    /// caller can then return them to the system without a lock. Returns `None` if there are no more, or others are
    /// reserved.
    pub(crate) fn begin_purge(&mut self, from: usize) -> Option<PagePurge> {
        let pages = (self.blocks as usize * self.size).div_ceil(PAGE);
        let mut page = from;
        while page < pages && self.purging.is_empty() {
            let run = (page..pages).take_while(|&page| self.is_idle(page)).count();
            if run > 0 && self.dirty_in(page, run) > 0 {
                self.reserve(self.blocks_in(page, run));
                let (base, len) = (self.at(page * PAGE), run * PAGE);
                return Some(PagePurge { base, len, next_page: page + run });
            }
            page += run + 1;
        }
        None
    }

    /// Frees the blocks that were reserved for a purge. Returns the bytes of those that have ceased to be resident.
    pub(crate) fn end_purge(&mut self, purge: &PagePurge, discarded: bool) -> usize {
        let slots = core::mem::replace(&mut self.purging, 0..0);
        self.free_count += slots.len() as u32;
        let start = purge.base.addr().get() - self.span.base.addr().get();
        let mut purged = 0;
        for slot in slots {
            self.free.insert(slot);
            let first = slot as usize * self.size;
            let inside = first >= start && first + self.size <= start + purge.len;
            if discarded && inside && !self.clean.has(slot) {
                self.clean.insert(slot);
                purged += self.size;
            }
        }
        purged
    }

    fn reserve(&mut self, slots: Range<u32>) {
        for slot in slots.clone() {
            self.free.remove(slot);
        }
        self.free_count -= slots.len() as u32;
        self.purging = slots;
    }

    /// Returns the slots of the blocks that overlap a run of pages.
    fn blocks_in(&self, page: usize, run: usize) -> Range<u32> {
        let last = (((page + run) * PAGE - 1) / self.size) as u32;
        (page * PAGE / self.size) as u32..(last + 1).min(self.blocks)
    }

    /// Returns the number of blocks that lie within a run of pages and may be resident.
    fn dirty_in(&self, page: usize, run: usize) -> usize {
        let range = page * PAGE..(page + run) * PAGE;
        let inside = |slot: u32| {
            let start = slot as usize * self.size;
            start >= range.start && start + self.size <= range.end
        };
        self.blocks_in(page, run).filter(|&slot| inside(slot) && !self.clean.has(slot)).count()
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

    /// Ends an unused slab and returns its parts for reuse: no reference to one of its headers exists (S2).
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
