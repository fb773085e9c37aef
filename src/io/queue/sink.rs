//! Where the bytes of a queue go: a descriptor, a socket that may send from memory, or any writer.

use std::io::{self, IoSlice, Write};

use crate::io::file::region::FileRegion;
use crate::sys::More;
#[cfg(unix)]
use crate::sys::Target;

/// A destination of [`WriteQueue`](super::WriteQueue).
pub(super) trait Sink {
    /// Whether it is worth asking for [`send_file`](Self::send_file).
    const SENDS_FILES: bool;

    /// Whether it is worth asking for [`send_zero_copy`](Self::send_zero_copy).
    const SENDS_ZERO_COPY: bool = false;

    /// Writes the slices in order, or a part of them, and returns the number of bytes.
    fn write(&mut self, bufs: &[IoSlice<'_>], more: More) -> io::Result<usize>;

    /// Sends bytes from the front of `region` without reading them; `None` if that can't be done.
    fn send_file(&mut self, region: &mut FileRegion, limit: usize) -> io::Result<Option<u64>>;

    /// As [`write`](Self::write), without copying: the kernel may read the memory until it reports the
    /// completion of this call.
    fn send_zero_copy(&mut self, _: &[IoSlice<'_>], _: More) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(unix)]
impl Sink for Target<'_> {
    const SENDS_FILES: bool = true;

    #[inline(always)]
    fn write(&mut self, bufs: &[IoSlice<'_>], more: More) -> io::Result<usize> {
        Target::write(self, bufs, more)
    }

    fn send_file(&mut self, region: &mut FileRegion, limit: usize) -> io::Result<Option<u64>> {
        region.send_in_kernel(self.fd(), limit)
    }
}

/// A descriptor to which the kernel may send from the memory of the parts.
#[cfg(unix)]
pub(super) struct ZeroCopyTarget<'fd>(pub(super) Target<'fd>);

#[cfg(unix)]
impl Sink for ZeroCopyTarget<'_> {
    const SENDS_FILES: bool = true;
    const SENDS_ZERO_COPY: bool = true;

    fn write(&mut self, bufs: &[IoSlice<'_>], more: More) -> io::Result<usize> {
        self.0.write(bufs, more)
    }

    fn send_file(&mut self, region: &mut FileRegion, limit: usize) -> io::Result<Option<u64>> {
        self.0.send_file(region, limit)
    }

    fn send_zero_copy(&mut self, bufs: &[IoSlice<'_>], more: More) -> io::Result<usize> {
        self.0.send_zero_copy(bufs, more)
    }
}

/// Any writer. Files are read for it.
pub(super) struct Writer<'w, W>(pub(super) &'w mut W);

impl<W: Write> Sink for Writer<'_, W> {
    const SENDS_FILES: bool = false;

    fn write(&mut self, bufs: &[IoSlice<'_>], _: More) -> io::Result<usize> {
        loop {
            match self.0.write_vectored(bufs) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    fn send_file(&mut self, _: &mut FileRegion, _: usize) -> io::Result<Option<u64>> {
        Ok(None)
    }
}
