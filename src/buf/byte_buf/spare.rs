//! Access to the spare capacity of a `ByteBuf`: safely, for the kernel, or as raw memory.
#![allow(unsafe_code, reason = "slices of the handle's own range (W1, W3)")]

use super::ByteBuf;
use core::mem::MaybeUninit;
use core::ptr::NonNull;
#[cfg(unix)]
use smallvec::SmallVec;

impl ByteBuf {
    /// Returns the spare capacity after the writer index as bytes that can be written and read. Bytes that were
    /// never written are set to zero, once.
    ///
    /// Call [`commit`](Self::commit) afterwards.
    ///
    /// # Cost
    ///
    /// O(spare capacity) the first time, nothing after. [`read_into_spare`](Self::read_into_spare) zeroes nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::ByteBuf;
    ///
    /// let mut buf = ByteBuf::with_capacity(8);
    /// buf.writable()[..3].copy_from_slice(b"abc");
    /// buf.commit(3);
    /// assert_eq!(buf, b"abc"[..]);
    /// ```
    #[must_use]
    #[doc(alias = "internalNioBuffer")]
    pub fn writable(&mut self) -> &mut [u8] {
        self.initialise_to(self.end);
        // SAFETY: the handle's own range (W1), all of it initialised now (W3).
        unsafe {
            NonNull::slice_from_raw_parts(self.at(self.writer), self.end - self.writer).as_mut()
        }
    }

    /// Makes the first `n` bytes of the spare capacity readable. Those that were never written read as zero.
    ///
    /// # Panics
    ///
    /// If the spare capacity is less than `n`.
    ///
    /// # Cost
    ///
    /// Zeroes the bytes that were not written since the pool handed the memory out; none after
    /// [`writable`](Self::writable).
    pub fn commit(&mut self, n: usize) {
        let spare = self.end - self.writer;
        assert!(n <= spare, "cannot commit {n} bytes of a spare capacity of {spare}");
        self.initialise_to(self.writer + n);
        self.set_writer(self.writer + n);
    }

    /// Calls `f` with the spare capacity. `f` fills it from the start and returns the filled part, which
    /// becomes readable. Zeroes nothing. Returns the number of bytes.
    ///
    /// The kernel fills a buffer in this way: `rustix::io::read(fd, spare)` returns such a part.
    ///
    /// # Errors
    ///
    /// Those of `f`; nothing has changed then.
    ///
    /// # Panics
    ///
    /// If `f` returns memory that is not the start of the spare capacity.
    ///
    /// # Cost
    ///
    /// That of `f`.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::ByteBuf;
    ///
    /// let mut buf = ByteBuf::with_capacity(8);
    /// let n = buf.read_into_spare(|spare| Ok::<_, ()>(spare[..3].write_copy_of_slice(b"abc"))).unwrap();
    /// assert_eq!((n, &buf[..]), (3, &b"abc"[..]));
    /// ```
    pub fn read_into_spare<E>(
        &mut self,
        f: impl for<'a> FnOnce(&'a mut [MaybeUninit<u8>]) -> Result<&'a mut [u8], E>,
    ) -> Result<usize, E> {
        let start = self.at(self.writer);
        let spare = self.spare_capacity_mut();
        let most = spare.len();
        let filled = f(spare)?;
        let n = filled.len();
        // A slice of initialised bytes that starts at the spare capacity and is at most as long proves that these
        // bytes are written.
        assert!(
            n == 0 || (filled.as_ptr() == start.as_ptr() && n <= most),
            "what was filled is not the start of the spare capacity"
        );
        self.writer += n;
        Ok(n)
    }

    /// Fills the spare capacity of several buffers like [`read_into_spare`](Self::read_into_spare): `f` returns
    /// the parts that it filled, each from its start, and these become readable. Returns the number of bytes.
    ///
    /// # Panics
    ///
    /// If `f` returns other memory than the starts of the slices that it got, in order.
    #[cfg(unix)]
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

    /// Returns the spare capacity after the writer index, uninitialised. Call `set_len` afterwards. Prefer
    /// [`read_into_spare`](Self::read_into_spare) or [`writable`](Self::writable), which are safe.
    #[inline]
    #[must_use]
    pub fn spare_capacity_mut(&mut self) -> &mut [MaybeUninit<u8>] {
        self.initialised = self.writer;
        let spare = self.at(self.writer).cast();
        // SAFETY: the handle's own range (W1); `MaybeUninit` needs no initialisation.
        unsafe { NonNull::slice_from_raw_parts(spare, self.end - self.writer).as_mut() }
    }

    /// Returns the whole capacity, from the first readable byte on, as memory that may be written but not
    /// read. Completion-based I/O passes it to the kernel.
    ///
    /// Nothing is readable afterwards: safe code may un-initialise bytes through the slice, so that none of
    /// them counts as initialised any more. The bytes stay where they are. Once some are written, or if
    /// nothing was un-initialised, [`set_len`](Self::set_len) makes them readable (again).
    /// [`spare_capacity_mut`](Self::spare_capacity_mut) does not change the readable bytes.
    ///
    /// # Cost
    ///
    /// None; zeroes nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::ByteBuf;
    ///
    /// let mut buf = ByteBuf::with_capacity(8);
    /// buf.extend_from_slice(b"old");
    /// let memory = buf.as_uninit_mut();
    /// assert_eq!(memory.len(), 8);
    /// let n = memory[1..].write_copy_of_slice(b"perator").len();
    /// // SAFETY: the first byte was initialised and not touched, those after it were just written.
    /// unsafe { buf.set_len(1 + n) };
    /// assert_eq!(buf, b"operator"[..]);
    /// ```
    #[inline]
    #[must_use]
    pub fn as_uninit_mut(&mut self) -> &mut [MaybeUninit<u8>] {
        // W3: the returned bytes leave the initialised range.
        (self.writer, self.initialised) = (self.reader, self.reader);
        self.spare_capacity_mut()
    }

    /// Returns the same as [`as_uninit_mut`](Self::as_uninit_mut), and keeps the readable bytes readable.
    ///
    /// # Safety
    ///
    /// The caller does not un-initialise any of the first `len` bytes.
    #[cfg(any(feature = "compio-buf-08", feature = "compio-buf-09"))]
    pub(crate) unsafe fn capacity_as_uninit(&mut self) -> &mut [MaybeUninit<u8>] {
        self.initialised = self.writer;
        let start = self.at(self.reader).cast();
        // SAFETY: the handle's own range (W1); the caller un-initialises nothing (W3).
        unsafe { NonNull::slice_from_raw_parts(start, self.capacity()).as_mut() }
    }

    /// Sets the number of readable bytes.
    ///
    /// # Safety
    ///
    /// `len <= capacity`, and the bytes below it are initialised.
    #[inline]
    pub unsafe fn set_len(&mut self, len: usize) {
        debug_assert!(
            len <= self.capacity(),
            "set_len out of bounds: {len} <= {}",
            self.capacity()
        );
        self.initialised = self.initialised_len();
        self.writer = self.reader + len;
    }
}
