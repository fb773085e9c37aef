//! Chunks: large mapped ranges, cut into units that slabs are made of.
//!
//! Rules:
//!
//! * **U1** A unit is free or belongs to exactly one [`Span`]; the spans that `take` gives are disjoint.
//! * **U2** A free unit is *clean* (its pages read as zero and are not resident) or *dirty*. Only free
//!   units are discarded or unmapped.
#![allow(unsafe_code, reason = "discards free units")]

use crate::memory::hooks;
use crate::pool::pages::bits::{find_run, run_of};
use crate::pool::pages::headers::Headers;
use crate::sys::memory::Mapping;
use core::ptr::NonNull;

/// The bytes of a unit.
pub(crate) const UNIT: usize = 64 * 1024;

/// The most units in a chunk: its free units are a word of bits.
pub(crate) const MAX_UNITS: usize = u64::BITS as usize;

/// Units that follow each other in one chunk.
pub(crate) struct Span {
    chunk: u32,
    first: u32,
    units: u32,
    /// The address of its first byte.
    pub(crate) base: NonNull<u8>,
    /// Whether none of its pages is resident.
    pub(crate) clean: bool,
}

// SAFETY: a span is a range of plain memory that it alone owns (U1).
unsafe impl Send for Span {}

impl Span {
    pub(crate) fn len(&self) -> usize {
        self.units as usize * UNIT
    }

    fn mask(&self) -> u64 {
        run_of(self.units) << self.first
    }
}

struct Chunk {
    mapping: Mapping,
    free: u64,
    dirty: u64,
    /// No run of free units is longer, nor one of dirty units: what a search found out, until more units
    /// are free.
    longest: u32,
    longest_dirty: u32,
}

impl Chunk {
    /// The first of so many free units in a row.
    fn find(&mut self, units: u32) -> Option<u32> {
        find_below(self.free, units, &mut self.longest)
    }

    /// As [`find`](Self::find), of units that are resident.
    fn find_dirty(&mut self, units: u32) -> Option<u32> {
        find_below(self.dirty, units, &mut self.longest_dirty)
    }
}

/// As [`find_run`], knowing that no run is longer than `longest`, and noting if it is shorter.
fn find_below(bits: u64, units: u32, longest: &mut u32) -> Option<u32> {
    if units > *longest {
        return None;
    }
    let found = find_run(bits, units);
    if found.is_none() {
        *longest = units - 1;
    }
    found
}

/// All memory of a pool that slabs are made of.
pub(crate) struct Chunks {
    /// Where the headers of their blocks are.
    pub(crate) headers: Headers,
    list: Vec<Option<Chunk>>,
    units: u32,
    /// Bytes of free units whose pages may be resident.
    dirty: usize,
}

impl Chunks {
    pub(crate) const fn new(units: u32) -> Self {
        Self { headers: Headers::new(), list: Vec::new(), units, dirty: 0 }
    }

    /// The bytes of one chunk.
    pub(crate) fn chunk_size(&self) -> usize {
        self.units as usize * UNIT
    }

    pub(crate) fn dirty(&self) -> usize {
        self.dirty
    }

    pub(crate) fn mapped(&self) -> usize {
        self.list.iter().flatten().map(|chunk| chunk.mapping.len()).sum()
    }

    /// Free units in a row, resident ones for preference; `None` when a chunk must be added.
    pub(crate) fn take(&mut self, units: u32) -> Option<Span> {
        let mut find = |find: fn(&mut Chunk, u32) -> Option<u32>| {
            let mut places = self.list.iter_mut().enumerate();
            places.find_map(|(i, place)| Some((i, find(place.as_mut()?, units)?)))
        };
        let (index, first) = find(Chunk::find_dirty).or_else(|| find(Chunk::find))?;
        let chunk = self.list.get_mut(index)?.as_mut()?;
        let mask = run_of(units) << first;
        let warm = chunk.dirty & mask;
        chunk.free &= !mask;
        chunk.dirty &= !mask;
        self.dirty -= warm.count_ones() as usize * UNIT;
        let base = chunk.mapping.at(first as usize * UNIT);
        Some(Span { chunk: index as u32, first, units, base, clean: warm == 0 })
    }

    /// Takes a mapping of [`chunk_size`](Self::chunk_size) bytes in.
    pub(crate) fn add(&mut self, mapping: Mapping) {
        debug_assert_eq!(mapping.len(), self.chunk_size());
        let (free, longest) = (run_of(self.units), self.units);
        let chunk = Some(Chunk { mapping, free, dirty: 0, longest, longest_dirty: 0 });
        match self.list.iter().position(Option::is_none) {
            Some(place) => self.list[place] = chunk,
            None => self.list.push(chunk),
        }
    }

    /// Takes a span back; its pages count as resident.
    pub(crate) fn put(&mut self, span: Span) {
        let mask = span.mask();
        let chunk =
            self.list[span.chunk as usize].as_mut().expect("a chunk with a span in use stays");
        debug_assert_eq!(chunk.free & mask, 0, "a span is put back once");
        hooks::on_retire(span.base, span.len());
        chunk.free |= mask;
        chunk.dirty |= mask;
        (chunk.longest, chunk.longest_dirty) = (self.units, self.units);
        self.dirty += span.len();
    }

    /// Gives at least `bytes` of dirty memory back to the system if there is so much: whole free chunks
    /// are unmapped, units of others discarded. Returns (bytes that are not dirty any more, bytes
    /// unmapped).
    pub(crate) fn shed(&mut self, bytes: usize) -> (usize, usize) {
        self.headers.shed();
        let all = run_of(self.units);
        let (mut shed, mut unmapped) = (0, 0);
        for place in &mut self.list {
            if shed >= bytes {
                break;
            }
            let Some(chunk) = place else { continue };
            if chunk.free == all {
                shed += chunk.dirty.count_ones() as usize * UNIT;
                unmapped += chunk.mapping.len();
                *place = None;
                continue;
            }
            let mut left = chunk.dirty;
            while left != 0 && shed < bytes {
                let first = left.trailing_zeros();
                let units = (left >> first).trailing_ones();
                let (run, len) = (run_of(units) << first, units as usize * UNIT);
                left &= !run;
                // SAFETY: the units are free: dirty ones always are (U2), so nobody uses them (U1).
                if unsafe { chunk.mapping.discard(first as usize * UNIT, len) } {
                    chunk.dirty &= !run;
                    shed += len;
                }
            }
        }
        self.dirty -= shed;
        (shed, unmapped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_disjoint_and_come_back() {
        let mut chunks = Chunks::new(16);
        assert!(chunks.take(1).is_none());
        chunks.add(Mapping::map(chunks.chunk_size()).unwrap());
        let a = chunks.take(10).unwrap();
        let b = chunks.take(6).unwrap();
        assert!(chunks.take(1).is_none());
        assert_eq!(b.base.addr().get() - a.base.addr().get(), 10 * UNIT);
        assert!(a.clean && b.clean);
        chunks.put(a);
        assert_eq!(chunks.dirty(), 10 * UNIT);
        let c = chunks.take(4).unwrap();
        assert!(!c.clean);
        chunks.put(b);
        chunks.put(c);
        assert_eq!(chunks.shed(usize::MAX), (16 * UNIT, 16 * UNIT));
        assert_eq!((chunks.dirty(), chunks.mapped()), (0, 0));
    }

    /// As in a process that locks its memory: what the system does not take stays dirty, and is told so.
    #[test]
    #[cfg(all(target_os = "linux", not(miri)))]
    fn units_that_are_not_discarded_stay_dirty() {
        use crate::sys::{Call, Outcome, with_plan};
        let mut chunks = Chunks::new(16);
        chunks.add(Mapping::map(chunks.chunk_size()).unwrap());
        let (a, b) = (chunks.take(3).unwrap(), chunks.take(1).unwrap());
        chunks.put(a);
        let refuse = |call, _| match call {
            Call::AdviseMemory => Outcome::Fail(22),
            _ => Outcome::Pass,
        };
        assert_eq!(with_plan(refuse, || chunks.shed(usize::MAX)), (0, 0));
        assert_eq!(chunks.dirty(), 3 * UNIT);
        let a = chunks.take(3).unwrap();
        assert!(!a.clean, "its pages are as they were");
        chunks.put(a);
        chunks.put(b);
        assert_eq!(chunks.shed(usize::MAX), (4 * UNIT, 16 * UNIT));
    }
}
