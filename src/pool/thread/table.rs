//! A thread's caches by the addresses of their pools: a hash table with open addressing.

use crate::pool::thread::cache::Cache;
use core::ptr::NonNull;

/// A pool's address and the thread's cache for that pool; both are null if the entry is vacant.
#[derive(Clone, Copy)]
pub(super) struct CacheEntry {
    pub(super) home: *const (),
    pub(super) cache: *const Cache,
}

impl CacheEntry {
    pub(super) const VACANT: Self = Self { home: core::ptr::null(), cache: core::ptr::null() };

    pub(super) fn is_of(&self, home: *const ()) -> bool {
        core::ptr::eq(self.home, home)
    }

    fn is_vacant(&self) -> bool {
        self.home.is_null()
    }
}

/// Returns the entry of a pool among the entries of a [`Table`], which may be empty.
pub(super) fn find(entries: &[CacheEntry], home: *const ()) -> Option<CacheEntry> {
    let mask = entries.len().checked_sub(1)?;
    let mut index = hash(home) & mask;
    // At least half of the entries are vacant, so this ends.
    while !entries[index].is_vacant() {
        if entries[index].is_of(home) {
            return Some(entries[index]);
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

/// A hash table. The number of entries is a power of two or zero; `len` of them are occupied, at most half.
pub(super) struct Table {
    entries: Vec<CacheEntry>,
    len: usize,
}

impl Table {
    pub(super) const fn new() -> Self {
        Self { entries: Vec::new(), len: 0 }
    }

    pub(super) fn entries(&self) -> &[CacheEntry] {
        &self.entries
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Adds the cache of a pool that has none in the table. Returns whether there was memory for it.
    pub(super) fn add(&mut self, home: *const (), cache: NonNull<Cache>) -> bool {
        if self.entries.len() <= 2 * self.len + 1 {
            let mut entries = Vec::new();
            let more = 4 * (self.len + 2).next_power_of_two();
            if entries.try_reserve_exact(more).is_err() {
                return false;
            }
            entries.resize(more, CacheEntry::VACANT);
            let before = core::mem::replace(&mut self.entries, entries);
            for entry in before.into_iter().filter(|entry| !entry.is_vacant()) {
                self.insert(entry);
            }
        }
        self.insert(CacheEntry { home, cache: cache.as_ptr() });
        self.len += 1;
        true
    }

    /// Takes out the first cache, from entry `from` on, for which `is_over` returns `true`, and sets `from` to its
    /// entry. Call [`rehash`](Self::rehash) after the last one.
    pub(super) fn take_next(
        &mut self,
        from: &mut usize,
        is_over: impl Fn(NonNull<Cache>) -> bool,
    ) -> Option<NonNull<Cache>> {
        while let Some(entry) = self.entries.get_mut(*from) {
            if let Some(cache) =
                NonNull::new(entry.cache.cast_mut()).filter(|cache| is_over(*cache))
            {
                *entry = CacheEntry::VACANT;
                self.len -= 1;
                return Some(cache);
            }
            *from += 1;
        }
        None
    }

    /// Moves all caches to where a search finds them, within the allocated entries.
    pub(super) fn rehash(&mut self) {
        // Each move brings a cache nearer to the entry of its hash, so this ends.
        let mut moved = true;
        while moved {
            moved = false;
            for index in 0..self.entries.len() {
                let entry = core::mem::replace(&mut self.entries[index], CacheEntry::VACANT);
                if !entry.is_vacant() {
                    moved |= self.insert(entry) != index;
                }
            }
        }
    }

    /// Puts a cache into the first vacant entry from that of its hash on. Returns the index.
    fn insert(&mut self, entry: CacheEntry) -> usize {
        let mask = self.entries.len() - 1;
        let mut index = hash(entry.home) & mask;
        while !self.entries[index].is_vacant() {
            index = (index + 1) & mask;
        }
        self.entries[index] = entry;
        index
    }
}
