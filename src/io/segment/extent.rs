//! The length and the name of a writer's file, which another program can take away.
//!
//! * **SE1** The file is at least `len` bytes long and has a name, unless another program has changed that. The writer
//!   changes the length of the file only under the lock, so a check compares both of the same time.
//! * **SE2** A lost file stays lost, even if it gets its length back: the bytes that were cut off are then zeros. Only
//!   opening the segment again shows which records it has.

use std::fs::File;
use std::io;
use std::sync::OnceLock;

use super::error::SegmentFileLost;
use crate::sync::{Mutex, lock};
use crate::sys;

#[derive(Debug)]
pub(super) struct Extent {
    expected: Mutex<Expected>,
    lost: OnceLock<SegmentFileLost>,
}

#[derive(Debug)]
struct Expected {
    len: u64,
    /// False before the first check, and on file systems that count no names.
    has_name: bool,
}

impl Extent {
    pub(super) fn new(len: u64) -> Self {
        let expected = Mutex::new(Expected { len, has_name: false });
        Self { expected, lost: OnceLock::new() }
    }

    /// Expects the file, which nothing has checked yet, to be at least `len` bytes long.
    pub(super) fn expect(&self, len: u64) {
        lock(&self.expected).len = len;
    }

    /// Fails if an earlier check did.
    pub(super) fn known(&self) -> io::Result<()> {
        self.lost.get().map_or(Ok(()), |&lost| Err(lost.into()))
    }

    /// Fails if the file is lost. One system call.
    pub(super) fn check(&self, file: &File) -> io::Result<()> {
        self.check_locked(&mut lock(&self.expected), file)
    }

    /// Makes the file at least `len` bytes long and allocates disk space for them.
    pub(super) fn allocate(&self, file: &File, len: u64) -> io::Result<()> {
        self.resize(file, len, sys::allocate)
    }

    /// Shortens the file to `len` bytes.
    pub(super) fn truncate(&self, file: &File, len: u64) -> io::Result<()> {
        self.resize(file, len, sys::set_len)
    }

    fn resize(
        &self,
        file: &File,
        len: u64,
        call: fn(&File, u64) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut expected = lock(&self.expected);
        self.check_locked(&mut expected, file)?;
        call(file, len)?;
        expected.len = len;
        Ok(())
    }

    fn check_locked(&self, expected: &mut Expected, file: &File) -> io::Result<()> {
        self.known()?;
        let (found, has_name) = sys::len_and_name(file)?;
        let lost = if found < expected.len {
            SegmentFileLost::Truncated { expected: expected.len, found }
        } else if expected.has_name && !has_name {
            SegmentFileLost::Deleted
        } else {
            expected.has_name = has_name;
            return Ok(());
        };
        Err((*self.lost.get_or_init(|| lost)).into())
    }
}
