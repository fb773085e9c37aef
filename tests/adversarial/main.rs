//! Safe code that attacks the crate gets errors and panics, and causes nothing else.
//!
//! `sizes.rs`: lengths, ranges and indexes at every limit. `lying_traits.rs`: traits that return false results.
//! `panics.rs`: owners, closures and traits that panic at any of their calls. `losses.rs`: no memory, forgotten handles,
//! drops in any order. `files.rs`: all this for what holds descriptors. `tasks.rs`: false readiness, and forgotten
//! futures.

#[cfg(all(unix, not(miri)))]
mod files;
mod losses;
mod lying_traits;
mod panics;
#[path = "../support/resource_baseline.rs"]
mod resource_baseline;
mod sizes;
#[cfg(all(unix, feature = "tokio", not(miri)))]
mod tasks;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

fn text_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no text")
}

/// What `f` gives, or the text of its panic. A sum that overflowed is no reason to panic: without the
/// compiler's checks it would be a wrong number.
#[track_caller]
fn outcome<T>(f: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(f)).map_err(|panic| {
        let text = text_of(&*panic).to_owned();
        assert!(!text.starts_with("attempt to "), "unchecked arithmetic: {text}");
        text
    })
}

/// An owner of bytes that counts its drops and panics at them, if it is told to.
struct Owner {
    bytes: Vec<u8>,
    drops: Arc<AtomicUsize>,
    panics: bool,
}

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.drops.fetch_add(1, Ordering::SeqCst);
        // A second panic while the first unwinds would end the process, here as in any type.
        if self.panics && !std::thread::panicking() {
            panic!("an owner that does not want to go");
        }
    }
}
