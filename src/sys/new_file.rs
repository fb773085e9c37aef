//! A new file that gets its name after its contents are complete.

use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::path::{Path, PathBuf};

use super::file::{directory_of, open, unlink};
use super::{Call, fault, os, retry};

/// A file without its final name.
///
/// If the system or the file system has no unnamed files, it has a random name that begins with a dot. That
/// file remains if the process is killed.
#[derive(Debug)]
pub(crate) struct NewFile {
    file: Option<File>,
    temporary: Option<PathBuf>,
}

impl NewFile {
    /// Creates a readable and writable file in the directory of `path`.
    pub(crate) fn in_directory_of(path: &Path) -> io::Result<Self> {
        let directory = directory_of(path);
        let unnamed = retry(|| {
            fault::inject(Call::Open, 0)?;
            os::linkable_file(directory)
        });
        match unnamed {
            Err(e) if e.kind() == io::ErrorKind::Unsupported => {}
            other => return other.map(|file| Self { file: Some(file), temporary: None }),
        }
        let random = RandomState::new().build_hasher().finish();
        let temporary = directory.join(format!(".{random:016x}"));
        let file = open(File::options().read(true).write(true).create_new(true), &temporary)?;
        Ok(Self { file: Some(file), temporary: Some(temporary) })
    }

    pub(crate) fn file(&self) -> &File {
        self.file.as_ref().expect("only `publish` takes it")
    }

    /// Gives the file its name, which must not exist, and returns the file. After an error, the file is deleted.
    pub(crate) fn publish(mut self, path: &Path) -> io::Result<File> {
        retry(|| {
            fault::inject(Call::Link, 0)?;
            match &self.temporary {
                None => os::link_file(self.file(), path),
                Some(temporary) => os::rename_new(temporary, path),
            }
        })?;
        self.temporary = None;
        Ok(self.file.take().expect("only this call takes it"))
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // The first error is the one to report.
            let _ = unlink(temporary);
        }
    }
}
