//! [`WaitQueue`]: requests in order of arrival, of which the first that fits is found quickly.

use std::collections::TryReserveError;

/// The bytes of a place that no request stands at.
pub(super) const VACANT: usize = usize::MAX;

/// Where an entry stands that is in no place.
const NOWHERE: usize = usize::MAX;

/// Values in order of arrival, each with a number of bytes that it asks for.
///
/// Requests take places from left to right. A tree over the places holds in each node the fewest bytes
/// that a request below it asks for, so the first request of at most so many bytes is found on one way
/// down. When the last place is taken, the requests move together to the left. There are at least twice as
/// many places as values: between two such moves as many requests come as the move costs.
///
/// All operations cost O(log n), amortised. Memory is allocated by [`try_push`](Self::try_push) alone, and
/// freed when the last value is removed.
pub(super) struct WaitQueue<T> {
    entries: Vec<Entry<T>>,
    /// The first entry without a value; its `place` names the next.
    vacant: usize,
    /// Entries with a value.
    len: usize,
    /// The fewest bytes below each node: the root at 1, the children of `n` at `2n` and `2n + 1`, the
    /// places behind them.
    fewest: Vec<usize>,
    /// Which entry stands at each place.
    at: Vec<usize>,
    /// The next place to take.
    next: usize,
}

struct Entry<T> {
    value: Option<T>,
    place: usize,
}

impl<T> WaitQueue<T> {
    pub(super) fn new() -> Self {
        let (entries, fewest, at) = (Vec::new(), Vec::new(), Vec::new());
        Self { entries, vacant: NOWHERE, len: 0, fewest, at, next: 0 }
    }

    /// Returns the fewest bytes that a request in the queue asks for, `usize::MAX` if there is none.
    pub(super) fn fewest(&self) -> usize {
        self.fewest.get(1).copied().unwrap_or(VACANT)
    }

    /// Returns the first request of at most this number of bytes.
    pub(super) fn first(&self, at_most: usize) -> Option<usize> {
        let fits = |node: usize| self.fewest[node] <= at_most.min(VACANT - 1);
        if self.fewest() == VACANT || !fits(1) {
            return None;
        }
        let mut node = 1;
        while node < self.at.len() {
            node *= 2;
            if !fits(node) {
                node += 1;
            }
        }
        Some(self.at[node - self.at.len()])
    }

    /// Returns the request that came first.
    pub(super) fn front(&self) -> Option<usize> {
        self.first(usize::MAX)
    }

    /// Returns the value of an entry.
    pub(super) fn get(&self, id: usize) -> Option<&T> {
        self.entries.get(id)?.value.as_ref()
    }

    /// As [`get`](Self::get), to change it.
    pub(super) fn get_mut(&mut self, id: usize) -> Option<&mut T> {
        self.entries.get_mut(id)?.value.as_mut()
    }

    /// Returns the bytes that a request in the queue asks for.
    pub(super) fn bytes(&self, id: usize) -> usize {
        self.fewest[self.at.len() + self.entries[id].place]
    }

    /// Adds a request at the end. Returns its entry, or the value if there is no memory for one.
    pub(super) fn try_push(&mut self, bytes: usize, value: T) -> Result<usize, T> {
        if self.try_grow().is_err() {
            return Err(value);
        }
        let id = self.vacant;
        self.vacant = self.entries[id].place;
        self.entries[id] = Entry { value: Some(value), place: NOWHERE };
        self.len += 1;
        self.move_to_end(id, bytes);
        Ok(id)
    }

    /// Moves a request to the end, or a value that had left the queue.
    pub(super) fn move_to_end(&mut self, id: usize, bytes: usize) {
        self.leave(id);
        if self.next == self.at.len() {
            self.compact();
        }
        let place = self.next;
        self.next += 1;
        self.at[place] = id;
        self.entries[id].place = place;
        self.set_place(place, bytes);
    }

    /// Changes what a request in the queue asks for.
    pub(super) fn set_bytes(&mut self, id: usize, bytes: usize) {
        self.set_place(self.entries[id].place, bytes);
    }

    /// Takes a request out of the queue. Its value stays.
    pub(super) fn leave(&mut self, id: usize) {
        let place = std::mem::replace(&mut self.entries[id].place, NOWHERE);
        if place != NOWHERE {
            self.set_place(place, VACANT);
        }
    }

    /// Removes an entry, in the queue or not.
    pub(super) fn remove(&mut self, id: usize) -> Option<T> {
        self.leave(id);
        let entry = &mut self.entries[id];
        let value = entry.value.take()?;
        entry.place = std::mem::replace(&mut self.vacant, id);
        self.len -= 1;
        if self.len == 0 {
            *self = Self::new();
        }
        Some(value)
    }

    /// Makes an entry for one more value, and twice as many places as there will be values.
    fn try_grow(&mut self) -> Result<(), TryReserveError> {
        if self.vacant == NOWHERE {
            self.entries.try_reserve(1)?;
            self.entries.push(Entry { value: None, place: NOWHERE });
            self.vacant = self.entries.len() - 1;
        }
        let places = self.at.len();
        if 2 * (self.len + 1) <= places {
            return Ok(());
        }
        let more = (2 * places).max(2);
        self.at.try_reserve_exact(more - places)?;
        self.fewest.try_reserve_exact(2 * more - self.fewest.len())?;
        self.at.resize(more, 0);
        // The places move up behind the inner nodes, of which there are more.
        self.fewest.resize(2 * more, VACANT);
        self.fewest.copy_within(places..2 * places, more);
        self.fewest[more + places..].fill(VACANT);
        self.recompute();
        Ok(())
    }

    /// Moves all requests together to the left.
    fn compact(&mut self) {
        let places = self.at.len();
        let end = std::mem::take(&mut self.next);
        for place in 0..end {
            let bytes = std::mem::replace(&mut self.fewest[places + place], VACANT);
            if bytes != VACANT {
                let id = self.at[place];
                self.fewest[places + self.next] = bytes;
                self.at[self.next] = id;
                self.entries[id].place = self.next;
                self.next += 1;
            }
        }
        self.recompute();
    }

    /// Computes all inner nodes.
    fn recompute(&mut self) {
        for node in (1..self.at.len()).rev() {
            self.fewest[node] = self.fewest[2 * node].min(self.fewest[2 * node + 1]);
        }
    }

    fn set_place(&mut self, place: usize, bytes: usize) {
        let mut node = self.at.len() + place;
        self.fewest[node] = bytes;
        while node > 1 {
            node /= 2;
            let fewest = self.fewest[2 * node].min(self.fewest[2 * node + 1]);
            if std::mem::replace(&mut self.fewest[node], fewest) == fewest {
                break;
            }
        }
    }
}
