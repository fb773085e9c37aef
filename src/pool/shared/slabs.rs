//! The slabs of one class, and how blocks come out of them and return.
//!
//! Rule:
//!
//! * **S4** Whenever the lock of a class is free, each slab of its list has a block that is out or reserved for a purge.
//!   The thread that adds a slab takes a block of it before it lets go of the lock; the thread that puts the last block back
//!   removes the slab. A slab without a block out would keep its memory for ever, as only a returning block ends slabs.

use crate::memory::flags::ZEROED;
use crate::memory::header::{HeaderRef, Origin, caching_flags};
use crate::memory::try_box::try_box;
use crate::pool::error::{AllocError, AllocErrorKind};
use crate::pool::pages::bits::IndexSet;
use crate::pool::pages::chunk::Span;
use crate::pool::pages::headers::{NewRegion, Run};
use crate::pool::pages::size_class;
use crate::pool::pages::slab::{PagePurge, Slab, blocks_of, units_of};
use crate::pool::shared::central::{Central, Class};
use crate::pool::tuning::PURGE_STEP;
use crate::sync::lock;
use std::mem::MaybeUninit;
use std::sync::Arc;

/// A slab in the list of its class.
struct Entry {
    slab: Slab,
    /// Keeps the pool (P2).
    pool: Arc<Central>,
    /// The next of a list of slabs without blocks out.
    next: Option<Box<Entry>>,
}

/// All slabs of a class.
#[derive(Default)]
pub(super) struct Slabs {
    list: Vec<Option<Box<Entry>>>,
    /// The slabs with a free block. The lowest is used first, so that the others become unused.
    open: IndexSet,
    /// The places of the list without a slab.
    vacant: IndexSet,
    /// Blocks of all slabs, and those of them that are free or reserved for a purge.
    blocks: usize,
    free: usize,
}

/// What a visit changed of the idle bytes (I1), and the slabs that it left without a block out.
#[derive(Default)]
struct Visit {
    more: usize,
    less: usize,
    unused: Option<Box<Entry>>,
}

impl Slabs {
    /// Returns the number of places, each with a slab or vacant.
    pub(super) fn places(&self) -> usize {
        self.list.len()
    }

    pub(super) fn slab(&self, place: usize) -> Option<&Slab> {
        self.list.get(place)?.as_ref().map(|entry| &entry.slab)
    }

    /// Returns the number of blocks out, and of free ones.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.blocks - self.free, self.free)
    }

    /// Gives the memory of the list itself up, if there are no slabs.
    pub(super) fn forget_unused(&mut self) {
        if self.blocks == 0 {
            *self = Self::default();
        }
    }

    fn take(&mut self, visit: &mut Visit) -> Option<HeaderRef> {
        let index = self.open.first()?;
        let slab = &mut self.list[index].as_mut().expect("an open slab").slab;
        let (block, warm) = slab.take().expect("an open slab has a free block");
        if slab.is_full() {
            self.open.remove(index);
        }
        self.free -= 1;
        if warm {
            visit.less += size_class::size_of_class(block.class);
        }
        Some(block)
    }

    /// Takes a block back. Its slab is moved to the visit if it is unused now.
    fn put(&mut self, block: HeaderRef, visit: &mut Visit) {
        let index = block.slab as usize;
        self.slab_mut(index).put(block);
        self.free += 1;
        visit.more += size_class::size_of_class(block.class);
        self.after_put(index, visit);
    }

    /// Sorts a slab that has more free blocks than before.
    fn after_put(&mut self, index: usize, visit: &mut Visit) {
        if !self.slab_mut(index).is_unused() {
            self.open.insert(index);
            return;
        }
        self.open.remove(index);
        self.vacant.insert(index);
        if let Some(mut entry) = self.list[index].take() {
            self.blocks -= entry.slab.blocks();
            self.free -= entry.slab.blocks();
            visit.less += entry.slab.warm_free();
            visit.more += entry.slab.span_len();
            entry.next = visit.unused.take();
            visit.unused = Some(entry);
        }
    }

    fn slab_mut(&mut self, index: usize) -> &mut Slab {
        &mut self.list[index].as_mut().expect("a slab with a block out stays (S2)").slab
    }

    /// Finds a place for a new slab. `None` without memory for one.
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

    /// Adds a slab. Gives it back without memory for a place.
    fn add(&mut self, mut entry: Box<Entry>) -> Result<(), Box<Entry>> {
        let Some(index) = self.reserve() else { return Err(entry) };
        entry.slab.set_index(index as u32);
        self.vacant.remove(index);
        self.open.insert(index);
        self.blocks += entry.slab.blocks();
        self.free += entry.slab.blocks();
        self.list[index] = Some(entry);
        Ok(())
    }

    /// Reserves pages of a slab for a purge, from a page on.
    pub(super) fn begin_purge(&mut self, place: usize, page: usize) -> Option<PagePurge> {
        let slab = &mut self.list.get_mut(place)?.as_mut()?.slab;
        let purge = slab.begin_purge(page)?;
        if slab.is_full() {
            self.open.remove(place);
        }
        Some(purge)
    }
}

impl Central {
    /// Takes up to `most` blocks out of slabs and gives them to `each`; at least one, or an error. Idle memory of other
    /// classes makes room under a limit.
    pub(crate) fn fill(
        self: &Arc<Self>,
        class: u8,
        most: usize,
        each: &mut dyn FnMut(HeaderRef),
    ) -> Result<(), AllocError> {
        let shared = self.get_or_create_class(class)?;
        let size = size_class::size_of_class(class);
        let most = match self.charge(most * size, size) {
            Ok(()) => most,
            Err(_) => self.charge(size, size).map(|()| 1)?,
        };
        let (mut taken, mut new) = (0, None);
        let result = loop {
            let mut visit = Visit::default();
            let mut slabs = lock(&shared.slabs);
            // Other threads may have added a slab or put blocks since this one found none: those come first (S4).
            if slabs.open.first().is_none()
                && let Some(entry) = new.take()
            {
                new = self.add_slab(&mut slabs, entry).err();
            }
            while taken < most
                && let Some(block) = slabs.take(&mut visit)
            {
                taken += 1;
                each(block);
            }
            drop(slabs);
            self.end(visit);
            if taken > 0 {
                break Ok(());
            }
            if new.is_some() {
                break Err(self.refuse(size));
            }
            match self.new_slab(class) {
                Ok(entry) => new = Some(entry),
                Err(error) => break Err(error),
            }
        };
        if let Some(entry) = &new {
            self.idle.add(entry.slab.span_len());
            self.end_unused(new);
        }
        self.uncharge((most - taken) * size);
        result
    }

    /// Takes one block, for a thread that has no cache.
    pub(crate) fn take_one(self: &Arc<Self>, class: u8) -> Result<HeaderRef, AllocError> {
        if let Some(mut round) = self.pop_round(class) {
            let mut blocks = round.drain();
            let first = blocks.next();
            self.put_all(class, &mut blocks);
            drop(blocks);
            self.recycle(round);
            if let Some(first) = first {
                return Ok(first);
            }
        }
        self.bound_resident(PURGE_STEP);
        let (size, mut taken) = (size_class::size_of_class(class), None);
        let mut fill = || self.fill(class, 1, &mut |block| taken = Some(block));
        fill().or_else(|error| match error.kind {
            AllocErrorKind::OverLimit if self.make_room(size) => fill(),
            _ => Err(error),
        })?;
        taken.ok_or_else(|| self.refuse(size))
    }

    /// Puts one block back into its slab.
    pub(crate) fn put_one(self: &Arc<Self>, block: HeaderRef) {
        self.put_all(block.class, &mut std::iter::once(block));
    }

    /// Puts blocks of a class back into their slabs, some at a time.
    pub(crate) fn put_all(
        self: &Arc<Self>,
        class: u8,
        mut blocks: &mut dyn Iterator<Item = HeaderRef>,
    ) {
        /// The most blocks that are put while the lock is held.
        const AT_ONCE: usize = 64;
        let shared = self.used_class(class);
        loop {
            let mut visit = Visit::default();
            let mut put = 0;
            let mut slabs = lock(&shared.slabs);
            for block in (&mut blocks).take(AT_ONCE) {
                slabs.put(block, &mut visit);
                put += 1;
            }
            // Before others can find the memory (I1): while the lock is held.
            self.count(&visit);
            drop(slabs);
            self.end_unused(visit.unused);
            self.uncharge(put * size_class::size_of_class(class));
            if put < AT_ONCE {
                return;
            }
        }
    }

    /// Frees the blocks that were reserved for a purge. Returns the bytes that are not resident any more.
    pub(super) fn end_page_purge(
        self: &Arc<Self>,
        shared: &Class,
        place: usize,
        purge: &PagePurge,
        discarded: bool,
    ) -> usize {
        let mut visit = Visit::default();
        let mut slabs = lock(&shared.slabs);
        let cooled = slabs.slab_mut(place).end_purge(purge, discarded);
        slabs.after_put(place, &mut visit);
        visit.less += cooled;
        self.count(&visit);
        drop(slabs);
        self.end_unused(visit.unused);
        cooled
    }

    /// Counts what a visit changed so far.
    fn count(&self, visit: &Visit) {
        let Visit { more, less, .. } = *visit;
        if more > less {
            self.idle.add(more - less);
        } else if less > more {
            self.idle.remove(less - more);
        }
    }

    fn end(self: &Arc<Self>, visit: Visit) {
        self.count(&visit);
        self.end_unused(visit.unused);
    }

    /// Ends slabs without blocks out.
    fn end_unused(self: &Arc<Self>, mut unused: Option<Box<Entry>>) {
        let any = unused.is_some();
        while let Some(entry) = unused {
            let Entry { slab, pool: _pool, next } = *entry;
            unused = next;
            self.put_parts(slab.into_parts());
        }
        if any && self.is_closed_by_now() {
            self.purge_chunks(usize::MAX);
            self.purge_headers();
        }
        self.watch_if_needed();
    }

    fn put_parts(&self, (span, headers): (Span, Run)) {
        let mut chunks = lock(&self.chunks);
        chunks.put(span);
        chunks.headers.put(headers);
    }

    /// Takes a span and places for headers, for one slab.
    fn take_parts(&self, class: u8) -> Result<(Span, Run), AllocError> {
        let size = size_class::size_of_class(class);
        let (units, blocks) = (units_of(class), blocks_of(class));
        loop {
            let mut chunks = lock(&self.chunks);
            let Some(headers) = chunks.headers.take(blocks) else {
                drop(chunks);
                let region = NewRegion::map().ok_or_else(|| self.refuse(size))?;
                if !lock(&self.chunks).headers.add(region) {
                    return Err(self.refuse(size));
                }
                continue;
            };
            let before = chunks.dirty();
            if let Some(span) = chunks.take(units) {
                self.idle.remove(before - chunks.dirty());
                return Ok((span, headers));
            }
            chunks.headers.put(headers);
            let bytes = chunks.next_chunk_size(units);
            drop(chunks);
            let mapping = self.map(bytes, size)?;
            let added = lock(&self.chunks).add(mapping);
            if let Err(mapping) = added {
                self.unmapped(mapping.len());
                return Err(self.refuse(size));
            }
        }
    }

    /// Returns a slab that is in no list yet.
    fn new_slab(self: &Arc<Self>, class: u8) -> Result<Box<Entry>, AllocError> {
        let size = size_class::size_of_class(class);
        let mut flags = if size <= self.max_ref_cached() { caching_flags(size) } else { 0 };
        if self.config.zero_on_release {
            flags |= ZEROED;
        }
        let origin = Origin { home: Arc::as_ptr(self).cast(), class, flags, ..Origin::NOWHERE };
        let (span, headers) = self.take_parts(class)?;
        let parts = match Slab::new(span, headers, origin) {
            Ok(slab) => match Entry::try_new(slab, Arc::clone(self)) {
                Ok(entry) => return Ok(entry),
                Err(slab) => slab.into_parts(),
            },
            Err(parts) => parts,
        };
        self.idle.add(parts.0.len());
        self.put_parts(parts);
        Err(self.refuse(size))
    }

    /// Adds a slab to the list; the caller takes a block of it (S4). Gives it back without memory for a place.
    fn add_slab(&self, slabs: &mut Slabs, entry: Box<Entry>) -> Result<(), Box<Entry>> {
        let warm = entry.slab.warm_free();
        // Before others can find the memory (I1): while the lock is held.
        self.idle.add(warm);
        slabs.add(entry).inspect_err(|_| self.idle.remove(warm))
    }
}

impl Entry {
    /// Gives the slab back without memory for the entry.
    #[allow(clippy::result_large_err, reason = "a box would need the memory that there is not")]
    fn try_new(slab: Slab, pool: Arc<Central>) -> Result<Box<Self>, Slab> {
        match try_box(MaybeUninit::uninit()) {
            Some(place) => Ok(Box::write(place, Self { slab, pool, next: None })),
            None => Err(slab),
        }
    }
}
