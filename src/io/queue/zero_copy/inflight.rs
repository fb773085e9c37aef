//! Zero-copy sends in flight: their memory is held until the kernel reports their completion.
//!
//! The kernel sends from the pages of the memory, and again if a packet is lost. Bytes that are written to
//! them in the meantime would reach the peer. So:
//!
//! * **Z1** Successful sends have consecutive numbers, as the kernel counts them: 32 bits that wrap.
//!   `sends[i]` is the send with the number `first + i`.
//! * **Z2** Only a completion of its number ends a send. Completions arrive in any order, and one may cover
//!   many sends. Until then the views of the send are held, so that no handle owns their memory alone (C3)
//!   and nothing is written to it. A send of a completion ring has no number: the completion of its own
//!   operation ends it.
//! * **Z3** A completion of a send that is not in flight is unexpected: other code makes zero-copy sends on
//!   the socket, so the numbers are meaningless. It ends no send, and neither does any later completion.
//! * **Z4** Sends that are dropped in flight get no completion. The last handle of their memory replaces its
//!   pages instead of reusing them (H4); the kernel holds the old pages itself. The pages of a mapped file
//!   belong to the file, and static bytes are never written.
//! * **Z5** Memory for which Z4 can't be kept is not sent by zero-copy: that of a vector, a `Bytes`, or any
//!   other owner, whose allocator may write to it as soon as it is free.

use std::collections::VecDeque;
#[cfg(feature = "testing")]
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use smallvec::SmallVec;

use crate::buf::ByteView;
use crate::io::file::mapped;
use crate::sys::Completion;

/// The sends in flight of one socket, in the order of their numbers.
#[derive(Default)]
pub(super) struct InFlight {
    first: u32,
    /// An entry is `None` if the send has completed before an earlier one.
    sends: VecDeque<Option<ZeroCopySend>>,
    bytes: u64,
    /// Whether there was an unexpected completion (Z3).
    saw_unexpected: bool,
}

/// A send and its memory.
pub(in crate::io::queue) struct ZeroCopySend {
    views: SmallVec<[ByteView; 1]>,
    bytes: u64,
}

/// The number of sends in flight in the process. `Relaxed`: the count orders nothing.
#[cfg(feature = "testing")]
static SENDS: AtomicUsize = AtomicUsize::new(0);

#[cfg(feature = "testing")]
pub(crate) fn sends_in_flight() -> usize {
    SENDS.load(Relaxed)
}

impl ZeroCopySend {
    pub(in crate::io::queue) fn new(views: SmallVec<[ByteView; 1]>, bytes: u64) -> Self {
        #[cfg(feature = "testing")]
        SENDS.fetch_add(1, Relaxed);
        Self { views, bytes }
    }

    #[cfg(all(target_os = "linux", feature = "io-uring"))]
    pub(in crate::io::queue) fn views(&self) -> &[ByteView] {
        &self.views
    }

    #[cfg(all(target_os = "linux", feature = "io-uring"))]
    pub(in crate::io::queue) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Makes the last handles of the memory replace its pages, because no completion will arrive (Z4).
    pub(in crate::io::queue) fn abandon(&self) {
        for block in self.views.iter().filter_map(ByteView::block) {
            if block.has_pages_of_its_own() {
                block.put_in_flight();
            }
        }
    }
}

#[cfg(feature = "testing")]
impl Drop for ZeroCopySend {
    fn drop(&mut self) {
        SENDS.fetch_sub(1, Relaxed);
    }
}

/// A completion of sends that are not in flight (Z3).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct UnexpectedCompletion;

impl InFlight {
    /// Returns whether Z4 can be kept for this memory (Z5).
    pub(super) fn can_hold(view: &ByteView) -> bool {
        view.block().is_none_or(|block| {
            block.has_pages_of_its_own() || block.owner::<mapped::Shared>().is_some()
        })
    }

    /// Returns the number of bytes that the kernel may still be reading.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns whether no completion is due.
    pub(super) fn is_empty(&self) -> bool {
        self.sends.is_empty()
    }

    /// Adds a send that has just sent the first `bytes` bytes of `views`.
    pub(super) fn add<'v>(&mut self, views: impl Iterator<Item = &'v ByteView>, bytes: u64) {
        let mut left = bytes;
        let touched = views.take_while(|view| {
            let touched = left > 0;
            left = left.saturating_sub(view.len() as u64);
            touched
        });
        let views = touched.cloned().collect();
        self.sends.push_back(Some(ZeroCopySend::new(views, bytes)));
        self.bytes += bytes;
    }

    /// Ends the sends that a completion covers, and releases their memory.
    pub(super) fn complete(&mut self, completion: Completion) -> Result<(), UnexpectedCompletion> {
        let place = |number: u32| number.wrapping_sub(self.first) as usize;
        let (from, to) = (place(completion.first), place(completion.last));
        let expected =
            from <= to && to < self.sends.len() && self.sends.range(from..=to).all(Option::is_some);
        self.saw_unexpected |= !expected;
        if self.saw_unexpected {
            return Err(UnexpectedCompletion);
        }
        let mut completed = SmallVec::<[ZeroCopySend; 4]>::new();
        completed.extend(self.sends.range_mut(from..=to).filter_map(Option::take));
        self.bytes -= completed.iter().map(|send| send.bytes).sum::<u64>();
        while let Some(None) = self.sends.front() {
            self.sends.pop_front();
            self.first = self.first.wrapping_add(1);
        }
        // Last: a release of memory may wake a waiter, which is foreign code.
        drop(completed);
        Ok(())
    }
}

#[cfg(test)]
impl InFlight {
    /// Returns an empty value whose next send has the number `first`.
    pub(super) fn starting_at(first: u32) -> Self {
        let mut in_flight = Self::default();
        in_flight.first = first;
        in_flight
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.sends.iter().flatten().for_each(ZeroCopySend::abandon);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;

    fn completion(first: u32, last: u32) -> Completion {
        Completion { first, last, copied: false }
    }

    /// Returns a view whose release decrements the count of `owner`.
    fn view(owner: &Arc<[u8; 10]>) -> ByteView {
        struct Shared(Arc<[u8; 10]>);
        impl AsRef<[u8]> for Shared {
            fn as_ref(&self) -> &[u8] {
                &self.0[..]
            }
        }
        ByteView::from_owner(Shared(owner.clone()))
    }

    proptest! {
        /// Sends and completions in any order and of any length, with numbers that wrap. The model is a list
        /// of flags. Memory is released by its completion and not before.
        #[test]
        fn sends_end_by_their_completion_in_any_order(
            start in prop_oneof![Just(0), Just(u32::MAX - 100), any::<u32>()],
            script in prop::collection::vec((1..8_usize, any::<prop::sample::Index>(), 1..6_usize), 1..80),
        ) {
            let mut in_flight = InFlight::starting_at(start);
            let mut owners: Vec<Arc<[u8; 10]>> = Vec::new();
            let mut out: Vec<bool> = Vec::new();
            let number = |n: usize| start.wrapping_add(n as u32);
            let complete = |in_flight: &mut InFlight, out: &mut Vec<bool>, at: usize, most: usize| {
                let run = out[at..].iter().take(most).take_while(|&&out| out).count();
                if run > 0 {
                    in_flight.complete(completion(number(at), number(at + run - 1))).unwrap();
                    out[at..at + run].fill(false);
                }
            };
            for (sends, at, most) in script {
                out.resize(out.len() + sends, true);
                for _ in 0..sends {
                    let owner = Arc::new([0; 10]);
                    in_flight.add([view(&owner)].iter(), 7);
                    owners.push(owner);
                }
                let at = at.index(out.len());
                complete(&mut in_flight, &mut out, at, most);
                for (owner, out) in owners.iter().zip(&out) {
                    prop_assert_eq!(Arc::strong_count(owner) == 2, *out);
                }
                let open = out.iter().filter(|&&out| out).count();
                prop_assert_eq!(in_flight.bytes(), open as u64 * 7);
                prop_assert_eq!(in_flight.is_empty(), open == 0);
            }
            for at in 0..out.len() {
                complete(&mut in_flight, &mut out, at, 1);
            }
            prop_assert!(in_flight.is_empty() && in_flight.bytes() == 0);
        }
    }

    #[test]
    fn one_completion_may_wrap_around_the_numbers() {
        let mut in_flight = InFlight::starting_at(u32::MAX - 1);
        for _ in 0..5 {
            in_flight.add([ByteView::from_static(b"four")].iter(), 4);
        }
        in_flight.complete(completion(u32::MAX, 1)).unwrap();
        assert_eq!(in_flight.bytes(), 8);
        in_flight.complete(completion(2, 2)).unwrap();
        in_flight.complete(completion(u32::MAX - 1, u32::MAX - 1)).unwrap();
        assert!(in_flight.is_empty());
        assert_eq!(in_flight.first, 3);
    }

    #[test]
    fn a_send_holds_the_views_it_has_touched_and_no_more() {
        let owners = [(); 3].map(|()| Arc::new([0; 10]));
        let views = owners.each_ref().map(view);
        for (bytes, touched) in [(1, 1), (10, 1), (11, 2), (30, 3)] {
            let mut in_flight = InFlight::default();
            in_flight.add(views.iter(), bytes);
            let held = in_flight.sends[0].as_ref().unwrap().views.len();
            assert_eq!((in_flight.bytes(), held), (bytes, touched));
        }
    }

    /// Other code sends to the socket too, so the numbers are meaningless from then on.
    #[test]
    fn after_an_unexpected_completion_nothing_is_released() {
        for unexpected in
            [completion(5, 5), completion(0, 2), completion(u32::MAX, 0), completion(1, 0)]
        {
            let owner = Arc::new([0; 10]);
            let mut in_flight = InFlight::default();
            in_flight.add([view(&owner)].iter(), 10);
            in_flight.add([view(&owner)].iter(), 10);
            assert_eq!(in_flight.complete(unexpected), Err(UnexpectedCompletion));
            assert_eq!(in_flight.complete(completion(0, 1)), Err(UnexpectedCompletion));
            assert_eq!((in_flight.bytes(), Arc::strong_count(&owner)), (20, 3));
        }
        let mut in_flight = InFlight::default();
        in_flight.add([ByteView::from_static(b"1")].iter(), 1);
        in_flight.add([ByteView::from_static(b"2")].iter(), 1);
        in_flight.complete(completion(1, 1)).unwrap();
        assert_eq!(
            in_flight.complete(completion(1, 1)),
            Err(UnexpectedCompletion),
            "a second completion of one send"
        );
    }
}
