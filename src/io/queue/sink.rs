//! The destinations of a queue: a descriptor, a socket with zero-copy sends, or any writer.

use std::io::{self, IoSlice, Write};
#[cfg(unix)]
use std::os::fd::BorrowedFd;

use crate::io::file::region::FileRegion;
use crate::sys::More;
#[cfg(unix)]
use crate::sys::{MAX_BYTES, Target};

/// The number of bytes that a writer is offered at a time: enough for a few TLS records, and small
/// enough for the writer's buffers.
pub(crate) const MAX_WRITER_CALL: usize = 64 * 1024;

/// A destination of [`WriteQueue`](super::WriteQueue).
pub(super) trait Sink {
    /// Whether the sink supports [`send_file`](Self::send_file).
    const SENDS_FILES: bool;

    /// The maximum number of bytes that one call is offered.
    const MAX_CALL: usize;

    /// Writes the slices in order, or a prefix of them, and returns the number of bytes.
    fn write(&mut self, bufs: &[IoSlice<'_>], more: More) -> io::Result<usize>;

    /// Sends bytes from the front of `region` without reading them into memory. Returns `None` if that
    /// is not possible.
    fn send_file(
        &mut self,
        region: &mut FileRegion,
        limit: usize,
        more: More,
    ) -> io::Result<Option<u64>>;

    /// Ends a flush: sends the bytes that were held back because more were to follow. Returns the number
    /// of system calls that controlled this.
    fn release(&mut self) -> u64 {
        0
    }

    /// Returns the descriptor, if the sink supports [`send_zero_copy`](Self::send_zero_copy).
    #[cfg(unix)]
    fn zero_copy_fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// Writes as [`write`](Self::write) does, without a copy: the kernel may read the memory until it
    /// reports the completion of this call.
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
            // A file that is sent in pieces is followed by its next piece.
            self.sent_file(if region.is_sent_in_pieces() { More::Follows } else { more });
        }
        Ok(sent)
    }

    fn release(&mut self) -> u64 {
        Target::release(self)
    }
}

/// A descriptor with zero-copy sends.
#[cfg(unix)]
pub(super) struct ZeroCopyTarget<'fd>(pub(super) Target<'fd>);

#[cfg(unix)]
impl Sink for ZeroCopyTarget<'_> {
    const SENDS_FILES: bool = true;
    const MAX_CALL: usize = MAX_BYTES;

    fn write(&mut self, bufs: &[IoSlice<'_>], more: More) -> io::Result<usize> {
        self.0.write(bufs, more)
    }

    fn zero_copy_fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.0.fd())
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

/// Any writer. Files are read into memory for it.
pub(super) struct Writer<'w, W>(pub(super) &'w mut W);

impl<W: Write> Sink for Writer<'_, W> {
    const SENDS_FILES: bool = false;
    const MAX_CALL: usize = MAX_WRITER_CALL;

    fn write(&mut self, bufs: &[IoSlice<'_>], _: More) -> io::Result<usize> {
        loop {
            match self.0.write_vectored(bufs) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                // The bounded buffer of the writer, such as that of a TLS session, is full.
                Ok(0) => return Err(io::ErrorKind::WouldBlock.into()),
                other => return other,
            }
        }
    }

    fn send_file(&mut self, _: &mut FileRegion, _: usize, _: More) -> io::Result<Option<u64>> {
        Ok(None)
    }
}
