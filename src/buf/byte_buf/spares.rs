//! Several buffers that one call fills, one behind the other.

use super::ByteBuf;
use core::mem::MaybeUninit;
use smallvec::SmallVec;

impl ByteBuf {
    /// Does as [`read_into_spare`](Self::read_into_spare) over the spare capacity of several buffers: `f`
    /// returns the parts that it filled, each from its start, and these become readable. Returns the number
    /// of bytes.
    ///
    /// # Panics
    ///
    /// If `f` returns other memory than the starts of the slices that it got, in order.
    pub(crate) fn read_into_spares<E, F>(buffers: &mut [Self], f: F) -> Result<usize, E>
    where
        F: for<'a> FnOnce(
            SmallVec<[&'a mut [MaybeUninit<u8>]; 16]>,
        ) -> Result<SmallVec<[&'a mut [u8]; 16]>, E>,
    {
        let spares: SmallVec<[_; 16]> = buffers.iter_mut().map(Self::spare_capacity_mut).collect();
        let given: SmallVec<[_; 16]> =
            spares.iter().map(|spare| (spare.as_ptr().cast::<u8>(), spare.len())).collect();
        let filled = f(spares)?;
        // The proof is that of `read_into_spare`.
        let proven = filled.iter().zip(&given).filter(|(part, (start, most))| {
            part.is_empty() || (part.as_ptr() == *start && part.len() <= *most)
        });
        assert_eq!(
            proven.count(),
            filled.len(),
            "what was filled are not the starts of the slices"
        );
        let lens: SmallVec<[usize; 16]> = filled.into_iter().map(|part| part.len()).collect();
        for (buffer, len) in buffers.iter_mut().zip(&lens) {
            buffer.writer += len;
        }
        Ok(lens.iter().sum())
    }
}
