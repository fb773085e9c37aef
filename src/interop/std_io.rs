//! `std::io`: reading into a `ByteBuf`.
//!
//! Like `Bytes` and `BytesMut`, [`ByteView`](crate::ByteView) and [`ByteBuf`] do not implement `Read`,
//! `BufRead` or `Write`. Otherwise `Read::take`, `Read::chain`, `BufRead::split` and `Write::write_fmt`
//! would conflict with `Buf::take`, `Buf::chain`, `ByteBuf::split` and `fmt::Write::write_fmt` where both
//! traits are imported, and code written for `bytes` would not compile.
//! [`Buf::reader`](bytes::Buf::reader) and [`BufMut::writer`](bytes::BufMut::writer) adapt them at no cost.
//! [`CompositeByteBuf`](crate::CompositeByteBuf), which `bytes` lacks, is `Read` and `BufRead`.

use std::io::{self, Read};

use crate::buf::{ByteBuf, TryReserveError};

/// The spare capacity for a read into a full buffer, in bytes, if the maximum and the pool allow it.
const SPARE: usize = 4096;

impl ByteBuf {
    /// Reads once from `source` into the spare capacity. Returns the number of bytes, 0 at the end of the
    /// source. A full buffer grows first, within its maximum.
    ///
    /// For the opposite direction, and for `std::io::copy`, [`Buf::reader`](bytes::Buf::reader) and
    /// [`BufMut::writer`](bytes::BufMut::writer) turn a buffer into a reader or a writer.
    ///
    /// # Errors
    ///
    /// Those of the source, except [`Interrupted`](io::ErrorKind::Interrupted), after which the read is
    /// repeated; [`OutOfMemory`](io::ErrorKind::OutOfMemory) with a [`TryReserveError`] if the buffer
    /// can't grow; [`InvalidData`](io::ErrorKind::InvalidData) if the source reports more bytes than it
    /// was offered. After an error the readable bytes are the same as before.
    ///
    /// # Cost
    ///
    /// Zeroes spare capacity once after the pool returned it, since a reader may read it.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::ByteBuf;
    ///
    /// let mut source = &b"some bytes"[..];
    /// let mut buf = ByteBuf::new();
    /// while buf.read_from(&mut source)? > 0 {}
    /// assert_eq!(buf, b"some bytes"[..]);
    /// # Ok::<_, std::io::Error>(())
    /// ```
    pub fn read_from(&mut self, source: &mut (impl Read + ?Sized)) -> io::Result<usize> {
        if self.capacity() == self.len() {
            self.reserve_up_to(SPARE)?;
        }
        let spare = self.writable();
        let n = loop {
            match source.read(spare) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result?,
            }
        };
        if n > spare.len() {
            let asked = spare.len();
            let message = format!("a reader reports {n} bytes, and was offered {asked}");
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        self.commit(n);
        Ok(n)
    }
}

impl From<TryReserveError> for io::Error {
    fn from(error: TryReserveError) -> Self {
        Self::new(io::ErrorKind::OutOfMemory, error)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, Write};

    use bytes::{Buf, BufMut};

    use super::*;
    use crate::{ByteView, Pool};

    /// A reader that returns the results of a list, and checks that its buffer has no bytes of earlier owners.
    struct Scripted(Vec<io::Result<usize>>);

    impl Read for Scripted {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            assert!(buf.iter().all(|&byte| byte == 0));
            assert!(!buf.is_empty(), "a read of nothing looks like the end");
            self.0.pop().unwrap_or(Ok(0))
        }
    }

    #[test]
    fn a_stream_is_read_to_its_end() {
        let len = if cfg!(miri) { 10_000 } else { 100_000_u32 };
        let bytes: Vec<u8> = (0..len).map(|i| (i / 7) as u8).collect();
        let mut source = &bytes[..];
        let mut buf = ByteBuf::from(&b"before"[..]);
        let mut total = 0;
        loop {
            match buf.read_from(&mut source).unwrap() {
                0 => break,
                n => total += n,
            }
        }
        assert_eq!(total, bytes.len());
        assert!(buf == [b"before", &bytes[..]].concat());
    }

    #[test]
    fn a_reader_that_fails_or_lies_changes_nothing() {
        let pool = Pool::builder().build();
        let mut dirty = pool.alloc(64);
        dirty.put_bytes(0xAA, 64);
        drop(dirty);

        let mut buf = pool.alloc(64);
        buf.put_slice(b"abc");
        let mut source = Scripted(vec![Err(io::ErrorKind::WouldBlock.into())]);
        let error = buf.read_from(&mut source).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);

        for lie in [62, usize::MAX] {
            let error = buf.read_from(&mut Scripted(vec![Ok(lie)])).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
            assert_eq!(buf, b"abc"[..]);
        }
        assert_eq!(buf.read_from(&mut Scripted(vec![Ok(61)])).unwrap(), 61);
        assert_eq!(buf.len(), 64);
    }

    #[test]
    fn an_interrupted_read_is_asked_again() {
        let interrupted = || Err(io::ErrorKind::Interrupted.into());
        let mut source = Scripted(vec![Ok(5), interrupted(), interrupted()]);
        assert_eq!(ByteBuf::new().read_from(&mut source).unwrap(), 5);
    }

    #[test]
    fn the_maximum_bounds_what_is_read() {
        let mut buf = ByteBuf::new();
        buf.set_max_capacity(10).unwrap();
        let mut source = io::repeat(b'x');
        assert_eq!(buf.read_from(&mut source).unwrap(), 10);
        let error = buf.read_from(&mut source).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::OutOfMemory);
        assert!(error.into_inner().unwrap().is::<TryReserveError>());
        assert_eq!(buf, b"xxxxxxxxxx"[..]);
    }

    #[test]
    fn the_adapters_of_bytes_make_readers_and_writers() {
        let mut buf = ByteBuf::new();
        write!((&mut buf).writer(), "line {}\nrest", 1).unwrap();
        let mut line = String::new();
        (&mut buf).reader().read_line(&mut line).unwrap();
        assert_eq!((&line[..], &buf[..]), ("line 1\n", &b"rest"[..]));

        let mut copy = ByteBuf::new().writer();
        let view = ByteView::from(vec![7; 20_000]);
        assert_eq!(io::copy(&mut view.clone().reader(), &mut copy).unwrap(), 20_000);
        assert_eq!(copy.into_inner(), view);
    }
}
