//! Blocks whose memory belongs to a Rust value: an adopted `Vec`, a `Bytes`, a mapping, any foreign owner.
//!
//! The header and the value share one heap allocation. The value is dropped exactly once, when the last
//! reference is released; an exclusive owner that knows its type may also take it out.
//!
//! Rules:
//!
//! * **O1** Headers of the kind `Owned` are created only here: `type_id` and `free` follow them for each `T`, and
//!   both are those of `T`.
//! * **O2** The value does not move while the block exists, and only `free` and `take` move or drop it.
//!
//! An owner may hold a view of another owner's bytes, and so on. Dropping such a chain must not overflow the stack. So a
//! thread drops at most [`MAX_NESTED`] owners inside each other. Those inside the last one are dropped after it, in a
//! loop.
#![allow(unsafe_code, reason = "type erasure of the owner behind a header")]

use super::header::{Header, HeaderRef, Kind, LongHeader, Origin};
use super::try_box::try_box;
use crate::sync::thread_local;
use core::any::TypeId;
use core::cell::Cell;
use core::ptr::NonNull;

/// The maximum number of owners that a thread drops inside each other.
const MAX_NESTED: u32 = 32;

#[repr(C)]
struct Owned<T> {
    erased: Erased,
    value: T,
}

/// The part with the same layout for every owner.
#[repr(C)]
struct Erased {
    header: LongHeader,
    type_id: TypeId,
    free: unsafe fn(NonNull<Header>),
    /// The next block of a list of [`Drops`].
    next: Cell<Option<HeaderRef>>,
}

/// The bytes that an adopted value exposes.
pub(crate) struct OwnedBytes {
    pub(crate) data: NonNull<u8>,
    pub(crate) len: usize,
    /// The number of bytes that the value keeps allocated, as far as it is known; at least `len`.
    pub(crate) allocated: usize,
}

/// Returns a block of the bytes that `expose` returns for `value`.
///
/// # Panics
///
/// If `expose` does; the value is dropped.
///
/// # Safety
///
/// The bytes must stay valid as H3 requires until the value is dropped, on any thread. Without `READ_ONLY` in `flags`
/// the value must have exclusive write access to them.
pub(crate) unsafe fn adopt<T: Send + 'static>(
    value: T,
    flags: u8,
    expose: impl FnOnce(&mut T) -> OwnedBytes,
) -> HeaderRef {
    // SAFETY: as the caller guarantees.
    unsafe { finish(Box::new(Owned::unfinished(value)), flags, expose) }
}

/// Returns a block of no bytes that keeps `value`; `None` if there is no memory for it.
pub(crate) fn keep<T: Send + 'static>(value: T) -> Option<HeaderRef> {
    let owned = try_box(Owned::unfinished(value))?;
    let expose =
        |value: &mut T| OwnedBytes { data: NonNull::from(value).cast(), len: 0, allocated: 0 };
    // SAFETY: no byte is exposed.
    Some(unsafe { finish(owned, 0, expose) })
}

/// Completes a block of [`adopt`].
///
/// # Safety
///
/// That of [`adopt`].
unsafe fn finish<T: Send + 'static>(
    owned: Box<Owned<T>>,
    flags: u8,
    expose: impl FnOnce(&mut T) -> OwnedBytes,
) -> HeaderRef {
    let guard = Unfinished(NonNull::from(Box::leak(owned)));
    // `expose` sees the value at its final address (O2).
    // SAFETY: the allocation was just leaked, and no other pointer to it exists.
    let OwnedBytes { data, len, allocated } = expose(unsafe { &mut (*guard.0.as_ptr()).value });
    let owned = guard.0;
    core::mem::forget(guard);
    // SAFETY: as above.
    let header = unsafe { &raw mut (*owned.as_ptr()).erased.header };
    let origin = Origin { kind: Kind::Owned, flags, ..Origin::NOWHERE };
    // SAFETY: as above; the overwritten header has nothing to drop.
    unsafe { header.write(LongHeader::new(owned.cast(), data, allocated, origin)) };
    // SAFETY: the header is the first field of a leaked box (`repr(C)`), which `free` and `take` end.
    let header = unsafe { HeaderRef::new(owned.cast()) };
    header.set_requested(len);
    header
}

impl<T: Send + 'static> Owned<T> {
    /// Returns a value whose header is still to be written.
    fn unfinished(value: T) -> Self {
        let origin = Origin { kind: Kind::Owned, ..Origin::NOWHERE };
        let header = LongHeader::new(NonNull::dangling(), NonNull::dangling(), 0, origin);
        let (type_id, next) = (TypeId::of::<T>(), Cell::new(None));
        let erased = Erased { header, type_id, free: free::<T>, next };
        Self { erased, value }
    }
}

/// Frees the value if `expose` panics.
struct Unfinished<T>(NonNull<Owned<T>>);

impl<T> Drop for Unfinished<T> {
    fn drop(&mut self) {
        // SAFETY: `adopt` leaked this box and has not made a block of it.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

/// Returns the value that owns a block's memory, if it was adopted as a `T`.
pub(crate) fn value<T: 'static>(header: &HeaderRef) -> Option<&T> {
    let owned = find::<T>(*header)?;
    // SAFETY: `find` has checked the type; H1 keeps the box alive while the caller's handle is borrowed, and no
    // code moves or drops the value meanwhile (O2).
    Some(unsafe { &owned.as_ref().value })
}

/// Takes the value out of a block and frees the block. Returns `None`, and changes nothing, if the value was not
/// adopted as a `T`.
///
/// # Safety
///
/// The caller owns the block exclusively, and then uses its bytes only through the value.
pub(crate) unsafe fn take<T: 'static>(header: HeaderRef) -> Option<T> {
    let owned = find::<T>(header)?;
    // SAFETY: `adopt` leaked this box, `find` has checked its type, and the caller owns it exclusively.
    let owned = unsafe { Box::from_raw(owned.as_ptr()) };
    Some(owned.value)
}

fn find<T: 'static>(header: HeaderRef) -> Option<NonNull<Owned<T>>> {
    if header.kind != Kind::Owned {
        return None;
    }
    (erased(&header).type_id == TypeId::of::<T>()).then_some(header.as_ptr().cast())
}

thread_local! {
    static DROPS: Drops = const { Drops { nested: Cell::new(0), rest: Cell::new(None) } };
}

/// The owners that a thread is dropping.
struct Drops {
    /// The number of owners whose drops have begun and not ended.
    nested: Cell<u32>,
    /// The blocks to be freed when the drop of the innermost owner has ended.
    rest: Cell<Option<HeaderRef>>,
}

/// The drop of an owner. Dropping this ends it.
struct Nested<'a>(&'a Drops);

impl Drops {
    /// Frees a block, or puts it into the list if the thread is dropping [`MAX_NESTED`] owners. The caller owns the block
    /// exclusively.
    fn free(&self, block: HeaderRef) {
        let nested = self.nested.get();
        if nested == MAX_NESTED {
            erased(&block).next.set(self.rest.replace(Some(block)));
            return;
        }
        self.nested.set(nested + 1);
        let _nested = Nested(self);
        free_now(block);
        if nested + 1 == MAX_NESTED {
            self.free_rest();
        }
    }

    /// Frees the blocks of the list.
    fn free_rest(&self) {
        while let Some(block) = self.rest.get() {
            self.rest.set(erased(&block).next.get());
            free_now(block);
        }
    }
}

impl Drop for Nested<'_> {
    fn drop(&mut self) {
        let nested = self.0.nested.get();
        if nested == MAX_NESTED {
            // The list has blocks only after a panic of an owner. As with the fields of a struct, the others are
            // dropped, and a second panic ends the process.
            self.0.free_rest();
        }
        self.0.nested.set(nested - 1);
    }
}

fn erased(header: &HeaderRef) -> &Erased {
    debug_assert!(header.kind == Kind::Owned);
    // SAFETY: O1, and H1.
    unsafe { header.as_ptr().cast::<Erased>().as_ref() }
}

/// Drops the value and frees the block; in a chain of many owners, when the drop of the owner around it has ended.
///
/// # Safety
///
/// The block is of the kind `Owned`, and the caller owns it exclusively.
pub(crate) unsafe fn release(header: HeaderRef) {
    if DROPS.try_with(|drops| drops.free(header)).is_err() {
        free_now(header);
    }
}

/// Drops the value and frees the block.
fn free_now(header: HeaderRef) {
    let free = erased(&header).free;
    // SAFETY: the `free` for the `T` of this header (O1), and the caller of `release` owns the block exclusively.
    unsafe { free(header.as_ptr()) }
}

/// # Safety
///
/// `adopt::<T>` created the header, and the caller owns the block exclusively.
unsafe fn free<T>(header: NonNull<Header>) {
    let owned = header.cast::<Owned<T>>();
    // SAFETY: `adopt` leaked this box, and the caller owns it exclusively.
    drop(unsafe { Box::from_raw(owned.as_ptr()) });
}
