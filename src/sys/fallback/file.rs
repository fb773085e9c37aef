//! Files.

use std::fs::File;
use std::io;
use std::path::Path;

pub(in crate::sys) fn preallocate(_: &File, _: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(in crate::sys) fn will_need(_: &File, _: u64, _: u64) -> io::Result<()> {
    Ok(())
}

/// Returns `offset`: data may be anywhere.
pub(in crate::sys) fn next_data(_: &File, offset: u64) -> io::Result<Option<u64>> {
    Ok(Some(offset))
}

pub(in crate::sys) fn end_of_data(_: &File, _: u64) -> io::Result<u64> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(in crate::sys) fn zero_range(_: &File, _: u64, _: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(in crate::sys) fn linkable_file(_: &Path) -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(in crate::sys) fn link_file(_: &File, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Renames a file, unless a file of that name exists.
pub(in crate::sys) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::hard_link(from, to)?;
    // The file has its name; the second name is harmless.
    let _ = std::fs::remove_file(from);
    Ok(())
}
