//! Conversions of a view from and into `Vec` and `Bytes`, without copying where possible.
#![allow(unsafe_code, reason = "adopts the memory of a vector")]

use super::ByteView;
use crate::buf::drop_after;
use crate::memory::header::caching_flags;
use crate::memory::owned::{self, OwnedBytes};
use crate::pool::Block;
use core::ptr::NonNull;
use std::sync::Arc;

impl From<Vec<u8>> for ByteView {
    /// Adopts the vector's memory. Its spare capacity stays unused until the vector is taken back.
    ///
    /// # Cost
    ///
    /// Copies nothing, allocates a header.
    fn from(vec: Vec<u8>) -> Self {
        if vec.is_empty() {
            return Self::new();
        }
        let expose = |vec: &mut Vec<u8>| {
            let (len, allocated) = (vec.len(), vec.capacity());
            OwnedBytes { data: NonNull::from(vec.as_mut_slice()).cast(), len, allocated }
        };
        // The reference cache counts all that it keeps from being freed, the spare capacity too.
        let flags = caching_flags(vec.capacity());
        // SAFETY: the heap memory of a vector does not move while the vector is not touched, and the vector is owned.
        let header = unsafe { owned::adopt(vec, flags, expose) };
        Self::whole(Block::adopted(header))
    }
}

impl From<ByteView> for Vec<u8> {
    /// Returns the vector that the view, or the `Bytes` in it, was made from, if no other handle holds it;
    /// copies otherwise.
    ///
    /// # Cost
    ///
    /// Nothing is allocated in the first case, and the bytes are moved only if there were others
    /// before them.
    fn from(view: ByteView) -> Self {
        let (ptr, len) = (view.ptr, view.len);
        let part_of = |whole: &[u8]| {
            let start = ptr.addr().get() - whole.as_ptr().addr();
            start..start + len
        };
        let Some(block) = view.block else { return Self::from(&*view) };
        let block = match block.into_owner::<Self>() {
            Ok(mut vec) => {
                let part = part_of(&vec);
                vec.truncate(part.end);
                vec.drain(..part.start);
                return vec;
            }
            Err(block) => block,
        };
        match block.into_owner::<bytes::Bytes>() {
            Ok(mut bytes) => {
                let part = part_of(&bytes);
                bytes.truncate(part.end);
                bytes::Buf::advance(&mut bytes, part.start);
                bytes.into()
            }
            Err(block) => {
                let view = ByteView { ptr, len, block: Some(block) };
                drop_after(view, |view| Self::from(&**view))
            }
        }
    }
}

impl ByteView {
    /// Takes the `Vec` out of a `Bytes` that is alone in one, and shrinks it to the view's bytes.
    pub(super) fn unwrap_bytes(self) -> Self {
        let block = self.block.as_ref();
        let is_vec = block.and_then(Block::owner::<bytes::Bytes>).is_some_and(|b| b.is_unique());
        if is_vec && block.is_some_and(Block::is_unique) {
            let mut vec = Vec::from(self);
            vec.shrink_to_fit();
            vec.into()
        } else {
            self
        }
    }
}

impl From<Arc<[u8]>> for ByteView {
    fn from(bytes: Arc<[u8]>) -> Self {
        Self::from_owner(bytes)
    }
}

impl From<bytes::Bytes> for ByteView {
    /// Wraps the `Bytes` without copying. [`Into<Bytes>`] returns the same one, or a slice of it.
    ///
    /// # Cost
    ///
    /// One allocation.
    fn from(bytes: bytes::Bytes) -> Self {
        if bytes.is_empty() { Self::new() } else { Self::from_owner(bytes) }
    }
}

impl From<ByteView> for bytes::Bytes {
    /// Converts the view without copying: returns the `Bytes` that it wraps, or one that owns the view.
    ///
    /// # Cost
    ///
    /// One allocation, or none if the view wraps a `Bytes` or is static.
    fn from(view: ByteView) -> Self {
        if let Some(bytes) = view.as_static() {
            return Self::from_static(bytes);
        }
        match view.block.as_ref().and_then(Block::owner::<Self>) {
            Some(bytes) => bytes.slice_ref(&view),
            None => Self::from_owner(view),
        }
    }
}
