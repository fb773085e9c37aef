//! Panics that are answers, and those that are not: neither should fill the screen.

use std::{
    cell::RefCell,
    panic::{self, AssertUnwindSafe},
};

thread_local! {
    static LAST: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Keeps what panics say, instead of printing it, as long as `run` runs.
pub(crate) fn quietly<R>(run: impl FnOnce() -> R) -> R {
    let loud = panic::take_hook();
    panic::set_hook(Box::new(|info| LAST.set(info.to_string())));
    let result = run();
    panic::set_hook(loud);
    result
}

/// What a call gives that may panic because its caller asked too much; `None` if it did.
pub(crate) fn attempt<R>(call: impl FnOnce() -> R) -> Option<R> {
    caught(call).ok()
}

/// What a call gives, or what its panic said, and where.
pub(crate) fn caught<R>(call: impl FnOnce() -> R) -> Result<R, String> {
    panic::catch_unwind(AssertUnwindSafe(call)).map_err(|_| LAST.take())
}
