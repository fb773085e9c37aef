//! What the kernel has been lent: the memory of each zero-copy send, until it is told to be free.
//!
//! The kernel sends from the pages of the memory itself, again where a packet was lost. Were they used for
//! something else meanwhile, the peer would read that. So:
//!
//! * **Z1** Each send that succeeded has the number after the last one's, as the kernel counts: 32 bits that
//!   wrap. `open[i]` is the lease of the send `first + i`.
//! * **Z2** A lease ends by a notice of its number, and by nothing else. Notices come in any order, and for
//!   many sends at once. Until then its views are held, so that nobody is alone with their memory (C3) and
//!   nobody writes to it.
//! * **Z3** A notice of a send that is not out tells that somebody else sends by zero-copy to the socket, and
//!   that the numbers mean nothing. It ends no lease, nor does any after it.
//! * **Z4** Leases that are dropped while they are open will get no notice. The last handle of their memory
//!   gives its pages up instead of using them again (H4): the kernel has its own hold on these, the process
//!   gets others. A mapped file's pages are the file's, and static bytes are never written.
//! * **Z5** No memory is lent with which Z4 could not be kept: not that of a vector, a `Bytes`, or any other
//!   owner, whose allocator writes to it as soon as it is free.

use std::collections::VecDeque;
#[cfg(feature = "testing")]
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use smallvec::SmallVec;

use crate::buf::ByteView;
use crate::io::file::mapped;
use crate::sys::Completion;

/// The open leases of one socket, in the order of their sends.
#[derive(Default)]
pub(super) struct Leases {
    first: u32,
    /// An entry is `None` when it has ended before one in front of it.
    open: VecDeque<Option<Lease>>,
    bytes: u64,
    /// The numbers mean nothing (Z3).
    lost: bool,
}

/// What one send has been lent.
struct Lease {
    views: SmallVec<[ByteView; 1]>,
    bytes: u64,
}

/// The leases of the process: a figure, which orders nothing.
#[cfg(feature = "testing")]
static OPEN: AtomicUsize = AtomicUsize::new(0);

#[cfg(feature = "testing")]
pub(crate) fn open() -> usize {
    OPEN.load(Relaxed)
}

impl Lease {
    fn new(views: SmallVec<[ByteView; 1]>, bytes: u64) -> Lease {
        #[cfg(feature = "testing")]
        OPEN.fetch_add(1, Relaxed);
        Lease { views, bytes }
    }
}

#[cfg(feature = "testing")]
impl Drop for Lease {
    fn drop(&mut self) {
        OPEN.fetch_sub(1, Relaxed);
    }
}

/// A notice that is not about sends of ours (Z3).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stray;

impl Leases {
    /// Whether Z4 can be kept with this memory (Z5).
    pub(super) fn can_hold(view: &ByteView) -> bool {
        view.block().is_none_or(|block| {
            block.has_pages_of_its_own() || block.owner::<mapped::Shared>().is_some()
        })
    }

    /// Bytes that the kernel may still be reading.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether no notice is due.
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Adds the lease of the send that has just succeeded with the first `bytes` bytes of `views`.
    pub(super) fn add<'v>(&mut self, views: impl Iterator<Item = &'v ByteView>, bytes: u64) {
        let mut left = bytes;
        let touched = views.take_while(|view| {
            let touched = left > 0;
            left = left.saturating_sub(view.len() as u64);
            touched
        });
        let views = touched.cloned().collect();
        self.open.push_back(Some(Lease::new(views, bytes)));
        self.bytes += bytes;
    }

    /// Ends the leases that a notice is about.
    pub(super) fn end(&mut self, notice: Completion) -> Result<(), Stray> {
        let place = |number: u32| number.wrapping_sub(self.first) as usize;
        let (from, to) = (place(notice.first), place(notice.last));
        let known =
            from <= to && to < self.open.len() && self.open.range(from..=to).all(Option::is_some);
        self.lost |= !known;
        if self.lost {
            return Err(Stray);
        }
        let mut ended = SmallVec::<[Lease; 4]>::new();
        ended.extend(self.open.range_mut(from..=to).filter_map(Option::take));
        self.bytes -= ended.iter().map(|lease| lease.bytes).sum::<u64>();
        while let Some(None) = self.open.front() {
            self.open.pop_front();
            self.first = self.first.wrapping_add(1);
        }
        // Last: to release memory may wake whoever waits for it, which is foreign code.
        drop(ended);
        Ok(())
    }
}

#[cfg(test)]
impl Leases {
    /// As if there had been sends before.
    pub(super) fn starting_at(first: u32) -> Leases {
        let mut leases = Leases::default();
        leases.first = first;
        leases
    }
}

impl Drop for Leases {
    fn drop(&mut self) {
        for view in self.open.iter().flatten().flat_map(|lease| &lease.views) {
            if let Some(block) = view.block().filter(|block| block.has_pages_of_its_own()) {
                block.put_in_flight();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;

    fn notice(first: u32, last: u32) -> Completion {
        Completion { first, last, copied: false }
    }

    /// A view of memory whose release shows in the count of `owner`.
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
        /// Against a list of what is out: sends and notices in any order, of any length, over the end of
        /// the numbers. Memory is released by its notice and not before.
        #[test]
        fn leases_end_by_their_notice_in_any_order(
            start in prop_oneof![Just(0), Just(u32::MAX - 100), any::<u32>()],
            script in prop::collection::vec((1..8_usize, any::<prop::sample::Index>(), 1..6_usize), 1..80),
        ) {
            let mut leases = Leases::starting_at(start);
            let mut owners: Vec<Arc<[u8; 10]>> = Vec::new();
            let mut out: Vec<bool> = Vec::new();
            let number = |n: usize| start.wrapping_add(n as u32);
            let settle = |leases: &mut Leases, out: &mut Vec<bool>, at: usize, most: usize| {
                let run = out[at..].iter().take(most).take_while(|&&out| out).count();
                if run > 0 {
                    leases.end(notice(number(at), number(at + run - 1))).unwrap();
                    out[at..at + run].fill(false);
                }
            };
            for (sends, at, most) in script {
                out.resize(out.len() + sends, true);
                for _ in 0..sends {
                    let owner = Arc::new([0; 10]);
                    leases.add([view(&owner)].iter(), 7);
                    owners.push(owner);
                }
                let at = at.index(out.len());
                settle(&mut leases, &mut out, at, most);
                for (owner, out) in owners.iter().zip(&out) {
                    prop_assert_eq!(Arc::strong_count(owner) == 2, *out);
                }
                let open = out.iter().filter(|&&out| out).count();
                prop_assert_eq!(leases.bytes(), open as u64 * 7);
                prop_assert_eq!(leases.is_empty(), open == 0);
            }
            for at in 0..out.len() {
                settle(&mut leases, &mut out, at, 1);
            }
            prop_assert!(leases.is_empty() && leases.bytes() == 0);
        }
    }

    #[test]
    fn one_notice_may_go_over_the_end_of_the_numbers() {
        let mut leases = Leases::starting_at(u32::MAX - 1);
        for _ in 0..5 {
            leases.add([ByteView::from_static(b"four")].iter(), 4);
        }
        leases.end(notice(u32::MAX, 1)).unwrap();
        assert_eq!(leases.bytes(), 8);
        leases.end(notice(2, 2)).unwrap();
        leases.end(notice(u32::MAX - 1, u32::MAX - 1)).unwrap();
        assert!(leases.is_empty());
        assert_eq!(leases.first, 3);
    }

    #[test]
    fn a_lease_holds_what_its_send_has_touched_and_no_more() {
        let owners = [(); 3].map(|()| Arc::new([0; 10]));
        let views = owners.each_ref().map(view);
        for (bytes, touched) in [(1, 1), (10, 1), (11, 2), (30, 3)] {
            let mut leases = Leases::default();
            leases.add(views.iter(), bytes);
            let held = leases.open[0].as_ref().unwrap().views.len();
            assert_eq!((leases.bytes(), held), (bytes, touched));
        }
    }

    /// Somebody else's sends: whatever the numbers say from then on, nothing is released.
    #[test]
    fn after_a_notice_of_what_is_not_out_none_is_believed() {
        for stray in [notice(5, 5), notice(0, 2), notice(u32::MAX, 0), notice(1, 0)] {
            let owner = Arc::new([0; 10]);
            let mut leases = Leases::default();
            leases.add([view(&owner)].iter(), 10);
            leases.add([view(&owner)].iter(), 10);
            assert_eq!(leases.end(stray), Err(Stray));
            assert_eq!(leases.end(notice(0, 1)), Err(Stray));
            assert_eq!((leases.bytes(), Arc::strong_count(&owner)), (20, 3));
        }
        let mut leases = Leases::default();
        leases.add([ByteView::from_static(b"1")].iter(), 1);
        leases.add([ByteView::from_static(b"2")].iter(), 1);
        leases.end(notice(1, 1)).unwrap();
        assert_eq!(leases.end(notice(1, 1)), Err(Stray), "a second notice of one send");
    }
}
