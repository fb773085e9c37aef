//! Rounds of free blocks, which go to the depot and come back as a whole.

use crate::pool::pages::size_class;
use crate::pool::shared::central::Central;
use crate::pool::shared::stores::depot::Round;
use crate::sync::Ordering::Relaxed;
use std::sync::Arc;

impl Central {
    /// Takes a round of the depot, if there is one.
    pub(crate) fn pop_round(&self, class: u8) -> Option<Box<Round>> {
        // Without a lock, where there is nothing to find.
        if self.kept.load(Relaxed) == 0 {
            return None;
        }
        let round = self.class(class)?.depot.pop()?;
        let bytes = round.len() * size_class::size_of_class(class);
        self.kept.fetch_sub(bytes, Relaxed);
        self.idle.remove(bytes);
        Some(round)
    }

    /// Returns a round without blocks, or `None` without memory for one, or if the pool is closed.
    pub(crate) fn empty_round(&self) -> Option<Box<Round>> {
        if self.is_closed() { None } else { self.empty_rounds.pop().or_else(Round::try_new) }
    }

    /// Keeps an empty round for later.
    pub(crate) fn recycle(&self, round: Box<Round>) {
        self.empty_rounds.push(round);
    }

    /// Puts a full round into the depot.
    pub(crate) fn push_round(self: &Arc<Self>, class: u8, round: Box<Round>) {
        let bytes = round.len() * size_class::size_of_class(class);
        self.kept.fetch_add(bytes, Relaxed);
        self.idle.add(bytes);
        self.used_class(class).depot.push(round);
        if self.is_closed_by_now() {
            self.purge(usize::MAX);
        }
        self.watch_if_needed();
    }

    /// Moves the blocks of a round of the depot to their slabs: returns whether there was one.
    pub(super) fn unload_round(self: &Arc<Self>, class: u8) -> bool {
        let Some(mut round) = self.pop_round(class) else { return false };
        self.put_all(class, &mut round.drain());
        self.recycle(round);
        true
    }
}
