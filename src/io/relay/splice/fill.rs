//! Reading the source of a transfer: by splicing, or into memory.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use super::Splice;
use crate::buf::ByteBuf;
use crate::io::progress::clip;
use crate::io::relay::pipes;
use crate::io::scratch::{self, SCRATCH};
use crate::sys;

/// The number of bytes that are copied at a time to a file. Measured relative to the CPU time of 64 KiB: 0.67 to
/// 0.73 if each write also begins and ends at a multiple of this size, so that the page cache allocates one folio.
/// 256 KiB takes the same on one processor and 0.73 to 0.80 on another, 1 MiB takes 1.5 and 0.6; splicing into a
/// file takes 0.8.
const FILE_COPY: usize = 512 * 1024;

/// The number of bytes that are copied at a time to any other target. A full target leaves at most this many bytes
/// held in memory. Measured from TCP to TCP, 256 KiB take 0.75 of its CPU time.
pub(super) const STREAM_COPY: usize = SCRATCH;

/// A source that gave less than this is probably empty: it is read next, not spliced, so that the proof of SP5
/// takes no additional call.
const PROBE: usize = 16 * 1024;

impl Splice {
    /// Reads the available bytes of the source. No bytes are held before the call (SP1).
    pub(crate) fn fill_from(&mut self, from: impl AsFd) -> io::Result<()> {
        let from = from.as_fd();
        if self.reads_next {
            return self.read_from(from, PROBE);
        }
        if !self.copies
            && let Ok(pipe) = pipes::acquire()
        {
            self.calls += 1;
            let spliced = sys::splice_in(from, self.offset, &pipe, clip(self.limit, pipe.capacity));
            if let Ok(read @ 1..) = spliced {
                self.in_pipe = read;
                self.pipe = Some(pipe);
                self.took(read);
                return Ok(());
            }
            pipes::release(pipe);
            match spliced {
                Err(e) if sys::refuses_pair(&e) => self.copies = true,
                Err(e) if e.kind() != io::ErrorKind::WouldBlock || sys::has_timed_out(from) => {
                    return Err(e);
                }
                _ => return self.read_from(from, PROBE),
            }
        }
        let most = match self.to_file {
            true => FILE_COPY - (self.moved % FILE_COPY as u64) as usize,
            false => STREAM_COPY,
        };
        self.read_from(from, most)
    }

    /// Reads up to `most` bytes into memory.
    fn read_from(&mut self, from: BorrowedFd<'_>, most: usize) -> io::Result<()> {
        self.reads_next = false;
        if let Some(e) = self.failure.take() {
            return Err(e);
        }
        let most = clip(self.limit, most);
        let mut bytes = scratch::block(most)?;
        loop {
            let left = most - bytes.len();
            self.calls += 1;
            match self.read_source(from, &mut bytes, left) {
                Ok(0) => self.ended = true,
                Ok(read) => self.took(read),
                Err(e) if bytes.is_empty() => return Err(e),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(e) => self.failure = Some(e),
            }
            let over = self.ended || self.failure.is_some() || bytes.len() == most;
            if over || !self.to_file || !sys::is_readable(from) {
                self.bytes = bytes.freeze();
                return Ok(());
            }
        }
    }

    /// Appends up to `most` bytes of the source to `bytes`.
    fn read_source(
        &self,
        from: BorrowedFd<'_>,
        bytes: &mut ByteBuf,
        most: usize,
    ) -> io::Result<usize> {
        let read = scratch::fill(bytes, most, |spare| sys::read(from, self.offset, spare));
        let refused = read.as_ref().is_err_and(|e| e.kind() == io::ErrorKind::InvalidInput);
        if !refused || !sys::is_direct(from)? {
            return read;
        }
        let at = self.offset.map_or_else(|| sys::cursor(from), Ok)?;
        let read = scratch::fill_from_blocks(bytes, most, at, |spare, at| {
            sys::read(from, Some(at), spare)
        })?;
        if self.offset.is_none()
            && let Err(e) = sys::advance_cursor(from, read)
        {
            // These bytes have not left the source.
            bytes.truncate(bytes.len() - read);
            return Err(e);
        }
        Ok(read)
    }

    /// Records that `read` bytes have left the source. If they are few, the source is probably empty, and the next
    /// call is the read that proves it (SP5).
    fn took(&mut self, read: usize) {
        self.reads_next = !self.copies && read < PROBE;
        self.limit -= read as u64;
        if let Some(offset) = &mut self.offset {
            *offset += read as u64;
        }
    }
}
