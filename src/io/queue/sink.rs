//! Where the bytes of a queue go: a descriptor, a socket that may send from memory, or any writer.

use std::io::{self, IoSlice, Write};

use crate::io::file::region::FileRegion;
use crate::sys::More;
#[cfg(unix)]
use crate::sys::{MAX_BYTES, Target};

/// What a writer is offered at a time: enough for a few TLS records, and no more than its buffers should
/// take at once.
pub(crate) const MAX_WRITER_CALL: usize = 64 * 1024;

/// A destination of [`WriteQueue`](super::WriteQueue).
pub(super) trait Sink {
    /// Whether it is worth asking for [`send_file`](Self::send_file).
    const SENDS_FILES: bool;

    /// Whether it is worth asking for [`send_zero_copy`](Self::send_zero_copy).
    #[cfg_attr(not(unix), allow(dead_code, reason = "only sockets use it"))]
    const SENDS_ZERO_COPY: bool = false;

    /// The most bytes that one call is offered.
    const MAX_CALL: usize;

    /// Writes the slices in order, or a part of them, and returns the number of bytes.
    fn write(&mut self, bufs: &[IoSlice<'_>], more: More) -> io::Result<usize>;

    /// Sends bytes from the front of `region` without reading them; `None` if that can't be done.
    fn send_file(
        &mut self,
        region: &mut FileRegion,
        limit: usize,
        more: More,
    ) -> io::Result<Option<u64>>;

    /// Ends a flush: what was kept back because more was to follow leaves now. Returns the number of
    /// system calls that all this took.
    fn release(&mut self) -> u64 {
        0
    }

    /// As [`write`](Self::write), without copying: the kernel may read the memory until it reports the
    /// completion of this call.
    #[cfg_attr(not(unix), allow(dead_code, reason = "only sockets of Unix are sent to this way"))]
    fn send_zero_copy(&mut self, _: &[IoSlice<'_>], _: More) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(unix)]
impl Sink for Target<'_> {
    const SENDS_FILES: bool = true;
    const MAX_CALL: usize = MAX_BYTES;

    #[inline(always)]
    fn write(&mut self, bufs: &[IoSlice<'_>], more: More) -> io::Result<usize> {
        Target::write(self, bufs, more)
    }

    fn send_file(
        &mut self,
        region: &mut FileRegion,
        limit: usize,
        more: More,
    ) -> io::Result<Option<u64>> {
        let sent = region.send_in_kernel(self.fd(), limit)?;
        if sent.is_some() {
            // What is sent in pieces is followed by its own next piece.
            self.sent_file(if region.is_sent_in_pieces() { More::Follows } else { more });
        }
        Ok(sent)
    }

    fn release(&mut self) -> u64 {
        Target::release(self)
    }
}

/// A descriptor to which the kernel may send from the memory of the parts.
#[cfg(unix)]
pub(super) struct ZeroCopyTarget<'fd>(pub(super) Target<'fd>);

#[cfg(unix)]
impl Sink for ZeroCopyTarget<'_> {
    const SENDS_FILES: bool = true;
    const SENDS_ZERO_COPY: bool = true;
    const MAX_CALL: usize = MAX_BYTES;

    fn write(&mut self, bufs: &[IoSlice<'_>], more: More) -> io::Result<usize> {
        self.0.write(bufs, more)
    }

    fn send_zero_copy(&mut self, bufs: &[IoSlice<'_>], more: More) -> io::Result<usize> {
        self.0.send_zero_copy(bufs, more)
    }

    fn send_file(
        &mut self,
        region: &mut FileRegion,
        limit: usize,
        more: More,
    ) -> io::Result<Option<u64>> {
        self.0.send_file(region, limit, more)
    }

    fn release(&mut self) -> u64 {
        self.0.release()
    }
}

/// Any writer. Files are read for it.
pub(super) struct Writer<'w, W>(pub(super) &'w mut W);

impl<W: Write> Sink for Writer<'_, W> {
    const SENDS_FILES: bool = false;
    const MAX_CALL: usize = MAX_WRITER_CALL;

    fn write(&mut self, bufs: &[IoSlice<'_>], _: More) -> io::Result<usize> {
        loop {
            match self.0.write_vectored(bufs) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                // A writer with a bounded buffer, such as a TLS session's, is full.
                Ok(0) => return Err(io::ErrorKind::WouldBlock.into()),
                other => return other,
            }
        }
    }

    fn send_file(&mut self, _: &mut FileRegion, _: usize, _: More) -> io::Result<Option<u64>> {
        Ok(None)
    }
}
