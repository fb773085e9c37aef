//! Zero-copy sends.
//!
//! Unsafe because rustix lacks two calls: the option that allows the flag, and reads of the error queue with
//! the control messages of this feature.

#![allow(unsafe_code, reason = "two system calls that rustix does not make")]

use std::ffi::c_int;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

use rustix::net::{SendFlags, ipproto, sockopt};

use super::super::{Completion, More};
use super::socket::send_with;

pub(in crate::sys) fn socket_id(fd: BorrowedFd<'_>) -> io::Result<u64> {
    Ok(sockopt::socket_cookie(fd)?)
}

pub(in crate::sys) fn enable_zero_copy(fd: BorrowedFd<'_>) -> io::Result<()> {
    // Other protocols accept the flag and ignore it, or number their sends differently.
    if sockopt::socket_protocol(fd)? != Some(ipproto::TCP) || is_set(fd)? {
        return Err(io::ErrorKind::Unsupported.into());
    }
    let on: c_int = 1;
    // SAFETY: the option's value is an int, which the call only reads.
    let done = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ZEROCOPY,
            ptr::from_ref(&on).cast(),
            size_of::<c_int>() as libc::socklen_t,
        )
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn is_set(fd: BorrowedFd<'_>) -> io::Result<bool> {
    let mut on: c_int = 0;
    let mut size = size_of::<c_int>() as libc::socklen_t;
    // SAFETY: the option's value is an int; the call writes at most `size` bytes of it.
    let done = unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ZEROCOPY,
            ptr::from_mut(&mut on).cast(),
            &raw mut size,
        )
    };
    if done == 0 { Ok(on != 0) } else { Err(io::Error::last_os_error()) }
}

pub(in crate::sys) fn send_zero_copy(
    fd: BorrowedFd<'_>,
    bufs: &[IoSlice<'_>],
    more: More,
) -> io::Result<usize> {
    let zero_copy = SendFlags::from_bits_retain(libc::MSG_ZEROCOPY as u32);
    send_with(fd, bufs, more, zero_copy)
}

pub(in crate::sys) fn next_completion(fd: BorrowedFd<'_>) -> io::Result<Option<Completion>> {
    loop {
        let mut control = [0_u8; 256];
        // SAFETY: zero is a valid value for a structure of integers and pointers.
        let mut message: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = control.len() as _;
        let flags = libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT;
        // SAFETY: the message has no memory for an address or for bytes. Its control data are an array of the
        // stated length, which outlives the call.
        let read = unsafe { libc::recvmsg(fd.as_raw_fd(), &raw mut message, flags) };
        if read < 0 {
            return Err(io::Error::last_os_error());
        }
        #[allow(clippy::unnecessary_cast, reason = "musl has 32 bits there")]
        let filled = control.len().min(message.msg_controllen as usize);
        if let Some(completion) = parse(&control[..filled]) {
            return Ok(Some(completion));
        }
    }
}

/// Returns the completion among the control messages of a message of the error queue. Each control message
/// has a length (of header and contents), a level, a type, a `sock_extended_err`, and padding to the size of a
/// word.
fn parse(mut control: &[u8]) -> Option<Completion> {
    const WORD: usize = size_of::<usize>();
    const HEADER: usize = WORD + 8;
    /// `IP_RECVERR` at `SOL_IP`, `IPV6_RECVERR` at `SOL_IPV6`.
    const FROM_THE_ERROR_QUEUE: [(u32, u32); 2] = [(0, 11), (41, 25)];
    /// `SO_EE_ORIGIN_ZEROCOPY` and `SO_EE_CODE_ZEROCOPY_COPIED`.
    const ZERO_COPY: u8 = 5;
    const COPIED: u8 = 1;

    let word = |bytes: &[u8], at| bytes.get(at..)?.first_chunk().copied().map(u32::from_ne_bytes);
    while let Some(&length) = control.first_chunk::<WORD>() {
        let length = usize::from_ne_bytes(length);
        let message = control.get(..length).filter(|_| length >= HEADER)?;
        let kind = (word(message, WORD)?, word(message, WORD + 4)?);
        if FROM_THE_ERROR_QUEUE.contains(&kind) {
            let error = &message[HEADER..];
            let (errno, info, data) = (word(error, 0)?, word(error, 8)?, word(error, 12)?);
            if (errno, error[4]) == (0, ZERO_COPY) {
                let copied = error[6] & COPIED != 0;
                return Some(Completion { first: info, last: data, copied });
            }
        }
        control = control.get(length.checked_next_multiple_of(WORD)?..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Returns a control message in the layout of the kernel.
    fn message(level: u32, kind: u32, payload: &[u8]) -> Vec<u8> {
        let length = size_of::<usize>() + 8 + payload.len();
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend(level.to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(payload);
        bytes.resize(length.next_multiple_of(size_of::<usize>()), 0);
        bytes
    }

    /// Returns a `sock_extended_err`, and an address of `after` bytes behind it as from the kernel.
    fn error(errno: u32, origin: u8, code: u8, (info, data): (u32, u32), after: usize) -> Vec<u8> {
        let mut bytes = errno.to_ne_bytes().to_vec();
        bytes.extend([origin, 0, code, 0]);
        bytes.extend(info.to_ne_bytes());
        bytes.extend(data.to_ne_bytes());
        bytes.resize(16 + after, 0);
        bytes
    }

    #[test]
    fn a_completion_is_found_for_both_families_and_behind_other_messages() {
        let range = (u32::MAX, 3);
        for (level, kind, address) in [(0, 11, 16), (41, 25, 28)] {
            for (code, copied) in [(0, false), (1, true)] {
                let completion = message(level, kind, &error(0, 5, code, range, address));
                let expected = Some(Completion { first: u32::MAX, last: 3, copied });
                assert_eq!(parse(&completion), expected);
                assert_eq!(
                    parse(&[message(1, 37, b"a time stamp"), completion].concat()),
                    expected
                );
            }
        }
        assert_eq!(Completion { first: u32::MAX, last: 3, copied: false }.sends(), 5);
    }

    #[test]
    fn other_messages_are_not_completions() {
        for other in [
            Vec::new(),
            message(0, 11, &error(0, 4, 0, (1, 1), 16)), // a time stamp
            message(0, 11, &error(113, 5, 0, (1, 1), 16)),
            message(1, 11, &error(0, 5, 0, (1, 1), 16)),
            message(0, 11, &error(0, 5, 0, (1, 1), 0)[..15]),
            message(0, 11, &[]),
        ] {
            assert_eq!(parse(&other), None);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..80), at in 0..80_usize) {
            let _ = parse(&bytes);
            let mut completion = message(0, 11, &error(0, 5, 0, (1, 1), 16));
            completion.truncate(at);
            prop_assert!(parse(&completion).is_none() || at >= size_of::<usize>() + 24);
            let at = at % size_of::<usize>();
            let mut lying = message(0, 11, &error(0, 5, 0, (1, 1), 16));
            lying[at] = bytes.first().copied().unwrap_or(255);
            let _ = parse(&lying);
        }
    }
}
