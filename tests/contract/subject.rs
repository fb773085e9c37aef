//! What all three types have, by one name each.

use std::fmt::{Debug, LowerHex, UpperHex};
use std::hash::Hash;
use std::ops::Range;

use bytebuf::{BufExt, ByteBuf, ByteView, CompositeByteBuf, Dump, Peek, Search};
use bytes::{Buf, Bytes};

/// What to compare with, in both directions.
pub(crate) trait Comparable<T: ?Sized>: PartialEq<T> + PartialOrd<T> {}

impl<S: PartialEq<T> + PartialOrd<T>, T: ?Sized> Comparable<T> for S {}

pub(crate) trait Subject:
    Buf
    + BufExt
    + Clone
    + Debug
    + Default
    + LowerHex
    + UpperHex
    + Ord
    + Hash
    + Send
    + Sync
    + Comparable<[u8]>
    + Comparable<Vec<u8>>
    + Comparable<str>
    + Comparable<String>
    + for<'a> Comparable<&'a [u8]>
    + for<'a> Comparable<&'a str>
    + Into<Vec<u8>>
    + Into<Bytes>
    + Into<ByteView>
    + Into<ByteBuf>
    + Into<CompositeByteBuf>
    + IntoIterator
    + 'static
{
    /// Where searches, typed reads and dumps are.
    type Plain: Peek + Search + Dump + ?Sized;

    fn plain(&self) -> &Self::Plain;
    /// A buffer of the same type that came about in the simplest way.
    fn simple(bytes: &[u8]) -> Self;
    fn length(&self) -> usize;
    fn nothing_there(&self) -> bool;
    fn part(&self, range: Range<usize>) -> Self;
    fn front(&mut self, at: usize) -> Self;
    fn back(&mut self, at: usize) -> Self;
    fn shorten(&mut self, len: usize);
    fn empty(&mut self);
}

macro_rules! subject {
    ($type:ty: $plain:ty, |$bytes:ident| $simple:expr, |$this:ident, $range:ident| $part:expr) => {
        impl Subject for $type {
            type Plain = $plain;

            fn plain(&self) -> &$plain {
                self
            }

            fn simple($bytes: &[u8]) -> Self {
                $simple
            }

            fn length(&self) -> usize {
                self.len()
            }

            fn nothing_there(&self) -> bool {
                self.is_empty()
            }

            fn part(&self, $range: Range<usize>) -> Self {
                let $this = self;
                $part
            }

            fn front(&mut self, at: usize) -> Self {
                self.split_to(at)
            }

            fn back(&mut self, at: usize) -> Self {
                self.split_off(at)
            }

            fn shorten(&mut self, len: usize) {
                self.truncate(len);
            }

            fn empty(&mut self) {
                self.clear();
            }
        }
    };
}

subject!(ByteView: [u8], |bytes| bytes.to_vec().into(), |this, range| this.slice(range));
subject!(ByteBuf: [u8], |bytes| bytes.into(), |this, range| this[range].into());
subject!(CompositeByteBuf: Self, |bytes| bytes.to_vec().into(), |this, range| this.slice(range));
