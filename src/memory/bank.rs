//! A thread's bank of credits: why `clone` and `drop` need no atomic read-modify-write.
//!
//! An atomic read-modify-write costs 5 ns, and 15 and more when another core holds the line; `Arc` pays
//! two for each clone and drop. A bank is a tiny direct-mapped table (block, credits) that one thread
//! owns. Cloning takes a credit out of it, and draws [`DRAW`] at once when there is none. Dropping puts
//! the credit into it. The block goes home when its count equals what the bank holds: then nobody else
//! has any. Related: weighted reference counts (Bevan; Watson and Watson, 1987), biased reference counts
//! (Choi, Shull, Torrellas, 2018).
//!
//! Rules, beside those of [`count`](super::count):
//!
//! * **B1** A slot with credits keeps its block's header alive (C1). A slot with none says nothing about
//!   the block, which may be gone, with another at its address: it counts as nobody's.
//! * **B2** Banked credits free nothing early, only *late*: a block whose last credits lie in several
//!   banks goes home when the last of them gives back. So banks are small, keep only blocks of at most
//!   [`BANKABLE`] bytes, and are emptied whenever the thread's cache has
//!   run out, at thread exit, by `Pool::trim` and by `Pool::settle_thread`.
//! * **B3** What ends or resets a count on the strength of a load ([`deposit`](Bank::deposit),
//!   [`claim`](Bank::claim)) is only for a caller who has his handle to himself. Through a handle that
//!   is borrowed somebody else may draw between the load and what follows: for such a one
//!   [`is_alone`](Bank::is_alone) looks and changes nothing.

use super::count::{Count, Fate};
use core::cell::Cell;

/// Slots in a bank, a power of two.
pub(crate) const SLOTS: usize = 8;

/// Credits drawn with one `fetch_add`.
pub(crate) const DRAW: usize = 16;

/// The largest block whose credits are banked, in bytes: a thread that goes idle keeps at most
/// `SLOTS * BANKABLE` bytes from going home.
#[allow(dead_code, reason = "the models compile this file alone")]
pub(crate) const BANKABLE: usize = 64 * 1024;

/// What a bank keeps credits of.
pub(crate) trait Account: Copy + PartialEq {
    /// The block's count. Called only while a credit of the block is in hand.
    fn count(&self) -> &Count;
    /// Spreads the accounts over the slots.
    fn slot(&self) -> usize;
}

/// What became of a credit.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deposit {
    /// It lies in the bank.
    Banked,
    /// It is the last one that anybody holds, and the only one that is out: the caller sends the block home
    /// with it.
    Alone,
    /// As `Alone`, but that others were banked, and are gone now.
    Last,
    /// The slot has no credits of the block: this one is still the caller's.
    NoSlot,
}

/// One thread's credits.
pub(crate) struct Bank<A> {
    slots: [Slot<A>; SLOTS],
}

struct Slot<A> {
    account: Cell<Option<A>>,
    credits: Cell<usize>,
}

impl<A: Account> Bank<A> {
    /// An empty bank.
    pub(crate) const fn new() -> Self {
        Self { slots: [const { Slot { account: Cell::new(None), credits: Cell::new(0) } }; SLOTS] }
    }

    #[inline]
    fn slot(&self, account: A) -> &Slot<A> {
        &self.slots[account.slot() % SLOTS]
    }

    /// Takes one credit of the block out, if there is one: `clone` without an atomic operation.
    #[inline]
    pub(crate) fn withdraw(&self, account: A) -> bool {
        let slot = self.slot(account);
        let credits = slot.credits_of(account);
        if credits == 0 {
            return false;
        }
        slot.credits.set(credits - 1);
        true
    }

    /// Draws many credits at once: one for the caller, who holds another, the rest for the bank. A block
    /// that had to make room and is nobody's now is returned: the caller sends it home.
    #[must_use]
    pub(crate) fn draw(&self, account: A) -> Option<A> {
        account.count().draw(DRAW);
        self.slot(account).replace(account, DRAW - 1)
    }

    /// Gives up one credit, into the bank if the block has credits there: `drop` without an atomic
    /// read-modify-write (B3).
    #[inline]
    pub(crate) fn deposit(&self, account: A) -> Deposit {
        let out = account.count().credits();
        if out == 1 {
            return Deposit::Alone;
        }
        let slot = self.slot(account);
        let credits = slot.credits_of(account);
        if credits == 0 {
            return Deposit::NoSlot;
        }
        if credits + 1 == out {
            slot.credits.set(0);
            return Deposit::Last;
        }
        slot.credits.set(credits + 1);
        Deposit::Banked
    }

    /// Opens a slot for a credit that [`deposit`](Self::deposit) found none for. Returns as
    /// [`draw`](Self::draw) does.
    #[must_use]
    pub(crate) fn open(&self, account: A) -> Option<A> {
        self.slot(account).replace(account, 1)
    }

    /// Whether the caller's handle is the only one. May say no while another thread banks credits of the
    /// block.
    #[inline]
    pub(crate) fn is_alone(&self, account: A) -> bool {
        let out = account.count().credits();
        out == 1 || out == self.slot(account).credits_of(account) + 1
    }

    /// As [`is_alone`](Self::is_alone); after a yes no credit of the block is banked (B3).
    #[inline]
    pub(crate) fn claim(&self, account: A) -> bool {
        let out = account.count().credits();
        if out == 1 {
            return true;
        }
        let slot = self.slot(account);
        if out != slot.credits_of(account) + 1 {
            return false;
        }
        slot.credits.set(0);
        account.count().reset();
        true
    }

    /// Gives back all credits. Calls `home` for each block that is nobody's now.
    pub(crate) fn settle(&self, mut home: impl FnMut(A)) {
        for slot in &self.slots {
            if let Some(last) = slot.clear() {
                home(last);
            }
        }
    }
}

impl<A: Account> Slot<A> {
    /// How many credits of the block lie here.
    #[inline]
    fn credits_of(&self, account: A) -> usize {
        if self.account.get() == Some(account) { self.credits.get() } else { 0 }
    }

    fn replace(&self, account: A, credits: usize) -> Option<A> {
        let evicted = self.clear();
        self.account.set(Some(account));
        self.credits.set(credits);
        evicted
    }

    fn clear(&self) -> Option<A> {
        let credits = self.credits.replace(0);
        if credits == 0 {
            return None;
        }
        let account = self.account.get()?;
        match account.count().give_back(credits) {
            Fate::Last => Some(account),
            Fate::Shared => None,
        }
    }
}
