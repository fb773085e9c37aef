//! The buffer traits of compio. compio owns a buffer while the kernel fills or sends it.
//!
//! The versions of compio are not compatible with each other, so each has its own feature:
//! `compio-buf-08` and `compio-buf-09`.
//!
//! As with a `Vec`, a read into a [`ByteBuf`] overwrites it from the first readable byte on; `buf.uninit()` appends
//! instead. A [`CompositeByteBuf`] is sent by one vectored write. If `IoBuf` is imported, `view.slice(..)` is the
//! method of compio, which keeps the whole view; `ByteView::slice(&view, ..)` is the method of this crate.
//!
//! Rules:
//!
//! * **A2** The bytes below `buf_len` stay initialised while compio owns the buffer. The safe method `as_uninit`
//!   returns them as `MaybeUninit`, and `IoBufMut::as_mut_slice` itself reads them as initialised afterwards. The
//!   kernel and every I/O call of compio only write bytes. Code that calls `as_uninit` itself and writes
//!   `MaybeUninit::uninit()` there breaks compio's contract, for every type of buffer.
//!   [`ByteBuf::as_uninit_mut`] does not depend on this rule.
#![allow(unsafe_code, reason = "`SetLen::set_len` is unsafe: it declares bytes initialised")]

use core::mem::MaybeUninit;

use crate::buf::{ByteBuf, ByteStr, ByteView, CompositeByteBuf};

macro_rules! compio_traits {
    ($compio_buf:ident) => {
        use $compio_buf::{
            IoBuf, IoBufMut, IoVectoredBuf, ReserveError, ReserveExactError, SetLen,
        };

        use super::*;

        impl IoBuf for ByteView {
            fn as_init(&self) -> &[u8] {
                self
            }
        }

        impl IoBuf for ByteStr {
            fn as_init(&self) -> &[u8] {
                self.as_view()
            }
        }

        impl IoBuf for ByteBuf {
            fn as_init(&self) -> &[u8] {
                self
            }
        }

        impl SetLen for ByteBuf {
            unsafe fn set_len(&mut self, len: usize) {
                // SAFETY: the caller promises that the length is within the capacity and that the bytes from
                // `buf_len` on are initialised; those below it are (A2).
                unsafe { Self::set_len(self, len) }
            }
        }

        impl IoBufMut for ByteBuf {
            fn as_uninit(&mut self) -> &mut [MaybeUninit<u8>] {
                // SAFETY: compio only writes bytes (A2).
                unsafe { self.capacity_as_uninit() }
            }

            fn reserve(&mut self, len: usize) -> Result<(), ReserveError> {
                self.try_reserve(len).map_err(|e| ReserveError::ReserveFailed(Box::new(e)))
            }

            fn reserve_exact(&mut self, len: usize) -> Result<(), ReserveExactError> {
                if self.capacity() - self.len() >= len {
                    return Ok(());
                }
                IoBufMut::reserve(self, len)?;
                match self.capacity() - self.len() {
                    reserved if reserved == len => Ok(()),
                    reserved => {
                        Err(ReserveExactError::ExactSizeMismatch { expected: len, reserved })
                    }
                }
            }
        }

        impl IoVectoredBuf for CompositeByteBuf {
            fn iter_slice(&self) -> impl Iterator<Item = &[u8]> {
                self.components().map(|component| &component[..])
            }

            fn total_len(&self) -> usize {
                self.len()
            }
        }

        #[cfg(test)]
        mod tests {
            super::super::compio_tests!($compio_buf);
        }
    };
}

#[cfg(test)]
macro_rules! compio_tests {
    ($compio_buf:ident) => {
        #[allow(
            clippy::wildcard_imports,
            reason = "the versions split their traits differently"
        )]
        use $compio_buf::*;

        use crate::{ByteBuf, ByteView, CompositeByteBuf, Pool};

        /// Writes as the kernel does, through the pointer of the buffer, then sets the length.
        fn kernel_reads(buf: &mut impl IoBufMut, bytes: &[u8]) {
            let len = (*buf).buf_len();
            assert!(bytes.len() <= (*buf).buf_capacity());
            // Last: each call that borrows the buffer invalidates earlier pointers.
            let to = (*buf).buf_mut_ptr().cast::<u8>();
            // SAFETY: `to` is valid for writes up to the capacity, and does not overlap `bytes`.
            unsafe { to.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
            if bytes.len() > len {
                // SAFETY: just written.
                unsafe { buf.set_len(bytes.len()) };
            }
        }

        #[test]
        fn a_read_fills_the_whole_capacity_or_appends_to_what_was_there() {
            let mut buf = ByteBuf::with_capacity(16);
            kernel_reads(&mut buf, b"0123456789abcdef");
            assert_eq!(buf, "0123456789abcdef");
            bytes::Buf::advance(&mut buf, 10);
            kernel_reads(&mut buf, b"XYZ");
            assert_eq!(buf, "XYZdef");
            bytes::Buf::advance(&mut buf, 5);
            buf.reserve(8);
            let mut tail = buf.uninit();
            kernel_reads(&mut tail, b"more");
            let mut tail = tail.into_inner().slice(2..4);
            kernel_reads(&mut tail, b"**");
            assert_eq!(tail.into_inner(), "fm**e");
        }

        #[test]
        fn a_failed_read_leaves_what_was_there_and_frames_share_the_block() {
            let mut buf = ByteBuf::from("head");
            buf.reserve(60);
            let mut tail = buf.uninit();
            assert!(!tail.buf_mut_ptr().is_null());
            let mut buf = tail.into_inner();
            assert_eq!(buf, "head");
            let frame = buf.split_to(2).freeze();
            let mut tail = buf.uninit();
            kernel_reads(&mut tail, b"tail");
            assert_eq!((&frame[..], &tail.into_inner()[..]), (&b"he"[..], &b"adtail"[..]));
        }

        #[test]
        fn no_byte_of_an_earlier_owner_is_shown() {
            let pool = Pool::builder().build();
            let mut dirty = pool.alloc(256);
            dirty.resize(256, 0xAA);
            drop(dirty);
            let mut buf = pool.alloc(256);
            buf.extend_from_slice(b"ab");
            assert!(buf.ensure_init().iter().skip(2).all(|&byte| byte == 0));
            assert_eq!(buf.as_mut_slice(), b"ab");
            buf.commit(3);
            assert_eq!(buf, b"ab\0\0\0"[..]);
        }

        #[test]
        fn a_reservation_without_memory_is_an_error() {
            let tenant = Pool::builder().build().budget("tenant", 64);
            let mut buf = tenant.alloc(64);
            let error = IoBufMut::reserve(&mut buf, 100).unwrap_err();
            assert!(!error.is_not_supported());
            assert_eq!(std::io::Error::from(error).kind(), std::io::ErrorKind::OutOfMemory);
            assert!(IoBufMut::reserve_exact(&mut buf, 64).is_ok());
        }

        #[test]
        fn views_and_composites_show_what_they_hold() {
            let view = ByteView::from_static(b"abc");
            assert_eq!(view.as_init(), b"abc");
            assert_eq!(ByteView::slice(&view, 1..).as_init(), b"bc");
            assert_eq!(view.slice(1..).as_init(), b"bc");
            let parts = CompositeByteBuf::from_iter(["a", "bc", "d"]);
            assert!(parts.iter_slice().eq([&b"a"[..], b"bc", b"d"]));
            assert_eq!(parts.total_len(), 4);
            assert!(IoVectoredBuf::slice(parts, 2).iter_slice().eq([&b"c"[..], b"d"]));
        }
    };
}

#[cfg(test)]
use compio_tests;

#[cfg(feature = "compio-buf-08")]
mod v08 {
    compio_traits!(compio_buf_08);
}

#[cfg(feature = "compio-buf-09")]
mod v09 {
    compio_traits!(compio_buf_09);
}
