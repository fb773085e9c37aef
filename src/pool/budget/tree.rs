//! [`Budget`]: an account, the budget above it, and its waiters.

use super::account::Account;
use super::queue::{VACANT, WaitQueue};
use crate::sync::{AtomicUsize, Mutex, Ordering};
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::{Arc, Weak};
use std::task::Waker;

/// Frees some bytes of a budget. Returns whether it did.
pub(crate) type Shed = dyn Fn(&BudgetStats) -> bool + Send + Sync;

/// Returns whether an allocation is to fail, for tests.
#[cfg(feature = "testing")]
pub(crate) type FailPoint = Box<dyn Fn() -> bool + Send + Sync>;

/// The value of [`Budget::wanted`] while no request is queued.
const NONE_WANTED: usize = VACANT;

/// A limit on the bytes of a pool, and their account.
pub(crate) struct Budget {
    name: Arc<str>,
    pub(super) account: Account,
    parent: Option<Arc<Self>>,
    /// Weak, as it may own buffers that are charged to this budget.
    pub(super) shed: Option<Weak<Shed>>,
    /// The number of waiting requests of this budget: later ones wait too (D3).
    pub(super) waiting: AtomicUsize,
    /// The fewest bytes of this budget that a queued request asks for: a release that leaves less free takes
    /// no lock (D5).
    pub(super) wanted: AtomicUsize,
    pub(super) queues: Mutex<Queues>,
    #[cfg(feature = "testing")]
    pub(super) fail_point: Option<FailPoint>,
}

// Shedders and wakers are the only foreign code here. When one panics, no lock is held and no charge is partly made.
impl UnwindSafe for Budget {}
impl RefUnwindSafe for Budget {}

/// The waiters, under the lock of one budget.
pub(super) struct Queues {
    /// The requests of this budget, in order of arrival.
    pub(super) waiters: WaitQueue<Waiter>,
    /// The budgets whose first waiter lacks bytes of this one: this budget itself, or some below it.
    pub(super) budgets: WaitQueue<Arc<Budget>>,
    /// Where this budget is queued, while it has waiters (D4).
    pub(super) entry: Option<QueueEntry>,
}

/// An entry in the queue of a budget.
pub(super) struct QueueEntry {
    pub(super) budget: Arc<Budget>,
    pub(super) id: usize,
}

/// The state of a waiting request.
pub(super) enum Waiter {
    /// In the queue, with its waker.
    Queued(Waker),
    /// Charged.
    Served,
    /// No memory for a place in the queue of the budget that lacks bytes.
    NoMemory,
}

/// The figures of a budget.
///
/// # Examples
///
/// ```
/// use bytebuf::Pool;
///
/// let tenant = Pool::global().budget("tenant 7", 10_000);
/// drop(tenant.alloc(8192));
/// assert!(tenant.try_alloc(20_000).is_err());
///
/// let stats = tenant.budget_stats().unwrap();
/// assert_eq!((stats.used, stats.peak, stats.refused), (0, 8192, 1));
/// assert_eq!(
///     stats.to_string(),
///     "budget tenant 7: 0 of 10000 bytes used, 8192 at most, 1 refused"
/// );
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BudgetStats {
    /// The name of the budget.
    pub name: Arc<str>,
    /// The maximum number of bytes in use.
    pub limit: usize,
    /// The full size of the blocks that its buffers, and views of them, hold.
    pub used: usize,
    /// The maximum of `used` so far.
    pub peak: usize,
    /// The number of allocations that the budget refused.
    pub refused: u64,
}

impl fmt::Display for BudgetStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, limit, used, peak, refused } = self;
        write!(f, "budget {name}: {used} of {limit} bytes used, {peak} at most, {refused} refused")
    }
}

/// Why a charge was not made.
pub(super) struct Shortage<'a> {
    /// The lowest budget that lacks bytes.
    pub(super) budget: &'a Arc<Budget>,
    /// Whether some bytes were charged and released meanwhile, so that waiters must be served.
    pub(super) released: bool,
}

impl Budget {
    pub(crate) fn new(
        name: &str,
        limit: usize,
        parent: Option<Arc<Self>>,
        shed: Option<Weak<Shed>>,
    ) -> Self {
        let (waiters, budgets) = (WaitQueue::new(), WaitQueue::new());
        Self {
            name: name.into(),
            account: Account::new(limit),
            parent,
            shed,
            waiting: AtomicUsize::new(0),
            wanted: AtomicUsize::new(NONE_WANTED),
            queues: Mutex::new(Queues { waiters, budgets, entry: None }),
            #[cfg(feature = "testing")]
            fail_point: None,
        }
    }

    /// A budget without a limit, whose allocations fail where `fail_point` says so.
    #[cfg(feature = "testing")]
    pub(crate) fn failing(parent: Option<Arc<Self>>, fail_point: FailPoint) -> Self {
        let mut budget = Self::new("fail point", usize::MAX, parent, None);
        budget.fail_point = Some(fail_point);
        budget
    }

    pub(crate) fn stats(&self) -> BudgetStats {
        BudgetStats {
            name: Arc::clone(&self.name),
            limit: self.account.limit(),
            used: self.account.used(),
            peak: self.account.peak(),
            refused: self.account.refused(),
        }
    }

    pub(super) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// This budget and those above it, upward.
    pub(super) fn chain(self: &Arc<Self>) -> impl Iterator<Item = &Arc<Self>> {
        std::iter::successors(Some(self), |budget| budget.parent.as_ref())
    }

    pub(super) fn has_waiters(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Charges this budget and all above it, or none (D2).
    pub(super) fn try_charge(self: &Arc<Self>, bytes: usize) -> Result<(), Shortage<'_>> {
        let mut released = false;
        loop {
            if let Some(budget) = self.chain().find(|budget| budget.account.lacks(bytes)) {
                return Err(Shortage { budget, released });
            }
            let Some(short) = self.chain().position(|budget| !budget.account.charge(bytes)) else {
                return Ok(());
            };
            // Another request took the bytes since the check. Returns what was charged, and checks again.
            for budget in self.chain().take(short) {
                released |= budget.uncharge_one(bytes);
            }
        }
    }

    /// Ends a charge. Returns whether a waiter may fit now.
    pub(super) fn uncharge(self: &Arc<Self>, bytes: usize) -> bool {
        let mut is_wanted = false;
        for budget in self.chain() {
            is_wanted |= budget.uncharge_one(bytes);
        }
        is_wanted
    }

    /// Ends a charge of this budget alone. Returns whether a waiter may fit now: first the bytes are subtracted, then
    /// `wanted` is read (D5).
    fn uncharge_one(&self, bytes: usize) -> bool {
        let available = self.account.uncharge(bytes);
        self.is_wanted(available)
    }

    /// Returns whether a queued request asks for at most this number of bytes.
    pub(super) fn is_wanted(&self, available: usize) -> bool {
        let wanted = self.wanted.load(Ordering::Relaxed);
        wanted <= available && wanted != NONE_WANTED
    }
}

impl Drop for Budget {
    /// Drops the budgets above one after the other: recursion would overflow the stack.
    fn drop(&mut self) {
        let mut above = self.parent.take();
        while let Some(mut budget) = above.and_then(Arc::into_inner) {
            above = budget.parent.take();
        }
    }
}
