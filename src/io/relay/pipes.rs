//! A cache of pipes for splicing.
//!
//! A pipe takes three system calls to create, and all pipes of an unprivileged user may have 64 MiB together:
//! beyond that the kernel creates pipes of 8 KiB for every program of the user. So a transfer acquires a pipe
//! when bytes arrive and releases it when none are left. Rules:
//!
//! * **PI1** An idle pipe is empty. A transfer closes a pipe that still has bytes in it.
//! * **PI2** There are never more than [`MAX_PIPES`] pipes, in use or idle, and at most [`MAX_IDLE_PIPES`] are
//!   idle.
//! * **PI3** A pipe smaller than [`MIN_USEFUL`] is not used: copying is cheaper.

use std::io;
use std::ops::Deref;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use crossbeam_queue::ArrayQueue;

use crate::sys;

/// The capacity of a pipe in bytes. Measured on a proxy, relative to the CPU time of copying 64 KiB at a time:
/// on an idle machine 0.7 with the default 64 KiB, 0.45 with 256 KiB and 0.42 with this; on a busy one, where
/// each call wakes another process, 0.85, 0.7 and 0.5.
const PIPE_BYTES: usize = 1024 * 1024;

/// The smallest useful capacity in bytes. Below it, copying through a large buffer takes less CPU time.
const MIN_USEFUL: usize = 64 * 1024;

/// The maximum number of pipes; leaves a quarter of the per-user quota.
const MAX_PIPES: usize = 48;

/// The maximum number of idle pipes: the number of transfers that run at the same time on a machine of
/// ordinary size.
const MAX_IDLE_PIPES: usize = 16;

static IDLE: LazyLock<ArrayQueue<Pipe>> = LazyLock::new(|| ArrayQueue::new(MAX_IDLE_PIPES));
static PERMITS: Permits = Permits(AtomicUsize::new(0));

/// One of at most [`MAX_PIPES`] pipes.
#[derive(Debug)]
pub(crate) struct Pipe {
    pipe: sys::Pipe,
    _permit: Permit,
}

impl Deref for Pipe {
    type Target = sys::Pipe;

    fn deref(&self) -> &sys::Pipe {
        &self.pipe
    }
}

/// Returns an empty pipe, or an error if none is available now.
pub(crate) fn acquire() -> io::Result<Pipe> {
    if let Some(pipe) = IDLE.pop() {
        return Ok(pipe);
    }
    let permit = PERMITS.acquire().ok_or(io::ErrorKind::QuotaExceeded)?;
    let pipe = sys::Pipe::new(PIPE_BYTES)?;
    if pipe.capacity < MIN_USEFUL {
        return Err(io::ErrorKind::QuotaExceeded.into());
    }
    Ok(Pipe { pipe, _permit: permit })
}

/// Keeps an empty pipe for a later transfer, or closes it if enough are idle.
pub(crate) fn release(pipe: Pipe) {
    // A full queue returns the pipe, which is closed here.
    drop(IDLE.push(pipe));
}

/// Closes the idle pipes, so that the next transfer creates one.
#[cfg(test)]
pub(crate) fn close_idle() {
    while IDLE.pop().is_some() {}
}

/// The number of permits in use. `Relaxed`: the count orders nothing else.
#[derive(Debug)]
struct Permits(AtomicUsize);

impl Permits {
    fn acquire(&'static self) -> Option<Permit> {
        // Dropped at once if the limit is exceeded.
        let permit = Permit(self);
        (self.0.fetch_add(1, Ordering::Relaxed) < MAX_PIPES).then_some(permit)
    }
}

#[derive(Debug)]
struct Permit(&'static Permits);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permits_run_out_and_are_reused() {
        static PERMITS: Permits = Permits(AtomicUsize::new(0));
        let mut permits: Vec<_> =
            (0..MAX_PIPES).map(|_| PERMITS.acquire().expect("a permit is free")).collect();
        assert!(PERMITS.acquire().is_none());
        assert!(PERMITS.acquire().is_none(), "a refusal takes no permit");
        permits.pop();
        permits.push(PERMITS.acquire().expect("the released one"));
        drop(permits);
        assert_eq!(PERMITS.0.load(Ordering::Relaxed), 0);
    }
}
