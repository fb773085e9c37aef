//! Files.

use std::fs::File;
use std::io;

pub(in crate::sys) fn preallocate(_: &File, _: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(in crate::sys) fn will_need(_: &File, _: u64, _: u64) -> io::Result<()> {
    Ok(())
}
