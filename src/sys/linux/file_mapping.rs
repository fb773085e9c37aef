//! Files in memory, and files without names.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::{CWD, MemfdFlags, Mode, OFlags, SealFlags};
use rustix::io::Errno;
use rustix::mm::Advice;

use super::super::{FileMapping, FileMappingMut};

const SEALS: SealFlags = SealFlags::SHRINK.union(SealFlags::WRITE);

pub(in crate::sys) fn is_sealed(file: &File) -> io::Result<bool> {
    match rustix::fs::fcntl_get_seals(file) {
        // This kind of file cannot be sealed.
        Err(Errno::INVAL) => Ok(false),
        seals => Ok(seals?.contains(SEALS)),
    }
}

pub(in crate::sys) fn sealable_file() -> io::Result<File> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    Ok(rustix::fs::memfd_create("bytebuf", flags)?.into())
}

pub(in crate::sys) fn seal(file: &File) -> io::Result<()> {
    Ok(rustix::fs::fcntl_add_seals(file, SEALS)?)
}

pub(in crate::sys) fn populate(mapping: &FileMapping) -> io::Result<()> {
    mapping.advise_raw(Advice::LinuxPopulateRead)
}

pub(in crate::sys) fn populate_mut(mapping: &mut FileMappingMut) -> io::Result<()> {
    mapping.advise_raw(Advice::LinuxPopulateWrite)
}

pub(in crate::sys) fn unnamed_file(directory: &Path) -> io::Result<File> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(CWD, directory, flags, Mode::from_raw_mode(0o666))?.into())
}

pub(in crate::sys) fn give_name(file: &mut File, path: &Path) -> io::Result<()> {
    super::link_file(file, path)
}
