//! Fallible allocation of a box; `Box::new` ends the process when there is no memory.
#![allow(unsafe_code, reason = "allocates for `Box::from_raw`")]

use std::alloc::{Layout, alloc};

/// Moves a value to the heap. Returns `None` if there is no memory for it.
pub(crate) fn try_box<T>(value: T) -> Option<Box<T>> {
    const { assert!(size_of::<T>() > 0) };
    // SAFETY: the size of the layout is not zero, as just asserted.
    let place = unsafe { alloc(Layout::new::<T>()) }.cast::<T>();
    if place.is_null() {
        return None;
    }
    // SAFETY: fresh memory of the value's layout.
    unsafe { place.write(value) };
    // SAFETY: initialised, and from the global allocator with the layout of `T`.
    Some(unsafe { Box::from_raw(place) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_moved_and_dropped_once() {
        let shared = std::rc::Rc::new(());
        let boxed = try_box((7_u64, std::rc::Rc::clone(&shared))).unwrap();
        assert_eq!((boxed.0, std::rc::Rc::strong_count(&shared)), (7, 2));
        drop(boxed);
        assert_eq!(std::rc::Rc::strong_count(&shared), 1);
    }
}
