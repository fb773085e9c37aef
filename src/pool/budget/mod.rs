//! Budgets: how many bytes of a pool one user of it may hold, and what happens when there are no more.
//!
//! Rules:
//!
//! * **D1** `used` is the sum of the charges that are out, of this budget and all below it; a charge is the
//!   full size of a block, from when it is handed out until its last handle is gone.
//! * **D2** A charge is made on a budget and all above it, or on none.
//! * **D3** Who waits is served in order: nobody gets bytes of a budget while somebody waits for the same
//!   budget, or for one above it, that came earlier. Budgets of one tree share one line.
//! * **D4** Nothing is called out to (wakers, callbacks) while the line or a ticket is locked. A waker that
//!   panics keeps no other from being woken.
//! * **D5** No wait is in vain: who gives bytes back looks for a line afterwards; who joins the line looks
//!   for bytes afterwards. Both *change* `used` in between, the one who finds too little by nothing, so one
//!   of the changes comes first, and the other sees what went before it.

use super::error::{AllocError, AllocErrorKind};
use crate::sync::{AtomicUsize, Mutex, Ordering, lock};
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, RefUnwindSafe, UnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::task::{Context, Poll, Waker};

/// How often an allocation asks the shedder before it gives up.
const SHED_TRIES: u32 = 4;

/// Frees something, when a budget is exhausted: whether it did.
type Shedder = Box<dyn Fn(&BudgetStats) -> bool + Send + Sync>;

/// Says of each allocation whether it is to fail, for tests.
#[cfg(feature = "testing")]
pub(crate) type Saboteur = Box<dyn Fn() -> bool + Send + Sync>;

/// A limit on the bytes of a pool, and the account of them.
pub(crate) struct Budget {
    name: Arc<str>,
    limit: usize,
    used: AtomicUsize,
    peak: AtomicUsize,
    refused: AtomicU64,
    parent: Option<Arc<Budget>>,
    shedder: Option<Shedder>,
    line: Arc<Line>,
    #[cfg(feature = "testing")]
    saboteur: Option<Saboteur>,
}

// A panic of a shedder or a waker, the only foreign code in here, finds no lock held and no charge half-made.
impl UnwindSafe for Budget {}
impl RefUnwindSafe for Budget {}

/// Who waits for bytes of any budget of a tree, in order.
#[derive(Default)]
struct Line {
    /// How many tickets there are: so that nobody locks for nothing.
    waiting: AtomicUsize,
    tickets: Mutex<VecDeque<Arc<Ticket>>>,
}

struct Ticket {
    budget: Arc<Budget>,
    bytes: usize,
    state: Mutex<TicketState>,
}

#[derive(Default)]
struct TicketState {
    served: bool,
    waker: Option<Waker>,
}

/// What a budget has given and kept.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BudgetStats {
    /// The name that it was made with.
    pub name: Arc<str>,
    /// The most bytes that it gives.
    pub limit: usize,
    /// The bytes of blocks that its buffers, and views of them, hold: live and pinned.
    pub used: usize,
    /// The most that `used` has been.
    pub peak: usize,
    /// How many allocations it has refused.
    pub refused: u64,
}

impl fmt::Display for BudgetStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, limit, used, peak, refused } = self;
        write!(f, "budget {name}: {used} of {limit} bytes used, {peak} at most, {refused} refused")
    }
}

impl Budget {
    pub(crate) fn new(
        name: &str,
        limit: usize,
        parent: Option<Arc<Self>>,
        shedder: Option<Shedder>,
    ) -> Arc<Self> {
        let line = parent.as_ref().map_or_else(Arc::default, |parent| Arc::clone(&parent.line));
        let (used, peak, refused) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicU64::new(0));
        Arc::new(Self {
            name: name.into(),
            limit,
            used,
            peak,
            refused,
            parent,
            shedder,
            line,
            #[cfg(feature = "testing")]
            saboteur: None,
        })
    }

    /// A budget without a limit, whose allocations fail where `saboteur` says so.
    #[cfg(feature = "testing")]
    pub(crate) fn sabotaged(parent: Option<Arc<Self>>, saboteur: Saboteur) -> Arc<Self> {
        let mut budget = Self::new("sabotaged", usize::MAX, parent, None);
        if let Some(budget) = Arc::get_mut(&mut budget) {
            budget.saboteur = Some(saboteur);
        }
        budget
    }

    /// Fails as if the system had no memory, where a saboteur says so.
    #[cfg(feature = "testing")]
    fn survive(&self, requested: usize) -> Result<(), AllocError> {
        let mut saboteurs = self.and_above().filter_map(|budget| budget.saboteur.as_ref());
        if !saboteurs.any(|fails| fails()) {
            return Ok(());
        }
        self.refused.fetch_add(1, Ordering::Relaxed);
        let kind = AllocErrorKind::OutOfMemory;
        Err(AllocError { kind, limit: None, budget: None, ..self.refusal(requested) })
    }

    pub(crate) fn stats(&self) -> BudgetStats {
        BudgetStats {
            name: Arc::clone(&self.name),
            limit: self.limit,
            used: self.used.load(Ordering::Relaxed),
            peak: self.peak.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
        }
    }

    fn and_above(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |budget| budget.parent.as_deref())
    }

    /// Charges this budget and all above it (D2). `Err` is the one that is exhausted.
    fn try_charge(&self, bytes: usize) -> Result<(), &Self> {
        for budget in self.and_above() {
            if !budget.take(bytes) {
                let charged = self.and_above().take_while(|b| !std::ptr::eq(*b, budget));
                charged.for_each(|budget| budget.give_back(bytes));
                return Err(budget);
            }
        }
        Ok(())
    }

    /// Adds to what is used of this budget alone, if the limit allows it.
    fn take(&self, bytes: usize) -> bool {
        let sum = |used: usize| used.checked_add(bytes).filter(|&sum| sum <= self.limit);
        let mut used = self.used.load(Ordering::Relaxed);
        loop {
            if let Some(more) = sum(used) {
                let (success, failure) = (Ordering::Relaxed, Ordering::Relaxed);
                match self.used.compare_exchange_weak(used, more, success, failure) {
                    Ok(_) => {
                        self.peak.fetch_max(more, Ordering::Relaxed);
                        return true;
                    }
                    Err(now) => used = now,
                }
            } else {
                // AcqRel, and a change: as D5 says, with `give_back`.
                used = self.used.fetch_add(0, Ordering::AcqRel);
                if sum(used).is_none() {
                    return false;
                }
            }
        }
    }

    fn give_back(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::AcqRel);
    }

    /// Takes a charge back, and serves who waits for it.
    pub(crate) fn release(&self, bytes: usize) {
        for budget in self.and_above() {
            budget.give_back(bytes);
        }
        self.serve();
    }

    /// Charges, or asks the shedder and tries again, or says why not.
    pub(crate) fn charge(&self, bytes: usize, requested: usize) -> Result<(), AllocError> {
        #[cfg(feature = "testing")]
        self.survive(requested)?;
        let mut short = match self.charge_in_turn(bytes) {
            Ok(()) => return Ok(()),
            Err(short) => short,
        };
        let shedders =
            || self.and_above().filter_map(|budget| Some((budget, budget.shedder.as_ref()?)));
        for _ in 0..SHED_TRIES {
            if bytes > short.limit || !shedders().any(|(budget, shed)| shed(&budget.stats())) {
                break;
            }
            match self.charge_in_turn(bytes) {
                Ok(()) => return Ok(()),
                Err(next) => short = next,
            }
        }
        short.refused.fetch_add(1, Ordering::Relaxed);
        super::observe::events::budget_exhausted(&short.name, requested, short.limit);
        Err(short.refusal(requested))
    }

    /// Charges unless others wait (D3).
    fn charge_in_turn(&self, bytes: usize) -> Result<(), &Self> {
        if self.line.waiting.load(Ordering::Relaxed) > 0 && self.someone_waits() {
            return Err(self);
        }
        let short = match self.try_charge(bytes) {
            Ok(()) => return Ok(()),
            Err(short) => short,
        };
        // A charge that was taken and given back may have kept another from being served.
        self.serve();
        Err(short)
    }

    /// Whether anybody waits for a budget that this charge would draw on.
    fn someone_waits(&self) -> bool {
        let is_mine = |budget: &Self| self.and_above().any(|mine| std::ptr::eq(mine, budget));
        lock(&self.line.tickets).iter().any(|ticket| {
            let mut shared = ticket.budget.and_above().filter(|budget| is_mine(budget));
            shared.any(|budget| budget.is_short_of(ticket.bytes))
        })
    }

    fn is_short_of(&self, bytes: usize) -> bool {
        self.limit.saturating_sub(self.used.load(Ordering::Relaxed)) < bytes
    }

    fn refusal(&self, requested: usize) -> AllocError {
        AllocError {
            kind: AllocErrorKind::OverBudget,
            requested,
            in_use: self.used.load(Ordering::Relaxed),
            limit: Some(self.limit),
            budget: Some(Arc::clone(&self.name)),
        }
    }

    /// Serves tickets in order, as far as there is room. A budget that is short keeps those behind from
    /// passing it (D3).
    fn serve(&self) {
        if self.line.waiting.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut wakers = Vec::new();
        let mut short: Vec<*const Self> = Vec::new();
        lock(&self.line.tickets).retain(|ticket| {
            let blocked = ticket.budget.and_above().any(|b| short.contains(&std::ptr::from_ref(b)));
            if blocked {
                return true;
            }
            if let Err(budget) = ticket.budget.try_charge(ticket.bytes) {
                short.push(budget);
                return true;
            }
            self.line.waiting.fetch_sub(1, Ordering::Relaxed);
            let mut state = lock(&ticket.state);
            state.served = true;
            wakers.extend(state.waker.take());
            false
        });
        wake_all(wakers);
    }

    /// Waits for a charge, which is the caller's then.
    pub(crate) fn wait(
        self: &Arc<Self>,
        bytes: usize,
        requested: usize,
    ) -> Result<Wait, AllocError> {
        #[cfg(feature = "testing")]
        self.survive(requested)?;
        if let Some(never) = self.and_above().find(|budget| bytes > budget.limit) {
            never.refused.fetch_add(1, Ordering::Relaxed);
            return Err(never.refusal(requested));
        }
        let state = Mutex::default();
        let ticket = Arc::new(Ticket { budget: Arc::clone(self), bytes, state });
        lock(&self.line.tickets).push_back(Arc::clone(&ticket));
        self.line.waiting.fetch_add(1, Ordering::Relaxed);
        // From here on, so that the place is given up if a waker panics.
        let wait = Wait { ticket, taken: false };
        // Bytes that came back before are seen here; who gives some back later sees the ticket (D5).
        self.serve();
        Ok(wait)
    }
}

impl Drop for Budget {
    /// One after the other: as many as there may be above this one, the stack would not hold them.
    fn drop(&mut self) {
        let mut above = self.parent.take();
        while let Some(mut budget) = above.and_then(Arc::into_inner) {
            above = budget.parent.take();
        }
    }
}

/// Wakes them all; the first panic goes on when that is done.
fn wake_all(wakers: Vec<Waker>) {
    let wake = |waker: Waker| catch_unwind(AssertUnwindSafe(|| waker.wake())).err();
    let panic = wakers.into_iter().filter_map(wake).reduce(|first, _| first);
    if let Some(panic) = panic
        && !std::thread::panicking()
    {
        resume_unwind(panic);
    }
}

/// A place in the line for bytes of a budget. Dropping it gives the place up, and what it was served.
pub(crate) struct Wait {
    ticket: Arc<Ticket>,
    taken: bool,
}

impl Future for Wait {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let waker = cx.waker().clone();
        let mut state = lock(&self.ticket.state);
        if state.served {
            drop(state);
            self.taken = true;
            return Poll::Ready(());
        }
        let old = state.waker.replace(waker);
        drop(state);
        drop(old);
        Poll::Pending
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        if self.taken {
            return;
        }
        let budget = &self.ticket.budget;
        let mut tickets = lock(&budget.line.tickets);
        let place = tickets.iter().position(|ticket| Arc::ptr_eq(ticket, &self.ticket));
        let removed = place.and_then(|place| tickets.remove(place));
        drop(tickets);
        if removed.is_some() {
            budget.line.waiting.fetch_sub(1, Ordering::Relaxed);
            // It may have kept those behind it from being served.
            budget.serve();
        } else {
            budget.release(self.ticket.bytes);
        }
    }
}
