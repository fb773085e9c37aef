//! The memory for the headers of slabs, in separate mappings.
//!
//! The C heap would not return the memory of ended slabs to the system.
//!
//! Rules:
//!
//! * **E1** A place for a header is free or belongs to exactly one [`Run`]. The runs that `take` returns are disjoint,
//!   and stay mapped until they are put back.
//! * **E2** While places are discarded they belong to the [`Discard`] that [`begin_discard`](Headers::begin_discard)
//!   returned, and to no run, until [`end_discard`](Headers::end_discard).

#![allow(unsafe_code, reason = "discards free pages")]

use crate::memory::header::Header;
use crate::memory::hooks;
use crate::pool::pages::bits::{find_run, run_of};
use crate::sys::memory::{self, Mapping};
use core::ptr::NonNull;

/// The number of headers in a row: a word has one bit for each, set if the place is free.
const PER_ROW: usize = u64::BITS as usize;

/// The size of a row in bytes.
const ROW: usize = PER_ROW * size_of::<Header>();

/// The number of rows in a page of the system. One row is several pages where a model checker's atomics make headers
/// larger; then this is 1.
const ROWS_IN_PAGE: u32 = if ROW < memory::PAGE { (memory::PAGE / ROW) as u32 } else { 1 };
static_assertions::const_assert!((ROW * ROWS_IN_PAGE as usize).is_multiple_of(memory::PAGE));

/// The number of rows in a region: a word has one bit for each.
const ROWS: usize = u64::BITS as usize;

/// The maximum number of headers in a run.
pub(crate) const MAX_RUN: usize = ROWS * PER_ROW;

/// The number of regions searched before another is mapped.
const MAX_TRIES: usize = 16;

/// Consecutive places for headers.
pub(crate) struct Run {
    region: u32,
    row: u32,
    /// The first place within the row.
    first: u32,
    len: u32,
    /// The address of the first place.
    pub(crate) base: NonNull<Header>,
}

// SAFETY: a run is a range of plain memory that it owns exclusively (E1).
unsafe impl Send for Run {}

impl Run {
    pub(crate) fn len(&self) -> u32 {
        self.len
    }
}

struct Region {
    mapping: Mapping,
    /// The free places of each row.
    free: [u64; ROWS],
    /// The rows with a free place, and those with free places only.
    some: u64,
    whole: u64,
    /// The rows that may be resident.
    touched: u64,
}

/// All headers of a pool.
pub(crate) struct Headers {
    regions: Vec<Option<Region>>,
    /// A search for free places begins at this region. The regions before it have no free place, or were skipped after
    /// [`MAX_TRIES`] of them had no run of the requested length.
    first_open: usize,
    /// No index of `regions` below this is vacant.
    first_vacant: usize,
    mapped: usize,
}

/// Free memory to be returned to the system while no lock is held (E2).
pub(crate) enum Discard {
    /// A region without headers in use.
    Unmap(#[expect(dead_code, reason = "unmapped when dropped")] UnmapRegion),
    /// Pages of a region.
    Pages { region: usize, first: u32, rows: u32, base: NonNull<u8>, len: usize },
}

// SAFETY: free memory that the value owns exclusively (E2).
unsafe impl Send for Discard {}

/// A mapping that no longer belongs to a region.
pub(crate) struct UnmapRegion(Mapping);

impl Drop for UnmapRegion {
    fn drop(&mut self) {
        hooks::on_unmap_headers(self.0.base(), self.0.len());
    }
}

impl Discard {
    /// Discards the pages. Returns whether the system accepted it. The caller holds no lock.
    pub(crate) fn run(&self) -> bool {
        match self {
            Self::Unmap(_) => true,
            // SAFETY: whole pages of a mapping, which belong to this value exclusively (E2).
            Self::Pages { base, len, .. } => unsafe { memory::discard(*base, *len) },
        }
    }
}

impl Region {
    fn map() -> Option<Self> {
        let mapping = Mapping::map(ROWS * ROW)?;
        hooks::on_map_headers(mapping.base(), mapping.len());
        let all = u64::MAX;
        Some(Self { mapping, free: [all; ROWS], some: all, whole: all, touched: 0 })
    }

    /// Returns the first place where `len` headers fit: the row, and the place within the row.
    fn find(&self, len: u32) -> Option<(usize, u32)> {
        if len > u64::BITS {
            return Some((find_run(self.whole, len.div_ceil(u64::BITS))? as usize, 0));
        }
        let mut rows = self.some;
        while rows != 0 {
            let row = rows.trailing_zeros() as usize;
            if let Some(first) = find_run(self.free[row], len) {
                return Some((row, first));
            }
            rows &= rows - 1;
        }
        None
    }

    /// Marks `len` places as free or taken, beginning at place `first` of a row.
    fn mark(&mut self, row: usize, first: u32, len: u32, are_free: bool) {
        let (mut row, mut first, mut left) = (row, first, len);
        while left > 0 {
            let here = left.min(u64::BITS - first);
            let mask = run_of(here) << first;
            let bits = &mut self.free[row];
            *bits = if are_free { *bits | mask } else { *bits & !mask };
            let at = 1 << row;
            self.some = if *bits == 0 { self.some & !at } else { self.some | at };
            self.whole = if *bits == u64::MAX { self.whole | at } else { self.whole & !at };
            self.touched |= at;
            (row, first, left) = (row + 1, 0, left - here);
        }
    }

    /// Returns consecutive rows that fill whole pages, hold no header and may be resident: the first row and their
    /// number.
    fn idle_rows(&self) -> Option<(u32, u32)> {
        let mut first = 0;
        while first < ROWS as u32 {
            let is_idle = |first: u32| {
                let page = run_of(ROWS_IN_PAGE) << first;
                self.whole & page == page && self.touched & page != 0
            };
            let starts = (first..ROWS as u32).step_by(ROWS_IN_PAGE as usize);
            let run = starts.take_while(|&first| is_idle(first)).count() as u32;
            if run > 0 {
                return Some((first, run * ROWS_IN_PAGE));
            }
            first += ROWS_IN_PAGE;
        }
        None
    }
}

impl Headers {
    pub(crate) const fn new() -> Self {
        Self { regions: Vec::new(), first_open: 0, first_vacant: 0, mapped: 0 }
    }

    /// Returns places for `len` headers, at most [`MAX_RUN`]; `None` if the caller must add a region.
    pub(crate) fn take(&mut self, len: u32) -> Option<Run> {
        debug_assert!(len as usize <= MAX_RUN);
        let is_open = |region: &Option<Region>| region.as_ref().is_some_and(|r| r.some != 0);
        let skipped = self.regions[self.first_open..].iter().take_while(|r| !is_open(r)).count();
        self.first_open += skipped;
        let tried = self.regions.iter().enumerate().skip(self.first_open).take(MAX_TRIES);
        let mut found = tried.filter_map(|(i, region)| Some((i, region.as_ref()?.find(len)?)));
        let (index, (row, first)) = found.next()?;
        let region = self.regions[index].as_mut()?;
        region.mark(row, first, len, false);
        let base = region.mapping.at(row * ROW + first as usize * size_of::<Header>()).cast();
        Some(Run { region: index as u32, row: row as u32, first, len, base })
    }

    /// Adds a region. Returns whether there was memory for it.
    pub(crate) fn add(&mut self, region: NewRegion) -> bool {
        let vacant = &self.regions[self.first_vacant..];
        let place = self.first_vacant + vacant.iter().take_while(|place| place.is_some()).count();
        if place == self.regions.len() {
            if self.regions.try_reserve(1).is_err() {
                return false;
            }
            self.regions.push(None);
        }
        self.first_vacant = place + 1;
        self.mapped += region.0.mapping.len();
        self.regions[place] = Some(region.0);
        // The next search must reach this region.
        self.first_open = place.min(self.first_open);
        if place >= self.first_open + MAX_TRIES {
            self.first_open = place;
        }
        true
    }

    /// Frees the places of a run. No reference to a header of the run exists.
    pub(crate) fn put(&mut self, run: Run) {
        let region =
            self.regions[run.region as usize].as_mut().expect("a region with a run in use stays");
        region.mark(run.row as usize, run.first, run.len, true);
        self.first_open = self.first_open.min(run.region as usize);
    }

    /// Returns the number of bytes that are mapped for headers.
    pub(crate) fn mapped(&self) -> usize {
        self.mapped
    }

    /// Returns the number of regions, including vacant ones.
    pub(crate) fn regions(&self) -> usize {
        self.regions.len()
    }

    /// Takes free memory out of one region, so that the caller can return it to the system without a lock.
    pub(crate) fn begin_discard(&mut self, index: usize) -> Option<Discard> {
        let region = self.regions.get_mut(index)?.as_mut()?;
        if region.whole == u64::MAX {
            let region = self.regions[index].take()?;
            self.mapped -= region.mapping.len();
            while self.regions.last().is_some_and(Option::is_none) {
                self.regions.pop();
            }
            self.first_vacant = self.first_vacant.min(index);
            self.first_open = self.first_open.min(self.regions.len());
            return Some(Discard::Unmap(UnmapRegion(region.mapping)));
        }
        let (first, rows) = region.idle_rows()?;
        region.mark(first as usize, 0, rows * u64::BITS, false);
        let (offset, len) = (first as usize * ROW, rows as usize * ROW);
        let base = region.mapping.at(offset);
        Some(Discard::Pages { region: index, first, rows, base, len })
    }

    /// Frees the places that [`begin_discard`](Self::begin_discard) took out. `discarded` is the result of
    /// [`Discard::run`].
    pub(crate) fn end_discard(&mut self, discard: &Discard, discarded: bool) {
        let Discard::Pages { region: index, first, rows, .. } = *discard else { return };
        let region = self.regions[index].as_mut().expect("a region with places taken out stays");
        region.mark(first as usize, 0, rows * u64::BITS, true);
        if discarded {
            region.touched &= !(run_of(rows) << first);
        }
        self.first_open = self.first_open.min(index);
    }
}

/// A mapped region that is not added to a pool.
pub(crate) struct NewRegion(Region);

impl NewRegion {
    /// Maps a region. Returns `None` if the system has no memory.
    pub(crate) fn map() -> Option<Self> {
        Region::map().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(headers: &mut Headers, len: u32) -> Run {
        headers.take(len).unwrap_or_else(|| {
            assert!(headers.add(NewRegion::map().unwrap()));
            headers.take(len).unwrap()
        })
    }

    fn discard_all(headers: &mut Headers) {
        for index in (0..headers.regions()).rev() {
            while let Some(discard) = headers.begin_discard(index) {
                let done = discard.run();
                headers.end_discard(&discard, done);
                if !done {
                    break;
                }
            }
        }
    }

    #[test]
    fn runs_of_all_lengths_are_disjoint_and_return() {
        let mut headers = Headers::new();
        let lengths = [1, 3, 64, 65, 1024, 7, 63, 128, 2, 1024, 1024, 1024, 1, 4096];
        let runs: Vec<Run> = lengths.iter().map(|&len| take(&mut headers, len)).collect();
        let mut ranges: Vec<_> = runs
            .iter()
            .map(|run| {
                let start = run.base.addr().get();
                start..start + run.len as usize * size_of::<Header>()
            })
            .collect();
        ranges.sort_by_key(|range| range.start);
        assert!(ranges.windows(2).all(|pair| pair[0].end <= pair[1].start));
        assert!(headers.mapped() > 0);
        runs.into_iter().for_each(|run| headers.put(run));
        discard_all(&mut headers);
        assert_eq!(headers.mapped(), 0);
    }

    /// The system refuses to discard pages, as in a process that locks its memory: the pages keep their bytes, and are
    /// discarded later.
    #[test]
    #[cfg(all(target_os = "linux", not(miri), not(bytebuf_portable)))]
    fn pages_that_are_not_discarded_keep_their_bytes_and_are_discarded_later() {
        use crate::sys::{Call, Outcome, with_plan};
        use std::{cell::Cell, rc::Rc};

        let mut headers = Headers::new();
        let (a, b) = (take(&mut headers, 128), take(&mut headers, 64));
        let (first, mapped) = (a.base, headers.mapped());
        // SAFETY: this test owns the run.
        unsafe { first.cast::<u8>().write(7) };
        headers.put(a);
        // Discards all, and returns the number of system calls.
        let discard = |headers: &mut Headers, answer| {
            let asked = Rc::new(Cell::new(0));
            let count = Rc::clone(&asked);
            let plan = move |call, _| {
                count.set(count.get() + usize::from(call == Call::AdviseMemory));
                answer
            };
            with_plan(plan, || discard_all(headers));
            asked.get()
        };
        assert_eq!(discard(&mut headers, Outcome::Fail(22)), 1);
        assert_eq!(headers.mapped(), mapped);
        // SAFETY: mapped as before, and no other code uses it.
        assert_eq!(unsafe { first.cast::<u8>().read() }, 7);
        let again = take(&mut headers, 128);
        assert_eq!(again.base, first, "free for others");
        headers.put(again);
        assert_eq!(discard(&mut headers, Outcome::Pass), 1);
        // SAFETY: as above.
        assert_eq!(unsafe { first.cast::<u8>().read() }, 0);
        assert_eq!(discard(&mut headers, Outcome::Fail(22)), 0, "nothing is left to give");
        headers.put(b);
        discard_all(&mut headers);
        assert_eq!(headers.mapped(), 0);
    }

    #[test]
    fn a_page_with_a_header_in_use_stays() {
        let mut headers = Headers::new();
        let (a, b) = (take(&mut headers, 64), take(&mut headers, 64));
        // SAFETY: this test owns the run.
        unsafe { b.base.cast::<u8>().write(7) };
        headers.put(a);
        discard_all(&mut headers);
        // SAFETY: as above.
        assert_eq!(unsafe { b.base.cast::<u8>().read() }, 7);
        headers.put(b);
    }

    /// Places that are being discarded belong to no run (E2).
    #[test]
    fn memory_that_is_being_discarded_is_not_handed_out() {
        let mut headers = Headers::new();
        let (a, b) = (take(&mut headers, 1024), take(&mut headers, 1));
        let taken = a.base;
        headers.put(a);
        let discard = headers.begin_discard(0).unwrap();
        let other = take(&mut headers, 1024);
        assert_ne!(other.base, taken);
        headers.end_discard(&discard, false);
        let again = take(&mut headers, 1024);
        assert_eq!(again.base, taken);
        [other, again, b].into_iter().for_each(|run| headers.put(run));
    }
}
