//! Half-close: ends one direction of a connection.

use std::io;
use std::os::fd::AsFd;

use crate::sys;

/// Ends the sending direction of a socket. The peer reads the end of the stream after the sent bytes, and can still
/// send.
///
/// It takes a shared reference, as [`Splice`](crate::Splice) and [`WriteQueue`](crate::WriteQueue) do; the streams
/// of tokio have no such method. Flush the queue first. It is not an error if the peer has already closed the
/// connection. A pipe ends when it is dropped.
///
/// # Errors
///
/// If the descriptor is not a socket.
///
/// # Cost
///
/// One system call.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// use bytebuf::{WriteQueue, shutdown_write};
/// use std::io::{Read, Write};
/// use std::os::unix::net::UnixStream;
///
/// let (client, mut server) = UnixStream::pair()?;
/// let mut queue = WriteQueue::new();
/// queue.push("a request that its end makes whole");
/// while !queue.flush(&client)?.is_done() {}
/// shutdown_write(&client)?;
///
/// let mut request = String::new();
/// server.read_to_string(&mut request)?; // ends
/// server.write_all(b"an answer")?;
/// drop(server);
/// let mut answer = String::new();
/// (&client).read_to_string(&mut answer)?;
/// assert_eq!(answer, "an answer");
/// # Ok(())
/// # }
/// ```
#[doc(alias = "shutdownOutput")]
pub fn shutdown_write(socket: impl AsFd) -> io::Result<()> {
    sys::shutdown_write(socket.as_fd())
}
