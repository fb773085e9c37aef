//! Headers: where the headers of a slab's blocks live, in mapped memory of their own.
//!
//! The C heap would keep what slabs that come and go leave behind, and does not give it back.
//!
//! Rules:
//!
//! * **E1** A header's place is free or belongs to exactly one [`Run`]; the runs that `take` gives are
//!   disjoint, and stay mapped until they are put back.
#![allow(unsafe_code, reason = "discards free pages")]

use crate::memory::header::Header;
use crate::memory::hooks;
use crate::pool::pages::bits::{find_run, run_of};
use crate::sys::memory::{self, Mapping};
use core::ptr::NonNull;

/// Headers in a page: a word of bits says which are free.
const PER_PAGE: usize = u64::BITS as usize;

/// One of the system's; several, where a model checker's atomics make headers larger.
const PAGE: usize = PER_PAGE * size_of::<Header>();
static_assertions::const_assert!(PAGE.is_multiple_of(memory::PAGE));
#[cfg(not(shuttle))]
static_assertions::const_assert_eq!(PAGE, memory::PAGE);

/// Pages in a region: a word of bits as well.
const PAGES: usize = u64::BITS as usize;

/// The most headers in a run.
pub(crate) const MAX_RUN: usize = PAGES * PER_PAGE;

/// Places for headers that follow each other.
pub(crate) struct Run {
    region: u32,
    page: u32,
    /// Where in the page it begins.
    first: u32,
    len: u32,
    /// Its first place.
    pub(crate) base: NonNull<Header>,
}

// SAFETY: a run is a range of plain memory that it alone owns (E1).
unsafe impl Send for Run {}

impl Run {
    pub(crate) fn len(&self) -> u32 {
        self.len
    }
}

struct Region {
    mapping: Mapping,
    /// The free places of each page.
    free: [u64; PAGES],
    /// Pages that have free places, and those that have no others.
    some: u64,
    whole: u64,
    /// Pages that may be resident.
    touched: u64,
}

/// All headers of a pool.
pub(crate) struct Headers {
    regions: Vec<Option<Region>>,
}

impl Region {
    fn map() -> Option<Self> {
        let mapping = Mapping::map(PAGES * PAGE)?;
        hooks::on_map_headers(mapping.base(), mapping.len());
        let all = u64::MAX;
        Some(Self { mapping, free: [all; PAGES], some: all, whole: all, touched: 0 })
    }

    /// The first place where `len` headers fit: the page, and where in it.
    fn find(&self, len: u32) -> Option<(usize, u32)> {
        if len > u64::BITS {
            return Some((find_run(self.whole, len.div_ceil(u64::BITS))? as usize, 0));
        }
        let mut pages = self.some;
        while pages != 0 {
            let page = pages.trailing_zeros() as usize;
            if let Some(first) = find_run(self.free[page], len) {
                return Some((page, first));
            }
            pages &= pages - 1;
        }
        None
    }

    /// Marks `len` places as free or taken, from a place on.
    fn mark(&mut self, page: usize, first: u32, len: u32, are_free: bool) {
        let (mut page, mut first, mut left) = (page, first, len);
        while left > 0 {
            let here = left.min(u64::BITS - first);
            let mask = run_of(here) << first;
            let bits = &mut self.free[page];
            *bits = if are_free { *bits | mask } else { *bits & !mask };
            let at = 1 << page;
            self.some = if *bits == 0 { self.some & !at } else { self.some | at };
            self.whole = if *bits == u64::MAX { self.whole | at } else { self.whole & !at };
            self.touched |= at;
            (page, first, left) = (page + 1, 0, left - here);
        }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        hooks::on_unmap_headers(self.mapping.base(), self.mapping.len());
    }
}

impl Headers {
    pub(crate) const fn new() -> Self {
        Self { regions: Vec::new() }
    }

    /// Room for `len` headers, at most [`MAX_RUN`]. `None` when the system gives no memory.
    pub(crate) fn take(&mut self, len: u32) -> Option<Run> {
        debug_assert!(len as usize <= MAX_RUN);
        let find = |(i, region): (usize, &Option<Region>)| Some((i, region.as_ref()?.find(len)?));
        let (index, (page, first)) = match self.regions.iter().enumerate().find_map(find) {
            Some(found) => found,
            None => (self.add()?, (0, 0)),
        };
        let region = self.regions[index].as_mut()?;
        region.mark(page, first, len, false);
        let base = region.mapping.at(page * PAGE + first as usize * size_of::<Header>()).cast();
        Some(Run { region: index as u32, page: page as u32, first, len, base })
    }

    fn add(&mut self) -> Option<usize> {
        let vacant = self.regions.iter().position(Option::is_none);
        if vacant.is_none() {
            self.regions.try_reserve(1).ok()?;
        }
        let region = Some(Region::map()?);
        match vacant {
            Some(place) => {
                self.regions[place] = region;
                Some(place)
            }
            None => {
                self.regions.push(region);
                Some(self.regions.len() - 1)
            }
        }
    }

    /// Takes a run back. Nobody has a reference to a header of it.
    pub(crate) fn put(&mut self, run: Run) {
        let region =
            self.regions[run.region as usize].as_mut().expect("a region with a run in use stays");
        region.mark(run.page as usize, run.first, run.len, true);
    }

    /// The bytes that are mapped for headers.
    pub(crate) fn mapped(&self) -> usize {
        self.regions.iter().flatten().map(|region| region.mapping.len()).sum()
    }

    /// Gives pages without headers in use back to the system.
    pub(crate) fn shed(&mut self) {
        for place in &mut self.regions {
            let Some(region) = place else { continue };
            if region.whole == u64::MAX {
                *place = None;
                continue;
            }
            let mut idle = region.touched & region.whole;
            while idle != 0 {
                let first = idle.trailing_zeros();
                let pages = (idle >> first).trailing_ones();
                let (offset, len) = (first as usize * PAGE, pages as usize * PAGE);
                let run = run_of(pages) << first;
                idle &= !run;
                // SAFETY: the pages are free (E1).
                if unsafe { region.mapping.discard(offset, len) } {
                    region.touched &= !run;
                }
            }
        }
        while self.regions.last().is_some_and(Option::is_none) {
            self.regions.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_all_lengths_are_disjoint_and_come_back() {
        let mut headers = Headers::new();
        let lengths = [1, 3, 64, 65, 1024, 7, 63, 128, 2, 1024, 1024, 1024, 1, 4096];
        let runs: Vec<Run> = lengths.iter().map(|&len| headers.take(len).unwrap()).collect();
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
        headers.shed();
        assert_eq!(headers.mapped(), 0);
    }

    /// As in a process that locks its memory. What the system did not take it is asked to take again; that is
    /// all, since the places are free meanwhile.
    #[test]
    #[cfg(all(target_os = "linux", not(miri), not(bytebuf_portable)))]
    fn pages_that_are_not_discarded_stay_as_they_are_and_are_discarded_later() {
        use crate::sys::{Call, Outcome, with_plan};
        use std::{cell::Cell, rc::Rc};

        let mut headers = Headers::new();
        let (a, b) = (headers.take(64).unwrap(), headers.take(64).unwrap());
        let (first, mapped) = (a.base, headers.mapped());
        // SAFETY: the run is this test's.
        unsafe { first.cast::<u8>().write(7) };
        headers.put(a);
        // Sheds, and tells how often the system was asked.
        let shed = |headers: &mut Headers, answer| {
            let asked = Rc::new(Cell::new(0));
            let count = Rc::clone(&asked);
            let plan = move |call, _| {
                count.set(count.get() + usize::from(call == Call::AdviseMemory));
                answer
            };
            with_plan(plan, || headers.shed());
            asked.get()
        };
        assert_eq!(shed(&mut headers, Outcome::Fail(22)), 1);
        assert_eq!(headers.mapped(), mapped);
        // SAFETY: mapped as before, and nobody else uses it.
        assert_eq!(unsafe { first.cast::<u8>().read() }, 7);
        let again = headers.take(64).unwrap();
        assert_eq!(again.base, first, "free for others");
        headers.put(again);
        assert_eq!(shed(&mut headers, Outcome::Pass), 1);
        // SAFETY: as above.
        assert_eq!(unsafe { first.cast::<u8>().read() }, 0);
        assert_eq!(shed(&mut headers, Outcome::Fail(22)), 0, "nothing is left to give");
        headers.put(b);
        headers.shed();
        assert_eq!(headers.mapped(), 0);
    }

    #[test]
    fn a_page_with_a_header_in_use_stays() {
        let mut headers = Headers::new();
        let (a, b) = (headers.take(64).unwrap(), headers.take(64).unwrap());
        // SAFETY: the run is this test's.
        unsafe { b.base.cast::<u8>().write(7) };
        headers.put(a);
        headers.shed();
        // SAFETY: as above.
        assert_eq!(unsafe { b.base.cast::<u8>().read() }, 7);
        headers.put(b);
    }
}
