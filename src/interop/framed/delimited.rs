//! Frames that end with a delimiter.

use std::io;

use aho_corasick::AhoCorasick;
use bytes::Buf;
use memchr::memmem::Finder;

use super::error::{FrameTooLong, invalid, not_encoded};
use super::{Decoder, impl_encoder};
use crate::buf::{ByteBuf, ByteView};
use crate::io::{Payload, WriteQueue};

/// When a frame over the limit is reported. The rest of it is skipped in constant memory.
///
/// # Examples
///
/// ```
/// use bytebuf::ByteBuf;
/// use bytebuf::codec::{Decoder, DelimiterCodec, TooLong};
///
/// let mut codec = DelimiterCodec::new(b"\n", 4).report_too_long(TooLong::SkipThenError);
/// let mut received = ByteBuf::from("too long");
/// assert!(codec.decode(&mut received)?.is_none()); // skips; the frame has not ended
/// received.extend_from_slice(b", ended\nnext\n");
/// assert!(codec.decode(&mut received).is_err());
/// assert_eq!(codec.decode(&mut received)?.unwrap(), b"next"[..]);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TooLong {
    /// As soon as the decoder finds that it is too long: Netty's `failFast`.
    #[default]
    ErrorThenSkip,
    /// After all of it was skipped, or when the stream ends.
    SkipThenError,
}

/// Splits frames at delimiters of one or more bytes. By default a frame does not contain its delimiter.
///
/// A frame over the limit is an error as soon as the decoder finds that it is too long, by default; the rest
/// of it is discarded, in constant memory, up to its delimiter. Each byte is searched once, however the bytes
/// arrive, and at most twice in a frame that is too long. When the stream ends, the bytes behind the last
/// delimiter are a frame.
///
/// # Examples
///
/// ```
/// use bytebuf::codec::{Decoder, DelimiterCodec, Encoder};
/// use bytebuf::{ByteBuf, WriteQueue};
///
/// let mut codec = DelimiterCodec::new(b"\0", 1024);
/// let mut received = ByteBuf::from("one\0two\0thr");
/// assert_eq!(codec.decode(&mut received)?.unwrap(), b"one"[..]);
/// assert_eq!(codec.decode(&mut received)?.unwrap(), b"two"[..]);
/// assert!(codec.decode(&mut received)?.is_none()); // the rest has not arrived
///
/// let mut queue = WriteQueue::new();
/// codec.encode(&b"answer"[..], &mut queue)?;
/// assert_eq!(queue.pending_bytes(), 7); // with its delimiter
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
#[doc(alias = "DelimiterBasedFrameDecoder")]
pub struct DelimiterCodec {
    delimiters: Delimiters,
    /// The delimiter that is sent behind a frame.
    written: ByteView,
    max_length: usize,
    keeps_delimiter: bool,
    too_long: TooLong,
    /// The offset before which no delimiter begins.
    searched: usize,
    is_discarding: bool,
}

#[derive(Clone, Debug)]
enum Delimiters {
    One(Box<Finder<'static>>),
    Any(AhoCorasick),
}

impl Delimiters {
    fn longest(&self) -> usize {
        match self {
            Self::One(finder) => finder.needle().len(),
            Self::Any(automaton) => automaton.max_pattern_len().max(1),
        }
    }

    /// Returns the start and the end of the delimiter that ends first; of several with the same end, the longest.
    fn find(&self, bytes: &[u8]) -> Option<(usize, usize)> {
        match self {
            Self::One(finder) => finder.find(bytes).map(|at| (at, at + finder.needle().len())),
            Self::Any(automaton) => automaton.find(bytes).map(|found| (found.start(), found.end())),
        }
    }
}

impl DelimiterCodec {
    /// Creates a codec that splits at `delimiter`, with frames of up to `max_length` bytes.
    ///
    /// # Panics
    ///
    /// If the delimiter is empty.
    #[must_use]
    pub fn new(delimiter: &[u8], max_length: usize) -> Self {
        assert!(!delimiter.is_empty(), "the delimiter is empty");
        let finder = Box::new(Finder::new(delimiter).into_owned());
        Self::with(Delimiters::One(finder), delimiter, max_length)
    }

    /// Creates a codec that splits at the delimiter that ends first; of several that end at the same byte, at
    /// the longest. So the frames do not depend on how the bytes arrive. It sends the first delimiter.
    ///
    /// # Panics
    ///
    /// If there are no delimiters, if one is empty, or if they are gigabytes long together.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::ByteBuf;
    /// use bytebuf::codec::{Decoder, DelimiterCodec};
    ///
    /// let mut lines = DelimiterCodec::any([&b"\r\n"[..], b"\n"], 1000);
    /// let mut received = ByteBuf::from("one\r\ntwo\n");
    /// assert_eq!(lines.decode(&mut received)?.unwrap(), b"one"[..]);
    /// assert_eq!(lines.decode(&mut received)?.unwrap(), b"two"[..]);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn any<'a>(delimiters: impl IntoIterator<Item = &'a [u8]>, max_length: usize) -> Self {
        let delimiters: Vec<&[u8]> = delimiters.into_iter().collect();
        let first = delimiters.first().expect("no delimiters");
        assert!(delimiters.iter().all(|delimiter| !delimiter.is_empty()), "a delimiter is empty");
        let automaton = AhoCorasick::new(&delimiters).expect("delimiters of few bytes");
        Self::with(Delimiters::Any(automaton), first, max_length)
    }

    /// Creates a codec that splits at any of the bytes. `bytes` may be empty.
    pub(super) fn at_bytes(bytes: &[u8], max_length: usize) -> Self {
        let automaton = AhoCorasick::new(bytes.chunks(1)).expect("at most 256 different bytes");
        Self::with(Delimiters::Any(automaton), &[], max_length)
    }

    fn with(delimiters: Delimiters, written: &[u8], max_length: usize) -> Self {
        let written = ByteView::from(written.to_vec());
        let (keeps_delimiter, too_long) = (false, TooLong::default());
        let (searched, is_discarding) = (0, false);
        Self { delimiters, written, max_length, keeps_delimiter, too_long, searched, is_discarding }
    }

    /// Keeps the delimiter at the end of decoded frames. The limit does not count it.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::ByteBuf;
    /// use bytebuf::codec::{Decoder, DelimiterCodec};
    ///
    /// let mut codec = DelimiterCodec::new(b"\n", 1024).keep_delimiter();
    /// let mut received = ByteBuf::from("line\n");
    /// assert_eq!(codec.decode(&mut received)?.unwrap(), b"line\n"[..]);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    #[doc(alias = "stripDelimiter")]
    pub fn keep_delimiter(mut self) -> Self {
        self.keeps_delimiter = true;
        self
    }

    /// Sets when a frame over the limit is reported.
    #[must_use]
    #[doc(alias = "failFast")]
    pub fn report_too_long(mut self, too_long: TooLong) -> Self {
        self.too_long = too_long;
        self
    }

    /// Returns the limit of a frame in bytes.
    #[must_use]
    pub fn max_length(&self) -> usize {
        self.max_length
    }

    /// Returns the limit, and the position of the codec in a frame.
    pub(super) fn progress(&self) -> (usize, usize, bool) {
        (self.max_length, self.searched, self.is_discarding)
    }

    pub(super) fn next(&mut self, src: &mut ByteBuf) -> Result<Option<ByteBuf>, FrameTooLong> {
        let longest = self.delimiters.longest();
        let most = self.max_length.saturating_add(longest);
        loop {
            let end = if self.is_discarding { src.len() } else { src.len().min(most) };
            let from = self.searched.min(end);
            let unfinished = src.len().min(longest - 1);
            let found = self.delimiters.find(&src[from..end]);
            match found.map(|(start, end)| (from + start, from + end)) {
                Some((_, end)) if self.is_discarding => {
                    src.advance(end);
                    self.skipped()?;
                }
                Some((start, end)) if start <= self.max_length => {
                    let mut frame = src.split_to(end);
                    if !self.keeps_delimiter {
                        frame.truncate(start);
                    }
                    self.searched = 0;
                    return Ok(Some(frame));
                }
                None if self.is_discarding => {
                    src.advance(src.len() - unfinished);
                    self.searched = 0;
                    return Ok(None);
                }
                None if src.len() < most => {
                    self.searched = src.len() - unfinished;
                    return Ok(None);
                }
                _ => self.discard(src)?,
            }
        }
    }

    pub(super) fn last(&mut self, src: &mut ByteBuf) -> Result<Option<ByteBuf>, FrameTooLong> {
        if let Some(frame) = self.next(src)? {
            return Ok(Some(frame));
        }
        if !self.is_discarding && src.len() > self.max_length {
            self.discard(src)?;
        }
        if self.is_discarding {
            src.clear();
            self.skipped()?;
        }
        self.searched = 0;
        Ok(if src.is_empty() { None } else { Some(src.split()) })
    }

    /// Starts to skip a frame that is too long: no delimiter begins within the limit or directly behind it.
    fn discard(&mut self, src: &mut ByteBuf) -> Result<(), FrameTooLong> {
        src.advance(self.max_length + 1);
        (self.searched, self.is_discarding) = (0, true);
        self.report(TooLong::ErrorThenSkip)
    }

    /// Ends the skipping of a frame.
    fn skipped(&mut self) -> Result<(), FrameTooLong> {
        (self.searched, self.is_discarding) = (0, false);
        self.report(TooLong::SkipThenError)
    }

    fn report(&self, now: TooLong) -> Result<(), FrameTooLong> {
        if self.too_long == now {
            return Err(FrameTooLong { limit: self.max_length, length: None });
        }
        Ok(())
    }

    fn check(&self, length: u64) -> io::Result<()> {
        let limit = self.max_length;
        if length > limit as u64 {
            return Err(not_encoded(FrameTooLong { limit, length: Some(length) }));
        }
        Ok(())
    }

    fn encode_slice(&mut self, frame: &[u8], dst: &mut WriteQueue) -> io::Result<()> {
        self.check(frame.len() as u64)?;
        dst.try_reserve(frame.len().saturating_add(self.written.len()))?;
        dst.push_copy(frame);
        dst.push_copy(&self.written);
        Ok(())
    }

    fn encode_payload(&mut self, frame: Payload, dst: &mut WriteQueue) -> io::Result<()> {
        self.check(frame.len())?;
        dst.push(frame);
        dst.push(self.written.clone());
        Ok(())
    }
}

impl Decoder for DelimiterCodec {
    type Item = ByteBuf;
    type Error = io::Error;

    fn decode(&mut self, src: &mut ByteBuf) -> io::Result<Option<ByteBuf>> {
        self.next(src).map_err(invalid)
    }

    fn decode_eof(&mut self, src: &mut ByteBuf) -> io::Result<Option<ByteBuf>> {
        self.last(src).map_err(invalid)
    }
}

impl_encoder!(DelimiterCodec);
