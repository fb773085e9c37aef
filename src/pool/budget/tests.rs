use super::queue::WaitQueue;
use super::tree::Budget;
use super::wait::Wait;
use super::{BudgetStats, Charge};
use crate::pool::error::AllocErrorKind;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

fn root(limit: usize) -> Arc<Budget> {
    Arc::new(Budget::new("root", limit, None, None))
}

fn child(name: &str, limit: usize, parent: &Arc<Budget>) -> Arc<Budget> {
    Arc::new(Budget::new(name, limit, Some(Arc::clone(parent)), None))
}

fn used(budget: &Budget) -> usize {
    let BudgetStats { used, limit, .. } = budget.stats();
    assert!(used <= limit);
    used
}

type Waiting = Pin<Box<Wait>>;

/// Joins, and returns what became of the request at once.
fn join(budget: &Arc<Budget>, bytes: usize) -> Result<Charge, Waiting> {
    poll(Box::pin(budget.wait(bytes, bytes)))
}

fn poll(mut wait: Waiting) -> Result<Charge, Waiting> {
    match wait.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(charge) => Ok(charge.expect("a request below the limit")),
        Poll::Pending => Err(wait),
    }
}

proptest! {
    /// The queue beside a vector that is searched from its start.
    #[test]
    fn the_first_that_fits_is_what_a_scan_finds(
        steps in vec((0..6, any::<prop::sample::Index>(), 0..9_usize), 0..if cfg!(miri) { 20 } else { 300 })
    ) {
        let mut queue = WaitQueue::new();
        let mut model: Vec<(usize, usize)> = Vec::new();
        let mut left: Vec<usize> = Vec::new();
        for (value, (step, index, bytes)) in steps.into_iter().enumerate() {
            if step < 2 || model.is_empty() {
                let id = queue.try_push(bytes, value).expect("memory");
                model.push((id, bytes));
                assert_eq!(queue.get(id), Some(&value));
                continue;
            }
            let place = index.index(model.len());
            let (id, _) = model[place];
            match step {
                2 => {
                    assert!(queue.remove(id).is_some());
                    model.remove(place);
                }
                3 => {
                    queue.leave(id);
                    model.remove(place);
                    left.push(id);
                }
                4 => {
                    queue.move_to_end(id, bytes);
                    model.remove(place);
                    model.push((id, bytes));
                }
                _ => {
                    queue.set_bytes(id, bytes);
                    model[place].1 = bytes;
                }
            }
            if bytes == 0 {
                left.drain(..).for_each(|id| assert!(queue.remove(id).is_some()));
            }
            let scan = |most| model.iter().find(|(_, bytes)| *bytes <= most).map(|(id, _)| *id);
            for most in [0, 3, bytes, usize::MAX] {
                assert_eq!(queue.first(most), scan(most));
            }
            let fewest = model.iter().map(|(_, bytes)| *bytes).min();
            assert_eq!(queue.fewest(), fewest.unwrap_or(usize::MAX));
            assert!(model.iter().all(|(id, bytes)| queue.bytes(*id) == *bytes));
        }
    }
}

/// A tree of six budgets: for each its parent and its limit.
const TREE: [(usize, usize); 6] = [(0, 20), (0, 12), (0, 30), (1, 8), (1, 12), (2, 9)];

/// What a request came to, and of what it was.
struct Request<T> {
    budget: usize,
    bytes: usize,
    what: T,
}

#[derive(Default)]
struct World {
    budgets: Vec<Arc<Budget>>,
    charges: Vec<Request<Charge>>,
    /// In order of arrival.
    waits: VecDeque<Request<Waiting>>,
}

impl World {
    fn new() -> Self {
        let mut world = Self::default();
        for (parent, limit) in TREE {
            let parent = world.budgets.get(parent).cloned();
            world.budgets.push(Arc::new(Budget::new("b", limit, parent, None)));
        }
        world
    }

    fn chain(budget: usize) -> Vec<usize> {
        let up = |&budget: &usize| (budget != 0).then_some(TREE[budget].0);
        std::iter::successors(Some(budget), up).collect()
    }

    fn free(&self, budget: usize) -> usize {
        let below = |charge: &&Request<_>| Self::chain(charge.budget).contains(&budget);
        TREE[budget].1 - self.charges.iter().filter(below).map(|charge| charge.bytes).sum::<usize>()
    }

    fn fits(&self, budget: usize, bytes: usize) -> bool {
        Self::chain(budget).iter().all(|budget| bytes <= self.free(*budget))
    }

    fn has_waiters(&self, budget: usize) -> bool {
        self.waits.iter().any(|wait| wait.budget == budget)
    }

    /// Polls all waiters; those that are served hold a charge then. A budget serves in order.
    fn settle(&mut self) {
        let mut behind = [false; TREE.len()];
        for Request { budget, bytes, what } in std::mem::take(&mut self.waits) {
            match poll(what) {
                Ok(what) => {
                    assert!(!behind[budget], "one that came later was served first");
                    self.charges.push(Request { budget, bytes, what });
                }
                Err(what) => {
                    behind[budget] = true;
                    self.waits.push_back(Request { budget, bytes, what });
                }
            }
        }
        for (place, budget) in self.budgets.iter().enumerate() {
            assert_eq!(used(budget), TREE[place].1 - self.free(place));
            if let Some(first) = self.waits.iter().find(|wait| wait.budget == place) {
                assert!(!self.fits(place, first.bytes), "it waits, and its bytes are free");
            }
        }
    }
}

proptest! {
    /// After every step, each waiter has a reason to wait, and each refusal had one.
    #[test]
    fn each_wait_and_each_refusal_has_a_reason(
        steps in vec((0..5, 0..TREE.len(), any::<prop::sample::Index>(), 1..21_usize), 0..if cfg!(miri) { 20 } else { 200 })
    ) {
        let mut world = World::new();
        for (step, budget, index, bytes) in steps {
            let ours = Arc::clone(&world.budgets[budget]);
            let never = World::chain(budget).iter().any(|budget| bytes > TREE[*budget].1);
            match step {
                0 => match ours.charge(bytes, bytes) {
                    Ok(what) => {
                        assert!(world.fits(budget, bytes) && !world.has_waiters(budget));
                        world.charges.push(Request { budget, bytes, what });
                    }
                    Err(error) if error.kind() == AllocErrorKind::BehindWaiters => {
                        assert!(world.has_waiters(budget) && !never);
                    }
                    Err(_) => assert!(never || !world.fits(budget, bytes) && !world.has_waiters(budget)),
                },
                1 if !never => match join(&ours, bytes) {
                    Ok(what) => {
                        assert!(world.fits(budget, bytes) && !world.has_waiters(budget));
                        world.charges.push(Request { budget, bytes, what });
                    }
                    Err(what) => world.waits.push_back(Request { budget, bytes, what }),
                },
                2 if !world.waits.is_empty() => {
                    world.waits.remove(index.index(world.waits.len()));
                }
                3 | 4 if !world.charges.is_empty() => {
                    world.charges.swap_remove(index.index(world.charges.len()));
                }
                _ => {}
            }
            world.settle();
        }
        world.waits.clear();
        world.charges.clear();
        assert!(world.budgets.iter().all(|budget| used(budget) == 0));
        assert!(world.budgets.iter().all(|budget| Arc::strong_count(budget) <= 1 + TREE.len()));
    }
}

#[test]
fn budgets_that_wait_for_the_same_bytes_take_turns() {
    let shared = root(2);
    let (a, b) = (child("a", 2, &shared), child("b", 2, &shared));
    let mut held = vec![shared.charge(1, 1).expect("free"), shared.charge(1, 1).expect("free")];
    let mut waits: Vec<_> =
        [&a, &a, &a, &b, &b, &b].map(|budget| join(budget, 1).err()).into_iter().collect();
    let mut order = String::new();
    for _ in 0..waits.len() {
        held.remove(0);
        for (place, wait) in waits.iter_mut().enumerate() {
            if let Some(waiting) = wait.take() {
                match poll(waiting) {
                    Ok(charge) => {
                        order.push(if place < 3 { 'a' } else { 'b' });
                        held.push(charge);
                    }
                    Err(waiting) => *wait = Some(waiting),
                }
            }
        }
    }
    assert_eq!(order, "ababab");
}

#[test]
fn a_budget_that_returns_bytes_gets_them_after_those_that_waited_longer() {
    let shared = root(1);
    let (a, b) = (child("a", 1, &shared), child("b", 1, &shared));
    let held = a.charge(1, 1).expect("free");
    let [of_b, of_a] = [&b, &a].map(|budget| join(budget, 1).err().expect("used up"));
    drop(held);
    let of_a = poll(of_a).err().expect("the other was first");
    drop(poll(of_b).ok().expect("it was first"));
    assert!(poll(of_a).is_ok());
}

#[test]
fn a_budget_may_have_no_limit() {
    let whole = root(usize::MAX);
    let part = child("part", 1, &whole);
    let held = whole.charge(usize::MAX - 1, 0).expect("all but one");
    let last = part.charge(1, 1).expect("the last");
    let wait = join(&part, 1).err().expect("used up");
    drop(last);
    assert!(poll(wait).is_ok());
    drop(held);
    assert_eq!(used(&whole), 0);
}

#[test]
fn a_wait_that_is_not_polled_is_not_in_the_queue() {
    let budget = root(1);
    let held = budget.charge(1, 1).expect("free");
    let wait = Box::pin(budget.wait(1, 1));
    drop(held);
    drop(budget.charge(1, 1).expect("no request waits"));
    assert!(poll(wait).is_ok());
}
