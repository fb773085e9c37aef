//! [`Source`]: where a buffer's memory comes from, and what is noted about it.

use crate::pool::block::Block;
use crate::pool::budget::{Budget, Wait};
use crate::pool::error::{AllocError, AllocErrorKind};
use crate::pool::note::{self, Charge, Note};
use crate::pool::pages::size_class;
use crate::pool::shared::central::Central;
use crate::pool::thread::local;
use std::panic::Location;
use std::sync::Arc;

/// A pool, and the budget of it that is charged.
#[derive(Clone)]
pub(crate) struct Source {
    pub(super) central: Arc<Central>,
    pub(super) budget: Option<Arc<Budget>>,
    /// One in how many allocations is noted: none is if zero; with a budget, all are.
    noted: u32,
}

impl Source {
    pub(super) fn new(central: Arc<Central>, budget: Option<Arc<Budget>>) -> Self {
        let tracked = central.tracker.as_ref().map_or(0, |tracker| tracker.every());
        let noted = if budget.is_some() { 1 } else { tracked };
        Self { central, budget, noted }
    }

    /// Memory of at least `size` bytes that nobody else holds, if that can be had without ado.
    #[inline(always)]
    pub(crate) fn try_cached(&self, size: usize) -> Option<Block> {
        if self.noted == 0 {
            return Block::try_cached(&self.central, size);
        }
        if self.noted == 1 || local::is_sample_due(&self.central, self.noted) {
            return None;
        }
        Block::try_cached(&self.central, size).inspect(|_| local::count_unsampled(&self.central))
    }

    /// As [`try_cached`](Self::try_cached), wherever it must come from and whatever is to be noted.
    #[track_caller]
    pub(crate) fn allocate(&self, size: usize) -> Result<Block, AllocError> {
        if self.noted == 0 {
            Block::allocate(&self.central, size)
        } else {
            self.allocate_noted(size)
        }
    }

    #[track_caller]
    fn allocate_noted(&self, size: usize) -> Result<Block, AllocError> {
        let Some(budget) = &self.budget else {
            return self.allocate_charged(size, None);
        };
        let bytes = self.charge_of(size)?;
        budget.charge(bytes, size)?;
        self.allocate_charged(size, Some(Charge { budget: Arc::clone(budget), bytes }))
    }

    /// Allocates what has been charged.
    #[track_caller]
    fn allocate_charged(&self, size: usize, charge: Option<Charge>) -> Result<Block, AllocError> {
        let location = Location::caller();
        let block = Block::allocate(&self.central, size)?;
        let sampled =
            self.central.tracker.as_ref().filter(|tracker| local::sample(&self.central, tracker));
        let tracked =
            sampled.and_then(|tracker| tracker.remember(location, size, block.capacity()));
        if charge.is_none() && tracked.is_none() {
            return Ok(block);
        }
        match block.attach(Note { charge, tracked }) {
            Ok(()) => Ok(block),
            Err(note) => {
                if let (Some(id), Some(tracker)) = (note.tracked, &self.central.tracker) {
                    tracker.forget(id);
                }
                Err(self.central.refuse(size))
            }
        }
    }

    /// Waits until the budget has room for a block of `size` bytes.
    pub(super) fn wait(&self, size: usize) -> Result<Option<Reserved>, AllocError> {
        let Some(budget) = &self.budget else { return Ok(None) };
        let bytes = self.charge_of(size)?;
        let wait = budget.wait(bytes, size)?;
        Ok(Some(Reserved { wait, budget: Arc::clone(budget), bytes }))
    }

    /// What a block for `size` bytes is charged at.
    fn charge_of(&self, size: usize) -> Result<usize, AllocError> {
        let kind = AllocErrorKind::TooLarge;
        size_class::block_size(size).ok_or_else(|| AllocError { kind, ..self.central.refuse(size) })
    }
}

/// A charge that is waited for.
pub(super) struct Reserved {
    pub(super) wait: Wait,
    budget: Arc<Budget>,
    bytes: usize,
}

impl Reserved {
    /// Allocates on the charge, once the wait is over.
    #[track_caller]
    pub(super) fn allocate(self, source: &Source, size: usize) -> Result<Block, AllocError> {
        let Self { budget, bytes, .. } = self;
        source.allocate_charged(size, Some(Charge { budget, bytes }))
    }
}

impl Block {
    /// Where the block came from, so that a buffer grows from there; `None` if it came from no pool.
    pub(crate) fn source(&self) -> Option<Source> {
        let block = self.header();
        if block.home.is_null() {
            return None;
        }
        Some(Source::new(local::central_of(block), note::budget(block)))
    }

    /// Returns whether the block's pool overwrites it with zeros when the last handle is dropped.
    pub(crate) fn is_zeroed_on_release(&self) -> bool {
        self.header().flags.is_zeroed()
    }
}
