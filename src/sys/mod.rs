//! All system calls of the crate.
//!
//! Every other module reaches the kernel only through the functions here. The files of this folder define the meaning
//! of a call on every system. `linux/` and `fallback/` make the calls: they have files of the same names with functions
//! of the same names, and one of the two is compiled. `platform/` has the differences between Unix, Windows and other
//! systems. `--cfg bytebuf_portable` selects `fallback/` on Linux too, and so does Miri, which has no kernel.
//!
//! Rules that every function keeps:
//!
//! * **SC1** `EINTR` is not a failure: the call is repeated. A call that reports it has moved nothing. The
//!   callers of functions that fill memory repeat the call with [`retry`].
//! * **SC2** A call moves at most [`MAX_BYTES`] bytes and takes at most [`MAX_SLICES`] slices; the callers limit
//!   both.
//! * **SC3** A call passes through [`fault`], where the plan of a test may refuse it or shorten it. Outside of
//!   tests this is an empty inlined function.

use std::io;

pub(crate) mod barrier;
#[cfg(unix)]
mod completion;
mod fault;
mod file;
#[cfg(unix)]
mod file_mapping;
pub(crate) mod memory;
mod new_file;
mod not_regular;
#[cfg_attr(all(target_os = "linux", not(any(bytebuf_portable, miri))), path = "linux/mod.rs")]
#[cfg_attr(
    not(all(target_os = "linux", not(any(bytebuf_portable, miri)))),
    path = "fallback/mod.rs"
)]
mod os;
#[cfg(unix)]
mod pipe;
#[cfg_attr(unix, path = "platform/unix.rs")]
#[cfg_attr(windows, path = "platform/windows.rs")]
#[cfg_attr(not(any(unix, windows)), path = "platform/other.rs")]
mod platform;
#[cfg(unix)]
mod socket;
#[cfg(unix)]
mod vectored;
#[cfg(unix)]
mod zerocopy;

#[cfg(unix)]
pub(crate) use completion::Completion;
pub(crate) use fault::Call;
#[cfg(all(test, unix))]
#[allow(unused_imports, reason = "the tests of zero-copy sends use it, which Linux alone has")]
pub(crate) use fault::with_sink;
#[cfg(test)]
pub(crate) use fault::{Outcome, with_plan};
#[cfg(unix)]
pub(crate) use file::regular_len;
pub(crate) use file::{
    allocate, end_of_data, fill_range_with_zeros, len_and_name, len_of, lock_file, next_data,
    open_regular, read_at, set_len, sync_data, sync_directory_of, unlink, will_need, write_at,
};
#[cfg(unix)]
pub use file_mapping::Advice;
#[cfg(unix)]
pub(crate) use file_mapping::{
    FileMapping, FileMappingMut, duplicate, fill_with_zeros, give_name, is_sealed, seal,
    sealable_file, unnamed_file,
};
pub(crate) use new_file::NewFile;
pub use not_regular::NotRegularFile;
#[cfg(all(test, unix))]
pub(crate) use os::TRANSFERS_IN_KERNEL;
#[cfg(unix)]
pub(crate) use pipe::{Pipe, copy_range, refuses_pair, sendfile, splice_in, splice_out};
#[cfg(all(target_os = "linux", feature = "io-uring"))]
pub(crate) use socket::NonBlocking;
#[cfg(unix)]
pub(crate) use socket::{
    Target, advance_cursor, cursor, has_timed_out, is_direct, is_file, is_readable, read,
    shutdown_write,
};
#[cfg(unix)]
pub(crate) use vectored::read_vectored;
#[cfg(all(target_os = "linux", feature = "io-uring"))]
pub(crate) use zerocopy::refusal_of_operation;
#[cfg(unix)]
pub(crate) use zerocopy::{Refusal, enable_zero_copy, next_completion, refusal, socket_id};

/// The most bytes of a call: Linux cuts every transfer at 2 GiB less a page, and reports only a short count.
pub(crate) const MAX_BYTES: usize = 0x7fff_f000;

/// The most slices of a call: `IOV_MAX` on every known system. `writev` refuses more with `EINVAL`.
pub(crate) const MAX_SLICES: usize = 1024;

/// Whether more bytes follow immediately, so that TCP can hold back a partial segment for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(unix), allow(dead_code, reason = "only descriptors use it"))]
pub(crate) enum More {
    /// No bytes follow: TCP sends a partial segment immediately.
    No,
    /// The next call follows without delay.
    Follows,
}

/// Repeats a call that a signal interrupted (SC1).
pub(crate) fn retry<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// Starts a detached thread.
pub(crate) fn spawn(
    thread: crate::sync::thread::Builder,
    work: impl FnOnce() + Send + 'static,
) -> io::Result<()> {
    fault::inject(Call::Spawn, 0)?;
    thread.spawn(work).map(drop)
}
