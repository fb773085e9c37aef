//! An operation of a completion ring that sends the front of a queue, and its memory until the kernel releases it.
//!
//! An operation holds views of its bytes, which also stay in the queue until it is settled. So no handle owns their
//! memory alone, and nothing is written to it (C3).
//!
//! The kernel gets addresses of a message, of its slices, and of the bytes. The message is in an `Arc`: moving a
//! `Box` would invalidate an address that was passed out before.

use std::ffi::c_void;
use std::fmt;
use std::sync::Arc;

use smallvec::SmallVec;

use super::zero_copy::ZeroCopySend;
use crate::buf::ByteView;
use crate::sys::More;

/// `IORING_CQE_F_MORE`: another completion of this operation follows.
pub(super) const MORE_FOLLOWS: u32 = 1 << 1;

/// `IORING_CQE_F_NOTIF`: the kernel no longer reads the memory.
pub(super) const NOTIFICATION: u32 = 1 << 3;

/// `IORING_NOTIF_USAGE_ZC_COPIED`, in the result of a notification.
const COPIED: u32 = 1 << 31;

/// The request that submits a [`SendOperation`].
///
/// # Examples
///
/// ```
/// use bytebuf::{SendMethod, WriteQueue};
///
/// let mut queue = WriteQueue::new();
/// queue.push("in memory");
/// let operation = queue.begin(1 << 20)?.expect("bytes are pending");
/// let opcode = match operation.method() {
///     SendMethod::Copy => "IORING_OP_SENDMSG",
///     SendMethod::ZeroCopy => "IORING_OP_SENDMSG_ZC",
///     _ => "IORING_OP_POLL_ADD",
/// };
/// assert_eq!(opcode, "IORING_OP_SENDMSG");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SendMethod {
    /// `IORING_OP_SENDMSG` with [`SendOperation::message`].
    Copy,
    /// `IORING_OP_SENDMSG_ZC` with [`SendOperation::message`].
    ZeroCopy,
    /// `IORING_OP_POLL_ADD` for `POLLOUT`, then [`WriteQueue::settle_file`](crate::WriteQueue::settle_file).
    File,
}

/// The front of a [`WriteQueue`](crate::WriteQueue) as one owned operation. [`begin`](crate::WriteQueue::begin)
/// returns it.
///
/// The memory that [`message`](Self::message) and [`slices`](Self::slices) refer to stays valid and unchanged until
/// the operation is settled or dropped, even if the operation is moved or the queue is dropped. Code that submits
/// the operation must keep it until the first completion. `unsafe` methods that submit, such as `push` of the crate
/// `io-uring`, require this.
///
/// If an operation is dropped, its queue can't send any more, because the number of sent bytes is not known.
///
/// # Examples
///
/// ```
/// use bytebuf::WriteQueue;
///
/// let mut queue = WriteQueue::new();
/// queue.push("held until ");
/// queue.push("the completion");
/// let operation = queue.begin(1 << 20)?.expect("bytes are pending");
/// let (message, flags) = (operation.message(), operation.message_flags());
/// assert!(!message.is_null() && flags != 0); // for `SENDMSG`
///
/// drop(queue); // the connection is gone; the kernel may still read the bytes
/// let bytes: Vec<u8> = operation.slices().flatten().copied().collect();
/// assert_eq!(bytes, b"held until the completion");
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use = "a queue whose operation is lost can't send any more"]
pub struct SendOperation {
    pub(super) message: Arc<Message>,
    pub(super) memory: Memory,
    pub(super) bytes: usize,
    pub(super) more: More,
}

/// The bytes of an operation.
pub(super) enum Memory {
    Copied(SmallVec<[ByteView; 4]>),
    ZeroCopy(InFlightSend),
    File,
}

impl SendOperation {
    /// Returns the method to submit it by.
    #[must_use]
    pub fn method(&self) -> SendMethod {
        match self.memory {
            Memory::Copied(_) => SendMethod::Copy,
            Memory::ZeroCopy(_) => SendMethod::ZeroCopy,
            Memory::File => SendMethod::File,
        }
    }

    /// Returns the address of a `struct msghdr` for the kernel. It stays the same when the operation is moved.
    ///
    /// For a file, the message has no slices.
    #[must_use]
    pub fn message(&self) -> *const c_void {
        Arc::as_ptr(&self.message).cast()
    }

    /// Returns the flags of the message: `MSG_NOSIGNAL`, and `MSG_MORE` if the next operation follows at once.
    ///
    /// Add `MSG_WAITALL` to make the kernel repeat short sends.
    #[must_use]
    pub fn message_flags(&self) -> u32 {
        let more = if self.more == More::Follows { libc::MSG_MORE } else { 0 };
        (libc::MSG_NOSIGNAL | more).cast_unsigned()
    }

    /// Returns the bytes in order; none for a file.
    #[must_use]
    pub fn slices(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.memory.views().iter().map(|view| &view[..])
    }

    /// Returns the number of bytes that it sends; for a file, the number that one `sendfile` should send.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes
    }

    /// Returns false: an operation sends something.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }
}

impl Memory {
    pub(super) fn views(&self) -> &[ByteView] {
        match self {
            Self::Copied(views) => views,
            Self::ZeroCopy(send) => send.views(),
            Self::File => &[],
        }
    }
}

impl fmt::Debug for SendOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendOperation")
            .field("method", &self.method())
            .field("bytes", &self.bytes)
            .field("slices", &self.memory.views().len())
            .finish()
    }
}

/// A zero-copy operation that the kernel has taken, with the memory that the kernel may still send from. Keep it
/// with the operation's `user_data` until the completion with the flag `IORING_CQE_F_NOTIF` arrives.
///
/// Then pass it to [`WriteQueue::complete`](crate::WriteQueue::complete), or call [`complete`](Self::complete) if
/// the queue has been dropped. Dropping it earlier is safe, as for a queue that is dropped while [`MSG_ZEROCOPY`]
/// sends are in flight: the pages are replaced before the memory is used again.
///
/// [`MSG_ZEROCOPY`]: crate::WriteQueue::with_zero_copy
///
/// # Examples
///
/// ```
/// use bytebuf::{ByteBuf, WriteQueue};
///
/// const MORE: u32 = 1 << 1; // IORING_CQE_F_MORE
/// let mut body = ByteBuf::with_capacity(100_000);
/// body.resize(100_000, b'x');
/// let mut queue = WriteQueue::new().with_zero_copy(64 * 1024);
/// queue.push(body);
/// let operation = queue.begin(1 << 20)?.expect("bytes are pending");
/// let send = queue.settle(operation, 100_000, MORE).in_flight.expect("its notification is due");
/// assert_eq!(send.len(), 100_000);
///
/// drop(queue); // the connection is closed before the notification arrives
/// assert!(!send.complete(0), "the kernel copied no bytes");
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use = "dropping it before its notification costs exchanging the pages"]
pub struct InFlightSend(Option<ZeroCopySend>);

impl InFlightSend {
    pub(super) fn new(views: SmallVec<[ByteView; 1]>, bytes: u64) -> Self {
        Self(Some(ZeroCopySend::new(views, bytes)))
    }

    /// Returns the number of bytes that the operation offered.
    pub fn len(&self) -> u64 {
        self.0.as_ref().map_or(0, ZeroCopySend::bytes)
    }

    /// Returns false: an operation sends something.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Releases the memory. Returns whether the kernel reports that it copied the bytes after all, which it does
    /// only for operations with `IORING_SEND_ZC_REPORT_USAGE`.
    ///
    /// `result` is that of the operation's completion with the flag `IORING_CQE_F_NOTIF`.
    #[allow(clippy::must_use_candidate, reason = "it is called for its effect")]
    pub fn complete(mut self, result: i32) -> bool {
        self.0 = None;
        result.cast_unsigned() & COPIED != 0
    }

    pub(super) fn views(&self) -> &[ByteView] {
        self.0.as_ref().map_or(&[], ZeroCopySend::views)
    }
}

impl Drop for InFlightSend {
    fn drop(&mut self) {
        if let Some(send) = &self.0 {
            send.abandon();
        }
    }
}

impl fmt::Debug for InFlightSend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InFlightSend").field("bytes", &self.len()).finish()
    }
}

/// A `struct msghdr` and its slices, in the layout that the kernel reads.
#[derive(Default)]
#[repr(C)]
pub(super) struct Message {
    header: Header,
    /// Inline in the message or on the heap: the address stays the same until the message is filled again.
    slices: SmallVec<[Slice; 8]>,
}

/// The kernel's `struct user_msghdr`. The C library's has the same layout.
#[derive(Default)]
#[repr(C)]
struct Header {
    name: usize,
    name_len: u32,
    slices: usize,
    slice_count: usize,
    control: usize,
    control_len: usize,
    flags: u32,
}

/// The kernel's `struct iovec`.
#[repr(C)]
struct Slice {
    base: usize,
    len: usize,
}

// A C library may split a count into two fields, of which one is always zero.
static_assertions::assert_eq_size!(Header, libc::msghdr);
static_assertions::const_assert!(
    std::mem::offset_of!(Header, slices) == std::mem::offset_of!(libc::msghdr, msg_iov)
        && std::mem::offset_of!(Header, control) == std::mem::offset_of!(libc::msghdr, msg_control)
        && std::mem::offset_of!(Header, flags) == std::mem::offset_of!(libc::msghdr, msg_flags)
);
static_assertions::assert_eq_size!(Slice, libc::iovec);

impl Message {
    /// Makes this the message of `views`.
    pub(super) fn fill(&mut self, views: &[ByteView]) {
        self.slices.clear();
        let slice =
            |view: &ByteView| Slice { base: view.as_ptr().expose_provenance(), len: view.len() };
        self.slices.extend(views.iter().map(slice));
        self.header.slices = self.slices.as_ptr().expose_provenance();
        self.header.slice_count = self.slices.len();
    }
}
