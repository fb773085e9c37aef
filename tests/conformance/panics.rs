//! Panics that are answers, and those that are not: neither should fill the screen.

use std::{
    cell::{Cell, RefCell},
    panic::{self, AssertUnwindSafe},
    sync::Once,
};

thread_local! {
    static EXPECTED: Cell<bool> = const { Cell::new(false) };
    static LAST: RefCell<String> = const { RefCell::new(String::new()) };
}

/// What a call gives that may panic because its caller asked too much; `None` if it did.
pub(crate) fn attempt<R>(call: impl FnOnce() -> R) -> Option<R> {
    caught(call).ok()
}

/// What a call gives, or what its panic said, and where.
pub(crate) fn caught<R>(call: impl FnOnce() -> R) -> Result<R, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let print = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if EXPECTED.get() { LAST.set(info.to_string()) } else { print(info) }
        }));
    });
    let outer = EXPECTED.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(call));
    EXPECTED.set(outer);
    result.map_err(|_| LAST.take())
}
