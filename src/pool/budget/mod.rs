//! Budgets limit how many bytes of a pool each user may hold; requests over the limit fail or wait.
//!
//! Fairness, in five lines (D3):
//!
//! 1. Requests of one budget are served in order of arrival. One that comes while another waits stands behind
//!    it; a call that does not wait is refused as [`BehindWaiters`](super::AllocErrorKind::BehindWaiters).
//! 2. Requests of different budgets never wait for each other, only for bytes: one that finds its bytes
//!    free takes them, whatever other budgets wait for.
//! 3. A budget with waiters is queued, for the first of them, at the lowest budget that lacks its bytes, and
//!    nowhere else.
//! 4. Released bytes serve the budget that was queued first of those whose request fits, at the top of
//!    the tree before those below. It then moves to the end of the queue, so that budgets take turns.
//! 5. So a large request waits for as long as smaller ones of *other* budgets keep a shared budget too full
//!    for it. Where the limits of the children add up to no more than the parent's, that never happens.
//!
//! Rules:
//!
//! * **D1** `used` of an account is the sum of the charges that are out, of its budget and all below it. A
//!   charge is the full size of a block, from when it is handed out until its last handle is gone.
//! * **D2** A charge is made on a budget and all above it, or on none. All are checked before one is charged, so
//!   a request that one of them cannot serve is never charged for a moment. Two requests can pass the check at
//!   once; the one that then lacks bytes returns what it has charged, serves the waiters that arrived meanwhile,
//!   and checks again.
//! * **D3** Fairness, as above.
//! * **D4** A budget is in a queue if and only if it has waiters, when no thread holds its lock. Its entry
//!   has the bytes of its first waiter, in the queue of a budget of its chain. Later waiters lack their turn, not bytes:
//!   they are queued at their own budget. Locks are taken upward.
//! * **D5** No lost wake-up: a release subtracts from `used` and then reads `wanted`; a waiter writes
//!   `wanted` and then looks at `used` again. Both *change* `used`; the waiter adds zero. So one of the
//!   changes comes first, and the thread that makes the second sees what precedes the first.
//! * **D6** Nothing foreign (wakers, shedders, subscribers) is called or dropped under a lock. Wakers run
//!   from a work list, one after the other; after a panic of one, the others are still woken.
//! * **D7** A release allocates only for a budget that moves to another queue, and for the work list when a
//!   waker releases bytes. Without memory for these, the waiter gets an error, and the wakers nest.

mod account;
mod charge;
mod queue;
mod serve;
mod shed;
#[cfg(all(test, not(loom)))]
mod tests;
mod tree;
mod wait;
mod work;

pub(crate) use charge::Charge;
pub(crate) use shed::Shedders;
pub use tree::BudgetStats;
#[cfg(feature = "testing")]
pub(crate) use tree::FailPoint;
pub(crate) use tree::{Budget, Shed};
