//! Descriptor to descriptor.
//!
//! Bytes that were read from the source and not written to the target are *held*: in a pipe on
//! the kernel's path, in memory on the copying one. Rules:
//!
//! * **SP1** The source is read only when nothing is held. So a full pipe is never mistaken for an empty source,
//!   and a slow target stops the reading.
//! * **SP2** `moved` grows when the target took bytes, never before.
//! * **SP3** When nothing is held, the transfer has no pipe and no memory: an idle transfer costs nothing.
//! * **SP4** A pipe with bytes in it is never reused.
//! * **SP5** Only a plain read says that the source is empty or has ended. `splice` gives 0 or `WouldBlock`
//!   also in front of a byte that TCP calls urgent, for a blocking source that it does not wait for, and for a
//!   file that is longer than the kernel knows.
//! * **SP6** While the target is full, the transfer keeps only the memory that the held bytes need.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use crate::buf::ByteView;
use crate::io::relay::pipes::Pipe;
use crate::sys;

mod drain;
mod fill;

/// The number of bytes that one call moves before other connections get their turn.
const BUDGET: u64 = 1024 * 1024;

/// Moves bytes from one descriptor to another without bringing them into the process: from socket to
/// socket for a proxy, from socket to file for an upload.
///
/// Where the kernel cannot splice the two, or no pipe is available, the bytes are copied through a
/// pooled buffer, with the same results. An idle transfer holds neither a pipe nor a buffer.
///
/// Each direction of a proxied connection needs its own `Splice`. When one returns
/// [`Spliced::Done`], its source has ended and all of it has arrived at the target: pass the half-close on by
/// [`shutdown_write`](crate::shutdown_write).
///
/// A socket as `to` with Nagle's algorithm on can delay the last bytes of a message by 40 ms; set
/// `TCP_NODELAY`.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// use bytebuf::{Splice, Spliced, shutdown_write};
/// use std::io::{Read, Write};
/// use std::net::Shutdown;
/// use std::os::unix::net::UnixStream;
///
/// let (mut client, front) = UnixStream::pair()?;
/// let (back, mut server) = UnixStream::pair()?;
/// client.write_all(b"through the proxy")?;
/// client.shutdown(Shutdown::Write)?;
///
/// let mut upstream = Splice::new();
/// assert_eq!(upstream.transfer(&front, &back)?, Spliced::Done(17));
/// shutdown_write(&back)?;
///
/// let mut received = String::new();
/// server.read_to_string(&mut received)?;
/// assert_eq!(received, "through the proxy");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[doc(alias = "transferFrom")]
pub struct Splice {
    /// What is held: `bytes` first, then the `in_pipe` bytes in the pipe.
    bytes: ByteView,
    pipe: Option<Pipe>,
    in_pipe: usize,
    moved: u64,
    calls: u64,
    /// Where the source, a file, is read next; at its cursor if there is none.
    offset: Option<u64>,
    /// Bytes that may still be read from the source.
    limit: u64,
    ended: bool,
    /// Every byte passes through memory.
    copies: bool,
    /// The next bytes pass through memory (SP5).
    probes: bool,
    /// The target is a file: bytes are gathered to whole blocks of `FILE_COPY` before they are written.
    gathers: bool,
    /// The error that ended the gathering, to be returned when the bytes before it are out.
    failure: Option<io::Error>,
    budget: u64,
}

/// How a call of [`Splice::transfer`] ended, with the number of bytes that the target took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "only `Spliced::Done` means that the transfer is over"]
pub enum Spliced {
    /// The source has ended or the limit is reached, and everything has arrived.
    Done(u64),
    /// The source has nothing now, and nothing is held: call again when it is readable.
    SourceEmpty(u64),
    /// The target takes no more now: call again when it is writable.
    TargetFull(u64),
    /// The budget of one call is spent: call again after other connections had their turn.
    BudgetSpent(u64),
}

impl Spliced {
    /// Returns the number of bytes that the target took during the call.
    #[must_use]
    pub fn bytes(self) -> u64 {
        match self {
            Self::Done(n) | Self::SourceEmpty(n) | Self::TargetFull(n) | Self::BudgetSpent(n) => n,
        }
    }
}

impl Splice {
    /// Returns a transfer that ends where its source does.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            bytes: ByteView::new(),
            pipe: None,
            in_pipe: 0,
            moved: 0,
            calls: 0,
            offset: None,
            limit: u64::MAX,
            ended: false,
            copies: false,
            probes: false,
            gathers: false,
            failure: None,
            budget: BUDGET,
        }
    }

    /// Takes at most `bytes` from the source: for a body whose length is known, followed by
    /// something else.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use bytebuf::{Splice, Spliced};
    /// use std::io::{Read, Seek, Write};
    /// use std::os::unix::net::UnixStream;
    ///
    /// let (mut client, mut server) = UnixStream::pair()?;
    /// client.write_all(b"the bodyGET /next")?;
    ///
    /// let mut file = tempfile::tempfile()?;
    /// let mut upload = Splice::new().with_limit(8);
    /// assert_eq!(upload.transfer(&server, &file)?, Spliced::Done(8));
    ///
    /// let mut saved = String::new();
    /// file.rewind()?;
    /// file.read_to_string(&mut saved)?;
    /// assert_eq!(saved, "the body");
    /// let mut next = [0; 9];
    /// server.read_exact(&mut next)?;
    /// assert_eq!(&next, b"GET /next");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_limit(mut self, bytes: u64) -> Self {
        self.limit = bytes;
        self
    }

    /// Reads the source, which must be a file, from `offset` on, and neither uses nor moves its
    /// cursor: any number of transfers can read one file at the same time.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use bytebuf::{Splice, Spliced};
    /// use std::io::{Read, Write};
    /// use std::os::unix::net::UnixStream;
    ///
    /// let mut file = tempfile::tempfile()?;
    /// file.write_all(b"head and body")?;
    ///
    /// let (out, mut peer) = UnixStream::pair()?;
    /// let mut download = Splice::new().with_offset(9).with_limit(4);
    /// assert_eq!(download.transfer(&file, &out)?, Spliced::Done(4));
    ///
    /// let mut body = [0; 4];
    /// peer.read_exact(&mut body)?;
    /// assert_eq!(&body, b"body");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_offset(mut self, offset: u64) -> Self {
        self.offset = Some(offset);
        self
    }

    /// Sets the number of bytes that one call moves before other connections get their turn (1 MiB
    /// unless set); 0 counts as 1. Bytes that have left the source by then are still delivered.
    #[must_use]
    pub fn with_budget(mut self, bytes: u64) -> Self {
        self.budget = bytes.max(1);
        self
    }

    /// Returns the number of bytes that have arrived at the target.
    #[must_use]
    pub fn moved_bytes(&self) -> u64 {
        self.moved
    }

    /// Returns the number of bytes that have left the source and have not arrived: they are in a pipe or
    /// in memory.
    #[must_use]
    pub fn held_bytes(&self) -> u64 {
        self.bytes.len() as u64 + self.in_pipe as u64
    }

    /// Returns the number of reads, writes and splices so far. Making a pipe, which serves many
    /// transfers, is not counted.
    #[must_use]
    pub fn system_calls(&self) -> u64 {
        self.calls
    }

    /// Moves bytes until the source is empty or has ended, the target is full, or the budget is
    /// spent.
    ///
    /// A call continues where the one before it stopped, so pass the same two descriptors. Both
    /// should be non-blocking: the call waits for a blocking one. A file as `to` is written at its
    /// cursor; one opened for direct I/O takes whole blocks only. Bytes that TCP or a unix socket
    /// calls urgent (`MSG_OOB`) are not a part of the stream, as for a read.
    ///
    /// # Errors
    ///
    /// Those of reading and writing. None loses bytes: what has left the source is
    /// [held](Self::held_bytes), and the next call continues with it.
    ///
    /// A disconnected target raises SIGPIPE, which Rust programs ignore, and gives
    /// [`io::ErrorKind::BrokenPipe`].
    ///
    /// # Cost
    ///
    /// Two system calls per 1 MiB, or per what the source has; no copy and no memory in this
    /// process, except that a read of at most 16 KiB looks for more when the source gave less than that.
    /// On the copying path a pooled buffer of 64 KiB, and two copies; a file as `to` is written that
    /// way, by 512 KiB, which is cheaper than splicing to it. While the target takes no more, what is held stays in
    /// a pipe or in a block of its own size.
    pub fn transfer(&mut self, from: impl AsFd, to: impl AsFd) -> io::Result<Spliced> {
        let start = self.moved;
        self.prepare_for(to.as_fd());
        loop {
            let drained = self.drain_to(to.as_fd());
            let moved = self.moved - start;
            match drained {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(Spliced::TargetFull(moved));
                }
                Err(e) => return Err(e),
                Ok(()) if self.is_done() => return Ok(Spliced::Done(moved)),
                Ok(()) if self.is_spent(start) => return Ok(Spliced::BudgetSpent(moved)),
                Ok(()) => {}
            }
            match self.fill_from(from.as_fd()) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(Spliced::SourceEmpty(moved));
                }
                other => other?,
            }
        }
    }

    /// Chooses to gather before the first byte is moved, if the target is a file.
    pub(crate) fn prepare_for(&mut self, to: BorrowedFd<'_>) {
        if self.moved == 0 && self.held_bytes() == 0 && sys::is_file(to) {
            (self.copies, self.gathers) = (true, true);
        }
    }

    /// Returns whether the source has ended, or the limit is reached, and nothing is held.
    #[must_use]
    pub fn is_done(&self) -> bool {
        (self.ended || self.limit == 0) && self.held_bytes() == 0
    }

    /// Returns whether a call that began at `start` has moved its budget.
    pub(crate) fn is_spent(&self, start: u64) -> bool {
        self.moved - start >= self.budget
    }
}

impl Default for Splice {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
#[cfg(all(test, target_os = "linux"))]
mod urgent;
