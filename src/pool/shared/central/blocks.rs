//! Takes blocks out of the slabs of a pool and puts them back; creates and ends slabs.

use crate::memory::flags::ZEROED;
use crate::memory::header::{HeaderRef, Origin, caching_flags};
use crate::pool::error::{AllocError, AllocErrorKind};
use crate::pool::pages::chunk::Span;
use crate::pool::pages::headers::{NewRegion, Run};
use crate::pool::pages::size_class;
use crate::pool::pages::slab::{PagePurge, Slab, blocks_of, units_of};
use crate::pool::shared::central::{Central, Class};
use crate::pool::shared::stores::slabs;
use crate::pool::tuning::PURGE_STEP;
use crate::sync::lock;
use std::sync::Arc;

type Entry = slabs::Entry<Arc<Central>>;
type Slabs = slabs::Slabs<Arc<Central>>;
type Visit = slabs::Visit<Arc<Central>>;

impl Central {
    /// Takes up to `most` blocks out of slabs and passes each to `each`: at least one.
    ///
    /// # Errors
    ///
    /// Returns an error if the limit does not permit one block, or if there is no memory.
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
            let mut visit = Visit::new();
            let mut slabs = lock(&shared.slabs);
            // Other threads may have added a slab or put blocks since this thread found none: those are used first
            // (S4).
            if !slabs.has_free()
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

    /// Takes one block from the depot or a slab, without the thread's cache. At the limit, reclaims free blocks.
    pub(crate) fn take_one(self: &Arc<Self>, class: u8) -> Result<HeaderRef, AllocError> {
        if let Some(mut round) = self.pop_round(class, || None) {
            let mut blocks = round.drain();
            let first = blocks.next();
            self.put_all(class, &mut blocks);
            drop(blocks);
            if let Some(first) = first {
                return Ok(first);
            }
        }
        self.bound_resident(PURGE_STEP);
        let (size, mut taken) = (size_class::size_of_class(class), None);
        let mut fill = || self.fill(class, 1, &mut |block| taken = Some(block));
        fill().or_else(|error| match error.kind {
            AllocErrorKind::OverLimit if self.reclaim_for(size) => fill(),
            _ => Err(error),
        })?;
        taken.ok_or_else(|| self.refuse(size))
    }

    /// Puts one block back into its slab.
    pub(crate) fn put_one(self: &Arc<Self>, block: HeaderRef) {
        self.put_all(block.class, &mut std::iter::once(block));
    }

    /// Puts blocks of a class back into their slabs, a bounded number for each hold of the lock.
    pub(crate) fn put_all(
        self: &Arc<Self>,
        class: u8,
        mut blocks: &mut dyn Iterator<Item = HeaderRef>,
    ) {
        /// The maximum number of blocks put during one hold of the lock.
        const AT_ONCE: usize = 64;
        let shared = self.used_class(class);
        loop {
            let mut visit = Visit::new();
            let mut put = 0;
            let mut slabs = lock(&shared.slabs);
            for block in (&mut blocks).take(AT_ONCE) {
                slabs.put(block, &mut visit);
                put += 1;
            }
            // Under the lock, before other threads can find the memory (I1).
            self.count(&visit);
            drop(slabs);
            self.end_unused(visit.unused);
            self.uncharge(put * size_class::size_of_class(class));
            if put < AT_ONCE {
                return;
            }
        }
    }

    /// Frees the blocks that were reserved for a purge. Returns the bytes that have ceased to be resident.
    pub(super) fn end_page_purge(
        self: &Arc<Self>,
        shared: &Class,
        place: usize,
        purge: &PagePurge,
        discarded: bool,
    ) -> usize {
        let mut visit = Visit::new();
        let mut slabs = lock(&shared.slabs);
        let purged = slabs.end_purge(place, purge, discarded, &mut visit);
        self.count(&visit);
        drop(slabs);
        self.end_unused(visit.unused);
        purged
    }

    /// Adds the changes of a visit to the idle bytes.
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

    /// Ends the slabs that a visit left unused.
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

    /// Takes a span and a run of headers for a slab.
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

    /// Returns a new slab, which is not in a list yet.
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

    /// Adds a slab to the list. The caller takes a block of it under the same lock (S4). Returns the slab if there is
    /// no memory for its place.
    fn add_slab(&self, slabs: &mut Slabs, entry: Box<Entry>) -> Result<(), Box<Entry>> {
        let dirty = entry.slab.dirty_free();
        // Under the lock, before other threads can find the memory (I1).
        self.idle.add(dirty);
        slabs.add(entry).inspect_err(|_| self.idle.remove(dirty))
    }
}
