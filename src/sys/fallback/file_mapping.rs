//! Files in memory, and files without names.

use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Seek};
use std::path::Path;

use super::super::{FileMapping, FileMappingMut};

pub(in crate::sys) fn is_sealed(_: &File) -> io::Result<bool> {
    Ok(false)
}

pub(in crate::sys) fn sealable_file() -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(in crate::sys) fn seal(_: &File) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Reads a byte of each page.
pub(in crate::sys) fn populate(mapping: &FileMapping) -> io::Result<()> {
    let pages = mapping.as_ref().iter().step_by(rustix::param::page_size());
    std::hint::black_box(pages.fold(0, |sum: u8, byte| sum.wrapping_add(*byte)));
    Ok(())
}

/// Writes a byte of each page, with its present value.
pub(in crate::sys) fn populate_mut(mapping: &mut FileMappingMut) -> io::Result<()> {
    let pages = mapping.as_mut().iter_mut().step_by(rustix::param::page_size());
    pages.for_each(|byte| *byte = std::hint::black_box(*byte));
    Ok(())
}

/// Creates a file with a random name, and removes the name.
pub(in crate::sys) fn unnamed_file(directory: &Path) -> io::Result<File> {
    let path = directory.join(format!(".{:016x}", RandomState::new().build_hasher().finish()));
    let file = File::options().read(true).write(true).create_new(true).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

/// Copies the file, because a file without a name cannot get another one.
pub(in crate::sys) fn give_name(file: &mut File, path: &Path) -> io::Result<()> {
    let mut named = File::options().read(true).write(true).create_new(true).open(path)?;
    let copied =
        file.rewind().and_then(|()| io::copy(file, &mut named)).and_then(|_| named.sync_all());
    match copied {
        Ok(()) => *file = named,
        Err(_) => {
            // The first error is the one to report.
            let _ = std::fs::remove_file(path);
        }
    }
    copied
}
