//! Frames out of streams that are cut anywhere, beside `tokio_util` and simple models.

#[path = "support/floor.rs"]
mod floor;

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytebuf::codec::{
    Decoder, DelimiterCodec, FrameTooLong, FramedRead, InvalidFrameLength, LengthDelimitedCodec,
    LinesCodec, LinesCodecError,
};
use bytebuf::{ByteBuf, Pool};
use floor::Floor;
use proptest::prelude::*;
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// Gives the bytes in pieces of these lengths, over and over, and counts the reads.
struct Cut<'a> {
    bytes: &'a [u8],
    cuts: Vec<usize>,
    reads: usize,
}

impl AsyncRead for Cut<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let piece = self.cuts[self.reads % self.cuts.len()];
        self.reads += 1;
        let (now, rest) = self.bytes.split_at(piece.min(buf.remaining()).min(self.bytes.len()));
        buf.put_slice(now);
        self.bytes = rest;
        Poll::Ready(Ok(()))
    }
}

/// All frames until the first `None`, and the error that came in front of it.
fn frames<D: Decoder<Item: AsRef<[u8]>>>(
    bytes: &[u8],
    cuts: &[usize],
    decoder: D,
) -> (Vec<Vec<u8>>, Option<D::Error>) {
    let mut stream = FramedRead::new(Cut { bytes, cuts: cuts.to_vec(), reads: 0 }, decoder);
    let mut found = Vec::new();
    loop {
        match run(stream.next_frame()) {
            Some(Ok(frame)) => found.push(frame.as_ref().to_vec()),
            Some(Err(error)) => return (found, Some(error)),
            None => return (found, None),
        }
    }
}

fn source<E: std::error::Error + 'static>(error: &io::Error) -> &E {
    error.get_ref().unwrap().downcast_ref().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_cutting_gives_the_same_frames(
        sent in prop::collection::vec(prop::collection::vec(b'a'..=b'c', 0..40), 0..20),
        cuts in prop::collection::vec(1_usize..50, 1..10),
    ) {
        let _floor = Floor::take();
        let bytes: Vec<u8> =
            sent.iter().flat_map(|f| [&(f.len() as u32).to_be_bytes()[..], f].concat()).collect();
        let (found, error) = frames(&bytes, &cuts, LengthDelimitedCodec::new());
        prop_assert!(error.is_none());
        prop_assert_eq!(&found, &sent);

        let bytes: Vec<u8> = sent.iter().flat_map(|f| [f, &b"::"[..]].concat()).collect();
        let (found, error) = frames(&bytes, &cuts, DelimiterCodec::new(b"::", 40));
        prop_assert!(error.is_none());
        prop_assert_eq!(&found, &sent);

        let ends = [&b"\n"[..], b"\r\n"];
        let bytes: Vec<u8> =
            sent.iter().enumerate().flat_map(|(i, f)| [f, ends[i % 2]].concat()).collect();
        let (found, error) = frames(&bytes, &cuts, LinesCodec::new_with_max_length(41));
        prop_assert!(error.is_none());
        prop_assert_eq!(&found, &sent);
    }
}

#[test]
fn a_stream_that_ends_within_a_frame_is_an_error() {
    let _floor = Floor::take();
    let bytes = b"\0\0\0\x02ok\0\0\0\x03abc";
    for end in 7..bytes.len() {
        let (found, error) = frames(&bytes[..end], &[1], LengthDelimitedCodec::new());
        assert_eq!(found, [b"ok"]);
        assert_eq!(error.unwrap().to_string(), "bytes remaining on stream", "{end}");
    }
    assert_eq!(frames(b"a\r\nlast\r", &[1], LinesCodec::new()).0, [&b"a"[..], b"last"]);
}

#[test]
fn a_length_field_gives_a_frame_or_an_error_at_once() {
    let _floor = Floor::take();
    let decode = |bytes: &[u8], adjustment, skip| {
        let mut builder = LengthDelimitedCodec::builder();
        builder.length_field_length(8).length_adjustment(adjustment).num_skip(skip);
        builder.max_frame_length(100).new_codec().decode(&mut ByteBuf::from(bytes))
    };
    for (field, adjustment) in [(u64::MAX, 0), (u64::MAX, -1), (101, 0), (95, 6), (101, -50)] {
        let error = decode(&field.to_be_bytes(), adjustment, 8).unwrap_err();
        assert_eq!(source::<FrameTooLong>(&error).limit, 100, "{field} {adjustment}");
    }
    for (field, adjustment, skip) in [(3, -4, 8), (u64::MAX, 1, 8), (0, 0, 0), (0, isize::MIN, 8)] {
        let error = decode(&field.to_be_bytes(), adjustment, skip).unwrap_err();
        assert_eq!(source::<InvalidFrameLength>(&error).field, field);
    }
    // The length counts its own 8 bytes, which the frame keeps or not.
    let bytes = *b"\0\0\0\0\0\0\0\x0aokX";
    assert_eq!(decode(&bytes, -8, 8).unwrap().unwrap(), b"ok"[..]);
    assert_eq!(decode(&bytes, 0, 0).unwrap().unwrap(), bytes[..10]);
    assert!(decode(&100_u64.to_be_bytes(), 0, usize::MAX).is_err());
}

#[test]
fn a_frame_over_the_limit_is_dropped_and_the_next_ones_come() {
    let _floor = Floor::take();
    let line = |src: &mut ByteBuf, codec: &mut LinesCodec| codec.decode(src);
    let (mut src, mut codec) = (ByteBuf::new(), LinesCodec::new_with_max_length(4));
    src.extend_from_slice(b"abcd\nabcde");
    assert_eq!(line(&mut src, &mut codec).unwrap().unwrap(), *"abcd");
    let error = line(&mut src, &mut codec).unwrap_err();
    assert!(matches!(error, LinesCodecError::MaxLineLengthExceeded));
    for _ in 0..1000 {
        src.extend_from_slice(&[b'x'; 1000]);
        assert!(line(&mut src, &mut codec).unwrap().is_none());
        assert!(src.is_empty(), "the rest of a long line is not kept");
    }
    src.extend_from_slice(b"end\nnext\n\xff\nlast\n");
    assert_eq!(line(&mut src, &mut codec).unwrap().unwrap(), *"next");
    assert!(matches!(line(&mut src, &mut codec), Err(LinesCodecError::Io(_))));
    assert_eq!(line(&mut src, &mut codec).unwrap().unwrap(), *"last");
}

#[test]
fn after_an_error_the_stream_ends_once_and_reads_on() {
    let _floor = Floor::take();
    let reader = Cut { bytes: b"too long\nok\n", cuts: vec![5], reads: 0 };
    let mut lines = FramedRead::new(reader, LinesCodec::new_with_max_length(3));
    assert!(run(lines.next_frame()).unwrap().is_err());
    assert!(run(lines.next_frame()).is_none());
    assert_eq!(run(lines.next_frame()).unwrap().unwrap(), *"ok");
    assert!(run(lines.next_frame()).is_none());
    assert!(run(lines.next_frame()).is_none());
}

#[test]
fn a_wait_that_is_dropped_loses_nothing_and_idle_readers_hold_no_memory() {
    let _floor = Floor::take();
    run(async {
        let (mut peer, socket) = tokio::io::duplex(1 << 20);
        let mut frames = FramedRead::new(socket, LengthDelimitedCodec::new());
        let live = || Pool::global().stats().live_blocks;
        let mut cx = Context::from_waker(Waker::noop());
        let idle = live();
        for byte in *b"\0\0\0\x02ok" {
            let wait = std::pin::pin!(frames.next_frame()).poll(&mut cx);
            assert!(wait.is_pending());
            peer.write_all(&[byte]).await.unwrap();
        }
        assert_eq!(frames.next_frame().await.unwrap().unwrap(), b"ok"[..]);
        for _ in 0..64 {
            let mut frame = vec![7; 4 + (1 << 20)];
            frame[..4].copy_from_slice(&(1_u32 << 20).to_be_bytes());
            let (sent, frame) = tokio::join!(peer.write_all(&frame), frames.next_frame());
            sent.unwrap();
            assert_eq!(frame.unwrap().unwrap().len(), 1 << 20);
        }
        assert!(std::pin::pin!(frames.next_frame()).poll(&mut cx).is_pending());
        assert_eq!((frames.read_buffer().capacity(), frames.read_buffer().len()), (0, 0));
        // Other tests of this file run in parallel, with small blocks of their own.
        assert!(live() <= idle + 16, "{} after {idle}", live());
        drop(peer);
        assert!(frames.next_frame().await.is_none());
    });
}

/// Gives its pieces one after the other, and waits between them.
struct Pauses<I>(I);

impl<I: Iterator<Item = Option<Vec<u8>>> + Unpin> AsyncRead for Pauses<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.0.next() {
            Some(Some(bytes)) => {
                buf.put_slice(&bytes);
                Poll::Ready(Ok(()))
            }
            Some(None) => Poll::Pending,
            None => Poll::Ready(Ok(())),
        }
    }
}

#[test]
fn a_peer_that_stops_within_a_frame_holds_memory_in_proportion_to_what_it_sent() {
    let _floor = Floor::take();
    let pool = Pool::builder().build();
    let mut cx = Context::from_waker(Waker::noop());
    for part in [1, 10, 100, 1000, 10_000, 100_000] {
        // A block of frames, so that reads are offered 256 KiB; the last one stays unfinished.
        let whole = [&1020_u32.to_be_bytes()[..], &[7; 1020]].concat().repeat(256);
        let begun = [&1_000_000_u32.to_be_bytes()[..], &[8; 100_000]].concat();
        let pieces = (0..20).flat_map(|_| whole.chunks(2048)).map(|bytes| Some(bytes.to_vec()));
        let pieces = pieces.chain([Some(begun[..part].to_vec()), None, None]);
        let mut frames = FramedRead::new(Pauses(pieces), LengthDelimitedCodec::new());
        *frames.read_buffer_mut() = pool.alloc(256 * 1024);
        for _ in 0..20 * 256 {
            assert_eq!(run(frames.next_frame()).unwrap().unwrap().len(), 1020);
        }
        for _ in 0..2 {
            assert!(std::pin::pin!(frames.next_frame()).poll(&mut cx).is_pending());
            assert_eq!(frames.read_buffer()[..], begun[..part]);
            let live = pool.stats().live;
            assert!(live <= (4 * part).max(256), "{live} bytes are held for {part}");
        }
    }
}

#[test]
fn it_reads_no_more_often_than_tokio_util() {
    let _floor = Floor::take();
    let frame = [&100_u32.to_be_bytes()[..], &[1; 100]].concat();
    let bytes = frame.repeat(20_000);
    let cut = || Cut { bytes: &bytes, cuts: vec![usize::MAX], reads: 0 };
    let mut ours = FramedRead::new(cut(), LengthDelimitedCodec::new());
    let mut count = 0;
    while run(ours.next_frame()).is_some() {
        count += 1;
    }
    let mut theirs =
        tokio_util::codec::FramedRead::new(cut(), tokio_util::codec::LengthDelimitedCodec::new());
    let mut next = || {
        run(std::future::poll_fn(|cx| futures_core::Stream::poll_next(Pin::new(&mut theirs), cx)))
    };
    let mut expected = 0;
    while next().is_some() {
        expected += 1;
    }
    assert_eq!((count, expected), (20_000, 20_000));
    let (ours, theirs) = (ours.get_ref().reads, theirs.get_ref().reads);
    println!("reads for 20,000 frames of 104 bytes: {ours}, of tokio_util {theirs}");
    assert!(ours * 10 <= theirs * 9, "{ours} reads, of tokio_util {theirs}");
}
