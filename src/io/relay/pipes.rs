//! Pipes for splicing, kept for the next one who needs one.
//!
//! A pipe costs three system calls, and a user without privileges may have 64 MiB of them in all:
//! beyond that the kernel makes pipes of 8 KiB, for every program of the user. So transfers take
//! one when bytes come and give it back when none are left:
//!
//! 1. a pipe in the store is empty: whoever holds one with bytes in it closes it instead;
//! 2. there are never more than [`MOST`], in use or kept, and the store keeps at most [`KEPT`];
//! 3. a pipe that is too small to be worth it is not given out: copying is cheaper then.

use std::io;
use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::sys;

/// Measured on a proxy, as parts of the CPU of copying 64 KiB at a time: on a quiet machine 0.7
/// with the default 64 KiB, 0.45 with 256 KiB and 0.42 with this; on a busy one, where each call
/// wakes somebody, 0.85, 0.7 and 0.5.
const PIPE_BYTES: usize = 1024 * 1024;

/// Below this, copying with a large window costs less.
const WORTH: usize = 64 * 1024;

/// What leaves a quarter of the user's budget to others.
const MOST: usize = 48;

/// As many as can be under way at one moment on a machine of ordinary size.
const KEPT: usize = 16;

static STORE: Mutex<Vec<Pipe>> = Mutex::new(Vec::new());
static PLACES: Places = Places(AtomicUsize::new(0));

/// One of the [`MOST`].
#[derive(Debug)]
pub(crate) struct Pipe {
    pipe: sys::Pipe,
    _place: Place,
}

impl Deref for Pipe {
    type Target = sys::Pipe;

    fn deref(&self) -> &sys::Pipe {
        &self.pipe
    }
}

/// An empty pipe; an error means that there is none to be had now.
pub(crate) fn take() -> io::Result<Pipe> {
    let kept = STORE.lock().unwrap_or_else(PoisonError::into_inner).pop();
    if let Some(pipe) = kept {
        return Ok(pipe);
    }
    let place = PLACES.take().ok_or(io::ErrorKind::QuotaExceeded)?;
    let pipe = sys::Pipe::new(PIPE_BYTES)?;
    if pipe.capacity < WORTH {
        return Err(io::ErrorKind::QuotaExceeded.into());
    }
    Ok(Pipe { pipe, _place: place })
}

/// Keeps a pipe, which must be empty, or closes it.
pub(crate) fn give_back(pipe: Pipe) {
    let mut store = STORE.lock().unwrap_or_else(PoisonError::into_inner);
    if store.len() < KEPT {
        store.push(pipe);
    }
}

/// Closes what is kept, so that the next one who needs a pipe makes one.
#[cfg(test)]
pub(crate) fn forget_all() {
    STORE.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

/// Counts the places that are taken. `Relaxed`: nothing is handed on with a place.
#[derive(Debug)]
struct Places(AtomicUsize);

impl Places {
    fn take(&'static self) -> Option<Place> {
        // Given back at once if it is one too many.
        let place = Place(self);
        (self.0.fetch_add(1, Ordering::Relaxed) < MOST).then_some(place)
    }
}

#[derive(Debug)]
struct Place(&'static Places);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_run_out_and_come_back() {
        static PLACES: Places = Places(AtomicUsize::new(0));
        let mut places: Vec<_> = (0..MOST).map(|_| PLACES.take().expect("one of many")).collect();
        assert!(PLACES.take().is_none());
        assert!(PLACES.take().is_none(), "a refusal takes no place");
        places.pop();
        places.push(PLACES.take().expect("the one that came back"));
        drop(places);
        assert_eq!(PLACES.0.load(Ordering::Relaxed), 0);
    }
}
