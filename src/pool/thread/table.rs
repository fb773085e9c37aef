//! A thread's caches by the addresses of their pools: a hash table with open addressing.

use crate::pool::thread::cache::Cache;
use core::ptr::NonNull;

/// A pool's address and the thread's cache for that pool; both are null if the place is vacant.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) home: *const (),
    pub(super) cache: *const Cache,
}

impl Place {
    pub(super) const VACANT: Self = Self { home: core::ptr::null(), cache: core::ptr::null() };

    pub(super) fn is_of(&self, home: *const ()) -> bool {
        core::ptr::eq(self.home, home)
    }

    fn is_vacant(&self) -> bool {
        self.home.is_null()
    }
}

/// Returns the place of a pool among the places of a [`Table`], which may be empty.
pub(super) fn find(places: &[Place], home: *const ()) -> Option<Place> {
    let mask = places.len().checked_sub(1)?;
    let mut index = hash(home) & mask;
    // At least half of the places are vacant, so this ends.
    while !places[index].is_vacant() {
        if places[index].is_of(home) {
            return Some(places[index]);
        }
        index = (index + 1) & mask;
    }
    None
}

/// Returns a hash of an address.
fn hash(home: *const ()) -> usize {
    let mixed = (home.addr() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 32) as usize
}

/// A hash table. The number of places is a power of two or zero; `len` of them are occupied, at most half.
pub(super) struct Table {
    places: Vec<Place>,
    len: usize,
}

impl Table {
    pub(super) const fn new() -> Self {
        Self { places: Vec::new(), len: 0 }
    }

    pub(super) fn places(&self) -> &[Place] {
        &self.places
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Adds the cache of a pool that has none in the table. Returns whether there was memory for it.
    pub(super) fn add(&mut self, home: *const (), cache: NonNull<Cache>) -> bool {
        if self.places.len() <= 2 * self.len + 1 {
            let mut places = Vec::new();
            let more = 4 * (self.len + 2).next_power_of_two();
            if places.try_reserve_exact(more).is_err() {
                return false;
            }
            places.resize(more, Place::VACANT);
            let before = core::mem::replace(&mut self.places, places);
            for place in before.into_iter().filter(|place| !place.is_vacant()) {
                self.insert(place);
            }
        }
        self.insert(Place { home, cache: cache.as_ptr() });
        self.len += 1;
        true
    }

    /// Takes out the first cache, from place `from` on, for which `is_over` returns `true`, and sets `from` to its
    /// place. Call [`rehash`](Self::rehash) after the last one.
    pub(super) fn take_next(
        &mut self,
        from: &mut usize,
        is_over: impl Fn(NonNull<Cache>) -> bool,
    ) -> Option<NonNull<Cache>> {
        while let Some(place) = self.places.get_mut(*from) {
            if let Some(cache) =
                NonNull::new(place.cache.cast_mut()).filter(|cache| is_over(*cache))
            {
                *place = Place::VACANT;
                self.len -= 1;
                return Some(cache);
            }
            *from += 1;
        }
        None
    }

    /// Moves all caches to where a search finds them, within the allocated places.
    pub(super) fn rehash(&mut self) {
        // Each move brings a cache nearer to the place of its hash, so this ends.
        let mut moved = true;
        while moved {
            moved = false;
            for index in 0..self.places.len() {
                let place = core::mem::replace(&mut self.places[index], Place::VACANT);
                if !place.is_vacant() {
                    moved |= self.insert(place) != index;
                }
            }
        }
    }

    /// Puts a cache into the first vacant place from that of its hash on. Returns the index.
    fn insert(&mut self, place: Place) -> usize {
        let mask = self.places.len() - 1;
        let mut index = hash(place.home) & mask;
        while !self.places[index].is_vacant() {
            index = (index + 1) & mask;
        }
        self.places[index] = place;
        index
    }
}
