//! Turns a request target into an open file inside the served directory, whatever the target contains.
//!
//! Two checks protect the directory, and each is enough alone. First the target is decoded and its dots are resolved as text, so
//! that no `..` is left. Then the kernel opens the path with `RESOLVE_BENEATH`, so that no symbolic link leads outside, not even
//! one that is replaced during the lookup. Where `openat2` is missing (kernels before 5.6, some sandboxes), the path is opened
//! name by name, and no symbolic link is followed.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use crate::http::{Refusal, http_time, refuse};

/// A path below the served directory: no empty name, no dots, no NUL, no slash at either end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LocalPath {
    /// Empty for the served directory itself.
    pub(crate) name: Vec<u8>,
    /// The target ended in a slash: it must be a directory.
    pub(crate) directory: bool,
}

impl LocalPath {
    /// Decodes a request target, in origin form (`/path?query`) or absolute form
    /// (`http://host/path`).
    pub(crate) fn from_target(target: &str) -> Result<Self, Refusal> {
        let path = target.split('?').next().unwrap_or_default();
        let path = match path.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => {
                rest.find('/').map_or("/", |slash| &rest[slash..])
            }
            _ => path,
        };
        if !path.starts_with('/') {
            return Err(refuse(400, "the request target is not a path"));
        }
        let mut local = Self::default();
        for segment in decode(path)?.split(|&byte| byte == b'/') {
            local.directory = true;
            match segment {
                b"" | b"." => {}
                b".." if local.name.is_empty() => {
                    return Err(refuse(400, "the path leads out of the served directory"));
                }
                b".." => {
                    let parent = local.name.iter().rposition(|&byte| byte == b'/');
                    local.name.truncate(parent.unwrap_or(0));
                }
                name => {
                    if !local.name.is_empty() {
                        local.name.push(b'/');
                    }
                    local.name.extend_from_slice(name);
                    local.directory = false;
                }
            }
        }
        Ok(local)
    }
}

/// Decodes percent-encoding.
fn decode(path: &str) -> Result<Vec<u8>, Refusal> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                let code = digit().and_then(|high| Some(high * 16 + digit()?));
                let code = code.and_then(|code| u8::try_from(code).ok());
                code.ok_or_else(|| {
                    refuse(400, "a % in the path is not followed by two hex digits")
                })?
            }
            plain => plain,
        });
    }
    if decoded.contains(&0) {
        return Err(refuse(400, "the path has a NUL byte"));
    }
    Ok(decoded)
}

/// The result of opening a path.
#[derive(Debug)]
pub(crate) enum Found {
    File(Opened),
    Directory(OwnedFd),
}

/// An open regular file and its attributes when it was opened.
#[derive(Clone, Debug)]
pub(crate) struct Opened {
    pub(crate) file: Arc<File>,
    stamp: Stamp,
    pub(crate) length: u64,
    pub(crate) etag: String,
    pub(crate) modified: Option<SystemTime>,
}

/// The attributes that identify a file and its state.
type Stamp = [i128; 7];

fn stamp(stat: &Stat) -> Stamp {
    [
        stat.st_dev.into(),
        stat.st_ino.into(),
        stat.st_size.into(),
        stat.st_mtime.into(),
        stat.st_mtime_nsec.into(),
        // These also change with the name, the owner and the permissions.
        stat.st_ctime.into(),
        stat.st_ctime_nsec.into(),
    ]
}

/// The served directory.
#[derive(Debug)]
pub(crate) struct Root {
    directory: OwnedFd,
    beneath: bool,
}

/// Opens for reading, without waiting for the writer of a FIFO.
const READ: OFlags =
    OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::CLOEXEC).union(OFlags::NOCTTY);

impl Root {
    pub(crate) fn new(directory: &Path) -> rustix::io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = fs::open(directory, flags, Mode::empty())?;
        let beneath = open_beneath(&directory, b".", READ | OFlags::DIRECTORY).is_ok();
        Ok(Self { directory, beneath })
    }

    /// Opens `path`. Three system calls: open, stat and, later, close.
    pub(crate) fn find(&self, path: &LocalPath) -> Result<Found, Refusal> {
        let name = if path.name.is_empty() { b"." } else { path.name.as_slice() };
        let flags = if path.directory { READ | OFlags::DIRECTORY } else { READ };
        let opened = if self.beneath {
            open_beneath(&self.directory, name, flags)
        } else {
            open_by_steps(&self.directory, name, flags)
        };
        let descriptor = opened.map_err(explain)?;
        let stat = fs::fstat(&descriptor).map_err(explain)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => Ok(Found::Directory(descriptor)),
            FileType::RegularFile => Ok(Found::File(Opened {
                file: Arc::new(File::from(descriptor)),
                stamp: stamp(&stat),
                length: u64::try_from(stat.st_size).unwrap_or(0),
                etag: format!(
                    "\"{:x}-{:x}-{:x}.{:x}\"",
                    stat.st_ino, stat.st_size, stat.st_mtime, stat.st_mtime_nsec
                ),
                modified: http_time(stat.st_mtime),
            })),
            _ => Err(refuse(404, "this is neither a file nor a directory")),
        }
    }

    /// Returns whether `path` still leads to the file that was opened by it, and that file has not
    /// changed since. One system call.
    ///
    /// This follows links that lead out of the directory, but such a path only passes if it leads
    /// to that same file.
    pub(crate) fn leads_to(&self, path: &LocalPath, opened: &Opened) -> bool {
        fs::statat(&self.directory, path.name.as_slice(), AtFlags::empty())
            .is_ok_and(|stat| stamp(&stat) == opened.stamp)
    }
}

fn open_beneath(root: &OwnedFd, name: &[u8], flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    // The kernel returns EAGAIN if a concurrent rename prevented the check of a `..`.
    let mut tries = 4;
    loop {
        match fs::openat2(root, name, flags, Mode::empty(), resolve) {
            Err(Errno::AGAIN) if tries > 0 => tries -= 1,
            done => return done,
        }
    }
}

fn open_by_steps(root: &OwnedFd, name: &[u8], flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let step = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut names = name.split(|&byte| byte == b'/').peekable();
    let mut directory: Option<OwnedFd> = None;
    while let Some(name) = names.next() {
        let at = directory.as_ref().unwrap_or(root);
        if names.peek().is_none() {
            return fs::openat(at, name, flags | OFlags::NOFOLLOW, Mode::empty());
        }
        directory = Some(fs::openat(at, name, step, Mode::empty())?);
    }
    Err(Errno::NOENT)
}

/// Returns the refusal for an error of the kernel. It does not show what exists outside the directory.
fn explain(error: Errno) -> Refusal {
    match error {
        Errno::NOENT
        | Errno::NOTDIR
        | Errno::XDEV
        | Errno::LOOP
        | Errno::NAMETOOLONG
        | Errno::NXIO
        | Errno::NODEV => refuse(404, "there is no such file here"),
        Errno::ACCESS | Errno::PERM => refuse(403, "the server may not read this file"),
        Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::AGAIN => {
            refuse(503, "the server is short of open files or memory; try again")
        }
        _ => refuse(500, "the file could not be opened"),
    }
}

#[cfg(test)]
#[path = "files_tests.rs"]
mod tests;
