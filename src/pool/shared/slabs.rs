//! The slabs of one class, and how blocks come out of them and go back.

use crate::memory::flags::{REF_CACHED, ZEROED};
use crate::memory::header::{HeaderRef, Origin};
use crate::pool::error::AllocError;
use crate::pool::pages::bits::IndexSet;
use crate::pool::pages::size_class;
use crate::pool::pages::slab::{Slab, blocks_of, units_of};
use crate::pool::shared::central::Central;
use crate::pool::thread::magazine::Magazine;
use crate::sync::{MutexGuard, lock};
use std::sync::Arc;

/// All slabs of a class.
#[derive(Default)]
pub(in crate::pool) struct Slabs {
    /// Each keeps the pool (P2).
    list: Vec<Option<(Slab, Arc<Central>)>>,
    /// The slabs with a free block. The lowest is drawn on, so that the others become unused.
    open: IndexSet,
    /// The places of the list without a slab.
    vacant: IndexSet,
}

/// What a visit changed of the bytes that are idle (I1).
#[derive(Default)]
struct Visit {
    more: usize,
    less: usize,
}

impl Slabs {
    pub(in crate::pool) fn iter(&self) -> impl Iterator<Item = &Slab> {
        self.list.iter().flatten().map(|(slab, _)| slab)
    }

    /// As [`Slab::shed`], of all.
    pub(in crate::pool) fn shed(&mut self) -> usize {
        self.list.iter_mut().flatten().map(|(slab, _)| slab.shed()).sum()
    }

    /// Gives the memory of the list itself up, if there are no slabs.
    pub(in crate::pool) fn forget_unused(&mut self) {
        if self.list.iter().all(Option::is_none) {
            *self = Self::default();
        }
    }

    fn take(&mut self, visit: &mut Visit) -> Option<HeaderRef> {
        let index = self.open.first()?;
        let (slab, _) = self.list[index].as_mut().expect("an open slab");
        let (block, warm) = slab.take().expect("an open slab has a free block");
        if slab.is_full() {
            self.open.remove(index);
        }
        if warm {
            visit.less += block.capacity();
        }
        Some(block)
    }

    /// Takes a block back; its slab, if that is unused now.
    fn put(&mut self, block: HeaderRef, visit: &mut Visit) -> Option<(Slab, Arc<Central>)> {
        let (index, size) = (block.slab as usize, block.capacity());
        let place = &mut self.list[index];
        let (slab, _) = place.as_mut().expect("a slab with a block out stays (S2)");
        let was_full = slab.is_full();
        slab.put(block.slot);
        visit.more += size;
        if slab.is_unused() {
            self.open.remove(index);
            self.vacant.insert(index);
            return place.take();
        }
        if was_full {
            self.open.insert(index);
        }
        None
    }

    /// A place for a new slab. `None` without memory for one.
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

    fn add(&mut self, index: usize, slab: Slab, pool: Arc<Central>) {
        self.vacant.remove(index);
        self.open.insert(index);
        self.list[index] = Some((slab, pool));
    }
}

impl Central {
    fn slabs(&self, class: u16) -> MutexGuard<'_, Slabs> {
        lock(&self.class(class).slabs)
    }

    /// One block out of a slab, and up to `more` for a magazine. Idle memory of other classes makes room
    /// under a limit.
    pub(crate) fn fill(
        self: &Arc<Self>,
        class: u16,
        magazine: &mut Magazine,
        more: usize,
    ) -> Result<HeaderRef, AllocError> {
        let mut fill = || self.fill_once(class, magazine, more);
        fill().or_else(|error| if self.shed(usize::MAX) > 0 { fill() } else { Err(error) })
    }

    /// As [`fill`](Self::fill), for one block.
    pub(crate) fn take_one(self: &Arc<Self>, class: u16) -> Result<HeaderRef, AllocError> {
        self.fill(class, &mut Magazine::default(), 0)
    }

    fn fill_once(
        self: &Arc<Self>,
        class: u16,
        magazine: &mut Magazine,
        more: usize,
    ) -> Result<HeaderRef, AllocError> {
        let mut slabs = self.slabs(class);
        let mut visit = Visit::default();
        let first = match slabs.take(&mut visit).or_else(|| self.share(&mut slabs, class)) {
            Some(first) => first,
            None => {
                self.add_slab(&mut slabs, class)?;
                slabs.take(&mut visit).expect("a new slab has free blocks")
            }
        };
        while magazine.len() < more && magazine.has_room() {
            let Some(block) = slabs.take(&mut visit) else { break };
            let _it_has_room = magazine.push(block);
        }
        self.end(visit);
        Ok(first)
    }

    /// A block of a round of the depot, whose others go to their slabs: for threads that may not keep them.
    fn share(self: &Arc<Self>, slabs: &mut Slabs, class: u16) -> Option<HeaderRef> {
        let mut round = self.pop_round(class)?;
        let first = round.pop();
        self.put_into(slabs, &mut round, usize::MAX);
        first
    }

    /// The blocks of a round of the depot back to their slabs: whether there was one. Under the lock, so that
    /// a snapshot finds them in the one place or the other.
    pub(in crate::pool) fn unload_round(self: &Arc<Self>, class: u16) -> bool {
        let mut slabs = self.slabs(class);
        let Some(mut round) = self.pop_round(class) else { return false };
        self.put_into(&mut slabs, &mut round, usize::MAX);
        true
    }

    /// One block back to its slab.
    pub(crate) fn put_one(self: &Arc<Self>, block: HeaderRef) {
        let mut slabs = self.slabs(block.class);
        let mut visit = Visit::default();
        self.put(&mut slabs, block, &mut visit);
        self.end(visit);
    }

    /// The oldest `n` blocks of a magazine, or all it has, back to their slabs.
    pub(crate) fn put_oldest(self: &Arc<Self>, class: u16, magazine: &mut Magazine, n: usize) {
        if n > 0 && magazine.len() > 0 {
            self.put_into(&mut self.slabs(class), magazine, n);
        }
    }

    fn put_into(self: &Arc<Self>, slabs: &mut Slabs, magazine: &mut Magazine, n: usize) {
        let mut visit = Visit::default();
        magazine.drain_oldest(n, |block| self.put(slabs, block, &mut visit));
        self.end(visit);
    }

    fn put(self: &Arc<Self>, slabs: &mut Slabs, block: HeaderRef, visit: &mut Visit) {
        let unused = slabs.put(block, visit);
        self.retire(unused, visit);
    }

    /// Ends a slab.
    fn retire(self: &Arc<Self>, unused: Option<(Slab, Arc<Self>)>, visit: &mut Visit) {
        let Some((slab, _pool)) = unused else { return };
        visit.less += slab.warm_free();
        let (span, headers) = slab.into_parts();
        visit.more += span.len();
        self.end(core::mem::take(visit));
        let mut chunks = lock(&self.chunks);
        chunks.put(span);
        chunks.headers.put(headers);
        drop(chunks);
        if self.is_closed_by_now() {
            self.purge_chunks(usize::MAX);
        }
    }

    /// Counts what a visit changed so far, before others can find it (I1).
    fn end(&self, Visit { more, less }: Visit) {
        if more > less {
            self.idle_more(more - less);
        } else if less > more {
            self.idle_less(less - more);
        }
    }

    fn add_slab(self: &Arc<Self>, slabs: &mut Slabs, class: u16) -> Result<(), AllocError> {
        let size = size_class::size_of_class(class);
        let index = slabs.reserve().ok_or_else(|| self.refuse(size))?;
        let mut chunks = lock(&self.chunks);
        let headers = chunks.headers.take(blocks_of(class)).ok_or_else(|| self.refuse(size))?;
        let before = chunks.dirty();
        let units = units_of(class);
        let span = match chunks.take(units) {
            Some(span) => span,
            None => {
                let mapping = match self.map(chunks.chunk_size(), size) {
                    Ok(mapping) => mapping,
                    Err(error) => {
                        chunks.headers.put(headers);
                        return Err(error);
                    }
                };
                if self.config.huge_pages {
                    mapping.advise_huge();
                }
                chunks.add(mapping);
                chunks.take(units).expect("a new chunk has room for any slab")
            }
        };
        self.idle_less(before - chunks.dirty());
        let flags = if self.config.zero_on_release { REF_CACHED | ZEROED } else { REF_CACHED };
        let (home, number) = (Arc::as_ptr(self).cast(), index as u32);
        let origin = Origin { home, class, slab: number, flags, ..Origin::NOWHERE };
        match Slab::new(span, headers, origin) {
            Ok(slab) => {
                self.idle_more(slab.warm_free());
                slabs.add(index, slab, Arc::clone(self));
                Ok(())
            }
            Err((span, headers)) => {
                self.idle_more(span.len());
                chunks.put(span);
                chunks.headers.put(headers);
                Err(self.refuse(size))
            }
        }
    }
}
