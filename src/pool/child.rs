//! The methods of [`Pool`] that make budgets, and that allocate by waiting for one.

use crate::pool::budget::{Budget, BudgetStats, Shed, Shedders};
use crate::pool::error::AllocError;
use crate::pool::{Block, Pool, Source};
use std::panic::Location;
use std::sync::Arc;

impl Pool {
    fn child(&self, budget: Budget, shedders: Shedders) -> Self {
        let source = Source::new(Arc::clone(self.central()), Some(Arc::new(budget)));
        Self { source, shedders, _close: Arc::clone(&self._close) }
    }

    /// Returns a child of this pool with a limit of `bytes`. It uses the same memory and has its own account.
    ///
    /// The full size of a buffer's block is charged to this budget and all above it, until the last view of the
    /// block is dropped. When one of them is exhausted, `try_alloc` returns an error, `alloc` panics, and
    /// [`alloc_wait`](Self::alloc_wait) waits.
    ///
    /// Budgets are isolated: a request whose bytes are free is served, even while other budgets have waiters.
    /// See [`alloc_wait`](Self::alloc_wait) for the order in which waiters are served.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::{AllocErrorKind, Pool};
    ///
    /// let tenant = Pool::global().budget("tenant 7", 10_000);
    /// let body = tenant.alloc(8192);
    /// let error = tenant.try_alloc(4096).unwrap_err();
    /// assert_eq!((error.kind(), error.budget()), (AllocErrorKind::OverBudget, Some("tenant 7")));
    /// # assert!(body.is_empty());
    /// ```
    ///
    /// # Cost
    ///
    /// For each buffer: two atomic operations for this budget and for each above it, and a small allocation.
    #[must_use]
    pub fn budget(&self, name: &str, bytes: usize) -> Self {
        let budget = Budget::new(name, bytes, self.source.budget.clone(), None);
        self.child(budget, self.shedders.clone())
    }

    /// Returns a child as [`budget`](Self::budget) does, with a function that frees some of the budget's buffers, for
    /// example those of a cache.
    ///
    /// `shed` returns whether it freed something. It is called when a request of this budget, or of one below it, lacks bytes of this budget or of one
    /// below: by allocations, and by [`alloc_wait`](Self::alloc_wait) before it waits. While it returns `true`,
    /// the request is tried again, up to four times.
    ///
    /// `shed` runs on the requesting thread, while no lock of the pool is held. It may use any pool; while it runs,
    /// requests of this thread call no such function. Do not allocate while you hold a lock that `shed` takes.
    ///
    /// `shed` is dropped with the last `Pool` of this budget and of those below it, so it may own buffers of the
    /// budget. If it owns a `Pool` of the budget, it is never dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::Pool;
    /// use std::sync::{Arc, Mutex};
    ///
    /// let cache = Arc::new(Mutex::new(Vec::new()));
    /// let evict = Arc::clone(&cache);
    /// let pool =
    ///     Pool::global().budget_shedding("cache", 8192, move |_| evict.lock().unwrap().pop().is_some());
    /// for _ in 0..100 {
    ///     let buffer = pool.alloc(4096);
    ///     cache.lock().unwrap().push(buffer);
    /// }
    /// assert_eq!(cache.lock().unwrap().len(), 2);
    /// ```
    #[must_use]
    pub fn budget_shedding(
        &self,
        name: &str,
        bytes: usize,
        shed: impl Fn(&BudgetStats) -> bool + Send + Sync + 'static,
    ) -> Self {
        let shed: Arc<Shed> = Arc::new(shed);
        let parent = self.source.budget.clone();
        let budget = Budget::new(name, bytes, parent, Some(Arc::downgrade(&shed)));
        self.child(budget, self.shedders.with(shed))
    }

    /// Returns a child of this pool whose allocations fail when `fails` requests it.
    #[cfg(feature = "testing")]
    pub(crate) fn with_fail_point(&self, fails: crate::pool::budget::FailPoint) -> Self {
        let budget = Budget::failing(self.source.budget.clone(), fails);
        self.child(budget, self.shedders.clone())
    }

    /// Returns the account of this budget; `None` for a pool that is not a budget.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::Pool;
    ///
    /// let pool = Pool::builder().build();
    /// let tenant = pool.budget("tenant 7", 1 << 20);
    /// let request = tenant.alloc(4096);
    /// assert_eq!(tenant.budget_stats().unwrap().used, 4096);
    /// assert!(pool.budget_stats().is_none());
    /// # drop(request);
    /// ```
    #[must_use]
    pub fn budget_stats(&self) -> Option<BudgetStats> {
        self.source.budget.as_ref().map(|budget| budget.stats())
    }

    /// Waits until the budget has the bytes for a buffer of `size` bytes, and returns its memory.
    #[track_caller]
    pub(crate) fn block_wait(
        &self,
        size: usize,
    ) -> impl Future<Output = Result<Block, AllocError>> + Send + '_ {
        self.source.wait(size, Location::caller())
    }
}
