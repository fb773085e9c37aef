//! [`Open`]: a magazine that its owner has entered.
#![allow(unsafe_code, reason = "a cell that the owner has entered (M1)")]

use crate::memory::header::HeaderRef;
use crate::memory::try_box::try_box;
use crate::pool::pages::size_class::size_of_class;
use crate::pool::shared::stores::depot::Round;
use crate::pool::shared::stores::magazines::{GROUP, Group, Magazine, Magazines};
use crate::sync::Ordering;
use core::sync::atomic::Ordering::Relaxed;

impl Magazines {
    /// Calls `f` with the magazine of a class, which is allocated on first use. Returns `None` if the owner cannot
    /// use the cells now, or if there is no memory. Only the owner may call this.
    pub(crate) fn with<R>(&self, class: u8, f: impl FnOnce(&Open<'_>) -> R) -> Option<R> {
        let _entered = self.enter(self.pool)?;
        let magazine = self.magazine(class).or_else(|| self.add_group(class))?;
        Some(f(&Open { all: self, magazine, class }))
    }

    #[cold]
    fn add_group(&self, class: u8) -> Option<&Magazine> {
        let group = Box::leak(try_box(Group::default())?);
        // Release: pairs with the load in `magazine`.
        self.groups[class as usize / GROUP].store(group, Ordering::Release);
        self.magazine(class)
    }
}

/// A magazine that its owner has entered.
pub(crate) struct Open<'a> {
    pub(crate) all: &'a Magazines,
    magazine: &'a Magazine,
    class: u8,
}

impl Open<'_> {
    #[allow(clippy::mut_from_ref, reason = "opens a cell that is this thread's alone")]
    fn blocks(&self) -> &mut Vec<HeaderRef> {
        // SAFETY: M1: the owner has entered, and the methods of `Open` never hold two of these references at a time.
        unsafe { &mut *self.magazine.blocks.get() }
    }

    pub(crate) fn counters(&self) -> &Magazine {
        self.magazine
    }

    pub(crate) fn limit(&self) -> usize {
        self.magazine.limit()
    }

    pub(crate) fn pop(&self) -> Option<HeaderRef> {
        self.blocks().pop()
    }

    /// Adds a block if the magazine is not full. Returns whether it did.
    pub(crate) fn push(&self, block: HeaderRef) -> bool {
        self.magazine.push(block)
    }

    pub(crate) fn len(&self) -> usize {
        self.blocks().len()
    }

    /// Sets the limit, and reserves memory for this number of blocks. Returns whether there was memory. The caller
    /// ensures that the magazine has at most `limit` blocks, and updates the assigned bytes.
    pub(crate) fn set_limit(&self, limit: usize) -> bool {
        let blocks = self.blocks();
        let more = limit.saturating_sub(blocks.len());
        if blocks.try_reserve_exact(more).is_err() {
            return false;
        }
        self.magazine.limit.store(limit as u32, Relaxed);
        true
    }

    /// Moves the oldest `n` blocks into a round, or all if there are fewer.
    pub(crate) fn fill_round(&self, round: &mut Round, n: usize) {
        let n = n.min(self.len());
        round.fill(&self.blocks()[..n]);
        self.blocks().drain(..n);
    }

    /// Takes out the oldest `n` blocks, or all if there are fewer.
    pub(crate) fn drain_oldest(&self, n: usize) -> impl Iterator<Item = HeaderRef> {
        let n = n.min(self.len());
        self.blocks().drain(..n)
    }

    /// Returns the other allocated magazines.
    pub(crate) fn others(&self) -> impl Iterator<Item = Open<'_>> {
        let others = self.all.all().filter(|(class, _)| *class != self.class);
        others.map(|(class, magazine)| Open { all: self.all, magazine, class })
    }

    pub(crate) fn class(&self) -> u8 {
        self.class
    }

    pub(crate) fn size(&self) -> usize {
        size_of_class(self.class)
    }
}
