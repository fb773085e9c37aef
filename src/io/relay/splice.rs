//! Transfers bytes from descriptor to descriptor.
//!
//! Bytes that have been read from the source and not written to the target are *held*: in a pipe when splicing, in
//! memory when copying. Rules:
//!
//! * **SP1** The source is read only when no bytes are held. So a full pipe is never mistaken for an empty source,
//!   and a slow target stops the reading.
//! * **SP2** `moved` grows when the target has taken bytes, never before.
//! * **SP3** A transfer that holds no bytes has no pipe and no memory.
//! * **SP4** A pipe with bytes in it is never reused.
//! * **SP5** Only a plain read proves that the source is empty or has ended. `splice` also gives 0 or `WouldBlock`
//!   in front of a byte that TCP marks as urgent, for a blocking source that it does not wait for, and for a file
//!   that is longer than the kernel knows.
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

/// Moves bytes from one descriptor to another: from socket to socket for a proxy, from socket to file for an
/// upload.
///
/// The kernel splices the bytes, without bringing them into the process. If it cannot splice the two descriptors,
/// if no pipe is available, or if the target is a file, the bytes are copied through a pooled buffer, with the
/// same results. An idle transfer holds neither a pipe nor a buffer.
///
/// Each direction of a proxied connection needs its own `Splice`. When one returns [`Spliced::Done`], its source
/// has ended and all bytes have arrived at the target: call [`shutdown_write`](crate::shutdown_write) on the
/// target.
///
/// If Nagle's algorithm is on, a socket as `to` can delay the last bytes of a message by 40 ms: set `TCP_NODELAY`.
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
    /// The first of the held bytes. The others are the `in_pipe` bytes in the pipe.
    bytes: ByteView,
    pipe: Option<Pipe>,
    in_pipe: usize,
    moved: u64,
    calls: u64,
    /// The offset at which the source, a file, is read next. `None`: at its cursor.
    offset: Option<u64>,
    /// The number of bytes that may still be read from the source.
    limit: u64,
    ended: bool,
    /// Whether all bytes are copied through memory.
    copies: bool,
    /// Whether the next bytes are read into memory (SP5).
    reads_next: bool,
    /// Whether the target is a file. Bytes are then gathered up to a multiple of `FILE_COPY` before they are
    /// written.
    to_file: bool,
    /// The error that ended the gathering. It is returned when the bytes before it have been written.
    failure: Option<io::Error>,
    budget: u64,
}

/// The outcome of a call of [`Splice::transfer`], with the number of bytes that the target took.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// use bytebuf::{Splice, Spliced};
/// use std::os::unix::net::UnixStream;
///
/// let ((from, _client), (to, _server)) = (UnixStream::pair()?, UnixStream::pair()?);
/// from.set_nonblocking(true)?;
/// let wait_for = match Splice::new().transfer(&from, &to)? {
///     Spliced::Done(_) => "nothing",
///     Spliced::SourceEmpty(_) => "the source to be readable",
///     Spliced::TargetFull(_) => "the target to be writable",
///     Spliced::BudgetSpent(_) => "the next turn",
/// };
/// assert_eq!(wait_for, "the source to be readable");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "only `Spliced::Done` means that the transfer is over"]
pub enum Spliced {
    /// The source has ended or the limit is reached, and all bytes have arrived.
    Done(u64),
    /// The source is empty, and no bytes are held: call again when it is readable.
    SourceEmpty(u64),
    /// The target is full: call again when it is writable.
    TargetFull(u64),
    /// The budget of the call is spent: call again after other connections have had their turn.
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
    /// Creates a transfer that ends when its source ends.
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
            reads_next: false,
            to_file: false,
            failure: None,
            budget: BUDGET,
        }
    }

    /// Sets the maximum number of bytes to take from the source, for example the length of a body.
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

    /// Reads the source, which must be a file, from `offset` on. Its cursor is neither used nor moved, so any
    /// number of transfers can read one file at the same time.
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

    /// Sets the number of bytes that one call moves before other connections get their turn. The default is 1 MiB;
    /// 0 counts as 1. Bytes that have already left the source are still delivered.
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

    /// Returns the number of bytes that have left the source and not arrived at the target. They are in a pipe or
    /// in memory.
    #[must_use]
    pub fn held_bytes(&self) -> u64 {
        self.bytes.len() as u64 + self.in_pipe as u64
    }

    /// Returns the number of reads, writes and splices so far. The creation of pipes, which many transfers share,
    /// is not counted.
    #[must_use]
    pub fn system_calls(&self) -> u64 {
        self.calls
    }

    /// Moves bytes until the source is empty or ends, the target is full, or the budget is spent.
    ///
    /// A call continues where the previous one stopped, so pass the same two descriptors. Both should be
    /// non-blocking: the call waits for a blocking one. A file as `to` is written at its cursor; one opened for
    /// direct I/O takes whole blocks only. Urgent bytes of TCP or a unix socket (`MSG_OOB`) are not a part of the
    /// stream, as for a read.
    ///
    /// # Errors
    ///
    /// Those of reading and writing. No error loses bytes: bytes that have left the source are
    /// [held](Self::held_bytes), and the next call continues with them.
    ///
    /// A disconnected target raises SIGPIPE, which Rust programs ignore, and gives
    /// [`io::ErrorKind::BrokenPipe`].
    ///
    /// # Cost
    ///
    /// Two system calls per 1 MiB, or per the bytes that the source has; no copy and no memory in this process.
    /// After the source gave less than 16 KiB, the next read of at most 16 KiB is into memory. The copying path
    /// uses a pooled buffer of 64 KiB and makes two copies. A file as `to` is copied to, by 512 KiB, which is
    /// cheaper than splicing to it. While the target is full, held bytes stay in a pipe or in a block of their own
    /// size.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use bytebuf::{Splice, Spliced};
    /// use std::io::{Read, Write};
    /// use std::os::unix::net::UnixStream;
    ///
    /// let (mut client, from) = UnixStream::pair()?;
    /// let (to, mut server) = UnixStream::pair()?;
    /// from.set_nonblocking(true)?;
    /// to.set_nonblocking(true)?;
    ///
    /// let mut splice = Splice::new();
    /// client.write_all(b"hello")?;
    /// assert_eq!(splice.transfer(&from, &to)?, Spliced::SourceEmpty(5));
    /// drop(client);
    /// assert_eq!(splice.transfer(&from, &to)?, Spliced::Done(0));
    ///
    /// let mut received = [0; 5];
    /// server.read_exact(&mut received)?;
    /// assert_eq!(&received, b"hello");
    /// # Ok(())
    /// # }
    /// ```
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

    /// Selects gathering if the target is a file and no byte has been moved.
    pub(crate) fn prepare_for(&mut self, to: BorrowedFd<'_>) {
        if self.moved == 0 && self.held_bytes() == 0 && sys::is_file(to) {
            (self.copies, self.to_file) = (true, true);
        }
    }

    /// Returns whether the source has ended or the limit is reached, and no bytes are held.
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
