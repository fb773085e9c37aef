//! What a completion reports: its flags, and the bytes or the outcome that `BufferRing::take` returns for it.

use std::io;

use crate::buf::ByteBuf;

/// `IORING_CQE_F_*`.
pub(super) const HAS_BUFFER: u32 = 1;
pub(super) const MORE: u32 = 1 << 1;
pub(super) const SOCKET_NONEMPTY: u32 = 1 << 2;
pub(super) const BUFFER_MORE: u32 = 1 << 4;

/// The result of a completion of a request on the group.
///
/// # Examples
///
/// ```
/// use bytebuf::{Received, Taken};
///
/// /// Returns whether the receive must be submitted again.
/// fn must_rearm(taken: &Taken) -> bool {
///     match taken.received {
///         Received::End | Received::Cancelled | Received::Failed(_) => false,
///         _ => !taken.is_armed,
///     }
/// }
/// ```
#[derive(Debug)]
#[must_use]
#[non_exhaustive]
pub struct Taken {
    /// The bytes, or the outcome without bytes.
    pub received: Received,
    /// Whether the request stays armed and completes again (`IORING_CQE_F_MORE`). If not, submit it again to
    /// receive more. No other field reports this: a request that has emptied the ring may end without
    /// [`Received::Starved`].
    pub is_armed: bool,
    /// Whether the socket had more bytes (`IORING_CQE_F_SOCK_NONEMPTY`).
    pub has_more: bool,
}

/// The bytes of a completion, or its outcome without bytes.
///
/// # Examples
///
/// ```
/// use bytebuf::{CompositeByteBuf, Received};
///
/// /// Returns the received bytes as one message; `None` at the end of the stream.
/// fn message(received: Received) -> std::io::Result<Option<CompositeByteBuf>> {
///     Ok(match received {
///         Received::Bytes(bytes) => Some(bytes.freeze().into()),
///         Received::Bundle(blocks) => Some(blocks.into_iter().map(|block| block.freeze()).collect()),
///         Received::Starved => Some(CompositeByteBuf::new()), // refill the ring, and arm again
///         Received::Failed(error) => return Err(error),
///         _ => None,
///     })
/// }
/// assert!(message(Received::End)?.is_none());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
#[must_use]
#[non_exhaustive]
pub enum Received {
    /// Bytes in one block. The buffer is unique: it can be changed in place, then frozen.
    Bytes(ByteBuf),
    /// Bytes in several blocks, in order: a bundle.
    Bundle(Vec<ByteBuf>),
    /// The end of the stream.
    End,
    /// The ring was empty (`ENOBUFS`). [Refill](super::BufferRing::refill) it, then arm the request again: it does
    /// not continue by itself, and fails at once while the ring is empty.
    Starved,
    /// The request was cancelled. Bytes that it did not receive stay in the socket.
    Cancelled,
    /// The request failed; [`io::ErrorKind::InvalidData`] if the completion does not match the offered blocks.
    Failed(io::Error),
}

impl Received {
    /// Returns the outcome that the number of an error encodes.
    pub(super) fn from_errno(errno: i32) -> Self {
        match errno {
            libc::ENOBUFS => Self::Starved,
            libc::ECANCELED => Self::Cancelled,
            other => Self::Failed(io::Error::from_raw_os_error(other)),
        }
    }
}
