//! The header of a block: one cache line that stands beside the memory, not in it.
//!
//! Blocks of one page and more start on page boundaries that way (direct I/O, registered buffers, huge
//! pages), and neighbours share no line.
//!
//! Rules:
//!
//! * **H1** A [`HeaderRef`] is held only by a place that keeps the header alive: a handle or a bank slot
//!   with references (the count), a free place of the pool (a magazine, the depot, a slab; the slab owns
//!   the header), or the code that is moving it from one of these to another.
//! * **H2** All fields but `count` and `flags` are written only by the one who owns the block alone: who has
//!   just made it, taken it from a free place, or learnt from the count that nobody else holds it.
//! * **H3** `data` is valid for reads and writes of `capacity` bytes for as long as the block is not
//!   free, unless it is read-only: then for reads of the bytes that its maker showed.
//! * **H4** That a block is [in flight](Flags::is_in_flight) may be noted by anybody who holds a reference, and
//!   is cleared by the one who owns the block alone. Who learns from the count that nobody else holds the
//!   block sees the flag (C3). From then on, until it is cleared, no byte of the block is written: its
//!   pages are replaced first.
//! * **H5** The count of a free block is one, its next owner's. So a block that goes from hand to hand for
//!   the same size, and is not shared, has its header read and not written: its line need not travel.
#![allow(unsafe_code, reason = "a header is reached through a counted raw pointer (H1)")]

use super::count::Count;
use super::flags::{Flags, NO_SLAB, REF_CACHED};
use super::ref_cache::{Counted, MAX_CACHED_BLOCK};
use core::cell::Cell;
use core::ops::Deref;
use core::ptr::NonNull;

/// Where blocks come from, and go when the last handle is gone.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A slab of a pool.
    Slab,
    /// A mapping of its own.
    Large,
    /// A Rust value.
    Owned,
}

/// What every block has in common.
#[repr(C, align(64))]
pub(crate) struct Header {
    /// Who holds the block.
    pub(crate) count: Count,
    data: Cell<NonNull<u8>>,
    capacity: usize,
    requested: Cell<usize>,
    /// What the home put here; only the home knows its type.
    pub(crate) home: *const (),
    /// What is charged and tracked for this owner of the block; null for most.
    ext: Cell<*mut ()>,
    /// Size class.
    pub(crate) class: u16,
    /// How the block goes home.
    pub(crate) kind: Kind,
    pub(crate) flags: Flags,
    /// Which slab of its class the block lies in, and where in it.
    pub(crate) slab: u32,
    pub(crate) slot: u32,
}

#[cfg(not(shuttle))]
static_assertions::const_assert_eq!(size_of::<Header>(), 64);

/// Where a new header's block lives, for [`Header::new`].
#[derive(Clone, Copy)]
pub(crate) struct Origin {
    pub(crate) home: *const (),
    pub(crate) kind: Kind,
    pub(crate) class: u16,
    pub(crate) slab: u32,
    pub(crate) slot: u32,
    pub(crate) flags: u8,
}

impl Origin {
    /// No home.
    pub(crate) const NOWHERE: Self =
        Self { home: core::ptr::null(), kind: Kind::Slab, class: 0, slab: 0, slot: 0, flags: 0 };
}

impl Header {
    /// A header with one reference out. Credits are banked for blocks up to [`MAX_CACHED_BLOCK`] bytes when `flags`
    /// says [`REF_CACHED`].
    pub(crate) fn new(data: NonNull<u8>, capacity: usize, origin: Origin) -> Self {
        let Origin { home, kind, class, slab, slot, mut flags } = origin;
        if capacity > MAX_CACHED_BLOCK {
            flags &= !REF_CACHED;
        }
        let (data, requested) = (Cell::new(data), Cell::new(capacity));
        let (count, ext) = (Count::one(), Cell::new(core::ptr::null_mut()));
        if kind != Kind::Slab {
            flags |= NO_SLAB;
        }
        let flags = Flags::new(flags);
        Self { count, data, capacity, requested, home, ext, class, kind, flags, slab, slot }
    }

    /// The block's first byte.
    #[inline]
    pub(crate) fn data(&self) -> NonNull<u8> {
        self.data.get()
    }

    /// Moves the block elsewhere (H2): only the hooks that give each owner memory of its own do.
    #[cfg(miri)]
    pub(crate) fn set_data(&self, data: NonNull<u8>) {
        self.data.set(data);
    }

    /// The block's size in bytes.
    #[inline]
    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// How many of its bytes handles may use: what was asked for.
    #[inline]
    pub(crate) fn requested(&self) -> usize {
        self.requested.get()
    }

    /// Hands the block out for `size` bytes (H2, H5).
    #[inline]
    pub(crate) fn set_requested(&self, size: usize) {
        debug_assert!(size <= self.capacity && self.count.references() == 1);
        if self.requested() != size {
            self.requested.set(size);
        }
    }

    /// What was last given to `set_ext`.
    #[inline]
    pub(crate) fn ext(&self) -> *mut () {
        self.ext.get()
    }

    /// Notes something for this owner of the block, or nothing more (H2).
    pub(crate) fn set_ext(&self, ext: *mut ()) {
        self.ext.set(ext);
        self.flags.set_extended(!ext.is_null());
    }
}

/// A pointer to a header that somebody keeps alive (H1).
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct HeaderRef(NonNull<Header>);

// SAFETY: the count is atomic; the other fields are written only by a sole owner (H2), and a block
// changes owners only through the count (C3), a queue, a lock or a hand-over between threads, all of
// which synchronise.
unsafe impl Send for HeaderRef {}
// SAFETY: as for `Send`: shared access reads fields that nobody writes meanwhile (H2).
unsafe impl Sync for HeaderRef {}

impl HeaderRef {
    /// # Safety
    ///
    /// The header must stay where it is and be kept as H1 says.
    pub(crate) unsafe fn new(header: NonNull<Header>) -> Self {
        Self(header)
    }

    /// The pointer, with the provenance that it was made with.
    #[inline]
    pub(crate) fn as_ptr(self) -> NonNull<Header> {
        self.0
    }
}

impl Deref for HeaderRef {
    type Target = Header;

    #[inline]
    fn deref(&self) -> &Header {
        // SAFETY: H1: whoever holds a `HeaderRef` keeps the header alive; it is never borrowed mutably.
        unsafe { self.0.as_ref() }
    }
}

impl Counted for HeaderRef {
    #[inline]
    fn count(&self) -> &Count {
        // SAFETY: H1, as `Counted::count` is called only with a reference in hand. Not through `deref`,
        // whose borrow would end with the temporary.
        unsafe { &self.0.as_ref().count }
    }

    #[inline]
    fn slot(&self) -> usize {
        self.0.addr().get() / size_of::<Header>()
    }
}
