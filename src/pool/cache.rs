//! One thread's magazines of one pool: where a buffer comes from and goes to without any atomic
//! read-modify-write.
//!
//! Rules:
//!
//! * **K1** `magazines` are used only by the thread that made the cache, and never re-entered: nothing in
//!   this file calls back into a cache while it holds a magazine. Other threads read the tallies only.
//! * **K2** Blocks of a magazine belong to nobody else (S1): they came out of a handle, a slab or the depot
//!   and go to one of these.
#![allow(unsafe_code, reason = "magazines in cells that only their thread opens (K1)")]

use super::central::Central;
use super::error::AllocError;
use super::magazine::{Magazine, rounds};
use super::size_class;
use super::stats::Tally;
use crate::memory::header::HeaderRef;
use core::cell::{Cell, UnsafeCell};
use std::sync::Arc;

/// How many exchanges with the depot go by between two looks at the cache's size.
const LOOK: u32 = 8;

/// The magazines of one class.
#[derive(Default)]
struct Row {
    magazines: UnsafeCell<Pair>,
    tally: Tally,
}

/// Two magazines, so that a thread that goes back and forth over a border does not trade each time.
#[derive(Default)]
struct Pair {
    loaded: Magazine,
    previous: Magazine,
}

/// The cache of one thread for one pool.
pub(crate) struct Cache {
    central: Arc<Central>,
    rows: Box<[Row]>,
    exchanges: Cell<u32>,
}

// SAFETY: the cells are used by one thread alone (K1); the tallies are atomics.
unsafe impl Send for Cache {}
// SAFETY: as above.
unsafe impl Sync for Cache {}

impl Cache {
    /// An empty cache. Its magazines are allocated when they are first needed.
    pub(crate) fn new(central: Arc<Central>) -> Self {
        let rows = (0..size_class::COUNT).map(|_| Row::default()).collect();
        Self { central, rows, exchanges: Cell::new(0) }
    }

    /// Whether it is the given pool's.
    #[inline]
    pub(crate) fn is_of(&self, home: *const ()) -> bool {
        core::ptr::eq(Arc::as_ptr(&self.central).cast(), home)
    }

    pub(crate) fn central(&self) -> &Arc<Central> {
        &self.central
    }

    pub(crate) fn tally(&self, class: u16) -> &Tally {
        &self.rows[class as usize].tally
    }

    /// A free block.
    #[inline]
    pub(crate) fn take(&self, class: u16) -> Result<HeaderRef, AllocError> {
        let row = &self.rows[class as usize];
        row.tally.count_alloc();
        // SAFETY: K1: this thread's, and nothing else looks at it until this borrow is over.
        match unsafe { &mut *row.magazines.get() }.loaded.pop() {
            Some(block) => Ok(block),
            None => self.take_slowly(row, class),
        }
    }

    /// A block that is free now.
    #[inline]
    pub(crate) fn put(&self, block: HeaderRef) {
        let row = &self.rows[block.class as usize];
        row.tally.count_free();
        // SAFETY: as in `take`.
        if !unsafe { &mut *row.magazines.get() }.loaded.push(block) {
            self.put_slowly(row, block);
        }
    }

    #[cold]
    fn take_slowly(&self, row: &Row, class: u16) -> Result<HeaderRef, AllocError> {
        // SAFETY: as in `take`; the central part never calls a cache (K1).
        let pair = unsafe { &mut *row.magazines.get() };
        if pair.previous.len() > 0 {
            core::mem::swap(&mut pair.loaded, &mut pair.previous);
        } else if let Some(full) = self.central.swap_empty(class) {
            row.tally.count_hit();
            row.tally.receive(full.len());
            let empty = core::mem::replace(&mut pair.loaded, full);
            self.central.recycle(class, empty);
        } else {
            ensure(&mut pair.loaded, class);
            let got = self.central.fill(class, &mut pair.loaded);
            row.tally.receive(pair.loaded.len());
            if pair.loaded.is_dummy() {
                // No memory even for a magazine: one block at a time.
                let block = self.central.take_one(class);
                row.tally.receive(usize::from(block.is_ok()));
                return block.inspect_err(|_| row.tally.uncount_alloc());
            }
            got.inspect_err(|_| row.tally.uncount_alloc())?;
        }
        pair.loaded.pop().ok_or_else(|| {
            row.tally.uncount_alloc();
            self.central.refuse(size_class::size_of_class(class))
        })
    }

    #[cold]
    fn put_slowly(&self, row: &Row, block: HeaderRef) {
        let class = block.class;
        // SAFETY: as in `take_slowly`.
        let pair = unsafe { &mut *row.magazines.get() };
        ensure(&mut pair.loaded, class);
        if !pair.loaded.is_full() {
            // The first block of this class.
        } else if pair.previous.len() == 0 {
            core::mem::swap(&mut pair.loaded, &mut pair.previous);
            ensure(&mut pair.loaded, class);
        } else {
            let full = core::mem::take(&mut pair.previous);
            row.tally.give(full.len());
            pair.previous =
                core::mem::replace(&mut pair.loaded, self.central.swap_full(class, full));
            ensure(&mut pair.loaded, class);
        }
        if !pair.loaded.push(block) {
            row.tally.give(1);
            self.central.put_one(block);
        }
        self.look(class);
    }

    /// Now and then, brings the cache back to its bound by handing over what other classes have.
    fn look(&self, busy: u16) {
        let exchanges = self.exchanges.get().wrapping_add(1);
        self.exchanges.set(exchanges);
        if exchanges.is_multiple_of(LOOK) && self.bytes() > self.central.config.thread_cache {
            for class in (0..size_class::COUNT as u16).filter(|&class| class != busy) {
                self.flush_class(class);
            }
            if self.bytes() > self.central.config.thread_cache {
                self.flush_class(busy);
            }
        }
    }

    fn bytes(&self) -> usize {
        let bytes = |(class, row): (usize, &Row)| {
            // SAFETY: as in `take`.
            let pair = unsafe { &*row.magazines.get() };
            (pair.loaded.len() + pair.previous.len()) * size_class::size_of_class(class as u16)
        };
        self.rows.iter().enumerate().map(bytes).sum()
    }

    fn flush_class(&self, class: u16) {
        let row = &self.rows[class as usize];
        // SAFETY: as in `take_slowly`.
        let pair = core::mem::take(unsafe { &mut *row.magazines.get() });
        for magazine in [pair.loaded, pair.previous] {
            row.tally.give(magazine.len());
            if magazine.len() > 0 {
                self.central.put_all(class, magazine);
            }
        }
    }

    /// Hands everything over. Only its thread may call this (K1).
    pub(crate) fn flush(&self) {
        for class in 0..size_class::COUNT as u16 {
            self.flush_class(class);
        }
    }
}

/// Gives a dummy magazine its array, if there is memory for it.
fn ensure(magazine: &mut Magazine, class: u16) {
    if magazine.is_dummy() {
        let size = size_class::size_of_class(class);
        if let Some(new) = Magazine::try_new(rounds(size)) {
            *magazine = new;
        }
    }
}
