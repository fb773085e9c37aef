//! Opens, sizes, locks, reads, writes and syncs files.

use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::path::Path;

use super::{Call, MAX_BYTES, NotRegularFile, fault, os, platform, retry};

/// Reads from `file` at `offset` into the front of `spare`. Returns the bytes that were read, which are
/// none at the end of the file.
pub(crate) fn read_at<'a>(
    file: &File,
    spare: &'a mut [MaybeUninit<u8>],
    offset: u64,
) -> io::Result<&'a mut [u8]> {
    let len = fault::inject(Call::ReadAt, spare.len().min(MAX_BYTES))?;
    platform::read_at(file, &mut spare[..len], offset)
}

/// Writes bytes, at least one, to `file` at `offset`. Returns the number of bytes written.
pub(crate) fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
    let written = retry(|| {
        let len = fault::inject(Call::WriteAt, bytes.len().min(MAX_BYTES))?;
        platform::write_at(file, &bytes[..len], offset)
    })?;
    if written == 0 { Err(io::ErrorKind::WriteZero.into()) } else { Ok(written) }
}

/// Makes `file` at least `len` bytes long and allocates disk blocks for all of them, if the system can.
/// Otherwise only a later write finds that the disk is full.
pub(crate) fn allocate(file: &File, len: u64) -> io::Result<()> {
    match preallocate(file, len) {
        Err(e) if e.kind() == io::ErrorKind::Unsupported => set_len(file, len.max(len_of(file)?)),
        other => other,
    }
}

pub(super) fn preallocate(file: &File, len: u64) -> io::Result<()> {
    retry(|| {
        fault::inject(Call::Allocate, 0)?;
        os::preallocate(file, len)
    })
}

/// Opens a file.
pub(crate) fn open(options: &OpenOptions, path: &Path) -> io::Result<File> {
    retry(|| {
        fault::inject(Call::Open, 0)?;
        options.open(path)
    })
}

/// Opens a regular file and returns it with its length.
///
/// Refuses everything else that a path can name with [`NotRegularFile`], and never waits, also for a FIFO
/// without a writer. `options` must not have custom flags.
pub(crate) fn open_regular(options: &OpenOptions, path: &Path) -> io::Result<(File, u64)> {
    let opened = retry(|| {
        fault::inject(Call::Open, 0)?;
        platform::open_nonblocking(options, path)
    });
    let file = match opened {
        Ok(file) => file,
        // A socket, for example, cannot be opened: its kind is a better error.
        Err(e) => match named(path) {
            Ok(named) if !named.is_file() => {
                return Err(NotRegularFile::new(named.file_type()).into());
            }
            _ => return Err(e),
        },
    };
    let len = regular_len(&file)?;
    retry(|| {
        fault::inject(Call::SetBlocking, 0)?;
        platform::set_blocking(&file)
    })?;
    Ok((file, len))
}

fn named(path: &Path) -> io::Result<Metadata> {
    retry(|| {
        fault::inject(Call::Stat, 0)?;
        std::fs::metadata(path)
    })
}

/// Returns the length of a regular file in bytes. Refuses everything else with [`NotRegularFile`].
pub(crate) fn regular_len(file: &File) -> io::Result<u64> {
    let metadata = metadata(file)?;
    match metadata.is_file() {
        true => Ok(metadata.len()),
        false => Err(NotRegularFile::new(metadata.file_type()).into()),
    }
}

/// Removes a name.
pub(crate) fn unlink(path: &Path) -> io::Result<()> {
    retry(|| {
        fault::inject(Call::Unlink, 0)?;
        std::fs::remove_file(path)
    })
}

/// Returns the metadata of a file.
fn metadata(file: &File) -> io::Result<Metadata> {
    retry(|| {
        fault::inject(Call::Stat, 0)?;
        file.metadata()
    })
}

/// Returns the length of a file in bytes.
pub(crate) fn len_of(file: &File) -> io::Result<u64> {
    metadata(file).map(|metadata| metadata.len())
}

/// Returns the length of a file in bytes, and whether a directory has a name of it. A system that does not count
/// names reports one.
pub(crate) fn len_and_name(file: &File) -> io::Result<(u64, bool)> {
    metadata(file).map(|metadata| (metadata.len(), platform::has_name(&metadata)))
}

/// Locks a file for one writer; fails if another descriptor holds the lock.
pub(crate) fn lock_file(file: &File) -> Result<(), TryLockError> {
    retry(|| {
        fault::inject(Call::LockFile, 0)?;
        match file.try_lock() {
            Err(TryLockError::Error(e)) => Err(e),
            locked => Ok(locked),
        }
    })
    .map_err(TryLockError::Error)?
}

/// Truncates `file` to `len` bytes, or extends it by a hole.
pub(crate) fn set_len(file: &File, len: u64) -> io::Result<()> {
    retry(|| {
        fault::inject(Call::SetLen, 0)?;
        file.set_len(len)
    })
}

/// Waits until the contents of `file` are on the disk.
pub(crate) fn sync_data(file: &File) -> io::Result<()> {
    retry(|| {
        fault::inject(Call::SyncData, 0)?;
        file.sync_data()
    })
}

/// Waits until the contents and the metadata of `file` are on the disk.
fn sync_all(file: &File) -> io::Result<()> {
    retry(|| {
        fault::inject(Call::SyncAll, 0)?;
        file.sync_all()
    })
}

/// Waits until the directory entry of `path` is on the disk. After a crash, a new file exists only if its
/// entry does.
pub(crate) fn sync_directory_of(path: &Path) -> io::Result<()> {
    if cfg!(unix) {
        sync_all(&open(File::options().read(true), directory_of(path))?)?;
    }
    Ok(())
}

pub(super) fn directory_of(path: &Path) -> &Path {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    directory.unwrap_or(Path::new("."))
}

/// Returns the position of the first byte at or behind `offset` that is not in a hole, or `None` if there is
/// no such byte. A system without such a query reports no holes.
pub(crate) fn next_data(file: &File, offset: u64) -> Option<u64> {
    retry(|| {
        fault::inject(Call::NextData, 0)?;
        os::next_data(file, offset)
    })
    .unwrap_or(Some(offset))
}

/// Returns the end of the last data at or behind `offset`: only holes follow. A system without such a query returns
/// [`u64::MAX`].
///
/// Parts of a hole that were read, or read ahead by the system, count as data.
pub(crate) fn end_of_data(file: &File, offset: u64) -> u64 {
    retry(|| {
        fault::inject(Call::NextData, 0)?;
        os::end_of_data(file, offset)
    })
    .unwrap_or(u64::MAX)
}

/// Fills a range of a file with zeros, without writing them if the system can. After an error, `range` is the part that
/// is not filled.
pub(crate) fn fill_range_with_zeros(file: &File, range: &mut Range<u64>) -> io::Result<()> {
    static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];
    let len = range.end.saturating_sub(range.start);
    if len > ZEROS.len() as u64 {
        let zeroed = retry(|| {
            fault::inject(Call::ZeroRange, 0)?;
            os::zero_range(file, range.start, len)
        });
        if zeroed.is_ok() {
            range.start = range.end;
        }
    }
    while range.start < range.end {
        let left = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
        let written = write_at(file, &ZEROS[..left.min(ZEROS.len())], range.start)?;
        range.start += written as u64;
    }
    Ok(())
}

/// Asks the kernel to read this range into memory in the background. A system without such a call
/// does nothing.
pub(crate) fn will_need(file: &File, offset: u64, len: u64) -> io::Result<()> {
    retry(|| {
        fault::inject(Call::WillNeed, 0)?;
        os::will_need(file, offset, len)
    })
}
