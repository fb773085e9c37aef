//! Files on Windows: read and written at an offset.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::mem::MaybeUninit;
use std::os::windows::fs::FileExt;
use std::path::Path;

pub(in crate::sys) fn open_nonblocking(options: &OpenOptions, path: &Path) -> io::Result<File> {
    options.open(path)
}

pub(in crate::sys) fn set_blocking(_: &File) -> io::Result<()> {
    Ok(())
}

pub(in crate::sys) fn has_name(_: &Metadata) -> bool {
    true
}

pub(in crate::sys) fn read_at<'a>(
    file: &File,
    spare: &'a mut [MaybeUninit<u8>],
    offset: u64,
) -> io::Result<&'a mut [u8]> {
    static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];
    let len = spare.len().min(ZEROS.len());
    let spare = spare[..len].write_copy_of_slice(&ZEROS[..len]);
    let read = file.seek_read(spare, offset)?;
    Ok(&mut spare[..read])
}

pub(in crate::sys) fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
    file.seek_write(bytes, offset)
}
