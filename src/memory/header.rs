//! The header of a block: 32 bytes stored apart from the block's memory.
//!
//! So blocks of whole pages start on page boundaries, as direct I/O, registered buffers and huge pages require.
//!
//! Rules:
//!
//! * **H1** Each holder of a [`HeaderRef`] keeps the header alive: a handle or a cached reference (C1), a store of
//!   free blocks (a magazine, the depot, the cache of large blocks, or a slab, which owns the header), or the code
//!   that moves a block from one of these to another.
//! * **H2** All fields except `count` and `flags` are written only by the exclusive owner of the block: the code
//!   that has just created it, taken it from a store of free blocks, or learnt from the count that no other
//!   reference exists.
//! * **H3** `data` is valid for reads and writes of the block's capacity while the block is not free. If the
//!   block is read-only, it is valid for reads of the bytes that its owner exposes.
//! * **H4** Any holder of a reference may set that a block is [in flight](Flags::is_in_flight); only the
//!   exclusive owner clears it. A thread that learns from the count that it owns the block exclusively sees the
//!   flag (C3). While the flag is set, no byte of the block is written; its pages are replaced first.
//! * **H5** The count of a free block is one. So an unshared block that is allocated repeatedly for the same size
//!   has its header read and not written, and the cache line stays shared between cores.
//! * **H6** If the block is [extended](Flags::is_extended), `home` points to an [`ExtHead`] that the block's
//!   allocation owns, and the block's home is stored there. Only the exclusive owner changes this (H2).
//! * **H7** A header of another kind than `Slab` is the first field of a [`LongHeader`].
#![allow(unsafe_code, reason = "a header is reached through a counted raw pointer (H1, H6, H7)")]

use super::count::Count;
use super::flags::{FEW_SLOTS, Flags, NO_SLAB, REF_CACHED};
use super::ref_cache::{Counted, MAX_CACHED_BLOCK, MAX_SMALL_BLOCK, SLOTS, SLOTS_OF_LARGER};
use core::cell::Cell;
use core::ops::Deref;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// The origin of a block, to which it returns when its last reference is released.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// A slab of a pool.
    Slab,
    /// A mapping for this block alone.
    Large,
    /// An adopted Rust value.
    Owned,
}

/// Returns the flags for caching references to a block of `size` bytes; none if the block is too large.
pub(crate) fn caching_flags(size: usize) -> u8 {
    if size <= MAX_SMALL_BLOCK {
        REF_CACHED
    } else if size <= MAX_CACHED_BLOCK {
        REF_CACHED | FEW_SLOTS
    } else {
        0
    }
}

/// Returns the slot for references to a block. Adjacent headers get different slots; large blocks share few slots.
fn slot_of(header: NonNull<Header>, flags: u8) -> u8 {
    let slots = if flags & FEW_SLOTS == 0 { SLOTS } else { SLOTS_OF_LARGER };
    (header.addr().get() / size_of::<Header>() % slots) as u8
}

/// The part that the headers of all blocks have.
// The alignment that allocators have by default. A larger one doubles the time to adopt a `Vec` or a `Bytes`.
#[repr(C, align(16))]
pub(crate) struct Header {
    /// The number of references.
    pub(crate) count: Count,
    /// The requested length, for blocks of slabs. Atomic, because statistics read it at any time; it orders no other
    /// access, so `Relaxed`.
    requested: AtomicU32,
    data: Cell<NonNull<u8>>,
    /// The pool, or an extension that stores the pool (H6).
    home: Cell<*const ()>,
    /// The index of the slab in its size class.
    pub(crate) slab: u32,
    /// The size class.
    pub(crate) class: u8,
    pub(crate) kind: Kind,
    pub(crate) flags: Flags,
    /// The slot for the block in each thread's reference cache.
    slot: u8,
}

#[cfg(not(shuttle))]
static_assertions::const_assert_eq!(size_of::<Header>(), 32);

/// The header of a block that does not come from a slab.
#[repr(C)]
pub(crate) struct LongHeader {
    header: Header,
    capacity: usize,
    requested: Cell<usize>,
}

/// The start of an extension, in which a pool stores data about one allocation of a block (H6).
#[repr(C)]
pub(crate) struct ExtHead {
    home: Cell<*const ()>,
}

impl ExtHead {
    /// Returns a head that no block uses.
    pub(crate) const fn new() -> Self {
        Self { home: Cell::new(core::ptr::null()) }
    }
}

/// The values for the fields of a new header.
#[derive(Clone, Copy)]
pub(crate) struct Origin {
    pub(crate) home: *const (),
    pub(crate) kind: Kind,
    pub(crate) class: u8,
    pub(crate) slab: u32,
    pub(crate) flags: u8,
}

impl Origin {
    /// An origin without a home, to be completed.
    pub(crate) const NOWHERE: Self =
        Self { home: core::ptr::null(), kind: Kind::Slab, class: 0, slab: 0, flags: 0 };
}

impl Header {
    /// Returns a header with one reference, to be written to `place`.
    pub(crate) fn new(place: NonNull<Self>, data: NonNull<u8>, origin: Origin) -> Self {
        let Origin { home, kind, class, slab, mut flags } = origin;
        let slot = slot_of(place, flags);
        if kind != Kind::Slab {
            flags |= NO_SLAB;
        }
        let (data, home) = (Cell::new(data), Cell::new(home));
        let (count, flags) = (Count::one(), Flags::new(flags));
        Self { count, requested: AtomicU32::new(0), data, home, slab, class, kind, flags, slot }
    }

    /// Returns the address of the block's first byte.
    #[inline]
    pub(crate) fn data(&self) -> NonNull<u8> {
        self.data.get()
    }

    /// Sets the address of the block's memory (H2). Only the hooks that allocate separately for each owner do this.
    #[cfg(miri)]
    pub(crate) fn set_data(&self, data: NonNull<u8>) {
        self.data.set(data);
    }

    /// Returns the home of a block that has no extension, for a comparison with the address of a pool.
    #[inline]
    pub(crate) fn plain_home(&self) -> *const () {
        self.home.get()
    }

    /// Returns the requested length of a block of a slab.
    #[inline]
    pub(crate) fn slab_requested(&self) -> usize {
        self.requested.load(Relaxed) as usize
    }

    /// Sets the requested length of a block of a slab (H2, H5).
    #[inline]
    pub(crate) fn set_slab_requested(&self, size: usize) {
        debug_assert!(self.kind == Kind::Slab && self.count.references() == 1);
        if self.slab_requested() != size {
            self.requested.store(size as u32, Relaxed);
        }
    }
}

impl LongHeader {
    /// Returns a header with one reference, to be written to `place`, for a block of `capacity` bytes.
    pub(crate) fn new(
        place: NonNull<Self>,
        data: NonNull<u8>,
        capacity: usize,
        origin: Origin,
    ) -> Self {
        debug_assert!(origin.kind != Kind::Slab);
        let header = Header::new(place.cast(), data, origin);
        Self { header, capacity, requested: Cell::new(capacity) }
    }
}

/// A pointer to a header that is kept alive (H1).
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct HeaderRef(NonNull<Header>);

// SAFETY: `count`, `flags` and `requested` are atomic; the other fields are written only by an exclusive owner (H2),
// and ownership passes between threads only through the count (C3), a lock or another operation that synchronises.
unsafe impl Send for HeaderRef {}
// SAFETY: as for `Send`: shared accesses read fields that no thread writes at that time (H2).
unsafe impl Sync for HeaderRef {}

impl HeaderRef {
    /// # Safety
    ///
    /// The header must stay at its address and be kept alive as H1 requires; H7 holds for it.
    pub(crate) unsafe fn new(header: NonNull<Header>) -> Self {
        Self(header)
    }

    /// Returns the pointer, with the provenance that it was created with.
    #[inline]
    pub(crate) fn as_ptr(self) -> NonNull<Header> {
        self.0
    }

    fn long(&self) -> Option<&LongHeader> {
        // SAFETY: H7, and H1 keeps it alive.
        (self.kind != Kind::Slab).then(|| unsafe { self.0.cast::<LongHeader>().as_ref() })
    }

    /// Returns the capacity of a block that does not come from a slab, in bytes.
    pub(crate) fn long_capacity(&self) -> Option<usize> {
        self.long().map(|long| long.capacity)
    }

    /// Returns the number of bytes that handles may use.
    #[inline]
    pub(crate) fn requested(&self) -> usize {
        self.long().map_or_else(|| self.slab_requested(), |long| long.requested.get())
    }

    /// Sets the requested length (H2, H5).
    #[inline]
    pub(crate) fn set_requested(&self, size: usize) {
        match self.long() {
            Some(long) => long.requested.set(size),
            None => self.set_slab_requested(size),
        }
    }

    /// Returns the extension of this allocation; null if it has none.
    #[inline]
    pub(crate) fn ext(&self) -> *mut ExtHead {
        if self.flags.is_extended() {
            self.home.get().cast_mut().cast()
        } else {
            core::ptr::null_mut()
        }
    }

    /// Returns the home of the block, also of an extended one.
    pub(crate) fn home(&self) -> *const () {
        // SAFETY: null, or an extension that is valid until `set_ext` replaces it (H6).
        match unsafe { self.ext().as_ref() } {
            Some(ext) => ext.home.get(),
            None => self.home.get(),
        }
    }

    /// Sets the extension, or removes it if `ext` is null (H2).
    ///
    /// # Safety
    ///
    /// `ext` is null, or points to an [`ExtHead`] that stays valid until the extension is removed. The caller
    /// owns the block exclusively.
    pub(crate) unsafe fn set_ext(&self, ext: *mut ExtHead) {
        let home = self.home();
        // SAFETY: null or valid, as the caller guarantees.
        match unsafe { ext.as_ref() } {
            Some(head) => {
                head.home.set(home);
                self.home.set(ext.cast_const().cast());
            }
            None => self.home.set(home),
        }
        self.flags.set_extended(!ext.is_null());
    }
}

impl Deref for HeaderRef {
    type Target = Header;

    #[inline]
    fn deref(&self) -> &Header {
        // SAFETY: H1 keeps the header alive while a `HeaderRef` exists; it is never borrowed mutably.
        unsafe { self.0.as_ref() }
    }
}

impl Counted for HeaderRef {
    #[inline]
    fn count(&self) -> &Count {
        // SAFETY: H1: the caller of `Counted::count` holds a reference. Not through `deref`, as its borrow would end
        // with the temporary.
        unsafe { &self.0.as_ref().count }
    }

    #[inline]
    fn slot(&self) -> usize {
        usize::from(self.slot)
    }

    #[inline]
    fn address(&self) -> usize {
        self.0.addr().get()
    }
}
