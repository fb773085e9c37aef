//! Parts of a view: slices and splits, which share its memory.
#![allow(unsafe_code, reason = "moves the pointer within the view (R1)")]

use super::ByteView;
use crate::buf::range;
use core::ops::RangeBounds;

impl ByteView {
    /// Returns a view of a range, which shares the memory.
    ///
    /// # Panics
    ///
    /// If the range is reversed or reaches past the end.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::ByteView;
    ///
    /// let request = ByteView::from_static(b"GET /index.html");
    /// let path = request.slice(4..);
    /// assert_eq!(path, "/index.html");
    /// assert_eq!(path.as_ptr(), request[4..].as_ptr()); // nothing was copied
    /// ```
    #[inline]
    #[must_use]
    pub fn slice(&self, range: impl RangeBounds<usize>) -> Self {
        let range = range::of(range, self.len);
        self.part(range.start, range.end)
    }

    /// Returns a view of `subset`, a slice of this view's bytes, which shares the memory.
    ///
    /// # Panics
    ///
    /// If `subset` is not within this view's memory. An empty one always is.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::ByteView;
    ///
    /// let line = ByteView::from_static(b"host: example.org");
    /// let value = line.rsplit(|&byte| byte == b' ').next().unwrap();
    /// let kept = line.slice_ref(value);
    /// assert_eq!(kept, b"example.org"[..]);
    /// ```
    #[must_use]
    pub fn slice_ref(&self, subset: &[u8]) -> Self {
        if subset.is_empty() {
            return Self::new();
        }
        let start = subset.as_ptr().addr().checked_sub(self.ptr.addr().get());
        let end = start.and_then(|start| start.checked_add(subset.len()));
        match (start, end) {
            (Some(start), Some(end)) if end <= self.len => self.part(start, end),
            _ => panic!(
                "a slice of {} bytes at {:p} is not within a view of {} bytes at {:p}",
                subset.len(),
                subset.as_ptr(),
                self.len,
                self.ptr
            ),
        }
    }

    /// Splits the view at `at`: returns the bytes before it, keeps the rest.
    ///
    /// # Panics
    ///
    /// If `at > len`.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::ByteView;
    ///
    /// let mut rest = ByteView::from_static(b"head body");
    /// let head = rest.split_to(5);
    /// assert_eq!((&head[..], &rest[..]), (&b"head "[..], &b"body"[..]));
    /// ```
    #[inline]
    #[must_use = "consider `advance` if the front is not needed"]
    #[doc(alias = "readRetainedSlice")]
    #[doc(alias = "readSlice")]
    pub fn split_to(&mut self, at: usize) -> Self {
        range::check_split("split_to", at, self.len);
        if at == self.len {
            let empty = self.part(at, at);
            return core::mem::replace(self, empty);
        }
        let front = self.part(0, at);
        self.skip(at);
        front
    }

    /// Splits the view at `at`: keeps the bytes before it, returns the rest.
    ///
    /// # Panics
    ///
    /// If `at > len`.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::ByteView;
    ///
    /// let mut head = ByteView::from_static(b"head body");
    /// let body = head.split_off(5);
    /// assert_eq!((&head[..], &body[..]), (&b"head "[..], &b"body"[..]));
    /// ```
    #[inline]
    #[must_use = "consider `truncate` if the rest is not needed"]
    pub fn split_off(&mut self, at: usize) -> Self {
        range::check_split("split_off", at, self.len);
        if at == 0 {
            let empty = self.part(0, 0);
            return core::mem::replace(self, empty);
        }
        let rest = self.part(at, self.len);
        self.len = at;
        rest
    }

    /// Drops the bytes after the first `len`; does nothing if there are none.
    #[inline]
    pub fn truncate(&mut self, len: usize) {
        if len == 0 {
            *self = self.part(0, 0);
        } else if len < self.len {
            self.len = len;
        }
    }

    /// Drops all bytes.
    #[inline]
    pub fn clear(&mut self) {
        self.truncate(0);
    }

    /// Drops the first `n` bytes, `n <= len`.
    #[inline]
    pub(crate) fn skip(&mut self, n: usize) {
        range::check_advance(n, self.len);
        self.len -= n;
        // SAFETY: within the view or at its end (R1), as just checked.
        self.ptr = unsafe { self.ptr.add(n) };
    }

    /// Returns the bytes from `start` to `end`; an empty part keeps its address, but no memory.
    #[inline]
    fn part(&self, start: usize, end: usize) -> Self {
        assert!(start <= end && end <= self.len);
        // SAFETY: within the view or at its end (R1), as just checked.
        let ptr = unsafe { self.ptr.add(start) };
        let block = if start == end { None } else { self.block.clone() };
        Self { ptr, len: end - start, block }
    }
}
