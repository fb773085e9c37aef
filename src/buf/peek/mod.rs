//! Typed access at an offset, on slices and buffers.
//!
//! [`Peek`] and [`Poke`] have the methods; `inherent_peek!` and `inherent_poke!` give a type the same ones
//! as its own, so that its users need not import a trait. The list of types stands once, in `table.rs`.

pub(super) mod medium;
mod out_of_range;
pub(super) mod table;

use self::table::{peek_methods, poke_methods};

pub use self::out_of_range::OutOfRange;

/// Reads at an offset, without moving the cursor.
///
/// For `[u8]` (so for `Vec<u8>` and arrays too) and [`CompositeByteBuf`](crate::CompositeByteBuf).
/// Offsets count from the first readable byte. A range outside the buffer is `None`; no method panics. O(1), on
/// a composite O(log n) in its components, also across boundaries.
///
/// # Examples
///
/// ```
/// use bytebuf::Peek;
///
/// let packet = [0x12, 0x34, 0x56, 0x78];
/// assert_eq!(packet.peek_u16(1), Some(0x3456));
/// assert_eq!(packet.peek_u16_le(1), Some(0x5634));
/// assert_eq!(packet.peek_u32(1), None);
/// assert_eq!(packet.peek_u8(usize::MAX), None);
/// ```
pub trait Peek {
    /// Reads `N` bytes at `offset`.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::Peek;
    ///
    /// assert_eq!(b"abcd".peek_array(1), Some(*b"bc"));
    /// ```
    fn peek_array<const N: usize>(&self, offset: usize) -> Option<[u8; N]>;

    /// Fills `dst` with the bytes at `offset`.
    ///
    /// # Errors
    ///
    /// If there are fewer; `dst` is unchanged then.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::Peek;
    ///
    /// let mut two = [0; 2];
    /// b"abcd".peek_slice(1, &mut two)?;
    /// assert_eq!(&two, b"bc");
    /// # Ok::<_, bytebuf::OutOfRange>(())
    /// ```
    #[doc(alias = "getBytes")]
    fn peek_slice(&self, offset: usize, dst: &mut [u8]) -> Result<(), OutOfRange>;

    peek_methods! { [] |this| this }
}

impl Peek for [u8] {
    #[inline]
    fn peek_array<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        self.get(offset..)?.first_chunk().copied()
    }

    #[inline]
    fn peek_slice(&self, offset: usize, dst: &mut [u8]) -> Result<(), OutOfRange> {
        let end = OutOfRange::check(offset, dst.len(), self.len())?;
        dst.copy_from_slice(&self[offset..end]);
        Ok(())
    }
}

/// Writes at an offset, without moving the cursor.
///
/// For `[u8]` (so for `Vec<u8>` and arrays too) and [`CompositeByteBuf`](crate::CompositeByteBuf), which first
/// copies a component if another handle holds its memory, and panics if there is no memory for the copy.
/// Offsets count from the first readable byte. If the range is outside the readable bytes, an error is
/// returned and nothing is written. O(1), on a composite O(log n) in its components.
///
/// # Examples
///
/// ```
/// use bytebuf::Poke;
///
/// let mut packet = [0; 4];
/// packet.set_u16(1, 0x3456)?;
/// assert_eq!(packet, [0, 0x34, 0x56, 0]);
/// assert!(packet.set_u16(3, 1).is_err());
/// # Ok::<_, bytebuf::OutOfRange>(())
/// ```
pub trait Poke {
    /// Copies all of `src` to `offset`.
    ///
    /// # Errors
    ///
    /// If it does not fit; nothing is written then.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::Poke;
    ///
    /// let mut data = *b"abcd";
    /// data.set_slice(1, b"xy")?;
    /// assert_eq!(&data, b"axyd");
    /// # Ok::<_, bytebuf::OutOfRange>(())
    /// ```
    #[doc(alias = "setBytes")]
    fn set_slice(&mut self, offset: usize, src: &[u8]) -> Result<(), OutOfRange>;

    /// Writes `count` bytes of `value` at `offset`, as [`BufMut::put_bytes`](bytes::BufMut::put_bytes) appends
    /// them. Netty's `setBytes`, which copies, is [`set_slice`](Self::set_slice).
    ///
    /// # Errors
    ///
    /// If they do not fit; nothing is written then.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::Poke;
    ///
    /// let mut data = *b"abcd";
    /// data.set_bytes(1, b'-', 2)?;
    /// assert_eq!(&data, b"a--d");
    /// # Ok::<_, bytebuf::OutOfRange>(())
    /// ```
    #[doc(alias = "fill")]
    #[doc(alias = "setZero")]
    fn set_bytes(&mut self, offset: usize, value: u8, count: usize) -> Result<(), OutOfRange>;

    poke_methods! { [] |this| this }
}

impl Poke for [u8] {
    #[inline]
    fn set_slice(&mut self, offset: usize, src: &[u8]) -> Result<(), OutOfRange> {
        let end = OutOfRange::check(offset, src.len(), self.len())?;
        self[offset..end].copy_from_slice(src);
        Ok(())
    }

    #[inline]
    fn set_bytes(&mut self, offset: usize, value: u8, count: usize) -> Result<(), OutOfRange> {
        let end = OutOfRange::check(offset, count, self.len())?;
        self[offset..end].fill(value);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
