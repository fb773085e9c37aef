//! Budgets: never over their limit, and nobody waits in vain.

use crate::budgets::Budget;
use loom::future::block_on;
use loom::thread::spawn;
use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Waker};

fn used(budget: &Budget) -> usize {
    budget.stats().used
}

/// Two threads want more than there is. Catches: a charge that loads and stores.
#[test]
fn budget_acquire_release() {
    loom::model(|| {
        let budget = Budget::new("b", 1, None, None);
        let buy = |budget: Arc<Budget>| move || budget.charge(1, 1).is_ok();
        let one = spawn(buy(Arc::clone(&budget)));
        let two = buy(Arc::clone(&budget))();
        let sold = usize::from(one.join().unwrap()) + usize::from(two);
        assert_eq!((sold, used(&budget), budget.stats().peak), (1, 1, 1));
        budget.release(1);
        assert_eq!(used(&budget), 0);
    });
}

/// A budget below another: what the upper refuses is given back to the lower. Catches: a charge on one of
/// the two only.
#[test]
fn budget_of_a_budget() {
    loom::model(|| {
        let whole = Budget::new("whole", 1, None, None);
        let part = |name| Budget::new(name, 1, Some(Arc::clone(&whole)), None);
        let (one, two) = (part("one"), part("two"));
        let buys = spawn({
            let one = Arc::clone(&one);
            move || one.charge(1, 1).is_ok()
        });
        let mine = two.charge(1, 1).is_ok();
        let its = buys.join().unwrap();
        assert!(mine ^ its, "there was one byte");
        assert_eq!((used(&one), used(&two), used(&whole)), (its.into(), mine.into(), 1));
    });
}

/// Somebody joins the line while the last bytes come back: loom finds the deadlock if nobody wakes him.
/// Catches: `take` that says no after a mere load, `take` or `give_back` not `AcqRel`, no look after
/// joining the line.
#[test]
fn budget_waiter_wakeup() {
    loom::model(|| {
        let budget = Budget::new("b", 1, None, None);
        budget.charge(1, 1).unwrap();
        let gives = spawn({
            let budget = Arc::clone(&budget);
            move || budget.release(1)
        });
        block_on(budget.wait(1, 1).unwrap());
        gives.join().unwrap();
        assert_eq!(used(&budget), 1);
        budget.release(1);
        assert_eq!(used(&budget), 0);
    });
}

/// As above, with the bytes of a budget that stands above both.
#[test]
fn budget_waiter_wakeup_from_above() {
    loom::model(|| {
        let whole = Budget::new("whole", 1, None, None);
        let part = |name| Budget::new(name, 1, Some(Arc::clone(&whole)), None);
        let (one, two) = (part("one"), part("two"));
        one.charge(1, 1).unwrap();
        let gives = spawn({
            let one = Arc::clone(&one);
            move || one.release(1)
        });
        block_on(two.wait(1, 1).unwrap());
        gives.join().unwrap();
        assert_eq!((used(&one), used(&two), used(&whole)), (0, 1, 1));
    });
}

/// Who waits gives up while he is served. Catches: a place given up that keeps what it was served, or gives
/// it back twice.
#[test]
fn budget_wait_given_up() {
    loom::model(|| {
        let budget = Budget::new("b", 1, None, None);
        budget.charge(1, 1).unwrap();
        let gives = spawn({
            let budget = Arc::clone(&budget);
            move || budget.release(1)
        });
        let mut wait = Box::pin(budget.wait(1, 1).unwrap());
        let taken = wait.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready();
        drop(wait);
        gives.join().unwrap();
        assert_eq!(used(&budget), taken.into());
        if taken {
            budget.release(1);
        }
        assert!(budget.charge(1, 1).is_ok(), "no place in the line is left");
    });
}

/// Somebody stands before another, who wakes when the first one goes. Catches: a place given up without a
/// look at who stands behind.
#[test]
fn budget_the_next_in_line() {
    loom::model(|| {
        let budget = Budget::new("b", 2, None, None);
        budget.charge(1, 1).unwrap();
        let first = budget.wait(2, 2).unwrap();
        let waits = spawn({
            let budget = Arc::clone(&budget);
            move || block_on(budget.wait(1, 1).unwrap())
        });
        drop(first);
        waits.join().unwrap();
        assert_eq!(used(&budget), 2);
    });
}
