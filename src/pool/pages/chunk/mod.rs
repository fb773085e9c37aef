//! Chunks: mapped ranges, cut into units. A slab is a span of units.
//!
//! Rules:
//!
//! * **U1** A unit is free or belongs to exactly one [`Span`]. The spans that `take` returns are disjoint.
//! * **U2** A free unit is *clean* (its pages read as zero and are not resident) or *dirty*. Only free units are
//!   discarded or unmapped, and only by the [`Purge`] to which they belong during that time.
//! * **U3** A chunk is in the list for the length of its longest run of free units, and in the list for that of its
//!   dirty units. A search takes the head of a list, so its cost does not depend on the number of chunks.
#![allow(unsafe_code, reason = "discards free units")]

#[cfg(test)]
mod tests;

use crate::memory::hooks;
use crate::pool::pages::bits::{find_run, longest_run, run_of};
use crate::pool::pages::headers::Headers;
use crate::pool::pages::lists::{Link, Lists};
use crate::pool::tuning::FIRST_CHUNK;
use crate::sys::memory::{self, Mapping};
use core::ptr::NonNull;

/// The size of a unit in bytes.
pub(crate) const UNIT: usize = 64 * 1024;

/// The maximum number of units in a chunk: a word has one bit for each.
pub(crate) const MAX_UNITS: usize = u64::BITS as usize;

/// The maximum number of units in a span.
pub(crate) const MAX_SPAN: u32 = 16;

/// Consecutive units of one chunk.
pub(crate) struct Span {
    chunk: u32,
    first: u32,
    units: u32,
    /// The address of the first byte.
    pub(crate) base: NonNull<u8>,
    /// Whether no page is resident.
    pub(crate) clean: bool,
}

// SAFETY: a span is a range of plain memory that it owns exclusively (U1).
unsafe impl Send for Span {}

impl Span {
    pub(crate) fn len(&self) -> usize {
        self.units as usize * UNIT
    }

    fn mask(&self) -> u64 {
        run_of(self.units) << self.first
    }
}

/// Free memory to be returned to the system while no lock is held (U2).
pub(crate) enum Purge {
    /// A chunk without units in use, and the number of its bytes that were dirty.
    Unmap { chunk: Mapping, dirty: usize },
    /// Dirty units.
    Discard(Span),
}

impl Purge {
    /// Releases the memory to the system. For a span, returns the span and whether the system accepted its pages: pass
    /// both to [`Chunks::end_purge`]. The caller holds no lock.
    pub(crate) fn run(self) -> Option<(Span, bool)> {
        match self {
            Self::Unmap { chunk, .. } => {
                drop(chunk);
                None
            }
            Self::Discard(span) => {
                // SAFETY: whole pages of a mapping, which belong to this span exclusively (U1).
                let discarded = unsafe { memory::discard(span.base, span.len()) };
                Some((span, discarded))
            }
        }
    }
}

struct Chunk {
    mapping: Mapping,
    units: u32,
    free: u64,
    dirty: u64,
    /// The chunk's positions in the lists (U3).
    by_free: Link,
    by_dirty: Link,
}

/// The index of the list of chunks without a unit in use, after the lists for each length of a run.
const WHOLE: usize = MAX_SPAN as usize + 1;

/// The memory of a pool's slabs and of their headers.
pub(crate) struct Chunks {
    /// The memory for the headers of blocks.
    pub(crate) headers: Headers,
    list: Vec<Option<Chunk>>,
    /// No index of `list` below this is vacant.
    first_vacant: usize,
    by_free: Lists<{ WHOLE + 1 }>,
    by_dirty: Lists<{ WHOLE + 1 }>,
    /// The maximum number of units in a chunk.
    max_units: u32,
    mapped: usize,
    /// The number of bytes of dirty units (U2).
    dirty: usize,
}

impl Chunks {
    pub(crate) const fn new(max_units: u32) -> Self {
        Self {
            headers: Headers::new(),
            list: Vec::new(),
            first_vacant: 0,
            by_free: Lists::EMPTY,
            by_dirty: Lists::EMPTY,
            max_units,
            mapped: 0,
            dirty: 0,
        }
    }

    /// Returns the size in bytes of the next chunk: the sum of all chunks, but at least the first chunk's size and at
    /// most the maximum. It has at least `units` units.
    pub(crate) fn next_chunk_size(&self, units: u32) -> usize {
        let largest = self.max_units as usize * UNIT;
        self.mapped.clamp(FIRST_CHUNK.min(largest), largest).max(units as usize * UNIT)
    }

    pub(crate) fn dirty(&self) -> usize {
        self.dirty
    }

    pub(crate) fn mapped(&self) -> usize {
        self.mapped
    }

    /// Puts a chunk into the lists for its units (U3).
    fn sort(&mut self, index: u32) {
        let Some(chunk) = self.list[index as usize].as_ref() else { return };
        let longest = |bits: u64| longest_run(bits, MAX_SPAN) as usize;
        let whole = chunk.free == run_of(chunk.units);
        let (free, dirty) = (if whole { WHOLE } else { longest(chunk.free) }, longest(chunk.dirty));
        self.by_free.move_to(&mut self.list, index, free, |chunk| &mut chunk.by_free);
        self.by_dirty.move_to(&mut self.list, index, dirty, |chunk| &mut chunk.by_dirty);
    }

    /// Returns consecutive free units, preferably dirty ones; `None` if the caller must add a chunk.
    pub(crate) fn take(&mut self, units: u32) -> Option<Span> {
        debug_assert!(units <= MAX_SPAN);
        let of_list = |list: &[Option<Chunk>], index: Option<u32>, bits: fn(&Chunk) -> u64| {
            let index = index?;
            Some((index, find_run(bits(list[index as usize].as_ref()?), units)?))
        };
        let dirty = self.by_dirty.first_from(units as usize);
        let (index, first) = of_list(&self.list, dirty, |chunk| chunk.dirty).or_else(|| {
            let free = self.by_free.first_from(units as usize);
            of_list(&self.list, free, |chunk| chunk.free)
        })?;
        Some(self.take_out(index, first, units))
    }

    fn take_out(&mut self, index: u32, first: u32, units: u32) -> Span {
        let chunk = self.list[index as usize].as_mut().expect("a chunk of a list");
        let mask = run_of(units) << first;
        let dirty = chunk.dirty & mask;
        chunk.free &= !mask;
        chunk.dirty &= !mask;
        self.dirty -= dirty.count_ones() as usize * UNIT;
        let base = chunk.mapping.at(first as usize * UNIT);
        self.sort(index);
        Span { chunk: index, first, units, base, clean: dirty == 0 }
    }

    /// Adds a mapping of at most [`next_chunk_size`](Self::next_chunk_size) bytes as a chunk. Returns it if there is no
    /// memory for the list.
    pub(crate) fn add(&mut self, mapping: Mapping) -> Result<(), Mapping> {
        let after =
            self.list[self.first_vacant..].iter().take_while(|place| place.is_some()).count();
        let place = self.first_vacant + after;
        if place == self.list.len() {
            if self.list.try_reserve(1).is_err() {
                return Err(mapping);
            }
            self.list.push(None);
        }
        self.first_vacant = place + 1;
        let units = (mapping.len() / UNIT) as u32;
        self.mapped += mapping.len();
        let (by_free, by_dirty) = (Link::OUT, Link::OUT);
        self.list[place] =
            Some(Chunk { mapping, units, free: run_of(units), dirty: 0, by_free, by_dirty });
        self.sort(place as u32);
        Ok(())
    }

    /// Frees a span. Its units are dirty.
    pub(crate) fn put(&mut self, span: Span) {
        hooks::on_retire(span.base, span.len());
        self.put_back(span, true);
    }

    fn put_back(&mut self, span: Span, dirty: bool) {
        let mask = span.mask();
        let chunk =
            self.list[span.chunk as usize].as_mut().expect("a chunk with a span in use stays");
        debug_assert_eq!(chunk.free & mask, 0, "a span is put back once (U1)");
        chunk.free |= mask;
        if dirty {
            chunk.dirty |= mask;
            self.dirty += span.len();
        }
        self.sort(span.chunk);
    }

    /// Takes free memory out, so that the caller can return it to the system without a lock: a chunk without units in
    /// use if there is one, otherwise dirty units of at most `bytes`, but at least one unit.
    pub(crate) fn begin_purge(&mut self, bytes: usize) -> Option<Purge> {
        if let Some(whole) = self.by_free.first(WHOLE) {
            self.by_free.move_to(&mut self.list, whole, 0, |chunk| &mut chunk.by_free);
            self.by_dirty.move_to(&mut self.list, whole, 0, |chunk| &mut chunk.by_dirty);
            let chunk = self.list[whole as usize].take()?;
            let dirty = chunk.dirty.count_ones() as usize * UNIT;
            self.dirty -= dirty;
            self.mapped -= chunk.mapping.len();
            while self.list.last().is_some_and(Option::is_none) {
                self.list.pop();
            }
            self.first_vacant = self.first_vacant.min(whole as usize).min(self.list.len());
            return Some(Purge::Unmap { chunk: chunk.mapping, dirty });
        }
        let index = (1..WHOLE).rev().find_map(|list| self.by_dirty.first(list))?;
        let dirty = self.list[index as usize].as_ref()?.dirty;
        let first = dirty.trailing_zeros();
        let units = (dirty >> first).trailing_ones().min((bytes / UNIT).max(1) as u32);
        Some(Purge::Discard(self.take_out(index, first, units)))
    }

    /// Frees a span after a purge. `discarded` is the result of [`Purge::run`].
    pub(crate) fn end_purge(&mut self, span: Span, discarded: bool) {
        self.put_back(span, !discarded);
    }
}
