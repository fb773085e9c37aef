//! The work list: serving waiters runs their wakers, which may give bytes back and so serve others. A
//! thread that serves already puts the budget on a list instead, so no chain of wakers overflows the stack.

use super::tree::Budget;
use crate::sync::thread_local;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::task::Waker;

thread_local! {
    static WORK: Work = const { Work::new() };
}

/// The state of one thread that serves waiters.
struct Work {
    is_serving: Cell<bool>,
    /// The budgets whose chains are to be served when the waker that runs now returns.
    budgets: RefCell<Vec<Arc<Budget>>>,
    is_shedding: Cell<bool>,
}

impl Work {
    const fn new() -> Self {
        let (is_serving, is_shedding) = (Cell::new(false), Cell::new(false));
        Self { is_serving, budgets: RefCell::new(Vec::new()), is_shedding }
    }

    /// Adds a budget to the list if this thread is serving and there is memory. Returns whether it did.
    fn defer(&self, budget: &Arc<Budget>) -> bool {
        if !self.is_serving.get() {
            return false;
        }
        let mut budgets = self.budgets.borrow_mut();
        if budgets.last().is_some_and(|last| Arc::ptr_eq(last, budget)) {
            return true;
        }
        let has_space = budgets.try_reserve(1).is_ok();
        if has_space {
            budgets.push(Arc::clone(budget));
        }
        has_space
    }
}

/// Serves all that wait for bytes of a budget or of one above it, as far as there are bytes (D3, D6).
///
/// # Panics
///
/// As the first waker that does, when all have been called.
pub(super) fn serve(budget: &Arc<Budget>) {
    let deferred = WORK.try_with(|work| work.defer(budget)).unwrap_or(false);
    if deferred {
        return;
    }
    // Without thread-local storage, or without memory for the list, wakers nest.
    let outermost = WORK.try_with(|work| !work.is_serving.replace(true)).unwrap_or(false);
    let mut panic = None;
    let mut wake = |waker: Waker| {
        let outcome = catch_unwind(AssertUnwindSafe(|| waker.wake()));
        panic = panic.take().or(outcome.err());
    };
    serve_chain(budget, &mut wake);
    if outermost {
        let next = || WORK.try_with(|work| work.budgets.borrow_mut().pop()).ok().flatten();
        while let Some(budget) = next() {
            serve_chain(&budget, &mut wake);
        }
        _ = WORK.try_with(|work| work.is_serving.set(false));
    }
    if let Some(panic) = panic
        && !std::thread::panicking()
    {
        resume_unwind(panic);
    }
}

/// Serves from the top down: a waiter for bytes of a shared budget comes before those that wait for more of
/// their own.
fn serve_chain(budget: &Arc<Budget>, wake: &mut impl FnMut(Waker)) {
    let top = || budget.chain().filter(|budget| budget.may_serve()).last();
    while let Some(budget) = top() {
        let Some(turn) = budget.next_turn() else { continue };
        if turn.released {
            serve(&turn.budget);
        }
        turn.waker.into_iter().for_each(&mut *wake);
    }
}

/// Calls a shedder. One that allocates calls no other: nothing limits how deep that would go.
pub(super) fn shed(shedder: impl FnOnce() -> bool) -> bool {
    if WORK.try_with(|work| work.is_shedding.replace(true)).unwrap_or(false) {
        return false;
    }
    let _reset = Shedding;
    shedder()
}

/// Records that the thread's shedder has returned, also by a panic.
struct Shedding;

impl Drop for Shedding {
    fn drop(&mut self) {
        _ = WORK.try_with(|work| work.is_shedding.set(false));
    }
}
