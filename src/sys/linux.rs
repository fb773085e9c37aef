//! Linux: every path inside the kernel that there is.

use std::fs::File;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::num::NonZeroU64;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::Path;

use rustix::fs::{Advice, AtFlags, CWD, FallocateFlags, MemfdFlags, Mode, OFlags, SealFlags};
use rustix::io::Errno;
use rustix::mm;
use rustix::net::{SendAncillaryBuffer, SendFlags};
use rustix::pipe::{PipeFlags, SpliceFlags};

use super::{Call, Mapping, MappingMut, More, Pipe, fault};

pub(super) const ENOTSOCK: i32 = Errno::NOTSOCK.raw_os_error();

/// `EINVAL`: no page cache behind the source, or a target that appends; `ESPIPE`: a source that
/// can't be read at an offset; the others: seccomp, old kernels, odd file systems.
pub(super) const REFUSES_PAIR: [i32; 5] = [
    Errno::INVAL.raw_os_error(),
    Errno::SPIPE.raw_os_error(),
    Errno::NOSYS.raw_os_error(),
    Errno::OPNOTSUPP.raw_os_error(),
    Errno::PERM.raw_os_error(),
];

pub(super) fn read_at<'a>(
    file: &File,
    room: &'a mut [MaybeUninit<u8>],
    offset: u64,
) -> io::Result<&'a mut [u8]> {
    Ok(rustix::io::pread(file, room, offset)?.0)
}

pub(super) fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
    Ok(rustix::io::pwrite(file, bytes, offset)?)
}

pub(super) fn preallocate(file: &File, len: u64) -> io::Result<()> {
    match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, len) {
        // Not every file system can.
        Err(Errno::OPNOTSUPP) => Err(io::ErrorKind::Unsupported.into()),
        other => Ok(other?),
    }
}

pub(super) fn unnamed_file(directory: &Path) -> io::Result<File> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(CWD, directory, flags, Mode::from_raw_mode(0o666))?.into())
}

pub(super) fn give_name(file: &File, path: &Path) -> io::Result<File> {
    let unnamed = format!("/proc/self/fd/{}", file.as_raw_fd());
    rustix::fs::linkat(CWD, unnamed, CWD, path, AtFlags::SYMLINK_FOLLOW)?;
    file.try_clone()
}

pub(super) fn will_need(file: &File, offset: u64, len: u64) -> io::Result<()> {
    let Some(len) = NonZeroU64::new(len) else { return Ok(()) };
    Ok(rustix::fs::fadvise(file, offset, Some(len), Advice::WillNeed)?)
}

pub(super) fn sendfile(
    dst: BorrowedFd<'_>,
    file: &File,
    mut offset: u64,
    len: usize,
) -> io::Result<usize> {
    Ok(rustix::fs::sendfile(dst, file, Some(&mut offset), len)?)
}

pub(super) fn copy_range(
    dst: BorrowedFd<'_>,
    file: &File,
    mut offset: u64,
    len: usize,
) -> io::Result<usize> {
    match rustix::fs::copy_file_range(file, Some(&mut offset), dst, None, len) {
        // Not a file, appending, on another file system, not open for this: a write will tell.
        Err(Errno::BADF | Errno::XDEV | Errno::ISDIR | Errno::TXTBSY) => {
            Err(io::ErrorKind::Unsupported.into())
        }
        other => Ok(other?),
    }
}

pub(super) fn send(fd: BorrowedFd<'_>, bufs: &[IoSlice<'_>], more: More) -> io::Result<usize> {
    send_with(fd, bufs, more, SendFlags::empty())
}

/// A peer that is gone gives `EPIPE`, never a signal.
pub(super) fn send_with(
    fd: BorrowedFd<'_>,
    bufs: &[IoSlice<'_>],
    more: More,
    flags: SendFlags,
) -> io::Result<usize> {
    let flags = flags
        | match more {
            More::No => SendFlags::NOSIGNAL,
            More::Follows => SendFlags::NOSIGNAL | SendFlags::MORE,
        };
    Ok(match bufs {
        // Spares the kernel the message header.
        [one] => rustix::net::send(fd, one, flags)?,
        many => rustix::net::sendmsg(fd, many, &mut SendAncillaryBuffer::default(), flags)?,
    })
}

pub(super) fn pipe(capacity: usize) -> io::Result<Pipe> {
    let (read, write) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
    // `EPERM` and `EBUSY` are limits of this user, not failures: the pipe works as it is.
    let set = || Ok(rustix::pipe::fcntl_setpipe_size(write.as_fd(), capacity)?);
    let capacity = fault::admit(Call::PipeSize, 0)
        .and_then(|_| set())
        .or_else(|_: io::Error| rustix::pipe::fcntl_getpipe_size(write.as_fd()))?;
    Ok(Pipe { read, write, capacity })
}

/// One end is a pipe, and that one is not waited for.
pub(super) fn splice(
    from: BorrowedFd<'_>,
    mut offset: Option<u64>,
    to: BorrowedFd<'_>,
    len: usize,
) -> io::Result<usize> {
    let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
    Ok(rustix::pipe::splice(from, offset.as_mut(), to, None, len, flags)?)
}

const SEALS: SealFlags = SealFlags::SHRINK.union(SealFlags::WRITE);

pub(super) fn is_sealed(file: &File) -> io::Result<bool> {
    match rustix::fs::fcntl_get_seals(file) {
        // It is of a kind that can't be sealed.
        Err(Errno::INVAL) => Ok(false),
        seals => Ok(seals?.contains(SEALS)),
    }
}

pub(super) fn sealable_file() -> io::Result<File> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    Ok(rustix::fs::memfd_create("bytebuf", flags)?.into())
}

pub(super) fn seal(file: &File) -> io::Result<()> {
    Ok(rustix::fs::fcntl_add_seals(file, SEALS)?)
}

/// Brings a mapping into memory.
pub(crate) fn populate(mapping: &Mapping) -> io::Result<()> {
    mapping.advise(mm::Advice::LinuxPopulateRead)
}

/// As [`populate`], so that writing does not wait either.
pub(crate) fn populate_mut(mapping: &mut MappingMut) -> io::Result<()> {
    mapping.advise(mm::Advice::LinuxPopulateWrite)
}
