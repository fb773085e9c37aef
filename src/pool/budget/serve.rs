//! How waiters are served: which budget is queued where, and whose turn it is.
//!
//! A budget with waiters has an entry in the queue of one budget of its chain, with the bytes of its first
//! waiter. Locks are taken upward: that of a budget, then that of one above it.

use super::queue::WaitQueue;
use super::tree::{Budget, QueueEntry, Queues, Waiter};
use crate::sync::{Ordering, lock};
use std::sync::Arc;
use std::task::Waker;

/// The outcome of a budget's turn.
pub(super) struct Turn {
    /// The budget whose turn it was.
    pub(super) budget: Arc<Budget>,
    /// The waker of the request that was served, if any.
    pub(super) waker: Option<Waker>,
    /// Whether waiters for bytes of the budget, or of those above it, must be served.
    pub(super) released: bool,
}

impl Budget {
    /// Returns whether a queued request for bytes of this budget fits.
    pub(super) fn may_serve(&self) -> bool {
        self.is_wanted(self.account.available())
    }

    /// Gives a turn to the budget that was queued here first of those whose request fits, if there is one.
    pub(super) fn next_turn(&self) -> Option<Turn> {
        let queues = lock(&self.queues);
        let id = queues.budgets.first(self.account.available())?;
        let budget = Arc::clone(queues.budgets.get(id)?);
        drop(queues);
        let mut queues = lock(&budget.queues);
        let turn = budget.take_turn(&mut queues);
        drop(queues);
        Some(turn)
    }

    /// Serves the first waiter of this budget, or queues the budget where bytes are lacking.
    pub(super) fn take_turn(self: &Arc<Self>, queues: &mut Queues) -> Turn {
        let mut turn = Turn { budget: Arc::clone(self), waker: None, released: false };
        while let Some(id) = queues.waiters.front() {
            let bytes = queues.waiters.bytes(id);
            let outcome = match self.try_charge(bytes) {
                Ok(()) => Waiter::Served,
                Err(short) => {
                    turn.released |= short.released;
                    if queues.entry.as_ref().is_some_and(|at| Arc::ptr_eq(&at.budget, short.budget))
                    {
                        break;
                    }
                    if self.queue_at(short.budget, bytes, queues) {
                        // It is in the queue now, and checks again (D5).
                        continue;
                    }
                    Waiter::NoMemory
                }
            };
            turn.waker = self.complete_first(id, outcome, queues);
            break;
        }
        turn
    }

    /// Records the outcome of the first waiter. Returns its waker. The budget goes to the end of the queue
    /// that it is in (D3).
    fn complete_first(
        self: &Arc<Self>,
        id: usize,
        outcome: Waiter,
        queues: &mut Queues,
    ) -> Option<Waker> {
        queues.waiters.leave(id);
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        let waiter = std::mem::replace(queues.waiters.get_mut(id)?, outcome);
        self.requeue(queues, WaitQueue::move_to_end);
        match waiter {
            Waiter::Queued(waker) => Some(waker),
            Waiter::Served | Waiter::NoMemory => None,
        }
    }

    /// Changes the budget's entry to the waiter that is the first now, or removes it if there is none.
    pub(super) fn requeue(
        self: &Arc<Self>,
        queues: &mut Queues,
        change: impl FnOnce(&mut WaitQueue<Arc<Self>>, usize, usize),
    ) {
        let first = queues.waiters.front().map(|first| queues.waiters.bytes(first));
        let Some(QueueEntry { budget, id }) = queues.entry.take() else { return };
        self.with_queue_of(&budget, queues, |queue| match first {
            Some(bytes) => change(queue, id, bytes),
            None => _ = queue.remove(id),
        });
        if first.is_some() {
            queues.entry = Some(QueueEntry { budget, id });
        }
    }

    /// Moves the budget's entry to the queue of another one. Returns whether there was memory for it; if not,
    /// the entry stays.
    fn queue_at(self: &Arc<Self>, at: &Arc<Self>, bytes: usize, queues: &mut Queues) -> bool {
        let push = |queue: &mut WaitQueue<_>| queue.try_push(bytes, Arc::clone(self));
        let Ok(id) = self.with_queue_of(at, queues, push) else { return false };
        let entry = QueueEntry { budget: Arc::clone(at), id };
        if let Some(before) = queues.entry.replace(entry) {
            self.with_queue_of(&before.budget, queues, |queue| _ = queue.remove(before.id));
        }
        true
    }

    /// Changes the queue of this budget, whose lock is held, or of one above it.
    fn with_queue_of<R>(
        &self,
        at: &Self,
        queues: &mut Queues,
        change: impl FnOnce(&mut WaitQueue<Arc<Self>>) -> R,
    ) -> R {
        let mut others = None;
        let queue = if std::ptr::eq(self, at) {
            &mut queues.budgets
        } else {
            &mut others.insert(lock(&at.queues)).budgets
        };
        let result = change(queue);
        at.wanted.store(queue.fewest(), Ordering::Relaxed);
        result
    }
}
