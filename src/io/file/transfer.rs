//! Sending the bytes of a region to a descriptor: inside the kernel if possible.
//!
//! If a method refuses the two descriptors, the region tries the next method and does not try the
//! refused one again. The methods only report the number of sent bytes; one place advances the region
//! by it.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use crate::io::file::region::{FileRegion, Method};
use crate::io::progress::clip;
use crate::io::relay::pipes;
use crate::io::scratch::{self, SCRATCH};
use crate::sys::{self, More, Target};

impl FileRegion {
    /// Sends as many bytes as `dst` takes in one call, advances by their number, and returns it.
    ///
    /// `dst` is any writable descriptor: a socket, a pipe, a terminal, another file. The kernel moves
    /// the bytes by itself if it can (`sendfile`, else `splice`, else `copy_file_range`). If it refuses
    /// the two descriptors, they are copied through a pooled scratch buffer. The region remembers the
    /// method that worked.
    ///
    /// A file as `dst` is written at its cursor, or at its end if it was opened to append. If it was
    /// opened for direct I/O, it takes whole blocks only, and refuses the rest with
    /// [`io::ErrorKind::InvalidInput`]. The region's own file may be opened for direct I/O; the region
    /// need not begin or end at a block.
    ///
    /// Like `write`, a call may send less than the whole region; call until
    /// [`is_empty`](Self::is_empty). Returns 0 only if the region is empty.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::WouldBlock`] if `dst` is non-blocking and full;
    /// [`FileTruncated`](crate::FileTruncated) (as the source of the error) if the file ends before the
    /// region does; otherwise those of reading and writing. After any error, the region starts exactly
    /// behind the sent bytes.
    ///
    /// `sendfile` to a disconnected peer raises SIGPIPE. Rust programs ignore that signal and get
    /// [`io::ErrorKind::BrokenPipe`]; a program that resets the signal's disposition must block it.
    ///
    /// # Cost
    ///
    /// One system call of at most 2 GiB less 4 KiB, and no copy in this process. On the copying path,
    /// two system calls and a copy per 64 KiB.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use bytebuf::FileRegion;
    /// use std::io::{Read, Write};
    ///
    /// let mut file = tempfile::tempfile()?;
    /// file.write_all(b"a file")?;
    /// let mut region = FileRegion::new(file, 0..6);
    /// let (mut reader, writer) = std::io::pipe()?;
    /// while !region.is_empty() {
    ///     region.transfer_to(&writer)?; // may send a part
    /// }
    /// drop(writer);
    /// let mut received = String::new();
    /// reader.read_to_string(&mut received)?;
    /// assert_eq!(received, "a file");
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "transferTo")]
    pub fn transfer_to(&mut self, dst: impl AsFd) -> io::Result<u64> {
        if self.is_empty() {
            return Ok(0);
        }
        let sent = match self.send_in_kernel(dst.as_fd(), sys::MAX_BYTES)? {
            Some(sent) => sent,
            None => self.send_by_copying(dst.as_fd())?,
        };
        self.advance(sent);
        Ok(sent)
    }

    fn send_by_copying(&self, dst: BorrowedFd<'_>) -> io::Result<u64> {
        let mut scratch = scratch::block(clip(self.len(), SCRATCH))?;
        self.read_at(0, &mut scratch)?;
        match Target::new(dst).write(&[io::IoSlice::new(&scratch)], More::No)? {
            0 => Err(io::ErrorKind::WriteZero.into()),
            sent => Ok(sent as u64),
        }
    }

    /// Sends up to `limit` bytes without reading them into memory. Does not advance. Returns `None` if
    /// the bytes must be copied.
    pub(crate) fn send_in_kernel(
        &mut self,
        dst: BorrowedFd<'_>,
        limit: usize,
    ) -> io::Result<Option<u64>> {
        let (at, len) = (self.position(), clip(self.len(), limit));
        loop {
            let file = self.file();
            let (sent, next) = match self.method {
                Method::Sendfile => (sys::sendfile(dst, file, at, len), Method::Splice),
                Method::Splice => (by_splice(dst, file, at, len), Method::CopyRange),
                Method::CopyRange => (sys::copy_range(dst, file, at, len), Method::Copy),
                Method::Copy => return Ok(None),
            };
            match sent {
                Ok(0) => {
                    self.prove_not_truncated()?;
                    self.method = Method::Copy;
                }
                Ok(sent) => return Ok(Some(sent as u64)),
                Err(e) if sys::refuses_pair(&e) => self.method = next,
                Err(e) => return Err(e),
            }
        }
    }

    /// Fails if the file ends at the region's next byte. A transfer of 0 bytes does not prove this:
    /// files that are generated while they are read, and files on a server that has a newer length,
    /// have bytes behind the length that the kernel knows.
    fn prove_not_truncated(&self) -> io::Result<()> {
        self.read_at(0, &mut scratch::block(1)?).map(drop)
    }
}

/// Moves at most the capacity of one pipe. Bytes that the target does not take are dropped with the
/// pipe: the file still has them.
fn by_splice(dst: BorrowedFd<'_>, file: &File, at: u64, len: usize) -> io::Result<usize> {
    let Ok(pipe) = pipes::acquire() else { return Err(io::ErrorKind::Unsupported.into()) };
    let held = match sys::splice_in(file.as_fd(), Some(at), &pipe, len.min(pipe.capacity)) {
        Ok(held) if held > 0 => held,
        nothing => {
            pipes::release(pipe);
            return nothing;
        }
    };
    let sent = sys::splice_out(&pipe, dst, held)?;
    if sent == held {
        pipes::release(pipe);
    }
    Ok(sent)
}
