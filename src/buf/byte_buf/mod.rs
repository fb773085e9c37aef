//! [`ByteBuf`]: unique, writable, growable bytes.
//!
//! ```text
//!  block ──┬──────────┬───────────────┬───────────────┬──────────────┬─────── end of the block
//!          │ headroom │   consumed    │   readable    │    spare     │
//!          │          │ 0 .. reader   │ reader..writer│ writer .. end│
//!          └──────────┼───────────────┴───────────────┴──────────────┘
//!                    base            ▲ initialised: 0 .. max(initialised, writer)
//! ```
//!
//! Rules:
//!
//! * **W1** The range `base .. base + end` lies in the block and belongs to this handle alone: no other
//!   handle reads or writes it. Where `front` is `Own`, the range from the start of the block to `base`
//!   belongs to it too. Without a block, `end = 0`.
//! * **W2** `reader <= writer <= end`.
//! * **W3** *Initialised, and the owner's.* This owner of the block wrote the bytes
//!   `0 .. max(initialised, writer)` from base, or set them to zero. No other byte is ever shown as `u8`:
//!   the bytes of an earlier owner of the block can't be seen. A call that returns bytes as `MaybeUninit`
//!   or `UninitSlice` first removes them from that range, because safe code may un-initialise them.
//! * **W4** `end <= max`: a buffer never grows over its maximum.
#![allow(unsafe_code, reason = "slices of a block that the handle owns alone (W1, W3)")]

// First, so that the page of the type begins with its constructors.
mod create;

mod alloc;
mod fields;
mod grow;
mod index;
mod parts;
#[cfg(any(unix, feature = "tokio"))]
mod receive;
mod reserve_error;
mod spare;
#[cfg(test)]
mod tests;
mod write;

use super::byte_view::ByteView;
use crate::pool::Block;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;
use std::panic::{RefUnwindSafe, UnwindSafe};

pub(super) use alloc::{allocate, copy_from, or_panic, source_among, source_of};
use fields::{Front, MadeWith, MaxCapacity};
pub use index::IndexError;
pub use reserve_error::{TryReserveError, TryReserveErrorKind};

/// A unique, writable, growable range of bytes in pooled memory.
///
/// It has all methods of [`bytes::BytesMut`], under the same names, and adds those of Netty's `ByteBuf`:
/// reader and writer indexes that can be moved back, headroom, a maximum capacity, and spare capacity that
/// can be filled in place.
///
/// Like `BytesMut`, it does not implement `io::Read` and `io::Write`, whose methods clash with those of `Buf`:
/// see [`read_from`](Self::read_from), [`bytes::Buf::reader`] and [`bytes::BufMut::writer`].
///
/// Consumed bytes stay in the buffer, so that a half-parsed message can be read again, until
/// [`discard_read`](Self::discard_read), or until the buffer needs their space to grow.
///
/// # Examples
///
/// ```
/// use bytebuf::ByteBuf;
/// use bytes::{Buf, BufMut};
///
/// let mut buf = ByteBuf::with_capacity(64);
/// buf.put_u16(5);
/// buf.put_slice(b"hello");
///
/// let length = buf.get_u16();
/// let message = buf.split_to(length as usize).freeze();
/// assert_eq!(message, b"hello"[..]);
/// ```
#[repr(C, align(16))]
pub struct ByteBuf {
    base: NonNull<u8>,
    end: usize,
    block: Option<Block>,
    // From here on all fields of a new buffer are zero. With this order and alignment, two aligned stores of 16 bytes
    // write four of them: a store that crosses a cache line took 0.4 ns more.
    made_with: MadeWith,
    front: Front,
    reader: usize,
    writer: usize,
    initialised: usize,
    max: MaxCapacity,
}

static_assertions::assert_eq_size!(ByteBuf, Option<ByteBuf>, [usize; 8]);
static_assertions::assert_impl_all!(ByteBuf: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe);

// SAFETY: the handle owns its range alone (W1), as a `Vec` does.
unsafe impl Send for ByteBuf {}
// SAFETY: a shared borrow only reads.
unsafe impl Sync for ByteBuf {}

impl ByteBuf {
    /// Returns the number of readable bytes.
    #[inline]
    #[must_use]
    #[doc(alias = "readableBytes")]
    pub const fn len(&self) -> usize {
        self.writer - self.reader
    }

    /// Returns whether the buffer has no readable bytes.
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the number of bytes that the buffer holds without growing, from the reader index on.
    #[inline]
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.end - self.reader
    }

    /// Returns the address of the byte at an index, `index <= end`.
    #[inline]
    fn at(&self, index: usize) -> NonNull<u8> {
        debug_assert!(index <= self.end);
        // SAFETY: within the handle's range or at its end (W1).
        unsafe { self.base.add(index) }
    }

    /// Returns the initialised length, from base (W3).
    #[inline]
    fn initialised_len(&self) -> usize {
        self.initialised.max(self.writer)
    }

    /// Zeroes the bytes below `index` that are not initialised, `index <= end`.
    fn initialise_to(&mut self, index: usize) {
        let from = self.initialised_len();
        if index > from {
            // SAFETY: within the handle's range (W1).
            unsafe { self.at(from).write_bytes(0, index - from) };
            self.initialised = index;
        }
    }

    /// Moves the writer index. Bytes above a lower index stay initialised.
    #[inline]
    fn set_writer(&mut self, index: usize) {
        debug_assert!(index <= self.end && (index <= self.initialised_len()));
        self.initialised = self.initialised_len();
        self.writer = index;
    }
}

/// Returns the address of a slice's first byte, for copying from it.
#[inline]
fn bytes_ptr(bytes: &[u8]) -> NonNull<u8> {
    NonNull::from_ref(bytes).cast()
}

impl Deref for ByteBuf {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: within the handle's range (W1, W2), initialised (W3); the borrow keeps it unchanged.
        unsafe { NonNull::slice_from_raw_parts(self.at(self.reader), self.len()).as_ref() }
    }
}

impl DerefMut for ByteBuf {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `deref`, and the handle is borrowed mutably.
        unsafe { NonNull::slice_from_raw_parts(self.at(self.reader), self.len()).as_mut() }
    }
}

impl From<ByteBuf> for ByteView {
    fn from(buf: ByteBuf) -> Self {
        buf.freeze()
    }
}
