//! [`ByteStr`]: shared, read-only text.
//!
//! Rules:
//!
//! * **T1** The bytes of the view are UTF-8. Every way to make a `ByteStr` checks them or takes them from a
//!   `str`, every cut is at a character boundary, and what a view shows never changes (R1).
#![allow(unsafe_code, reason = "bytes that were checked once are text without another check (T1)")]

use core::borrow::Borrow;
use core::cmp::Ordering;
use core::convert::Infallible;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::ops::{Bound, Deref, RangeBounds};
use core::str::{FromStr, Utf8Error};

use bytes::Bytes;

use super::{ByteBuf, ByteView};

/// A shared, read-only piece of UTF-8: a [`ByteView`] that dereferences to `str`.
///
/// Clones and slices share the memory, so that the fields of a message that was received once are text
/// without a copy each. Equality, order and hash are those of `str`: a `HashMap<ByteStr, _>` is searched
/// by `&str`.
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
    view: ByteView,
    error: Utf8Error,
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

    /// Returns where the bytes stop being UTF-8.
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
    /// [`from_utf8`](Self::from_utf8) don't.
    #[must_use]
    #[track_caller]
    #[doc(alias = "copy_from_slice")]
    pub fn copy_from_str(text: &str) -> Self {
        Self(ByteView::copy_from_slice(text.as_bytes()))
    }

    /// Checks that the bytes of a view are UTF-8, and makes them text.
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

    /// Makes the bytes of a view text, without a check.
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

    /// Returns the number of bytes that this text keeps from being freed, as [`ByteView::pinned`] does.
    #[must_use]
    pub fn pinned(&self) -> usize {
        self.0.pinned()
    }

    /// Copies the text where it is a small part of a large block, as [`ByteView::compact`] does.
    #[must_use = "the compact text is the one returned"]
    #[track_caller]
    pub fn compact(self) -> Self {
        Self(self.0.compact())
    }

    /// Returns a part, which shares the memory.
    ///
    /// # Panics
    ///
    /// If the range is reversed, reaches past the end, or cuts a character in two;
    /// [`get_slice`](Self::get_slice) doesn't.
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

    /// Returns a part, which shares the memory, or `None` if the range is reversed, reaches past the end,
    /// or cuts a character in two.
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

    /// Returns the view of a part of this text, which shares the memory: what the methods of `str` that
    /// split and trim return becomes a `ByteStr` this way.
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

    /// Splits the text in two: returns what is before `at`, keeps the rest.
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

    /// Splits the text in two: keeps what is before `at`, returns the rest.
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

impl fmt::Debug for ByteStr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for ByteStr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), f)
    }
}

impl PartialEq for ByteStr {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for ByteStr {}

impl PartialOrd for ByteStr {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ByteStr {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl Hash for ByteStr {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

macro_rules! compare_with_text {
    ($($other:ty),+) => { $(
        impl PartialEq<$other> for ByteStr {
            #[inline]
            fn eq(&self, other: &$other) -> bool {
                self.as_str() == AsRef::<str>::as_ref(other)
            }
        }

        impl PartialEq<ByteStr> for $other {
            #[inline]
            fn eq(&self, other: &ByteStr) -> bool {
                other == self
            }
        }
    )+ };
}

compare_with_text!(str, &str, String);

impl From<&'static str> for ByteStr {
    fn from(text: &'static str) -> Self {
        Self::from_static(text)
    }
}

impl From<String> for ByteStr {
    /// Adopts the memory of the `String`, as `ByteView::from(Vec)` does.
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<Box<str>> for ByteStr {
    fn from(text: Box<str>) -> Self {
        text.into_string().into()
    }
}

impl FromStr for ByteStr {
    type Err = Infallible;

    /// Copies the text: [`ByteStr::copy_from_str`].
    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self::copy_from_str(text))
    }
}

macro_rules! try_from_bytes {
    ($($type:ty),+) => { $(
        impl TryFrom<$type> for ByteStr {
            type Error = ByteStrError;

            /// As [`ByteStr::from_utf8`].
            fn try_from(bytes: $type) -> Result<Self, ByteStrError> {
                Self::from_utf8(bytes.into())
            }
        }
    )+ };
}

try_from_bytes!(ByteView, ByteBuf, Bytes, Vec<u8>);

impl From<ByteStr> for ByteView {
    #[inline]
    fn from(text: ByteStr) -> Self {
        text.0
    }
}

impl From<ByteStr> for Bytes {
    /// As `Bytes::from(ByteView)`.
    fn from(text: ByteStr) -> Self {
        text.0.into()
    }
}

impl From<ByteStr> for String {
    /// Gives the `String` back that the text was made of, if no other handle holds it; copies otherwise.
    fn from(text: ByteStr) -> Self {
        // SAFETY: the bytes are UTF-8 (T1).
        unsafe { Self::from_utf8_unchecked(text.0.into()) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::Pool;

    const TEXT: &str = "aß水🦀 end";

    #[test]
    fn every_cut_agrees_with_str() {
        let text = ByteStr::from(TEXT.to_owned());
        for start in 0..=TEXT.len() + 1 {
            for end in 0..=TEXT.len() + 1 {
                let part = text.get_slice(start..end);
                assert_eq!(part.as_deref(), TEXT.get(start..end), "{start}..{end}");
                if let Some(part) = part {
                    assert_eq!(text.slice(start..end), part);
                    assert!(part.is_empty() || part.as_ptr() == address_of(&text, start));
                }
            }
            let (front, rest) = ((text.clone(), text.clone()), TEXT.split_at_checked(start));
            let cuts = std::panic::catch_unwind(|| {
                let (mut a, mut b) = front;
                let (head, tail) = (a.split_to(start), b.split_off(start));
                (head, a, b, tail)
            });
            assert_eq!(cuts.is_ok(), rest.is_some(), "a cut at {start}");
            if let (Ok((head, a, b, tail)), Some((front, rest))) = (cuts, rest) {
                assert_eq!((&head[..], &a[..], &b[..], &tail[..]), (front, rest, front, rest));
            }
        }
    }

    fn address_of(text: &ByteStr, at: usize) -> *const u8 {
        text.as_view()[at..].as_ptr()
    }

    #[test]
    fn a_view_that_is_no_text_comes_back() {
        for bytes in [&b"\xFF"[..], b"a\xC3", "🦀".as_bytes().split_last().unwrap().1] {
            let view = ByteView::copy_from_slice(bytes);
            let address = view.as_ptr();
            let error = ByteStr::try_from(view).unwrap_err();
            assert_eq!(Some(error.utf8_error()), str::from_utf8(bytes).err());
            assert_eq!(error.as_view().as_ptr(), address);
            assert_eq!(error.into_view(), bytes);
        }
    }

    #[test]
    fn a_string_comes_back_without_a_copy() {
        let string = TEXT.to_owned();
        let address = string.as_ptr();
        let text = ByteStr::from(string);
        assert_eq!(text.as_ptr(), address);
        let string = String::from(text);
        assert_eq!((string.as_ptr(), &string[..]), (address, TEXT));
    }

    #[test]
    fn a_map_of_texts_is_searched_by_str() {
        let keys = [ByteStr::from_static("a"), "b".parse().unwrap(), String::from("水").into()];
        let map: HashMap<ByteStr, usize> = keys.into_iter().zip(0..).collect();
        assert_eq!(
            ["a", "b", "水", "c"].map(|key| map.get(key).copied()),
            [Some(0), Some(1), Some(2), None]
        );
    }

    #[test]
    fn parts_share_the_block_and_compact_gives_it_back() {
        let pool = Pool::builder().build();
        let line = ByteStr::try_from(pool.copy_from_slice(&[b'x'; 1000])).unwrap();
        let part = line.slice(5..9);
        drop(line);
        assert!(part.pinned() >= 1000);
        assert_eq!(part.compact(), "xxxx");
        assert!(pool.stats().live <= 64);
    }
}
