//! Files.

use std::fs::File;
use std::io;
use std::num::NonZeroU64;
use std::os::fd::AsRawFd;
use std::path::Path;

use rustix::fs::{Advice, AtFlags, CWD, FallocateFlags, Mode, OFlags, RenameFlags, SeekFrom};
use rustix::io::Errno;

pub(in crate::sys) fn preallocate(file: &File, len: u64) -> io::Result<()> {
    match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, len) {
        // Some file systems cannot allocate.
        Err(Errno::OPNOTSUPP) => Err(io::ErrorKind::Unsupported.into()),
        other => Ok(other?),
    }
}

pub(in crate::sys) fn will_need(file: &File, offset: u64, len: u64) -> io::Result<()> {
    let Some(len) = NonZeroU64::new(len) else { return Ok(()) };
    Ok(rustix::fs::fadvise(file, offset, Some(len), Advice::WillNeed)?)
}

/// Returns the position of the next data, or `None` if only a hole or the end follows.
pub(in crate::sys) fn next_data(file: &File, offset: u64) -> io::Result<Option<u64>> {
    match rustix::fs::seek(file, SeekFrom::Data(offset)) {
        Err(Errno::NXIO) => Ok(None),
        found => Ok(Some(found?)),
    }
}

/// Returns the end of the last data, or `offset` if no data follow.
pub(in crate::sys) fn end_of_data(file: &File, offset: u64) -> io::Result<u64> {
    let mut end = offset;
    while let Some(data) = next_data(file, end)? {
        end = rustix::fs::seek(file, SeekFrom::Hole(data))?;
    }
    Ok(end)
}

pub(in crate::sys) fn zero_range(file: &File, offset: u64, len: u64) -> io::Result<()> {
    let flags = FallocateFlags::ZERO_RANGE | FallocateFlags::KEEP_SIZE;
    Ok(rustix::fs::fallocate(file, flags, offset, len)?)
}

/// Creates a file without a name; [`link_file`] gives it one.
pub(in crate::sys) fn linkable_file(directory: &Path) -> io::Result<File> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    match rustix::fs::openat(CWD, directory, flags, Mode::from_raw_mode(0o666)) {
        // Some file systems lack unnamed files; a kernel without them tries to open the directory.
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => {
            Err(io::ErrorKind::Unsupported.into())
        }
        opened => Ok(opened?.into()),
    }
}

pub(in crate::sys) fn link_file(file: &File, path: &Path) -> io::Result<()> {
    let unnamed = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(rustix::fs::linkat(CWD, unnamed, CWD, path, AtFlags::SYMLINK_FOLLOW)?)
}

/// Renames a file, unless a file of that name exists.
pub(in crate::sys) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Some file systems lack this flag.
        Err(Errno::INVAL | Errno::NOSYS) => {
            std::fs::hard_link(from, to)?;
            // The file has its name; the second name is harmless.
            let _ = std::fs::remove_file(from);
            Ok(())
        }
        renamed => Ok(renamed?),
    }
}
