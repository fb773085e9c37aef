//! Budgets: never over their limit, and no wake-up is lost.

use crate::budgets::{Budget, Charge};
use loom::future::block_on;
use loom::thread::{JoinHandle, spawn};
use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Waker};

fn root(limit: usize) -> Arc<Budget> {
    Arc::new(Budget::new("root", limit, None, None))
}

fn child(limit: usize, parent: &Arc<Budget>) -> Arc<Budget> {
    Arc::new(Budget::new("child", limit, Some(Arc::clone(parent)), None))
}

fn used(budget: &Budget) -> usize {
    budget.stats().used
}

fn charge(budget: &Arc<Budget>) -> Option<Charge> {
    budget.charge(1, 1).ok()
}

fn wait(budget: &Arc<Budget>) -> Charge {
    block_on(budget.wait(1, 1)).expect("a byte is below the limit")
}

/// Drops a charge on a thread of its own.
fn release(charge: Option<Charge>) -> JoinHandle<()> {
    spawn(move || drop(charge.expect("it was free")))
}

/// Two threads want more than there is. Catches: a charge that loads and stores.
#[test]
fn budget_acquire_release() {
    loom::model(|| {
        let budget = root(1);
        let theirs = spawn({
            let budget = Arc::clone(&budget);
            move || charge(&budget)
        });
        let ours = charge(&budget);
        let theirs = theirs.join().unwrap();
        assert!(ours.is_some() ^ theirs.is_some(), "there was one byte");
        assert_eq!((used(&budget), budget.stats().peak), (1, 1));
        drop((ours, theirs));
        assert_eq!(used(&budget), 0);
    });
}

/// Two budgets below another: what the upper one lacks is given back to the lower. Catches: a charge on one
/// of the two only.
#[test]
fn budget_charges_its_parent() {
    loom::model(|| {
        let whole = root(1);
        let (one, two) = (child(1, &whole), child(1, &whole));
        let theirs = spawn({
            let one = Arc::clone(&one);
            move || charge(&one)
        });
        let ours = charge(&two);
        let theirs = theirs.join().unwrap();
        assert!(ours.is_some() ^ theirs.is_some(), "there was one byte");
        let expected = (theirs.is_some().into(), ours.is_some().into(), 1);
        assert_eq!((used(&one), used(&two), used(&whole)), expected);
    });
}

/// A request joins the queue while the last bytes come back: loom finds the deadlock if its wake-up is lost.
/// Catches: a refusal after a mere load, `lacks` or `uncharge` not `AcqRel`, no look after joining the queue.
#[test]
fn budget_waiter_wakeup() {
    loom::model(|| {
        let budget = root(1);
        let release = release(charge(&budget));
        let charge = wait(&budget);
        release.join().unwrap();
        assert_eq!(used(&budget), 1);
        drop(charge);
        assert_eq!(used(&budget), 0);
    });
}

/// As above, with the bytes of a budget that stands above both. Catches: a budget that is queued anywhere
/// but where the bytes are lacking.
#[test]
fn budget_waiter_wakeup_from_above() {
    loom::model(|| {
        let whole = root(1);
        let (one, two) = (child(1, &whole), child(1, &whole));
        let release = release(charge(&one));
        let charge = wait(&two);
        release.join().unwrap();
        assert_eq!((used(&one), used(&two), used(&whole)), (0, 1, 1));
        drop(charge);
    });
}

/// A waiter is cancelled while it is served. Catches: a cancellation that keeps the bytes, or returns them
/// twice.
#[test]
fn budget_wait_cancelled() {
    loom::model(|| {
        let budget = root(1);
        let release = release(charge(&budget));
        let mut wait = Box::pin(budget.wait(1, 1));
        let ready = wait.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready();
        drop(wait);
        release.join().unwrap();
        assert_eq!(used(&budget), 0, "ready: {ready}");
        assert!(charge(&budget).is_some(), "no request is left in the queue");
    });
}

/// A waiter is cancelled, and the next in the queue wakes. Catches: a cancellation that does not serve the next
/// waiter.
#[test]
fn budget_next_waiter_is_served() {
    loom::model(|| {
        let budget = root(2);
        let _held = charge(&budget);
        let mut first = Box::pin(budget.wait(2, 2));
        assert!(first.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        let waits = spawn({
            let budget = Arc::clone(&budget);
            move || wait(&budget)
        });
        drop(first);
        let charge = waits.join().unwrap();
        assert_eq!(used(&budget), 2);
        drop(charge);
    });
}

/// A request is charged below, and loses the race for the last byte above. A waiter that saw the charge
/// below is served. Catches: a charge that is undone without serving the waiters.
#[test]
fn budget_charge_undone() {
    // One change of threads after the charge below, one while the byte above is held.
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(|| {
        let whole = root(1);
        let part = child(1, &whole);
        let cx = &mut Context::from_waker(Waker::noop());
        let waits = spawn({
            let (whole, part) = (Arc::clone(&whole), Arc::clone(&part));
            move || {
                let held = charge(&whole);
                let mut waits = Box::pin(part.wait(1, 1));
                let cx = &mut Context::from_waker(Waker::noop());
                let charge = waits.as_mut().poll(cx);
                drop(held);
                charge.is_pending().then_some(waits)
            }
        });
        drop(charge(&part));
        if let Some(mut waits) = waits.join().unwrap() {
            assert!(waits.as_mut().poll(cx).is_ready(), "the waiter is not served");
        }
        assert_eq!((used(&part), used(&whole)), (0, 0));
    });
}

/// Two budgets wait for bytes of a shared one, which two threads give back. Catches: a release that serves no
/// request.
#[test]
fn budget_two_tenants_are_served() {
    loom::model(|| {
        let whole = root(2);
        let tenants = [child(2, &whole), child(2, &whole)];
        let (ours, theirs) = (charge(&whole), charge(&whole));
        let cx = &mut Context::from_waker(Waker::noop());
        let mut waits = tenants.each_ref().map(|tenant| Box::pin(tenant.wait(1, 1)));
        assert!(waits.iter_mut().all(|waits| waits.as_mut().poll(cx).is_pending()));
        let release = release(theirs);
        drop(ours);
        release.join().unwrap();
        let charges = waits.each_mut().map(|waits| waits.as_mut().poll(cx));
        assert!(charges.iter().all(|charge| charge.is_ready()), "both bytes are back");
    });
}
