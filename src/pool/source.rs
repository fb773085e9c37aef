//! [`Source`]: the pool and the budget that a buffer's memory comes from.

use crate::memory::header::{ExtHead, HeaderRef, Kind};
use crate::memory::owned;
use crate::pool::block::Block;
use crate::pool::block_ext::{self, BlockExt};
use crate::pool::budget::{Budget, Charge};
use crate::pool::error::{AllocError, AllocErrorKind};
use crate::pool::pages::size_class;
use crate::pool::shared::central::{Central, pool_of};
use crate::pool::thread::local;
use std::panic::Location;
use std::sync::Arc;

/// A pool, and the budget that is charged, if there is one.
#[derive(Clone)]
pub(crate) struct Source {
    pub(super) central: Arc<Central>,
    pub(super) budget: Option<Arc<Budget>>,
    /// One block in this number may get an extension; no block if it is 0. With a budget it is 1.
    extended: u32,
}

impl Source {
    pub(super) fn new(central: Arc<Central>, budget: Option<Arc<Budget>>) -> Self {
        let tracked = central.tracker.as_ref().map_or(0, |tracker| tracker.every());
        let extended = if budget.is_some() { 1 } else { tracked };
        Self { central, budget, extended }
    }

    /// Returns a block of at least `size` bytes from this thread's cache, if it has one and the block needs no
    /// extension.
    #[inline(always)]
    pub(crate) fn try_cached(&self, size: usize) -> Option<Block> {
        if self.extended == 0 {
            Block::try_cached(&self.central, size)
        } else {
            self.try_cached_plain(size)
        }
    }

    /// As [`try_cached`](Self::try_cached), for a pool of which some blocks get an extension.
    #[inline(never)]
    fn try_cached_plain(&self, size: usize) -> Option<Block> {
        if self.extended == 1 || local::is_sample_due(&self.central, self.extended) {
            return None;
        }
        Block::try_cached(&self.central, size).inspect(|_| local::count_unsampled(&self.central))
    }

    /// As [`try_cached`](Self::try_cached), from any part of the pool. Charges and tracks the block.
    #[track_caller]
    pub(crate) fn allocate(&self, size: usize) -> Result<Block, AllocError> {
        if self.extended == 0 {
            return Block::allocate(&self.central, size);
        }
        let charge = match &self.budget {
            Some(budget) => Some(budget.charge(self.charge_of(size)?, size)?),
            None => None,
        };
        self.allocate_charged(size, charge, Location::caller())
    }

    /// As [`allocate`](Self::allocate), after waiting until the budget has the bytes.
    pub(super) async fn wait(
        &self,
        size: usize,
        location: &'static Location<'static>,
    ) -> Result<Block, AllocError> {
        let charge = match &self.budget {
            Some(budget) => Some(budget.wait(self.charge_of(size)?, size).await?),
            None => None,
        };
        self.allocate_charged(size, charge, location)
    }

    /// Allocates a block that has been charged, and tracks it.
    fn allocate_charged(
        &self,
        size: usize,
        charge: Option<Charge>,
        location: &'static Location<'static>,
    ) -> Result<Block, AllocError> {
        let block = Block::allocate(&self.central, size)?;
        let tracker = self.central.tracker.as_ref();
        let tracked = tracker
            .filter(|tracker| local::sample(&self.central, tracker))
            .and_then(|tracker| tracker.remember(location, size, block.capacity()));
        if charge.is_none() && tracked.is_none() {
            return Ok(block);
        }
        block.attach(BlockExt { head: ExtHead::new(), charge, tracked }).map_err(|ext| {
            if let (Some(id), Some(tracker)) = (ext.tracked, tracker) {
                tracker.forget(id);
            }
            self.central.refuse(size)
        })?;
        Ok(block)
    }

    /// Returns a block of no bytes, for a buffer without memory that is to grow in this pool and budget. It is
    /// charged to no budget, and no limit counts it.
    ///
    /// # Errors
    ///
    /// If the system has no memory for it.
    pub(crate) fn block_of_no_bytes(&self) -> Result<Block, AllocError> {
        let block = owned::keep(self.clone()).ok_or_else(|| self.central.refuse(0))?;
        Ok(Block::adopted(block))
    }

    /// Returns whether both are the same pool and budget.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let budget = |source: &Self| source.budget.as_ref().map(Arc::as_ptr);
        Arc::ptr_eq(&self.central, &other.central) && budget(self) == budget(other)
    }

    /// Returns the same pool without the budget, for memory that is freed before the call ends.
    pub(crate) fn without_budget(self) -> Self {
        Self::new(self.central, None)
    }

    /// Returns the bytes that are charged for a block of `size` bytes.
    fn charge_of(&self, size: usize) -> Result<usize, AllocError> {
        let kind = AllocErrorKind::TooLarge;
        size_class::block_size(size).ok_or_else(|| AllocError { kind, ..self.central.refuse(size) })
    }
}

impl Block {
    /// Returns the pool and budget of the block, which a growing buffer uses again; `None` if the block has no pool.
    pub(crate) fn source(&self) -> Option<Source> {
        let block = self.header();
        if block.home().is_null() {
            // That of a block of no bytes.
            return self.owner::<Source>().cloned();
        }
        Some(Source::new(pool_of(block), block_ext::budget(block)))
    }

    /// Returns whether this block's bytes may be copied into `other`, which is a block of a pool or none: both are
    /// from the same pool and budget, or one of them is from no pool.
    #[inline]
    pub(crate) fn may_be_copied_into(&self, other: Option<&Self>) -> bool {
        let from = self.header();
        from.kind == Kind::Owned
            || other
                .map(Self::header)
                .is_none_or(|to| from.plain_home() == to.plain_home() || shares_source(from, to))
    }

    /// Returns whether the block's pool overwrites it with zeros when the last handle is dropped.
    pub(crate) fn is_zeroed_on_release(&self) -> bool {
        self.header().flags.is_zeroed()
    }
}

#[cold]
fn shares_source(a: HeaderRef, b: HeaderRef) -> bool {
    a.home() == b.home() && block_ext::share_budget(a, b)
}
