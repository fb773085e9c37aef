//! The slabs of one class: finds a slab with a free block, and removes a slab without a block out.
//!
//! Rule:
//!
//! * **S4** Whenever the lock of a class is free, each slab of its list has a block that is out or reserved for a
//!   purge. The thread that adds a slab takes a block of it before it releases the lock. The thread that puts the
//!   last block back removes the slab. A slab in the list without a block out would keep its memory forever, as only
//!   putting a block back removes slabs.

use crate::memory::header::HeaderRef;
use crate::memory::try_box::try_box;
use crate::pool::pages::bits::IndexSet;
use crate::pool::pages::size_class;
use crate::pool::pages::slab::{PagePurge, Slab};
use std::mem::MaybeUninit;

/// A slab in the list of its class.
pub(crate) struct Entry<P> {
    pub(crate) slab: Slab,
    /// The slab's reference to the pool (P2).
    pub(crate) pool: P,
    /// The next slab in a list of unused slabs.
    pub(crate) next: Option<Box<Self>>,
}

/// All slabs of a class.
pub(crate) struct Slabs<P> {
    list: Vec<Option<Box<Entry<P>>>>,
    /// The slabs with a free block. The one with the lowest index is used first, so that others become unused.
    open: IndexSet,
    /// The indexes of the list without a slab.
    vacant: IndexSet,
    /// The number of blocks of all slabs, and the number of those that are free or reserved for a purge.
    blocks: usize,
    free: usize,
}

impl<P> Default for Slabs<P> {
    fn default() -> Self {
        let (open, vacant) = (IndexSet::default(), IndexSet::default());
        Self { list: Vec::new(), open, vacant, blocks: 0, free: 0 }
    }
}

/// The changes during one hold of the class's lock: idle bytes added and removed (I1), and slabs that became unused.
pub(crate) struct Visit<P> {
    pub(crate) more: usize,
    pub(crate) less: usize,
    pub(crate) unused: Option<Box<Entry<P>>>,
}

impl<P> Visit<P> {
    pub(crate) fn new() -> Self {
        Self { more: 0, less: 0, unused: None }
    }
}

impl<P> Slabs<P> {
    /// Returns the number of places, with and without a slab.
    pub(crate) fn places(&self) -> usize {
        self.list.len()
    }

    pub(crate) fn slab(&self, place: usize) -> Option<&Slab> {
        self.list.get(place)?.as_ref().map(|entry| &entry.slab)
    }

    /// Returns the number of blocks out, and the number of free blocks.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.blocks - self.free, self.free)
    }

    /// Frees the memory of the list, if there are no slabs.
    pub(crate) fn free_empty_list(&mut self) {
        if self.blocks == 0 {
            *self = Self::default();
        }
    }

    pub(crate) fn take(&mut self, visit: &mut Visit<P>) -> Option<HeaderRef> {
        let index = self.open.first()?;
        let slab = &mut self.list[index].as_mut().expect("an open slab").slab;
        let (block, dirty) = slab.take().expect("an open slab has a free block");
        if slab.is_full() {
            self.open.remove(index);
        }
        self.free -= 1;
        if dirty {
            visit.less += size_class::size_of_class(block.class);
        }
        Some(block)
    }

    /// Puts a block back into its slab. If the slab is unused then, moves it to the visit.
    pub(crate) fn put(&mut self, block: HeaderRef, visit: &mut Visit<P>) {
        let index = block.slab as usize;
        self.slab_mut(index).put(block);
        self.free += 1;
        visit.more += size_class::size_of_class(block.class);
        self.after_put(index, visit);
    }

    /// Updates the sets for a slab that has more free blocks than before.
    fn after_put(&mut self, index: usize, visit: &mut Visit<P>) {
        if !self.slab_mut(index).is_unused() {
            self.open.insert(index);
            return;
        }
        self.open.remove(index);
        self.vacant.insert(index);
        if let Some(mut entry) = self.list[index].take() {
            self.blocks -= entry.slab.blocks();
            self.free -= entry.slab.blocks();
            visit.less += entry.slab.dirty_free();
            visit.more += entry.slab.span_len();
            entry.next = visit.unused.take();
            visit.unused = Some(entry);
        }
    }

    fn slab_mut(&mut self, index: usize) -> &mut Slab {
        &mut self.list[index].as_mut().expect("a slab with a block out stays (S2)").slab
    }

    /// Returns the index of a vacant place; `None` if there is no memory for one.
    fn reserve(&mut self) -> Option<usize> {
        if let Some(index) = self.vacant.first() {
            return Some(index);
        }
        let index = self.list.len();
        self.list.try_reserve(1).ok()?;
        self.open.try_reserve(index + 1)?;
        self.vacant.try_reserve(index + 1)?;
        self.list.push(None);
        self.vacant.insert(index);
        Some(index)
    }

    /// Adds a slab. Returns it if there is no memory for its place.
    pub(crate) fn add(&mut self, mut entry: Box<Entry<P>>) -> Result<(), Box<Entry<P>>> {
        let Some(index) = self.reserve() else { return Err(entry) };
        entry.slab.set_index(index as u32);
        self.vacant.remove(index);
        self.open.insert(index);
        self.blocks += entry.slab.blocks();
        self.free += entry.slab.blocks();
        self.list[index] = Some(entry);
        Ok(())
    }

    /// Returns whether a slab has a free block.
    pub(crate) fn has_free(&mut self) -> bool {
        self.open.first().is_some()
    }

    /// Frees the blocks that were reserved for a purge. Returns the bytes that have ceased to be resident.
    pub(crate) fn end_purge(
        &mut self,
        place: usize,
        purge: &PagePurge,
        discarded: bool,
        visit: &mut Visit<P>,
    ) -> usize {
        let purged = self.slab_mut(place).end_purge(purge, discarded);
        self.after_put(place, visit);
        visit.less += purged;
        purged
    }

    /// Reserves pages of a slab for a purge, from page `page` on.
    pub(crate) fn begin_purge(&mut self, place: usize, page: usize) -> Option<PagePurge> {
        let slab = &mut self.list.get_mut(place)?.as_mut()?.slab;
        let purge = slab.begin_purge(page)?;
        if slab.is_full() {
            self.open.remove(place);
        }
        Some(purge)
    }
}

impl<P> Entry<P> {
    /// Returns an entry for a slab. Returns the slab if there is no memory for the entry.
    #[allow(clippy::result_large_err, reason = "a box would need the memory that there is not")]
    pub(crate) fn try_new(slab: Slab, pool: P) -> Result<Box<Self>, Slab> {
        match try_box(MaybeUninit::uninit()) {
            Some(place) => Ok(Box::write(place, Self { slab, pool, next: None })),
            None => Err(slab),
        }
    }
}
