//! Equality, order and hash of the content, wherever the boundaries are.

use std::{
    cmp::Ordering,
    hash::{Hash, Hasher},
};

use super::CompositeByteBuf;
use crate::buf::{
    ByteBuf, ByteView,
    byte_buf::{allocate, source_among},
    compare::{Content, compare_with, compare_with_bytes},
};

/// Compares two contents, each given in pieces.
fn compare<'a, 'b>(
    a: impl Iterator<Item = &'a [u8]>,
    b: impl Iterator<Item = &'b [u8]>,
) -> Ordering {
    let (mut a, mut b) = (a.filter(|piece| !piece.is_empty()), b.filter(|piece| !piece.is_empty()));
    let (mut x, mut y): (&[u8], &[u8]) = (&[], &[]);
    loop {
        if x.is_empty() {
            x = a.next().unwrap_or_default();
        }
        if y.is_empty() {
            y = b.next().unwrap_or_default();
        }
        let both = x.len().min(y.len());
        if both == 0 {
            return x.len().cmp(&y.len());
        }
        match x[..both].cmp(&y[..both]) {
            Ordering::Equal => (x, y) = (&x[both..], &y[both..]),
            unequal => return unequal,
        }
    }
}

impl Content for CompositeByteBuf {
    fn eq_bytes(&self, other: &[u8]) -> bool {
        self.len() == other.len() && self.cmp_bytes(other).is_eq()
    }

    fn cmp_bytes(&self, other: &[u8]) -> Ordering {
        compare(self.chunks(), [other].into_iter())
    }
}

impl PartialEq for CompositeByteBuf {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.cmp(other).is_eq()
    }
}

impl Eq for CompositeByteBuf {}

impl PartialOrd for CompositeByteBuf {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for CompositeByteBuf {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(self.chunks(), other.chunks())
    }
}

/// Hashes as `[u8]` does, with every hasher, so that a composite, a view and a slice of the same bytes have
/// the same hash.
///
/// # Cost
///
/// O(bytes). A hasher may treat "a", "b" differently from "ab", so several components are first copied into one
/// block. The block is from their own pool and charged to no budget, because a hash must not fail, nor call the
/// function that an exhausted budget calls.
impl Hash for CompositeByteBuf {
    fn hash<H: Hasher>(&self, state: &mut H) {
        if self.rest.is_empty() {
            return self.front.hash(state);
        }
        let source = source_among(self.components()).without_budget();
        match allocate(&source, 0, self.len()) {
            Ok(mut whole) => {
                self.chunks().for_each(|chunk| whole.extend_from_slice(chunk));
                whole.hash(state);
            }
            Err(_) => {
                // The bytes may be secret, so they do not stay on the heap.
                let mut whole = self.to_vec();
                whole.hash(state);
                whole.fill(0);
                std::hint::black_box(&whole);
            }
        }
    }
}

compare_with_bytes!(CompositeByteBuf);
compare_with!(CompositeByteBuf: ByteView, ByteBuf, bytes::Bytes);
