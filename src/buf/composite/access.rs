//! Typed access at an offset, across borders.

use std::mem;

use super::CompositeByteBuf;
use crate::buf::{ByteBuf, OutOfRange, Peek, Poke};

impl CompositeByteBuf {
    /// `peek_array` of bytes that begin with `head`, the end of component `index`, and go on behind
    /// it.
    #[cold]
    fn peek_across<const N: usize>(&self, index: usize, head: &[u8]) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        let mut filled = 0;
        let next = self.components_from(index + 1).map(|view| &view[..]);
        for chunk in std::iter::once(head).chain(next) {
            let take = chunk.len().min(N - filled);
            bytes[filled..filled + take].copy_from_slice(&chunk[..take]);
            filled += take;
            if filled == N {
                return Some(bytes);
            }
        }
        None
    }

    /// Changes bytes of component `index`: in place where it is alone in its memory, else in a copy
    /// of it.
    fn change(&mut self, index: usize, change: impl FnOnce(&mut [u8])) {
        let slot = match index.checked_sub(1) {
            None => &mut self.front,
            Some(index) => &mut self.rest.views_mut()[index],
        };
        let mut bytes = mem::take(slot).try_into_mut().unwrap_or_else(|shared| {
            // Back in its place, should there be no memory for a copy.
            *slot = shared;
            ByteBuf::from(&slot[..])
        });
        change(&mut bytes);
        *slot = bytes.freeze();
    }

    /// Changes the `len` bytes from `offset` on, which must be there, component by component;
    /// `change` is told how many came before.
    fn change_range(&mut self, offset: usize, len: usize, change: impl Fn(usize, &mut [u8])) {
        let (mut index, mut at) = self.locate(offset).map_or((0, 0), |(i, start, _)| (i, start));
        let mut done = 0;
        while done < len {
            let from = offset + done - at;
            let mut whole = 0;
            self.change(index, |bytes| {
                whole = bytes.len();
                let take = (whole - from).min(len - done);
                change(done, &mut bytes[from..from + take]);
                done += take;
            });
            (index, at) = (index + 1, at + whole);
        }
    }
}

impl Peek for CompositeByteBuf {
    #[inline]
    fn peek_array<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        let Some((index, start, view)) = self.locate(offset) else {
            return (N == 0 && offset == self.len()).then_some([0; N]);
        };
        let head = &view[offset - start..];
        head.first_chunk().copied().or_else(|| self.peek_across(index, head))
    }

    fn peek_slice(&self, offset: usize, dst: &mut [u8]) -> Result<(), OutOfRange> {
        let end = OutOfRange::check(offset, dst.len(), self.len())?;
        let mut rest = dst;
        for chunk in self.chunks_in(offset..end) {
            let (this, next) = rest.split_at_mut(chunk.len());
            this.copy_from_slice(chunk);
            rest = next;
        }
        Ok(())
    }
}

impl Poke for CompositeByteBuf {
    /// Where a component is not alone in its memory, it is copied first.
    fn set_slice(&mut self, offset: usize, src: &[u8]) -> Result<(), OutOfRange> {
        OutOfRange::check(offset, src.len(), self.len())?;
        self.change_range(offset, src.len(), |done, bytes| {
            bytes.copy_from_slice(&src[done..done + bytes.len()]);
        });
        Ok(())
    }

    fn set_bytes(&mut self, offset: usize, value: u8, count: usize) -> Result<(), OutOfRange> {
        OutOfRange::check(offset, count, self.len())?;
        self.change_range(offset, count, |_, bytes| bytes.fill(value));
        Ok(())
    }
}
