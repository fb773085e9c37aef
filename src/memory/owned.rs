//! Blocks that belong to a Rust value: an adopted `Vec`, a `Bytes`, a mapping, any foreign owner.
//!
//! The header and the value share one heap allocation. The value is dropped exactly once, by whoever
//! gives the last reference back; it may also be taken out again by a sole owner who knows its type.
//!
//! Rules:
//!
//! * **O1** Headers of the kind `Owned` are made here and nowhere else: `type_id` and `free` stand behind
//!   them, whatever `T` is, and both are those of `T`.
//! * **O2** The value does not move while the block lives, and is not touched but by `free` and `take`.
#![allow(unsafe_code, reason = "type erasure of the owner behind a header")]

use super::header::{Header, HeaderRef, Kind, Origin};
use core::any::TypeId;
use core::ptr::NonNull;

#[repr(C)]
struct Owned<T> {
    erased: Erased,
    value: T,
}

/// The part that is the same for every owner.
#[repr(C)]
struct Erased {
    header: Header,
    type_id: TypeId,
    free: unsafe fn(NonNull<Header>),
}

/// Makes a block of the bytes that `show` finds in `value`: their start and number. `flags` are those of the header; without `READ_ONLY` the bytes must be the value's to write.
///
/// A panic in `show` drops the value and nothing else.
///
/// # Safety
///
/// The bytes must stay valid as H3 demands until the value is dropped, whatever thread that happens on.
pub(crate) unsafe fn adopt<T: Send + 'static>(
    value: T,
    flags: u8,
    show: impl FnOnce(&mut T) -> (NonNull<u8>, usize),
) -> HeaderRef {
    let origin = Origin { kind: Kind::Owned, flags, ..Origin::NOWHERE };
    let header = Header::new(NonNull::dangling(), 0, origin);
    let owned = Box::leak(Box::new(Owned {
        erased: Erased { header, type_id: TypeId::of::<T>(), free: free::<T> },
        value,
    }));
    let guard = Unfinished(NonNull::from(owned));
    // The value is shown where it will stay (O2).
    // SAFETY: the allocation was just leaked, and nobody else knows of it.
    let (data, len) = show(unsafe { &mut (*guard.0.as_ptr()).value });
    let owned = guard.0;
    core::mem::forget(guard);
    // SAFETY: as above.
    let header = unsafe { &raw mut (*owned.as_ptr()).erased.header };
    // SAFETY: as above; what is overwritten holds nothing to drop.
    unsafe { header.write(Header::new(data, len, origin)) };
    // SAFETY: the header is the first field of a leaked box (`repr(C)`), which `free` and `take` end.
    unsafe { HeaderRef::new(owned.cast()) }
}

/// Frees the value if it panics while it is asked for its bytes.
struct Unfinished<T>(NonNull<Owned<T>>);

impl<T> Drop for Unfinished<T> {
    fn drop(&mut self) {
        // SAFETY: `adopt` leaked this box and has not made a block of it.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

/// The value behind a block, if it was adopted as a `T`.
pub(crate) fn value<T: 'static>(header: &HeaderRef) -> Option<&T> {
    let owned = find::<T>(*header)?;
    // SAFETY: `find` has checked the type; H1 keeps it alive while the caller's handle is borrowed, and
    // nobody changes the value (O2).
    Some(unsafe { &owned.as_ref().value })
}

/// Takes the value out of a block of which the caller is the sole owner; the block is gone then.
/// `None` if it was not adopted as a `T`: nothing happened.
///
/// # Safety
///
/// The caller owns the block alone and uses none of its handles or bytes any more, but through the value.
pub(crate) unsafe fn take<T: 'static>(header: HeaderRef) -> Option<T> {
    let owned = find::<T>(header)?;
    // SAFETY: `adopt` leaked this very box, its type was checked, and the caller owns it alone.
    let owned = unsafe { Box::from_raw(owned.as_ptr()) };
    Some(owned.value)
}

fn find<T: 'static>(header: HeaderRef) -> Option<NonNull<Owned<T>>> {
    if header.kind != Kind::Owned {
        return None;
    }
    // SAFETY: O1, and H1.
    let erased = unsafe { header.as_ptr().cast::<Erased>().as_ref() };
    (erased.type_id == TypeId::of::<T>()).then_some(header.as_ptr().cast())
}

/// Drops the value and frees the block.
///
/// # Safety
///
/// The block is of the kind `Owned`, and the caller owns it alone.
pub(crate) unsafe fn release(header: HeaderRef) {
    // SAFETY: O1, and H1.
    let free = unsafe { header.as_ptr().cast::<Erased>().as_ref() }.free;
    // SAFETY: it is the `free` of the `T` behind this header (O1), and the caller owns it alone.
    unsafe { free(header.as_ptr()) }
}

/// # Safety
///
/// The header was made by `adopt::<T>`, and the caller owns the block alone.
unsafe fn free<T>(header: NonNull<Header>) {
    let owned = header.cast::<Owned<T>>();
    // SAFETY: `adopt` leaked this box, and the caller owns it alone.
    drop(unsafe { Box::from_raw(owned.as_ptr()) });
}
