//! The memory behind a view: how much it pins, copies out of it, and its return to a writable buffer.
#![allow(unsafe_code, reason = "makes a buffer of a block that is alone (R1)")]

use super::ByteView;
use crate::buf::byte_buf::{ByteBuf, copy_from, source_of};
use crate::buf::drop_after;
use crate::pool::{AllocError, Block, Pool, block_size};

impl ByteView {
    /// Returns whether this is the only handle of the memory, so that [`try_into_mut`](Self::try_into_mut) can
    /// succeed. Static bytes and those of a foreign owner are never unique.
    ///
    /// May return `false` for the only handle while another thread, which has dropped a handle of the block,
    /// caches a reference to it: until that thread shares other blocks, allocates after its cache was empty,
    /// calls [`Pool::flush_thread`] or ends.
    ///
    /// # Cost
    ///
    /// An atomic load.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::ByteBuf;
    ///
    /// let mut buf = ByteBuf::with_capacity(100);
    /// buf.extend_from_slice(b"message");
    /// let view = buf.freeze();
    /// let other = view.clone();
    /// assert!(!view.is_unique());
    /// drop(other);
    /// assert!(view.is_unique());
    /// ```
    #[must_use]
    pub fn is_unique(&self) -> bool {
        self.block.as_ref().is_some_and(|block| block.is_writable() && block.is_unique())
    }

    /// Returns the number of bytes that this view keeps allocated: the size of its whole block. Zero for static
    /// views and for empty parts of others; a view that [`advance`](bytes::Buf::advance) has emptied keeps its
    /// block. A foreign owner, such as a `Bytes`, counts as the bytes that it
    /// exposes, because its real size is not known.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::{ByteBuf, ByteView};
    ///
    /// let mut received = ByteBuf::with_capacity(64 * 1024);
    /// received.extend_from_slice(b"GET / HTTP/1.1");
    /// let method = received.freeze().slice(..3);
    /// assert_eq!(method.pinned(), 64 * 1024);
    /// assert!(method.compact().pinned() < 100);
    /// ```
    #[inline]
    #[must_use]
    pub fn pinned(&self) -> usize {
        self.block.as_ref().map_or(0, Block::capacity)
    }

    /// Returns this view, or a copy of its bytes if the copy takes at most half of the memory that the view
    /// pins.
    ///
    /// The copy is allocated from the block's own pool and budget. If these have no memory, the view
    /// is returned unchanged; [`pinned`](Self::pinned) shows this.
    ///
    /// A `Bytes` does not report how much memory it keeps. If it is the only handle of
    /// a `Vec`, it becomes that `Vec`, shrunk; any other is copied into a `Vec`, at any length.
    ///
    /// # Cost
    ///
    /// Copies at most half of what was pinned, or the whole of a `Bytes`.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::Pool;
    ///
    /// let pool = Pool::builder().build();
    /// let mut received = pool.alloc(1500);
    /// received.extend_from_slice(b"host: example.org");
    /// let host = received.freeze().slice(6..);
    /// assert!(pool.stats().live >= 1500);
    /// let host = host.compact();
    /// assert_eq!(host, "example.org");
    /// assert!(pool.stats().live <= 64);
    /// ```
    #[must_use = "the compact view is the one returned"]
    #[track_caller]
    pub fn compact(self) -> Self {
        self.compacted(None)
    }

    /// Compacts like [`compact`](Self::compact), with the copy in memory of `pool`.
    ///
    /// # Cost
    ///
    /// That of [`compact`](Self::compact).
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::{ByteBuf, Pool};
    ///
    /// let sessions = Pool::builder().build().budget("sessions", 1 << 20);
    /// let mut received = ByteBuf::with_capacity(16 * 1024);
    /// received.extend_from_slice(b"cookie: 17; path: /");
    /// let cookie = received.freeze().slice(8..10).compact_in(&sessions);
    /// assert_eq!((&cookie[..], cookie.pinned()), (&b"17"[..], 64));
    /// assert_eq!(sessions.budget_stats().unwrap().used, 64);
    /// ```
    #[must_use = "the compact view is the one returned"]
    #[track_caller]
    pub fn compact_in(self, pool: &Pool) -> Self {
        self.compacted(Some(pool))
    }

    #[track_caller]
    fn compacted(self, pool: Option<&Pool>) -> Self {
        let view = self.unwrap_bytes();
        match view.compact_copy(pool) {
            Some(copy) => drop_after(view, |_| copy),
            None => view,
        }
    }

    /// Returns a compact copy, if that saves memory and there is memory for it.
    #[track_caller]
    pub(in crate::buf) fn compact_copy(&self, pool: Option<&Pool>) -> Option<Self> {
        let block = self.block.as_ref()?;
        let is_bytes = block.owner::<bytes::Bytes>().is_some();
        let is_small_part =
            || block_size(self.len).is_some_and(|needed| needed <= self.pinned() / 2);
        if !is_bytes && !self.is_empty() && !is_small_part() {
            return None;
        }
        let copy = match pool {
            Some(pool) => copy_from(pool.source(), self),
            None if is_bytes => {
                let mut vec = Vec::new();
                vec.try_reserve_exact(self.len).ok()?;
                vec.extend_from_slice(self);
                return Some(vec.into());
            }
            None => copy_from(&source_of(Some(block)), self),
        };
        copy.ok().map(ByteBuf::freeze)
    }

    /// Copies the bytes into a new buffer in the view's own pool and budget, or returns an error.
    ///
    /// # Errors
    ///
    /// If these have no memory for it.
    ///
    /// # Cost
    ///
    /// One copy, and that of [`Pool::alloc`].
    #[track_caller]
    pub fn try_copy(&self) -> Result<ByteBuf, AllocError> {
        copy_from(&source_of(self.block.as_ref()), self)
    }

    /// Turns the view back into a `ByteBuf`, with the headroom and spare capacity around it, if no other handle
    /// holds the memory and it is writable. Copies nothing.
    ///
    /// # Errors
    ///
    /// The view itself, if it is empty, static, of a foreign owner, or shared, which includes a reference that
    /// another thread caches (see [`is_unique`](Self::is_unique)).
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::ByteBuf;
    ///
    /// let mut buf = ByteBuf::with_headroom(16, 100);
    /// buf.extend_from_slice(b"body");
    /// let mut buf = buf.freeze().try_into_mut().unwrap();
    /// buf.prepend(b"head ");
    /// assert_eq!(buf, b"head body"[..]);
    /// ```
    #[inline]
    pub fn try_into_mut(mut self) -> Result<ByteBuf, Self> {
        match self.block.take_if(|block| block.is_writable() && block.claim()) {
            // SAFETY: no other handle holds the block, it is writable, and the bytes lie in it (R1).
            Some(block) => Ok(unsafe { ByteBuf::reclaim(self.ptr, self.len, block) }),
            None => Err(self),
        }
    }
}
