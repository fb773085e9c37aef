//! UTF-8 that crosses the boundaries of chunks.

use std::{borrow::Cow, error::Error, fmt, str};

use super::{CompositeByteBuf, OutOfRange};

impl CompositeByteBuf {
    /// Returns whether the content is UTF-8. O(bytes), copies nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// let parts = bytebuf::CompositeByteBuf::from_iter([b"caf\xC3".to_vec(), b"\xA9".to_vec()]);
    /// assert!(parts.is_utf8());
    /// assert!(!parts.slice(..4).is_utf8());
    /// ```
    #[must_use]
    #[doc(alias = "isText")]
    pub fn is_utf8(&self) -> bool {
        // The beginning of a character whose rest is in a later chunk.
        let (mut begun, mut len) = ([0; 4], 0);
        for mut chunk in self.chunks() {
            while let (1.., [byte, rest @ ..]) = (len, chunk) {
                begun[len] = *byte;
                (len, chunk) = (len + 1, rest);
                match str::from_utf8(&begun[..len]) {
                    Ok(_) => len = 0,
                    Err(error) if error.error_len().is_some() => return false,
                    Err(_) => {}
                }
            }
            if let Err(error) = str::from_utf8(chunk) {
                if error.error_len().is_some() {
                    return false;
                }
                let tail = &chunk[error.valid_up_to()..];
                begun[..tail.len()].copy_from_slice(tail);
                len = tail.len();
            }
        }
        len == 0
    }

    /// Returns whether the content is ASCII. O(bytes), copies nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(bytebuf::CompositeByteBuf::from_iter(["GET ", "/"]).is_ascii());
    /// ```
    #[must_use]
    #[doc(alias = "isText")]
    pub fn is_ascii(&self) -> bool {
        self.chunks().all(<[u8]>::is_ascii)
    }

    /// Returns the content as text: borrowed if it is one component, otherwise copied.
    ///
    /// # Errors
    ///
    /// If it is not UTF-8.
    ///
    /// # Cost
    ///
    /// Checks all bytes. One allocation and one copy if there are several components.
    ///
    /// # Examples
    ///
    /// ```
    /// let parts = bytebuf::CompositeByteBuf::from_iter(["GET ", "/"]);
    /// assert_eq!(parts.to_str()?, "GET /");
    /// # Ok::<_, std::str::Utf8Error>(())
    /// ```
    #[doc(alias = "toString")]
    #[doc(alias = "getCharSequence")]
    pub fn to_str(&self) -> Result<Cow<'_, str>, str::Utf8Error> {
        let mut chunks = self.chunks();
        match (chunks.next(), chunks.next()) {
            (None, _) => Ok(Cow::Borrowed("")),
            (Some(only), None) => str::from_utf8(only).map(Cow::Borrowed),
            _ => match String::from_utf8(self.to_vec()) {
                Ok(text) => Ok(Cow::Owned(text)),
                Err(error) => Err(error.utf8_error()),
            },
        }
    }
}

/// The error of a text that could not be read; the cursor has not moved.
///
/// # Examples
///
/// ```
/// use bytebuf::{BufExt, StrError};
///
/// let mut data = &b"\xFFab"[..];
/// assert!(matches!(data.try_get_str(1), Err(StrError::NotUtf8(_))));
/// assert!(matches!(data.try_get_str(4), Err(StrError::TooShort(_))));
/// assert_eq!(data.len(), 3);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StrError {
    /// The buffer has fewer bytes.
    TooShort(OutOfRange),
    /// The bytes are not UTF-8.
    NotUtf8(str::Utf8Error),
}

impl fmt::Display for StrError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooShort(_) => "the text is incomplete",
            Self::NotUtf8(_) => "the text is not UTF-8",
        })
    }
}

impl Error for StrError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::TooShort(error) => Some(error),
            Self::NotUtf8(error) => Some(error),
        }
    }
}
