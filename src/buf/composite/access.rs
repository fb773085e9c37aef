//! Typed access at an offset, across boundaries.

use std::{
    mem,
    ops::{Range, RangeBounds},
};

use super::CompositeByteBuf;
use crate::buf::{ByteBuf, ByteView, OutOfRange, Peek, Poke, byte_buf::or_panic, range};
use crate::pool::AllocError;

impl CompositeByteBuf {
    /// Reads `N` bytes that begin with `head`, the end of component `index`, and continue in the next components.
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

    /// Copies the components that hold bytes of `range` and share their memory, so that `set_*` calls
    /// within the range change them in place and allocate nothing. Each copy is allocated from the pool and
    /// budget of its component.
    ///
    /// # Errors
    ///
    /// If these have no memory for a copy. The content is unchanged then.
    ///
    /// # Panics
    ///
    /// If the range is reversed or reaches past the end.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::{ByteView, CompositeByteBuf, Poke};
    ///
    /// let shared = ByteView::from(vec![1, 2, 3]);
    /// let mut parts = CompositeByteBuf::from(shared.clone());
    /// parts.try_make_writable(1..2)?;
    /// parts.set_slice(1, &[9]).unwrap(); // needs no memory
    /// assert_eq!((parts.to_vec(), &shared[..]), (vec![1, 9, 3], &[1, 2, 3][..]));
    /// # Ok::<_, bytebuf::AllocError>(())
    /// ```
    #[track_caller]
    pub fn try_make_writable(&mut self, range: impl RangeBounds<usize>) -> Result<(), AllocError> {
        let Range { start, end } = range::of(range, self.len());
        let first = if start < end { self.locate(start) } else { None };
        let Some((mut index, mut at, _)) = first else { return Ok(()) };
        while at < end {
            let slot = self.slot(index);
            let buf = writable(slot)?;
            at += buf.len();
            *slot = buf.freeze();
            index += 1;
        }
        Ok(())
    }

    fn slot(&mut self, index: usize) -> &mut ByteView {
        match index.checked_sub(1) {
            None => &mut self.front,
            Some(index) => &mut self.rest.views_mut()[index],
        }
    }

    /// Changes bytes of component `index`: in place if no other handle holds its memory, otherwise in a copy
    /// of it.
    #[track_caller]
    fn change(&mut self, index: usize, change: impl FnOnce(&mut [u8])) {
        let slot = self.slot(index);
        let mut bytes = or_panic(writable(slot));
        change(&mut bytes);
        *slot = bytes.freeze();
    }

    /// Changes the `len` bytes from `offset` on, which must exist, component by component;
    /// `change` gets the number of bytes before its slice.
    #[track_caller]
    fn change_range(&mut self, offset: usize, len: usize, change: impl Fn(usize, &mut [u8])) {
        let Some((mut index, mut at, first)) = self.locate(offset) else { return };
        if len > first.len() - (offset - at) {
            // All copies are made before the first change, because one that finds no memory panics.
            or_panic(self.try_make_writable(offset..offset + len));
        }
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

/// Takes the bytes of a component for writing: its own memory if no other handle holds it, otherwise a copy. After an
/// error the component is unchanged; otherwise the caller must replace it.
#[track_caller]
fn writable(slot: &mut ByteView) -> Result<ByteBuf, AllocError> {
    match mem::take(slot).try_into_mut() {
        Ok(alone) => Ok(alone),
        Err(shared) => {
            *slot = shared;
            slot.try_copy()
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
    /// A component whose memory another handle holds is copied first, in its own pool and budget.
    ///
    /// # Panics
    ///
    /// If these have no memory for the copy; nothing is written then.
    /// [`try_make_writable`](CompositeByteBuf::try_make_writable) ensures that none is needed.
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
