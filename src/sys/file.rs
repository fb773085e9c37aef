//! Files: opened, named, sized, locked, written through to the disk.

use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io;
use std::path::Path;

#[cfg(unix)]
use super::write_at;
use super::{Call, fault, os, retry};

/// Makes `file` at least `len` bytes long, with room on the disk for all of them where the system
/// can do that; elsewhere a full disk shows when it is written to.
pub(crate) fn allocate(file: &File, len: u64) -> io::Result<()> {
    match preallocate(file, len) {
        Err(e) if e.kind() == io::ErrorKind::Unsupported => set_len(file, len.max(len_of(file)?)),
        other => other,
    }
}

/// As [`allocate`], for an empty file: where the system can't set room aside, zeros are written.
#[cfg(unix)]
pub(crate) fn fill_with_zeros(file: &File, len: u64) -> io::Result<()> {
    static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];
    match preallocate(file, len) {
        Err(e) if e.kind() == io::ErrorKind::Unsupported => {}
        other => return other,
    }
    let mut written = 0;
    while written < len {
        let most = usize::try_from(len - written).map_or(ZEROS.len(), |left| left.min(ZEROS.len()));
        written += write_at(file, &ZEROS[..most], written)? as u64;
    }
    Ok(())
}

fn preallocate(file: &File, len: u64) -> io::Result<()> {
    retry(|| {
        fault::admit(Call::Allocate, 0)?;
        os::preallocate(file, len)
    })
}

/// Opens a file.
pub(crate) fn open(options: &OpenOptions, path: &Path) -> io::Result<File> {
    retry(|| {
        fault::admit(Call::Open, 0)?;
        options.open(path)
    })
}

/// A new file in a directory, readable and writable, that has no name, so that nobody else has it.
#[cfg(unix)]
pub(crate) fn unnamed_file(directory: &Path) -> io::Result<File> {
    retry(|| {
        fault::admit(Call::Open, 0)?;
        os::unnamed_file(directory)
    })
}

/// Gives an unnamed file a name, which nothing else has, and gives the file of that name.
#[cfg(unix)]
pub(crate) fn give_name(file: &File, path: &Path) -> io::Result<File> {
    retry(|| {
        fault::admit(Call::Link, 0)?;
        os::give_name(file, path)
    })
}

/// Removes a name.
pub(crate) fn unlink(path: &Path) -> io::Result<()> {
    retry(|| {
        fault::admit(Call::Unlink, 0)?;
        std::fs::remove_file(path)
    })
}

/// Another descriptor of the same open file.
#[cfg(unix)]
pub(crate) fn duplicate(file: &File) -> io::Result<File> {
    retry(|| {
        fault::admit(Call::Duplicate, 0)?;
        file.try_clone()
    })
}

/// What the system knows of a file.
pub(crate) fn metadata(file: &File) -> io::Result<Metadata> {
    retry(|| {
        fault::admit(Call::Stat, 0)?;
        file.metadata()
    })
}

/// The length of a file in bytes.
pub(crate) fn len_of(file: &File) -> io::Result<u64> {
    metadata(file).map(|metadata| metadata.len())
}

/// Locks a file for one writer, if nobody else has.
pub(crate) fn lock_file(file: &File) -> Result<(), TryLockError> {
    retry(|| {
        fault::admit(Call::LockFile, 0)?;
        match file.try_lock() {
            Err(TryLockError::Error(e)) => Err(e),
            locked => Ok(locked),
        }
    })
    .map_err(TryLockError::Error)?
}

/// Cuts `file` off at `len` bytes, or lengthens it with a hole.
pub(crate) fn set_len(file: &File, len: u64) -> io::Result<()> {
    retry(|| {
        fault::admit(Call::SetLen, 0)?;
        file.set_len(len)
    })
}

/// Waits until the contents of `file` are on the disk.
pub(crate) fn sync_data(file: &File) -> io::Result<()> {
    retry(|| {
        fault::admit(Call::SyncData, 0)?;
        file.sync_data()
    })
}

/// Waits until the entry of `path` in its directory is on the disk: a file is there after a crash
/// only if that is.
pub(crate) fn sync_directory_of(path: &Path) -> io::Result<()> {
    if cfg!(unix) {
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        sync_data(&open(File::options().read(true), directory.unwrap_or(Path::new(".")))?)?;
    }
    Ok(())
}

/// Asks the kernel to have this range in memory soon. A hint: a system that has no such call does
/// nothing.
pub(crate) fn will_need(file: &File, offset: u64, len: u64) -> io::Result<()> {
    retry(|| {
        fault::admit(Call::WillNeed, 0)?;
        os::will_need(file, offset, len)
    })
}

/// Whether nobody can write to the file or shorten it, ever again.
#[cfg(unix)]
pub(crate) fn is_sealed(file: &File) -> io::Result<bool> {
    retry(|| {
        fault::admit(Call::Seal, 0)?;
        os::is_sealed(file)
    })
}

/// A file in memory that [`seal`] works on.
#[cfg(unix)]
pub(crate) fn sealable_file() -> io::Result<File> {
    retry(|| {
        fault::admit(Call::MemoryFile, 0)?;
        os::sealable_file()
    })
}

/// Forbids writing to a file and shortening it, for ever.
#[cfg(unix)]
pub(crate) fn seal(file: &File) -> io::Result<()> {
    retry(|| {
        fault::admit(Call::Seal, 0)?;
        os::seal(file)
    })
}
