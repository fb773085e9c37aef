//! The error for a path or descriptor that is not a regular file.

use std::error::Error;
use std::fmt;
use std::fs::FileType;
use std::io;

/// A path or a descriptor refers to a directory, a FIFO, a socket or a device instead of a regular file.
///
/// It is the source of an [`io::Error`] whose kind is [`io::ErrorKind::IsADirectory`] for a directory
/// and [`io::ErrorKind::InvalidInput`] for everything else.
///
/// # Examples
///
/// ```
/// # #[cfg(unix)] {
/// use bytebuf::{FileRegion, NotRegularFile};
/// use std::os::unix::fs::FileTypeExt;
///
/// let error = FileRegion::open("/dev/null").unwrap_err();
/// let refused = error.get_ref().and_then(|e| e.downcast_ref::<NotRegularFile>()).unwrap();
/// assert!(refused.file_type().is_char_device());
/// assert_eq!(error.to_string(), "a character device, not a regular file");
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct NotRegularFile {
    file_type: FileType,
}

impl NotRegularFile {
    pub(super) fn new(file_type: FileType) -> Self {
        Self { file_type }
    }

    /// Returns the type of the file.
    #[must_use]
    pub fn file_type(&self) -> FileType {
        self.file_type
    }
}

impl fmt::Display for NotRegularFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.file_type.is_dir() { "a directory" } else { special(self.file_type) };
        write!(f, "{name}, not a regular file")
    }
}

impl Error for NotRegularFile {}

impl From<NotRegularFile> for io::Error {
    fn from(refused: NotRegularFile) -> Self {
        let kind = match refused.file_type.is_dir() {
            true => io::ErrorKind::IsADirectory,
            false => io::ErrorKind::InvalidInput,
        };
        Self::new(kind, refused)
    }
}

#[cfg(unix)]
fn special(file_type: FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    match file_type {
        _ if file_type.is_fifo() => "a FIFO",
        _ if file_type.is_socket() => "a socket",
        _ if file_type.is_char_device() => "a character device",
        _ if file_type.is_block_device() => "a block device",
        _ => "a special file",
    }
}

#[cfg(not(unix))]
fn special(_: FileType) -> &'static str {
    "a special file"
}
