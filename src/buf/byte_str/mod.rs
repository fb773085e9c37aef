//! [`ByteStr`]: shared, read-only text.
//!
//! Rules:
//!
//! * **T1** The bytes of the view are UTF-8. Every way to make a `ByteStr` checks them or takes them from a
//!   `str`, every cut is at a character boundary, and what a view shows never changes (R1).
#![allow(unsafe_code, reason = "bytes that were checked once are text without another check (T1)")]

mod compare;
mod convert;
mod error;
#[cfg(test)]
mod tests;

use core::borrow::Borrow;
use core::ops::{Bound, Deref, RangeBounds};

use super::ByteView;

pub use error::ByteStrError;

/// A shared, read-only piece of UTF-8: a [`ByteView`] that dereferences to `str`.
///
/// Clones and slices share the memory, so that the fields of a received message become text without copies.
/// Equality, order and hash are those of `str`: a `HashMap<ByteStr, _>` is searched by `&str`.
///
/// # Cost
///
/// That of [`ByteView`]: `clone`, `slice`, `split_to` and `split_off` copy no bytes and allocate nothing.
/// The bytes are checked once, when a view becomes text.
///
/// # Examples
///
/// ```
/// use bytebuf::{ByteStr, ByteView};
///
/// let received = ByteView::from_static("name: Žofie".as_bytes());
/// let line = ByteStr::try_from(received)?;
/// let (_, name) = line.split_once(": ").unwrap();
/// let name = line.slice_ref(name); // shares the memory of the line
/// assert_eq!(name, "Žofie");
/// # Ok::<_, bytebuf::ByteStrError>(())
/// ```
#[derive(Clone, Default)]
pub struct ByteStr(ByteView);

static_assertions::assert_eq_size!(ByteStr, Option<ByteStr>, [usize; 3]);
static_assertions::assert_impl_all!(ByteStr: Send, Sync, Unpin);

impl ByteStr {
    /// Creates an empty text. Allocates nothing.
    #[inline]
    #[must_use]
    pub const fn new() -> Self {
        Self::from_static("")
    }

    /// Creates a view of static text. Allocates nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::ByteStr;
    ///
    /// const HOST: ByteStr = ByteStr::from_static("example.org");
    /// assert_eq!(HOST, "example.org");
    /// ```
    #[inline]
    #[must_use]
    pub const fn from_static(text: &'static str) -> Self {
        Self(ByteView::from_static(text.as_bytes()))
    }

    /// Copies `text` into pooled memory.
    ///
    /// # Panics
    ///
    /// If there is no memory; [`Pool::try_copy_from_slice`](crate::Pool::try_copy_from_slice) and
    /// [`from_utf8`](Self::from_utf8) return an error instead.
    #[must_use]
    #[track_caller]
    #[doc(alias = "copy_from_slice")]
    pub fn copy_from_str(text: &str) -> Self {
        Self(ByteView::copy_from_slice(text.as_bytes()))
    }

    /// Creates a text from a view, after a check that its bytes are UTF-8.
    ///
    /// # Errors
    ///
    /// [`ByteStrError`] with the view, if they are not.
    ///
    /// # Cost
    ///
    /// O(`view.len()`); copies nothing.
    pub fn from_utf8(view: ByteView) -> Result<Self, ByteStrError> {
        match core::str::from_utf8(&view) {
            Ok(_) => Ok(Self(view)),
            Err(error) => Err(ByteStrError { view, error }),
        }
    }

    /// Creates a text from a view, without a check.
    ///
    /// # Safety
    ///
    /// The bytes are UTF-8.
    #[inline]
    #[must_use]
    pub unsafe fn from_utf8_unchecked(view: ByteView) -> Self {
        debug_assert!(core::str::from_utf8(&view).is_ok());
        Self(view)
    }

    /// Returns the text.
    #[inline]
    #[must_use]
    pub fn as_str(&self) -> &str {
        // SAFETY: the bytes are UTF-8 (T1).
        unsafe { core::str::from_utf8_unchecked(&self.0) }
    }

    /// Returns the view of the bytes.
    #[inline]
    #[must_use]
    pub fn as_view(&self) -> &ByteView {
        &self.0
    }

    /// Returns the number of bytes that this text keeps allocated, like [`ByteView::pinned`].
    #[must_use]
    pub fn pinned(&self) -> usize {
        self.0.pinned()
    }

    /// Copies the text if it is a small part of a large block, like [`ByteView::compact`].
    #[must_use = "the compact text is the one returned"]
    #[track_caller]
    pub fn compact(self) -> Self {
        Self(self.0.compact())
    }

    /// Returns a range of the text, which shares the memory.
    ///
    /// # Panics
    ///
    /// If the range is reversed, reaches past the end, or cuts a character in two;
    /// [`get_slice`](Self::get_slice) returns `None` instead.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::ByteStr;
    ///
    /// let text = ByteStr::from("Grüße".to_owned());
    /// assert_eq!(text.slice(..4), "Grü");
    /// ```
    #[must_use]
    #[track_caller]
    pub fn slice(&self, range: impl RangeBounds<usize>) -> Self {
        // `str` checks the range, and its panic names the character that would be cut.
        self.slice_ref(&self.as_str()[bounds(&range)])
    }

    /// Returns a range of the text, which shares the memory, or `None` if the range is reversed, reaches past the
    /// end, or cuts a character in two.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::ByteStr;
    ///
    /// let text = ByteStr::from("Grüße".to_owned());
    /// assert_eq!(text.get_slice(2..).as_deref(), Some("üße"));
    /// assert_eq!(text.get_slice(3..), None);
    /// ```
    #[must_use]
    pub fn get_slice(&self, range: impl RangeBounds<usize>) -> Option<Self> {
        self.as_str().get(bounds(&range)).map(|part| self.slice_ref(part))
    }

    /// Returns a view of `part`, a slice of this text, which shares the memory. It turns the results of `split`,
    /// `trim` and other methods of `str` into a `ByteStr`.
    ///
    /// # Panics
    ///
    /// If `part` is not within this text's memory. An empty one always is.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::ByteStr;
    ///
    /// let line = ByteStr::from("  key = value ".to_owned());
    /// let (key, value) = line.split_once('=').unwrap();
    /// let [key, value] = [key, value].map(|part| line.slice_ref(part.trim()));
    /// assert_eq!((&key[..], &value[..]), ("key", "value"));
    /// ```
    #[must_use]
    #[track_caller]
    pub fn slice_ref(&self, part: &str) -> Self {
        // T1: all of `part` is a `str`, so that it begins and ends at a boundary.
        Self(self.0.slice_ref(part.as_bytes()))
    }

    /// Splits the text at `at`: returns the text before it, keeps the rest.
    ///
    /// # Panics
    ///
    /// If `at` is past the end or cuts a character in two.
    #[must_use = "the text before `at` is the one returned"]
    #[track_caller]
    pub fn split_to(&mut self, at: usize) -> Self {
        self.check_boundary(at);
        Self(self.0.split_to(at))
    }

    /// Splits the text at `at`: keeps the text before it, returns the rest.
    ///
    /// # Panics
    ///
    /// If `at` is past the end or cuts a character in two.
    #[must_use = "the text from `at` on is the one returned"]
    #[track_caller]
    pub fn split_off(&mut self, at: usize) -> Self {
        self.check_boundary(at);
        Self(self.0.split_off(at))
    }

    #[track_caller]
    fn check_boundary(&self, at: usize) {
        assert!(
            self.is_char_boundary(at),
            "{at} is not a character boundary of a text of {} bytes",
            self.len()
        );
    }
}

fn bounds(range: &impl RangeBounds<usize>) -> (Bound<usize>, Bound<usize>) {
    (range.start_bound().cloned(), range.end_bound().cloned())
}

impl Deref for ByteStr {
    type Target = str;

    #[inline]
    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for ByteStr {
    #[inline]
    fn as_ref(&self) -> &str {
        self
    }
}

impl AsRef<[u8]> for ByteStr {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Borrow<str> for ByteStr {
    #[inline]
    fn borrow(&self) -> &str {
        self
    }
}
