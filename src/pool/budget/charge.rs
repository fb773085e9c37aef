//! [`Charge`]: bytes that are charged to a budget and all above it; how a request is charged, or refused.

use super::super::error::{AllocError, AllocErrorKind};
use super::super::observe::events;
use super::tree::Budget;
use super::work;
use std::sync::{Arc, Weak};

/// The number of times that a request calls the shedders before it is refused.
const SHED_TRIES: u32 = 4;

/// Bytes charged to a budget and all above it. Dropping this returns them.
pub(crate) struct Charge {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Charge {
    /// Bytes that have been charged already.
    pub(super) fn of(budget: &Arc<Budget>, bytes: usize) -> Self {
        Self { budget: Arc::clone(budget), bytes }
    }

    pub(crate) fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        if self.budget.uncharge(self.bytes) {
            work::serve(&self.budget);
        }
    }
}

/// Why a request was not served.
pub(super) enum Refusal<'a> {
    /// The request exceeds the limit of the budget.
    OverLimit(&'a Arc<Budget>),
    /// The budget lacks bytes now.
    Short(&'a Arc<Budget>),
    /// Requests of the same budget wait.
    BehindWaiters,
}

impl Budget {
    /// Charges; if bytes are lacking, calls the shedders and tries again. Returns the reason of a refusal.
    pub(crate) fn charge(
        self: &Arc<Self>,
        bytes: usize,
        requested: usize,
    ) -> Result<Charge, AllocError> {
        self.pass_fail_points(requested)?;
        self.charge_or_shed(bytes).map_err(|refusal| self.refuse(refusal, requested))
    }

    pub(super) fn charge_or_shed(self: &Arc<Self>, bytes: usize) -> Result<Charge, Refusal<'_>> {
        let mut refusal = match self.charge_in_turn(bytes) {
            Ok(charge) => return Ok(charge),
            Err(refusal) => refusal,
        };
        for _ in 0..SHED_TRIES {
            if !self.shed(&refusal) {
                break;
            }
            match self.charge_in_turn(bytes) {
                Ok(charge) => return Ok(charge),
                Err(next) => refusal = next,
            }
        }
        Err(refusal)
    }

    /// Charges unless requests of this budget wait (D3).
    fn charge_in_turn(self: &Arc<Self>, bytes: usize) -> Result<Charge, Refusal<'_>> {
        if self.has_waiters() {
            let over = self.chain().find(|budget| bytes > budget.account.limit());
            return Err(over.map_or(Refusal::BehindWaiters, Refusal::OverLimit));
        }
        let Err(short) = self.try_charge(bytes) else { return Ok(Charge::of(self, bytes)) };
        if short.released {
            work::serve(self);
        }
        let over = self.chain().find(|budget| bytes > budget.account.limit());
        Err(over.map_or(Refusal::Short(short.budget), Refusal::OverLimit))
    }

    /// Asks the shedders of this budget and of those above it, up to the one that lacks bytes, until one
    /// has freed something. Returns whether one did.
    fn shed(self: &Arc<Self>, refusal: &Refusal<'_>) -> bool {
        let last = match refusal {
            Refusal::OverLimit(_) => return false,
            Refusal::Short(short) => Some(*short),
            Refusal::BehindWaiters => None,
        };
        let above_last = |budget: &Arc<Self>| last.is_some_and(|last| Arc::ptr_eq(last, budget));
        let end = self.chain().position(above_last).map_or(usize::MAX, |place| place + 1);
        self.chain().take(end).any(|budget| {
            let shedder = budget.shed.as_ref().and_then(Weak::upgrade);
            shedder.is_some_and(|shed| work::shed(|| shed(&budget.stats())))
        })
    }

    /// Counts a refusal, and returns its error.
    pub(super) fn refuse(self: &Arc<Self>, refusal: Refusal<'_>, requested: usize) -> AllocError {
        let (kind, budget) = match refusal {
            Refusal::OverLimit(budget) | Refusal::Short(budget) => {
                (AllocErrorKind::OverBudget, budget)
            }
            Refusal::BehindWaiters => (AllocErrorKind::BehindWaiters, self),
        };
        budget.account.count_refusal();
        events::budget_exhausted(budget.name(), requested, budget.account.limit());
        let (in_use, limit) = (budget.account.used(), Some(budget.account.limit()));
        AllocError { kind, requested, in_use, limit, budget: Some(Arc::clone(budget.name())) }
    }

    /// Returns the error of a request without memory, which a test can also inject.
    pub(super) fn out_of_memory(&self, requested: usize) -> AllocError {
        self.account.count_refusal();
        let (kind, in_use) = (AllocErrorKind::OutOfMemory, self.account.used());
        AllocError { kind, requested, in_use, limit: None, budget: None }
    }

    /// Returns the error of a system without memory, if a fail point of the chain asks for it.
    pub(super) fn pass_fail_points(self: &Arc<Self>, requested: usize) -> Result<(), AllocError> {
        #[cfg(feature = "testing")]
        if self.chain().filter_map(|budget| budget.fail_point.as_ref()).any(|fails| fails()) {
            return Err(self.out_of_memory(requested));
        }
        _ = requested;
        Ok(())
    }
}
