//! The growth of a `ByteBuf`.
//!
//! Growing by `additional` takes the first of these that gives enough spare capacity:
//!
//! 1. the end of the block, where no other handle holds the block any more: nothing is copied;
//! 2. the space of consumed bytes, or of handles that no longer exist, if the readable bytes are at most as many
//!    as the bytes gained: they are moved down, at an amortised O(1) for each byte read;
//! 3. a new block from the same pool, of twice the capacity (of twice the block that is replaced, where no
//!    other handle holds that), of what the buffer was made with ([`MadeWith`]), or of what is needed,
//!    whichever is most; only what is needed where the pool has no memory for more.
#![allow(unsafe_code, reason = "copies within, or out of, the handle's own range (W1)")]

use super::ByteBuf;
use super::alloc::{allocate, source_of};
use super::fields::{Front, MadeWith};
use super::reserve_error::{TryReserveError, TryReserveErrorKind};
use crate::pool::{AllocError, Block};

/// Minimum capacity of a buffer that grows from nothing.
const MIN_BLOCK: usize = 64;

impl ByteBuf {
    /// Makes spare capacity for `additional` bytes.
    ///
    /// It may reuse the space of consumed bytes: then these cannot be read again, and a new region begins
    /// with the reader index at zero.
    ///
    /// # Panics
    ///
    /// If there is no memory, the buffer would pass its maximum, or the capacity would overflow; see
    /// [`try_reserve`](Self::try_reserve).
    ///
    /// # Cost
    ///
    /// None if the spare capacity suffices; otherwise amortised O(1) for each byte written.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::ByteBuf;
    ///
    /// let mut buf = ByteBuf::from(&b"head"[..]);
    /// buf.reserve(1000);
    /// let capacity = buf.capacity();
    /// buf.extend_from_slice(&[0; 1000]); // does not allocate
    /// assert_eq!(buf.capacity(), capacity);
    /// ```
    #[inline]
    #[track_caller]
    #[doc(alias = "ensureWritable")]
    pub fn reserve(&mut self, additional: usize) {
        if additional > self.end - self.writer {
            self.grow_or_panic(additional);
        }
    }

    /// Makes spare capacity like [`reserve`](Self::reserve), or returns an error.
    ///
    /// # Errors
    ///
    /// Where `reserve` panics. The buffer is unchanged then.
    ///
    /// # Cost
    ///
    /// That of [`reserve`](Self::reserve).
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::ByteBuf;
    ///
    /// let mut buf = ByteBuf::from(&b"abc"[..]);
    /// assert!(buf.try_reserve(usize::MAX).is_err());
    /// assert_eq!(buf, b"abc"[..]);
    /// ```
    #[inline]
    #[track_caller]
    pub fn try_reserve(&mut self, additional: usize) -> Result<(), TryReserveError> {
        if additional > self.end - self.writer { self.grow(additional) } else { Ok(()) }
    }

    /// Makes spare capacity for `additional` bytes without new memory, if possible. Returns whether it did.
    ///
    /// # Cost
    ///
    /// Allocates nothing; may move the readable bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::ByteBuf;
    /// use bytes::Buf;
    ///
    /// let mut received = ByteBuf::with_capacity(64);
    /// received.extend_from_slice(&[1; 64]);
    /// received.advance(60); // decoded
    /// assert!(received.try_reclaim(60)); // moves the last 4 bytes to the front
    /// assert_eq!((received.len(), received.capacity()), (4, 64));
    /// ```
    #[must_use = "the spare capacity is there only if this is true"]
    pub fn try_reclaim(&mut self, additional: usize) -> bool {
        additional <= self.end - self.writer || self.reclaim_space(additional)
    }

    /// Makes spare capacity for `n` more bytes, or for as many as the maximum and the pool allow, and
    /// returns it. It is never zero.
    ///
    /// # Errors
    ///
    /// If there is no spare capacity, and none can be made.
    #[track_caller]
    pub(crate) fn reserve_up_to(&mut self, n: usize) -> Result<usize, TryReserveError> {
        let mut wanted = n.min(self.max.get() - self.len()).max(1);
        loop {
            let spare = self.capacity() - self.len();
            if wanted <= spare {
                return Ok(spare);
            }
            match self.try_reserve(wanted) {
                Ok(()) => {}
                Err(error) if wanted == 1 => return Err(error),
                Err(_) => wanted = (wanted / 4).max(spare).max(1),
            }
        }
    }

    #[cold]
    #[track_caller]
    fn grow_or_panic(&mut self, additional: usize) {
        if let Err(error) = self.grow(additional) {
            panic!("{error}");
        }
    }

    /// Returns the length after `additional` more bytes, if memory and the maximum allow it.
    fn needed(&self, additional: usize) -> Result<usize, TryReserveError> {
        match self.len().checked_add(additional) {
            Some(sum) if sum <= self.max.get().min(isize::MAX as usize) => Ok(sum),
            Some(sum) if sum <= isize::MAX as usize => {
                Err(self.cannot_add(additional, TryReserveErrorKind::OverMaximum(self.max.get())))
            }
            _ => Err(self.cannot_add(additional, TryReserveErrorKind::CapacityOverflow)),
        }
    }

    fn cannot_add(&self, additional: usize, kind: TryReserveErrorKind) -> TryReserveError {
        TryReserveError { additional, len: self.len(), kind }
    }

    #[cold]
    #[track_caller]
    fn grow(&mut self, additional: usize) -> Result<(), TryReserveError> {
        let needed = self.needed(additional)?;
        if self.reclaim_space(additional) {
            return Ok(());
        }
        // A block without other handles is replaced by one of twice its size, however much was consumed and split off.
        let held = match &self.block {
            Some(block) if block.is_unique() => block.requested(),
            _ => self.capacity(),
        };
        let wanted = held.saturating_mul(2).max(self.made_with()).max(MIN_BLOCK);
        let wanted = wanted.min(self.max.get()).max(needed);
        let grown = self.moved(self.front_len(), wanted).or_else(|_| self.moved(0, needed));
        *self = grown
            .map_err(|error| self.cannot_add(additional, TryReserveErrorKind::Alloc(error)))?;
        Ok(())
    }

    /// Returns the capacity that the buffer was made with, as far as it is remembered; zero for one that
    /// never had memory.
    fn made_with(&self) -> usize {
        let requested = self.block.as_ref().map(|block| block.requested() - self.front_len());
        self.made_with.capacity(requested)
    }

    /// Returns what the next block of this buffer remembers of the capacity that it was made with.
    pub(super) fn remembered(&self) -> MadeWith {
        MadeWith::new(self.made_with())
    }

    /// Copies the readable bytes into a new block of the same pool and budget, with headroom and capacity.
    #[track_caller]
    pub(super) fn moved(&self, front: usize, capacity: usize) -> Result<Self, AllocError> {
        let mut new = allocate(&source_of(self.block.as_ref()), front, capacity)?;
        new.max = self.max;
        new.made_with = self.remembered();
        new.extend_from_slice(self);
        Ok(new)
    }

    /// Steps 1 and 2 of growing.
    fn reclaim_space(&mut self, additional: usize) -> bool {
        let Some(block) = &self.block else { return false };
        let (data, requested) = (block.data(), block.requested());
        let len = self.len();
        let Some(needed) = len.checked_add(additional) else { return false };
        let start = self.base.addr().get() - data.addr().get();
        let end = (requested - start).min(self.max.get());
        if end.saturating_sub(self.writer) >= additional && self.claim() {
            // No other handle exists, so the rest of the block belongs to this one (W1).
            self.end = end;
            return true;
        }
        if self.reader >= len && needed <= self.end {
            self.discard_read();
            return true;
        }
        let (gained, end) = (start + self.reader, requested.min(self.max.get()));
        if gained >= len && needed <= end && self.claim() {
            let from = self.at(self.reader);
            // SAFETY: no other handle exists, so both ranges belong to this one (W1); they may overlap.
            unsafe { data.copy_from(from, len) };
            (self.base, self.front, self.reader) = (data, Front::Own, 0);
            (self.writer, self.initialised, self.end) = (len, len, end);
            return true;
        }
        false
    }

    /// Returns whether the whole block belongs to this handle.
    fn claim(&mut self) -> bool {
        self.block.as_mut().is_some_and(Block::claim)
    }

    /// Makes at least `n` bytes of headroom, by moving the readable bytes.
    #[cold]
    #[track_caller]
    pub(super) fn make_headroom(&mut self, n: usize) -> Result<(), TryReserveError> {
        self.needed(n)?;
        let len = self.len();
        // At least as much as the bytes to move, so that prepending single bytes costs O(1) each.
        let moved = self.moved(n.max(len), self.capacity()).or_else(|_| self.moved(n, len));
        *self = moved.map_err(|error| self.cannot_add(n, TryReserveErrorKind::Alloc(error)))?;
        Ok(())
    }
}
