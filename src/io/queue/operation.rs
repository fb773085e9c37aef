//! The front of a queue as one operation of a completion ring, and its memory until the kernel is done.
//!
//! An operation holds views of the bytes, which stay in the queue until it is settled: while it is out, no handle
//! is alone with their memory, so nothing is written to it (C3).
//!
//! The kernel gets addresses: of a message, of its slices, and of the bytes. The message is shared, not owned
//! by a `Box`, whose move would invalidate an address that was handed out before.

use std::ffi::c_void;
use std::fmt;
use std::sync::Arc;

use smallvec::SmallVec;

use super::zero_copy::ZeroCopySend;
use crate::buf::ByteView;
use crate::sys::More;

/// `IORING_CQE_F_MORE`: another completion of this operation follows.
pub(super) const MORE_FOLLOWS: u32 = 1 << 1;

/// `IORING_CQE_F_NOTIF`: this completion says that the kernel no longer reads the memory.
pub(super) const NOTIFICATION: u32 = 1 << 3;

/// `IORING_NOTIF_USAGE_ZC_COPIED`, in the result of a notification.
const COPIED: u32 = 1 << 31;

/// How a [`SendOperation`] is to be submitted.
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

/// What stands in front of a [`WriteQueue`](crate::WriteQueue), as one owned operation:
/// [`begin`](crate::WriteQueue::begin) returns it.
///
/// The memory that [`message`](Self::message) and [`slices`](Self::slices) refer to stays valid and unchanged
/// until the operation is settled or dropped, wherever the operation is moved and whatever happens to the queue.
/// Code that submits it must therefore keep it until the first completion: this is what `unsafe` calls that
/// submit, such as `push` of the crate `io-uring`, ask for.
///
/// An operation that is dropped leaves its queue unable to send: the queue can't know what the peer has received.
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
    /// Returns how it is to be submitted.
    #[must_use]
    pub fn method(&self) -> SendMethod {
        match self.memory {
            Memory::Copied(_) => SendMethod::Copy,
            Memory::ZeroCopy(_) => SendMethod::ZeroCopy,
            Memory::File => SendMethod::File,
        }
    }

    /// Returns the address of a `struct msghdr` for the kernel; it stays the same wherever the operation is moved.
    ///
    /// For a file, the message has no slices.
    #[must_use]
    pub fn message(&self) -> *const c_void {
        Arc::as_ptr(&self.message).cast()
    }

    /// Returns the flags of the message: `MSG_NOSIGNAL`, and `MSG_MORE` if the next operation follows at once.
    ///
    /// Adding `MSG_WAITALL` has the kernel repeat short sends by itself.
    #[must_use]
    pub fn message_flags(&self) -> u32 {
        let more = if self.more == More::Follows { libc::MSG_MORE } else { 0 };
        (libc::MSG_NOSIGNAL | more).cast_unsigned()
    }

    /// Returns the bytes, in order; nothing for a file.
    #[must_use]
    pub fn slices(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.memory.views().iter().map(|view| &view[..])
    }

    /// Returns the number of bytes that it sends; for a file, as many as one `sendfile` should send.
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

/// A zero-copy operation that the kernel has taken, and the memory that it may still send from: beside its
/// `user_data` until the completion with the flag `IORING_CQE_F_NOTIF` arrives.
///
/// Hand it to [`WriteQueue::complete`](crate::WriteQueue::complete) then, or to [`complete`](Self::complete) if the
/// queue is gone. Dropping it before is safe, as for a queue that is dropped while [`MSG_ZEROCOPY`] sends are in
/// flight: the pages are exchanged before the memory is used again.
///
/// [`MSG_ZEROCOPY`]: crate::WriteQueue::with_zero_copy
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

    /// Releases the memory. Returns whether the result of the notification says that the kernel has copied the
    /// bytes after all, which it does only if it was asked to report that (`IORING_SEND_ZC_REPORT_USAGE`).
    ///
    /// `result` is that of the completion of this operation with the flag `IORING_CQE_F_NOTIF`.
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

/// A `struct msghdr` and its slices, as the kernel reads them.
#[derive(Default)]
#[repr(C)]
pub(super) struct Message {
    header: Header,
    /// Inline in the message, or in the heap: at one address while the message is not filled anew.
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

// A C library may split a count in two, of which one is always zero.
static_assertions::assert_eq_size!(Header, libc::msghdr);
static_assertions::const_assert!(
    std::mem::offset_of!(Header, slices) == std::mem::offset_of!(libc::msghdr, msg_iov)
        && std::mem::offset_of!(Header, control) == std::mem::offset_of!(libc::msghdr, msg_control)
        && std::mem::offset_of!(Header, flags) == std::mem::offset_of!(libc::msghdr, msg_flags)
);
static_assertions::assert_eq_size!(Slice, libc::iovec);

impl Message {
    /// Makes it the message of `views`, wherever it was filled before.
    pub(super) fn fill(&mut self, views: &[ByteView]) {
        self.slices.clear();
        let slice =
            |view: &ByteView| Slice { base: view.as_ptr().expose_provenance(), len: view.len() };
        self.slices.extend(views.iter().map(slice));
        self.header.slices = self.slices.as_ptr().expose_provenance();
        self.header.slice_count = self.slices.len();
    }
}
