//! The whole OS surface of the I/O side, as one small contract.
//!
//! Everything under `io` reaches the kernel through the functions here and through nothing else.
//! `linux.rs` and `portable.rs` implement the same short list; `--cfg bytebuf_portable` forces the
//! second one on any system.
//!
//! Rules that every function keeps:
//!
//! 1. `EINTR` is no failure: the call is made again. Nothing has moved when a call reports it. The
//!    functions that fill memory leave the repeating to their caller, by [`retry`].
//! 2. A call moves at most [`MAX_BYTES`] bytes and takes at most [`MAX_SLICES`] slices; the
//!    callers clip to both.
//! 3. A call passes through [`fault`], where a test's plan may refuse it or shorten it. Outside of
//!    tests that is an inlined nothing.

use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
#[cfg(unix)]
use std::{
    io::IoSlice,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

mod call;
mod fault;
mod file;
mod mapped;
#[cfg(unix)]
mod mapping;
#[cfg(all(target_os = "linux", not(bytebuf_portable)))]
#[path = "linux.rs"]
mod os;
#[cfg(not(all(target_os = "linux", not(bytebuf_portable))))]
#[path = "portable.rs"]
mod os;
#[cfg(unix)]
mod rooms;
pub(crate) mod vm;
#[cfg(unix)]
mod zerocopy;

pub(crate) use file::{
    allocate, len_of, lock_file, metadata, open, set_len, sync_data, sync_directory_of, unlink,
    will_need,
};
#[cfg(unix)]
pub(crate) use file::{
    duplicate, fill_with_zeros, give_name, is_sealed, seal, sealable_file, unnamed_file,
};
#[cfg(unix)]
pub(crate) use mapping::{Mapping, MappingMut};
#[cfg(unix)]
pub(crate) use os::{populate, populate_mut};
#[cfg(unix)]
pub(crate) use rooms::read_vectored;
#[cfg(unix)]
pub(crate) use zerocopy::{Notice, Refusal, lend_to, next_notice, refusal, socket_id};

pub(crate) use call::Call;
#[cfg(all(test, target_os = "linux", not(bytebuf_portable)))]
pub(crate) use fault::with_taker;
#[cfg(test)]
pub(crate) use fault::{Outcome, with_plan};

/// Linux cuts every transfer at 2 GiB less a page and says so only by a short count.
pub(crate) const MAX_BYTES: usize = 0x7fff_f000;

/// `IOV_MAX` on every system that we know of: one more and `writev` refuses with `EINVAL`.
pub(crate) const MAX_SLICES: usize = 1024;

/// Whether more bytes follow at once, so that TCP can keep a partial segment back for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(unix), allow(dead_code, reason = "only descriptors are told"))]
pub(crate) enum More {
    /// Send what there is.
    No,
    /// The next call follows without delay.
    Follows,
}

/// Repeats a call that a signal interrupted (rule 1).
pub(crate) fn retry<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// Reads from `file` at `offset` into the front of `room`; gives what was read, empty at the end of
/// the file.
pub(crate) fn read_at<'a>(
    file: &File,
    room: &'a mut [MaybeUninit<u8>],
    offset: u64,
) -> io::Result<&'a mut [u8]> {
    let len = fault::admit(Call::ReadAt, room.len().min(MAX_BYTES))?;
    os::read_at(file, &mut room[..len], offset)
}

/// Writes bytes, at least one, to `file` at `offset`; gives their number.
pub(crate) fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
    let written = retry(|| {
        let len = fault::admit(Call::WriteAt, bytes.len().min(MAX_BYTES))?;
        os::write_at(file, &bytes[..len], offset)
    })?;
    if written == 0 { Err(io::ErrorKind::WriteZero.into()) } else { Ok(written) }
}

/// Starts a thread, of which nothing is awaited.
pub(crate) fn spawn(
    thread: crate::sync::thread::Builder,
    work: impl FnOnce() + Send + 'static,
) -> io::Result<()> {
    fault::admit(Call::Spawn, 0)?;
    thread.spawn(work).map(drop)
}

/// Moves up to `len` bytes of `file` from `offset` on to `dst`, inside the kernel. 0 means that
/// the file ends at `offset`. `Unsupported` and `InvalidInput` mean that this pair of descriptors
/// can't do it.
#[cfg(unix)]
pub(crate) fn sendfile(
    dst: BorrowedFd<'_>,
    file: &File,
    offset: u64,
    len: usize,
) -> io::Result<usize> {
    retry(|| {
        let len = fault::admit(Call::Sendfile, len.min(MAX_BYTES))?;
        os::sendfile(dst, file, offset, len)
    })
}

/// As [`sendfile`], to a file at its cursor; but 0 does not tell where the file ends.
#[cfg(unix)]
pub(crate) fn copy_range(
    dst: BorrowedFd<'_>,
    file: &File,
    offset: u64,
    len: usize,
) -> io::Result<usize> {
    retry(|| {
        let len = fault::admit(Call::CopyRange, len.min(MAX_BYTES))?;
        os::copy_range(dst, file, offset, len)
    })
}

/// Whether this is a regular file.
#[cfg(unix)]
pub(crate) fn is_file(fd: BorrowedFd<'_>) -> bool {
    let kind = |stat: rustix::fs::Stat| rustix::fs::FileType::from_raw_mode(stat.st_mode);
    let admitted = fault::admit(Call::Stat, 0);
    admitted.is_ok() && rustix::fs::fstat(fd).is_ok_and(|stat| kind(stat).is_file())
}

/// Whether a read would give something now, be it an end or an error.
#[cfg(unix)]
pub(crate) fn is_readable(fd: BorrowedFd<'_>) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
    let admitted = fault::admit(Call::Poll, 0);
    admitted.is_ok() && poll(&mut fds, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
}

/// Reads from a stream, or from a file at `offset`, into the front of `room`; gives what was read,
/// empty at its end.
#[cfg(unix)]
pub(crate) fn read<'a>(
    from: BorrowedFd<'_>,
    offset: Option<u64>,
    room: &'a mut [MaybeUninit<u8>],
) -> io::Result<&'a mut [u8]> {
    let len = fault::admit(Call::Read, room.len().min(MAX_BYTES))?;
    Ok(match offset {
        None => rustix::io::read(from, &mut room[..len])?.0,
        Some(offset) => rustix::io::pread(from, &mut room[..len], offset)?.0,
    })
}

/// Moves up to `len` bytes into a pipe, inside the kernel, from a descriptor's cursor or from a
/// file at `offset`; 0 at its end. Of the two, only the pipe is never waited for.
#[cfg(unix)]
pub(crate) fn splice_in(
    from: BorrowedFd<'_>,
    offset: Option<u64>,
    pipe: &Pipe,
    len: usize,
) -> io::Result<usize> {
    retry(|| {
        let len = fault::admit(Call::SpliceIn, len.min(MAX_BYTES))?;
        os::splice(from, offset, pipe.write.as_fd(), len)
    })
}

/// Moves up to `len` bytes from a pipe to a descriptor, inside the kernel.
#[cfg(unix)]
pub(crate) fn splice_out(pipe: &Pipe, to: BorrowedFd<'_>, len: usize) -> io::Result<usize> {
    retry(|| {
        let len = fault::admit(Call::SpliceOut, len.min(MAX_BYTES))?;
        os::splice(pipe.read.as_fd(), None, to, len)
    })
}

/// A pipe to splice through.
#[cfg(unix)]
#[derive(Debug)]
pub(crate) struct Pipe {
    pub(crate) read: OwnedFd,
    pub(crate) write: OwnedFd,
    /// Bytes that it may hold; less if they come in small pieces.
    pub(crate) capacity: usize,
}

#[cfg(unix)]
impl Pipe {
    /// A pipe of `capacity` bytes, or of what the user's pipe budget still allows.
    pub(crate) fn new(capacity: usize) -> io::Result<Pipe> {
        fault::admit(Call::Pipe, 0)?;
        os::pipe(capacity)
    }
}

/// Whether an error of [`sendfile`] or of a splice speaks about the kind of the two descriptors,
/// not about the transfer: another path can still work, and nothing has moved.
#[cfg(unix)]
pub(crate) fn refuses_pair(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Unsupported
        || error.raw_os_error().is_some_and(|code| os::REFUSES_PAIR.contains(&code))
}

/// A descriptor to write to, and what was learned about it.
#[cfg(unix)]
#[derive(Debug)]
pub(crate) struct Target<'fd> {
    fd: BorrowedFd<'fd>,
    /// `send` can keep a dead peer from raising SIGPIPE, `write` can't; so a descriptor counts as
    /// a socket until the kernel says `ENOTSOCK`.
    socket: bool,
}

#[cfg(unix)]
impl<'fd> Target<'fd> {
    pub(crate) fn new(fd: BorrowedFd<'fd>) -> Self {
        Target { fd, socket: true }
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'fd> {
        self.fd
    }

    /// Writes the slices in order and gives the number of bytes that went, which may end inside
    /// any slice.
    // Inlined: after a system call each return to a caller is mispredicted.
    #[inline(always)]
    pub(crate) fn write(&mut self, bufs: &[IoSlice<'_>], more: More) -> io::Result<usize> {
        if self.socket {
            let sent =
                retry(|| fault::clipped(Call::Send, bufs, |bufs| os::send(self.fd, bufs, more)));
            match sent {
                Err(e) if e.raw_os_error() == Some(os::ENOTSOCK) => self.socket = false,
                other => return other,
            }
        }
        self.write_to_file(bufs)
    }

    fn write_to_file(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        retry(|| fault::clipped(Call::Write, bufs, |bufs| Ok(rustix::io::writev(self.fd, bufs)?)))
    }

    /// As [`write`](Self::write), to a socket that [`lend_to`] has prepared. The kernel may read the
    /// memory until it gives a [`Notice`] of this call; each call that succeeds counts as one. No
    /// call that fails has lent anything.
    pub(crate) fn send_zero_copy(&self, bufs: &[IoSlice<'_>], more: More) -> io::Result<usize> {
        let send = |bufs: &[IoSlice<'_>]| zerocopy::send(self.fd, bufs, more);
        retry(|| fault::clipped(Call::SendZeroCopy, bufs, send))
    }
}
