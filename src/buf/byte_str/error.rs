//! [`ByteStrError`]: a view whose bytes are not UTF-8.

use core::fmt;
use core::str::Utf8Error;

use crate::buf::ByteView;

/// A view whose bytes are not UTF-8.
///
/// # Examples
///
/// ```
/// use bytebuf::{ByteStr, ByteView};
///
/// let error = ByteStr::from_utf8(ByteView::from_static(b"caf\xE9")).unwrap_err();
/// assert_eq!(error.utf8_error().valid_up_to(), 3);
/// assert_eq!(error.into_view(), b"caf\xE9"[..]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ByteStrError {
    pub(super) view: ByteView,
    pub(super) error: Utf8Error,
}

impl ByteStrError {
    /// Returns the view, unchanged.
    #[must_use]
    pub fn into_view(self) -> ByteView {
        self.view
    }

    /// Returns the view.
    #[must_use]
    pub fn as_view(&self) -> &ByteView {
        &self.view
    }

    /// Returns the error with the position of the first invalid byte.
    #[must_use]
    pub fn utf8_error(&self) -> Utf8Error {
        self.error
    }
}

impl fmt::Display for ByteStrError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a view of {} bytes is not text", self.view.len())
    }
}

impl std::error::Error for ByteStrError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}
