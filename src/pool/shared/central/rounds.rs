//! Rounds of free blocks, which threads put into the depot and take from it as a whole.

use crate::pool::pages::size_class;
use crate::pool::shared::central::Central;
use crate::pool::shared::stores::depot::Round;
use crate::sync::Ordering::Relaxed;
use std::sync::Arc;

impl Central {
    /// Takes a round from the depot, if there is one. Stores the empty round that `empty` returns there.
    pub(crate) fn pop_round(
        &self,
        class: u8,
        empty: impl FnOnce() -> Option<Box<Round>>,
    ) -> Option<Box<Round>> {
        // Avoids the lock if all depots are empty.
        if self.cached.load(Relaxed) == 0 {
            return None;
        }
        let round = self.class(class)?.depot.pop(empty())?;
        let bytes = round.len() * size_class::size_of_class(class);
        self.cached.fetch_sub(bytes, Relaxed);
        self.idle.remove(bytes);
        Some(round)
    }

    /// Returns a new empty round; `None` if there is no memory for it, or if the pool is closed.
    pub(crate) fn empty_round(&self) -> Option<Box<Round>> {
        if self.is_closed() { None } else { Round::try_new() }
    }

    /// Puts a full round into the depot. Returns an empty one, if the depot has one.
    pub(crate) fn push_round(self: &Arc<Self>, class: u8, round: Box<Round>) -> Option<Box<Round>> {
        let bytes = round.len() * size_class::size_of_class(class);
        self.cached.fetch_add(bytes, Relaxed);
        self.idle.add(bytes);
        let empty = self.used_class(class).depot.push(round);
        if self.is_closed_by_now() {
            self.purge(usize::MAX);
        }
        self.watch_if_needed();
        empty
    }

    /// Moves the blocks of one round from the depot to their slabs. Returns whether there was a round.
    pub(super) fn unload_round(self: &Arc<Self>, class: u8) -> bool {
        let Some(mut round) = self.pop_round(class, || None) else { return false };
        self.put_all(class, &mut round.drain());
        true
    }
}
