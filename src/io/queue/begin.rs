//! Sending through a completion ring: the front of the queue becomes one operation, and its completion settles it.
//!
//! Until an operation is settled, its bytes stay at the front of the parts, and the queue sends nothing else. Parts
//! behind them may be pushed and taken. The number of sent bytes alone decides what is removed, so parts may be
//! joined in the meantime.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;

use super::WriteQueue;
use super::flush::Flush;
use super::gather::{Allowance, Gather, PartKind, Step};
use super::operation::{
    InFlightSend, MORE_FOLLOWS, Memory, Message, NOTIFICATION, SendMethod, SendOperation,
};
use super::payload::Part;
use crate::sys::{self, MAX_BYTES, MAX_SLICES, More, NonBlocking, Target};

/// The state of a queue's operations.
pub(super) struct Operations {
    in_flight: Option<InFlight>,
    /// The message of the last operation, which the next one reuses.
    spare: Option<Arc<Message>>,
}

impl Operations {
    pub(super) const NONE: Self = Self { in_flight: None, spare: None };
}

/// An operation that is not settled.
#[derive(Clone, Copy)]
struct InFlight {
    /// The address of its message, which distinguishes it from operations of other queues.
    message: usize,
    /// The number of bytes at the front of the parts that it may be sending.
    bytes: u64,
}

impl Operations {
    /// Returns the number of bytes at the front of the parts that the kernel may be sending.
    pub(super) fn bytes(&self) -> u64 {
        self.in_flight.map_or(0, |operation| operation.bytes)
    }
}

/// The result of the first completion of a [`SendOperation`].
///
/// # Examples
///
/// ```
/// use bytebuf::WriteQueue;
///
/// let mut queue = WriteQueue::new();
/// queue.push("to be sent");
/// let operation = queue.begin(4)?.expect("bytes are pending");
/// let settled = queue.settle(operation, 4, 0); // the completion's result and flags
/// assert_eq!(settled.sent?, 4);
/// assert!(settled.in_flight.is_none()); // the kernel has copied them
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
#[must_use]
pub struct Settled {
    /// The number of bytes that were sent and removed from the queue. 0 means that the caller should [`begin`]
    /// another operation: a file operation has ended, or the kernel refused to send without a copy and the next
    /// operation copies.
    ///
    /// [`begin`]: WriteQueue::begin
    pub sent: io::Result<u64>,
    /// The memory that the kernel may still send from, even if `sent` is an error: another completion is due.
    pub in_flight: Option<InFlightSend>,
}

impl WriteQueue {
    /// Returns the front of the queue as one operation for a completion ring, of at most `limit` bytes (0 counts as
    /// 1). Returns `None` if the queue is empty, or the previous operation is not settled.
    ///
    /// The bytes stay in the queue, and pending, until the first completion is passed to [`settle`](Self::settle).
    /// Until then, parts can be pushed; methods that send, such as [`flush`](Self::flush), return
    /// [`io::ErrorKind::ResourceBusy`]; [`clear`](Self::clear) and [`take_unsent`](Self::take_unsent) take only the
    /// bytes behind the operation. The queue can be dropped: the operation holds its own memory.
    ///
    /// With [`with_zero_copy`](Self::with_zero_copy), parts of at least its threshold become separate operations of
    /// the method [`ZeroCopy`](SendMethod::ZeroCopy). The same rules select the memory and turn zero-copy off.
    /// Sockets and completions need not be identified here.
    ///
    /// Settle an operation that could not be submitted with the result `-ECANCELED`.
    ///
    /// # Errors
    ///
    /// Those of reading a file at the front of the queue, as [`flush`](Self::flush) returns them.
    ///
    /// # Cost
    ///
    /// No system call and no copy, except to read small files. O(parts) of the operation. Allocates the message,
    /// which the queue reuses until it is empty, and a list if the operation has more than 4 parts.
    ///
    /// # Examples
    ///
    /// Here the ring is made up. `examples/echo_uring` shows a real one.
    ///
    /// ```
    /// use bytebuf::{SendMethod, WriteQueue};
    ///
    /// let mut queue = WriteQueue::new();
    /// queue.push("to be sent");
    /// let operation = queue.begin(1 << 20)?.expect("something is pending");
    /// assert_eq!((operation.method(), operation.len()), (SendMethod::Copy, 10));
    /// // Submit SENDMSG with `operation.message()` and keep the operation. Its completion says 3 bytes:
    /// assert_eq!(queue.settle(operation, 3, 0).sent?, 3);
    /// assert_eq!((queue.flushed_bytes(), queue.pending_bytes()), (3, 7));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn begin(&mut self, limit: usize) -> io::Result<Option<SendOperation>> {
        if self.operations.in_flight.is_some() {
            return Ok(None);
        }
        self.close_tail();
        let mut parts = self.parts.len();
        while parts > 0 {
            match self.next_step(parts, limit.clamp(1, MAX_BYTES)) {
                (taken, Step::Write { bytes, more, zero_copy }) => {
                    let memory = self.memory(taken, bytes, zero_copy);
                    return Ok(Some(self.start_operation(memory, bytes, more)));
                }
                (_, Step::SendFile { bytes, more }) => {
                    return Ok(Some(self.start_operation(Memory::File, bytes, more)));
                }
                (_, Step::ReadFile { at }) => match self.read_file(at) {
                    Ok(()) => parts = self.parts.len(),
                    // Send the parts in front first. The next read fails again and reports the error.
                    Err(_) if at > 0 => parts = at,
                    Err(e) => return Err(e),
                },
            }
        }
        Ok(None)
    }

    /// Returns the number of parts in the next step, and the step. It considers the first `parts` parts.
    fn next_step(&self, parts: usize, limit: usize) -> (usize, Step) {
        let kind = |part: &Part| match part.kind() {
            PartKind::Copied(len) if self.sends_zero_copy(part) => PartKind::ZeroCopy(len),
            kind => kind,
        };
        let mut gather = Gather::new(Allowance { bytes: limit, overrun: 0 });
        let offered = self.parts.iter().take(parts.min(MAX_SLICES));
        let taken = offered.map_while(|part| gather.take(kind(part))).count();
        (taken, gather.finish(parts))
    }

    /// Returns the memory of the first `bytes` bytes, which are in the first `parts` parts.
    fn memory(&self, parts: usize, bytes: usize, zero_copy: bool) -> Memory {
        let mut left = bytes;
        let views = self.parts.iter().take(parts).filter_map(Part::memory).map(|view| {
            let taken = left.min(view.len());
            left -= taken;
            view.slice(..taken)
        });
        if zero_copy {
            Memory::ZeroCopy(InFlightSend::new(views.collect(), bytes as u64))
        } else {
            Memory::Copied(views.collect())
        }
    }

    fn start_operation(&mut self, memory: Memory, bytes: usize, more: More) -> SendOperation {
        let mut message = self.operations.spare.take().unwrap_or_default();
        // Not shared: settling the previous operation consumed it.
        if let Some(message) = Arc::get_mut(&mut message) {
            message.fill(memory.views());
        }
        let in_memory = if matches!(memory, Memory::File) { 0 } else { bytes as u64 };
        self.operations.in_flight =
            Some(InFlight { message: Arc::as_ptr(&message).addr(), bytes: in_memory });
        self.stats.operations += 1;
        self.stats.zero_copy_operations += u64::from(matches!(memory, Memory::ZeroCopy(_)));
        SendOperation { message, memory, bytes, more }
    }

    /// Settles an operation by its first completion: removes the sent bytes from the queue. `result` and `flags`
    /// are those of the completion.
    ///
    /// Short, failed and cancelled operations are settled in the same way: the bytes that were not sent stay at the
    /// front of the queue, and [`begin`](Self::begin) continues there. A cancelled operation may have sent bytes;
    /// its result is their number. The operation of a [file](SendMethod::File) sends nothing itself: call `settle`
    /// for it if waiting for the socket failed or was cancelled.
    ///
    /// # Errors
    ///
    /// In [`Settled::sent`]: the error of the kernel; [`io::ErrorKind::InvalidData`] for a result above the number
    /// of bytes offered; [`io::ErrorKind::WriteZero`] for 0. Nothing was sent then. If the kernel refuses to send
    /// without a copy, that is not an error: `sent` is 0, and the next operation copies.
    ///
    /// # Panics
    ///
    /// If the operation belongs to another queue, or the completion is a notification.
    pub fn settle(&mut self, operation: SendOperation, result: i32, flags: u32) -> Settled {
        assert!(flags & NOTIFICATION == 0, "a notification does not settle an operation");
        let (memory, bytes) = self.end_operation(operation);
        let sent = match (&memory, u64::try_from(result)) {
            (Memory::ZeroCopy(_), Err(_)) => self.refused(result),
            (_, Err(_)) => Err(error(result)),
            (Memory::File, Ok(_)) => Ok(0),
            (_, Ok(0)) => Err(io::ErrorKind::WriteZero.into()),
            (_, Ok(sent)) => {
                self.above_high = !self.is_writable();
                // The bytes of the operation may have been joined with bytes pushed behind them.
                self.close_tail();
                self.take_sent(sent, bytes as u64).map(|()| sent)
            }
        };
        self.stats.operation_bytes += sent.as_ref().copied().unwrap_or(0);
        let in_flight = match memory {
            Memory::ZeroCopy(send) if flags & MORE_FOLLOWS != 0 => Some(send),
            Memory::ZeroCopy(send) => {
                send.complete(0);
                None
            }
            Memory::Copied(_) | Memory::File => None,
        };
        if let (Some(_), Some(zero_copy)) = (&in_flight, &mut self.zero_copy) {
            zero_copy.operations += 1;
        }
        if self.is_empty() {
            // An idle connection keeps no message.
            self.operations.spare = None;
        }
        Settled { sent, in_flight }
    }

    /// Settles the operation of a file when its socket is writable, and flushes the queue as [`flush`](Self::flush)
    /// does. It never waits for the peer, even on a blocking descriptor.
    ///
    /// # Errors
    ///
    /// As [`flush`](Self::flush), and those of changing the mode of the descriptor.
    ///
    /// # Panics
    ///
    /// If the operation belongs to another queue, or its [method](SendMethod) is not [`File`](SendMethod::File).
    ///
    /// # Cost
    ///
    /// On a blocking descriptor, which ring programs use, three system calls more than a flush: it is made
    /// non-blocking during the call. An operation that another thread submits on it in the meantime (`SQPOLL`) may
    /// end with `EAGAIN`.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use bytebuf::{FileRegion, SendMethod, WriteQueue};
    /// use std::os::unix::net::UnixStream;
    ///
    /// let (socket, _peer) = UnixStream::pair()?;
    /// let mut queue = WriteQueue::new();
    /// queue.push(FileRegion::open("README.md")?);
    /// let operation = queue.begin(1 << 20)?.expect("a file is pending");
    /// assert_eq!(operation.method(), SendMethod::File);
    /// // Submit POLL_ADD for the socket. When it is writable:
    /// assert!(queue.settle_file(operation, &socket)?.is_done());
    /// # Ok(())
    /// # }
    /// ```
    pub fn settle_file(&mut self, operation: SendOperation, dst: impl AsFd) -> io::Result<Flush> {
        assert!(operation.method() == SendMethod::File, "{operation:?} sends no file");
        self.end_operation(operation);
        let _mode = NonBlocking::new(dst.as_fd())?;
        self.flush_copying(Target::new(dst.as_fd()))
    }

    /// Releases the memory of a zero-copy operation. `result` is that of its last completion, the one with the flag
    /// `IORING_CQE_F_NOTIF`; it tells whether the kernel copied the bytes after all.
    ///
    /// The kernel reports this only if the operation was submitted with `IORING_SEND_ZC_REPORT_USAGE`.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::{ByteBuf, SendMethod, WriteQueue};
    ///
    /// const MORE: u32 = 1 << 1; // IORING_CQE_F_MORE
    /// let mut body = ByteBuf::with_capacity(100_000);
    /// body.resize(100_000, b'x');
    /// let mut queue = WriteQueue::new().with_zero_copy(64 * 1024);
    /// queue.push(body);
    /// let operation = queue.begin(1 << 20)?.expect("bytes are pending");
    /// assert_eq!(operation.method(), SendMethod::ZeroCopy);
    ///
    /// let settled = queue.settle(operation, 100_000, MORE); // all are sent, from this memory
    /// assert!(queue.is_empty());
    /// queue.complete(settled.in_flight.expect("the notification is due"), 0); // its result
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn complete(&mut self, send: InFlightSend, result: i32) {
        let copied = send.complete(result);
        self.stats.copied_operations += u64::from(copied);
        if let Some(zero_copy) = &mut self.zero_copy {
            zero_copy.operations = zero_copy.operations.saturating_sub(1);
            zero_copy.note_completions(1, copied);
        }
    }

    /// Ends an operation and returns its memory and its number of bytes.
    fn end_operation(&mut self, operation: SendOperation) -> (Memory, usize) {
        let message = Arc::as_ptr(&operation.message).addr();
        let is_ours = self.operations.in_flight.is_some_and(|sent| sent.message == message);
        assert!(is_ours, "{operation:?} is not an operation of this queue");
        let SendOperation { message, memory, bytes, .. } = operation;
        self.operations = Operations { in_flight: None, spare: Some(message) };
        (memory, bytes)
    }

    /// Returns the error of a zero-copy operation, or 0 if the kernel refused to send without a copy and the next
    /// operation copies.
    fn refused(&mut self, result: i32) -> io::Result<u64> {
        let error = error(result);
        let refusal = sys::refusal_of_operation(&error);
        let (Some(refusal), Some(zero_copy)) = (refusal, &mut self.zero_copy) else {
            return Err(error);
        };
        zero_copy.note_refusal(refusal);
        self.stats.refused_operations += 1;
        Ok(0)
    }

    /// Fails until the operation is settled: no other call may send the same bytes.
    pub(super) fn require_settled(&self) -> io::Result<()> {
        match self.operations.in_flight {
            Some(_) => Err(io::ErrorKind::ResourceBusy.into()),
            None => Ok(()),
        }
    }

    fn sends_zero_copy(&self, part: &Part) -> bool {
        self.zero_copy.as_ref().is_some_and(|zero_copy| zero_copy.would_take(part))
    }
}

/// Returns the error that the result of a completion encodes.
fn error(result: i32) -> io::Error {
    io::Error::from_raw_os_error(result.saturating_neg())
}

#[cfg(all(test, not(bytebuf_portable)))]
mod tests;
