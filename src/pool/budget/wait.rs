//! [`Wait`]: a request that waits for its bytes.

use super::super::error::AllocError;
use super::charge::{Charge, Refusal};
use super::queue::WaitQueue;
use super::tree::{Budget, Waiter};
use super::work;
use crate::sync::{Ordering, lock};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Waits for a charge. It joins the queue at the first poll, and leaves it when it is dropped.
pub(crate) struct Wait {
    budget: Arc<Budget>,
    bytes: usize,
    requested: usize,
    state: State,
}

#[derive(Clone, Copy)]
enum State {
    New,
    /// It has this entry among the budget's waiters.
    Queued(usize),
    Done,
}

impl Budget {
    /// Waits until this budget and all above it have this number of bytes.
    pub(crate) fn wait(self: &Arc<Self>, bytes: usize, requested: usize) -> Wait {
        Wait { budget: Arc::clone(self), bytes, requested, state: State::New }
    }
}

impl Wait {
    fn join(&mut self, cx: &Context<'_>) -> Poll<Result<Charge, AllocError>> {
        let budget = &self.budget;
        budget.pass_fail_points(self.requested)?;
        match budget.charge_or_shed(self.bytes) {
            Ok(charge) => return Poll::Ready(Ok(charge)),
            Err(refusal @ Refusal::OverLimit(_)) => {
                return Poll::Ready(Err(budget.refuse(refusal, self.requested)));
            }
            Err(Refusal::Short(_) | Refusal::BehindWaiters) => {}
        }
        let waiter = Waiter::Queued(cx.waker().clone());
        let mut queues = lock(&budget.queues);
        let id = match queues.waiters.try_push(self.bytes, waiter) {
            Ok(id) => id,
            Err(_dropped_without_the_lock) => {
                drop(queues);
                return Poll::Ready(Err(budget.out_of_memory(self.requested)));
            }
        };
        budget.waiting.fetch_add(1, Ordering::Relaxed);
        // The first waiter queues its budget; a later one stands behind it.
        let is_first = queues.waiters.front() == Some(id);
        let turn = is_first.then(|| budget.take_turn(&mut queues));
        drop(queues);
        self.state = State::Queued(id);
        let Some(turn) = turn else { return Poll::Pending };
        if turn.released {
            work::serve(&turn.budget);
        }
        if turn.waker.is_some() { self.poll_queued(id, cx) } else { Poll::Pending }
    }

    /// Checks the state of the request, and registers the waker for its next change.
    fn poll_queued(&mut self, id: usize, cx: &Context<'_>) -> Poll<Result<Charge, AllocError>> {
        let waker = cx.waker().clone();
        let mut queues = lock(&self.budget.queues);
        if let Some(Waiter::Queued(current)) = queues.waiters.get_mut(id) {
            let before = std::mem::replace(current, waker);
            drop(queues);
            drop(before);
            return Poll::Pending;
        }
        let waiter = queues.waiters.remove(id);
        drop(queues);
        self.state = State::Done;
        Poll::Ready(match waiter {
            Some(Waiter::Served) => Ok(Charge::of(&self.budget, self.bytes)),
            _ => Err(self.budget.out_of_memory(self.requested)),
        })
    }
}

impl Future for Wait {
    type Output = Result<Charge, AllocError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let outcome = match self.state {
            State::New => self.join(cx),
            State::Queued(id) => self.poll_queued(id, cx),
            State::Done => panic!("polled after it was ready"),
        };
        if outcome.is_ready() {
            self.state = State::Done;
        }
        outcome
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        let State::Queued(id) = self.state else { return };
        let mut queues = lock(&self.budget.queues);
        let was_first = queues.waiters.front() == Some(id);
        let waiter = queues.waiters.remove(id);
        match waiter {
            Some(Waiter::Queued(_)) => {
                self.budget.waiting.fetch_sub(1, Ordering::Relaxed);
                if was_first {
                    self.budget.requeue(&mut queues, WaitQueue::set_bytes);
                }
                drop(queues);
                if was_first {
                    // The next one may fit.
                    work::serve(&self.budget);
                }
            }
            Some(Waiter::Served) => {
                drop(queues);
                drop(Charge::of(&self.budget, self.bytes));
            }
            Some(Waiter::NoMemory) | None => {}
        }
    }
}
