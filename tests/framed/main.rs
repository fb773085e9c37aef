//! Frames out of streams that are cut anywhere, beside `tokio_util` and simple models.

#[path = "../support/resource_baseline.rs"]
mod resource_baseline;
#[path = "../../src/test_runtime.rs"]
mod test_runtime;

mod blocks;
mod faults;
mod netty;

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytebuf::codec::{
    AnyDelimiterCodec, BytesCodec, Decoder, DelimiterCodec, Encoder, FrameTooLong, FramedRead,
    FramedWrite, InvalidFrameLength, LengthDelimitedCodec, LinesCodec, LinesCodecError,
};
use bytebuf::{ByteBuf, ByteView, FileRegion, Pool, WriteQueue};
use futures_sink::Sink;
use proptest::prelude::*;
use resource_baseline::ResourceBaseline;
use test_runtime::run;
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};

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
        let _baseline = ResourceBaseline::take();
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
    let _baseline = ResourceBaseline::take();
    let bytes = b"\0\0\0\x02ok\0\0\0\x03abc";
    for end in 7..bytes.len() {
        let (found, error) = frames(&bytes[..end], &[1], LengthDelimitedCodec::new());
        assert_eq!(found, [b"ok"]);
        assert_eq!(error.unwrap().to_string(), "bytes remaining on stream", "{end}");
    }
    assert_eq!(frames(b"a\r\nlast\r", &[1], LinesCodec::new()).0, [&b"a"[..], b"last"]);
    // At its end a stream may still have whole lines, also empty ones.
    let (mut src, mut lines) = (ByteBuf::from("\r\n\n\r\n\r"), LinesCodec::new());
    for _ in 0..3 {
        assert_eq!(lines.decode_eof(&mut src).unwrap().unwrap(), *"");
    }
    assert!(lines.decode_eof(&mut src).unwrap().is_none());
}

#[test]
fn a_length_field_gives_a_frame_or_an_error_at_once() {
    let _baseline = ResourceBaseline::take();
    let decode = |bytes: &[u8], adjustment, skip| {
        let mut builder = LengthDelimitedCodec::builder();
        builder.length_field_length(8).length_adjustment(adjustment).num_skip(skip);
        builder.max_frame_length(100).new_codec().decode(&mut ByteBuf::from(bytes))
    };
    for (field, adjustment) in [(u64::MAX, 0), (u64::MAX, -1), (101, 0), (95, 6), (151, -50)] {
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
    let _baseline = ResourceBaseline::take();
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
    let _baseline = ResourceBaseline::take();
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
    let _baseline = ResourceBaseline::take();
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

#[test]
fn a_frame_that_is_refused_leaves_nothing_to_be_sent() {
    let _baseline = ResourceBaseline::take();
    let mut queue = WriteQueue::new();
    let refused = |error: io::Error| assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    let mut lengths = LengthDelimitedCodec::builder().length_field_type::<u8>().new_codec();
    assert_eq!(lengths.max_frame_length(), 255);
    refused(lengths.encode(vec![0; 256], &mut queue).unwrap_err());
    let file = tempfile::tempfile().unwrap();
    file.set_len(1 << 40).unwrap();
    refused(lengths.encode(FileRegion::new(file, 0..1 << 40), &mut queue).unwrap_err());
    let mut counted = LengthDelimitedCodec::builder().length_adjustment(5).new_codec();
    refused(counted.encode(&b"four"[..], &mut queue).unwrap_err());
    refused(DelimiterCodec::new(b"\0", 3).encode(&b"four"[..], &mut queue).unwrap_err());
    let error = LinesCodec::new_with_max_length(3).encode("four", &mut queue).unwrap_err();
    assert!(matches!(error, LinesCodecError::MaxLineLengthExceeded));
    let mut any = AnyDelimiterCodec::new_with_max_length(vec![], b"--".to_vec(), 3);
    assert!(any.encode("four", &mut queue).is_err());
    assert!(queue.is_empty());

    any.encode("one", &mut queue).unwrap();
    counted.encode(&b"five5"[..], &mut queue).unwrap();
    DelimiterCodec::new(b"\0", 3).encode(ByteView::from("two"), &mut queue).unwrap();
    let mut sent = Vec::new();
    assert!(queue.flush_into(&mut sent).unwrap().is_done());
    assert_eq!(sent, b"one--\0\0\0\0five5two\0");
}

#[test]
fn the_kernel_sends_the_file_of_a_frame() {
    let _baseline = ResourceBaseline::take();
    let bytes: Vec<u8> = (0..300_000_u32).map(|i| (i / 7) as u8).collect();
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("file"), &bytes).unwrap();
    tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap().block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (client, server) =
            tokio::join!(tokio::net::TcpStream::connect(address), listener.accept());
        let mut client = LengthDelimitedCodec::new().framed(client.unwrap());
        let mut server = LengthDelimitedCodec::new().framed(server.unwrap().0);
        let send = async {
            server.push_frame(FileRegion::open(dir.path().join("file")).unwrap()).unwrap();
            server.push_frame(&b"behind it"[..]).unwrap();
            server.flush_all().await.unwrap();
            // And what any writer of tokio would get.
            server.send_frame(FileRegion::open(dir.path().join("file")).unwrap()).await.unwrap();
        };
        let receive = async {
            assert!(client.next_frame().await.unwrap().unwrap() == bytes[..]);
            assert_eq!(client.next_frame().await.unwrap().unwrap(), b"behind it"[..]);
            assert!(client.next_frame().await.unwrap().unwrap() == bytes[..]);
        };
        tokio::join!(send, receive);
        let stats = server.write_buffer().stats();
        assert!(stats.sendfile_bytes >= 300_000, "{stats:?}");
    });
}

#[test]
fn a_sender_waits_at_the_boundary_and_a_dropped_wait_loses_nothing() {
    let _baseline = ResourceBaseline::take();
    run(async {
        let (near, far) = tokio::io::duplex(1000);
        let mut out = FramedWrite::new(near, LengthDelimitedCodec::new());
        out.set_backpressure_boundary(10_000);
        let mut cx = Context::from_waker(Waker::noop());
        let mut count = 0;
        while out.write_buffer().is_writable() {
            _ = std::pin::pin!(out.send_frame(vec![count as u8; 500])).poll(&mut cx);
            count += 1;
            assert!(out.write_buffer().pending_bytes() <= 10_500);
        }
        assert!(count > 10, "{count} frames");
        let wait = std::pin::pin!(out.send_frame(vec![0; 500])).poll(&mut cx);
        assert!(wait.is_pending());
        let mut far = FramedRead::new(far, LengthDelimitedCodec::new());
        let end = async {
            out.send_frame(&b"end"[..]).await.unwrap();
            drop(out);
        };
        let receive = async {
            for i in 0..count {
                assert_eq!(far.next_frame().await.unwrap().unwrap(), vec![i as u8; 500][..]);
            }
            // The wait that was dropped had not been let in.
            assert_eq!(far.next_frame().await.unwrap().unwrap(), b"end"[..]);
            assert!(far.next_frame().await.is_none());
        };
        tokio::join!(end, receive);
    });
}

/// Gives its pieces one after the other, each in as many reads as it takes, and waits where there is none.
struct Pauses<I> {
    pieces: I,
    rest: Vec<u8>,
}

impl<I: Iterator<Item = Option<Vec<u8>>> + Unpin> AsyncRead for Pauses<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.rest.is_empty() {
            match self.pieces.next() {
                Some(Some(bytes)) => self.rest = bytes,
                Some(None) => return Poll::Pending,
                None => return Poll::Ready(Ok(())),
            }
        }
        let most = self.rest.len().min(buf.remaining());
        let left = self.rest.split_off(most);
        buf.put_slice(&self.rest);
        self.rest = left;
        Poll::Ready(Ok(()))
    }
}

#[test]
fn a_peer_that_stops_within_a_frame_holds_memory_in_proportion_to_what_it_sent() {
    let _baseline = ResourceBaseline::take();
    let pool = Pool::builder().build();
    let mut cx = Context::from_waker(Waker::noop());
    for part in [1, 10, 100, 1000, 10_000, 100_000] {
        // A block of frames, so that reads are offered 256 KiB; the last one stays unfinished.
        let whole = [&1020_u32.to_be_bytes()[..], &[7; 1020]].concat().repeat(256);
        let begun = [&1_000_000_u32.to_be_bytes()[..], &[8; 100_000]].concat();
        let pieces = (0..20).map(|_| Some(whole.clone()));
        let pieces = pieces.chain([Some(begun[..part].to_vec()), None, None]);
        let reader = Pauses { pieces, rest: Vec::new() };
        let mut frames = FramedRead::new(reader, LengthDelimitedCodec::new());
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
fn single_bytes_of_a_long_frame_move_it_seldom() {
    let _baseline = ResourceBaseline::take();
    let mut cx = Context::from_waker(Waker::noop());
    for length in [33_000, 40_000, 300_000_u32] {
        let pool = Pool::builder().build();
        let frame = [&length.to_be_bytes()[..], &vec![8; length as usize]].concat();
        let (begun, end) = (frame.len() / 5, frame.len() * 2 / 5);
        // A wait after each piece.
        let bytes = frame[begun..end].iter().map(|byte| vec![*byte]).collect::<Vec<_>>();
        let pieces = [frame[..begun].to_vec()].into_iter().chain(bytes);
        let pieces = pieces.flat_map(|piece| [Some(piece), None]);
        let reader = Pauses { pieces, rest: Vec::new() };
        let mut frames = FramedRead::new(reader, LengthDelimitedCodec::new());
        *frames.read_buffer_mut() = pool.alloc(0);
        for _ in begun..=end {
            assert!(std::pin::pin!(frames.next_frame()).poll(&mut cx).is_pending());
        }
        assert!(frames.read_buffer()[..] == frame[..end]);
        let allocations = pool.stats().allocations;
        assert!(allocations < 50, "{allocations} blocks for {} single bytes", end - begun);
    }
}

#[test]
fn it_reads_no_more_often_than_tokio_util() {
    let _baseline = ResourceBaseline::take();
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

/// Counts the calls and the bytes that each was offered, and takes all of them.
#[derive(Default)]
struct Offers(Vec<usize>);

impl tokio::io::AsyncWrite for Offers {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.push(bytes.len());
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let offered = bytes.iter().map(|bytes| bytes.len()).sum();
        self.0.push(offered);
        Poll::Ready(Ok(offered))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[test]
fn a_writer_that_takes_all_is_called_once_for_a_large_frame_and_once_for_each_full_queue() {
    let _baseline = ResourceBaseline::take();
    let mut out = FramedWrite::new(Offers::default(), LengthDelimitedCodec::new());
    run(out.send_frame(vec![1; 1 << 20])).unwrap();
    assert_eq!(out.get_ref().0, [(1 << 20) + 4]);

    // The queue is full at 64 KiB. A call that empties it by half is enough, and this one empties it.
    let mut out = FramedWrite::new(Offers::default(), LengthDelimitedCodec::new());
    for _ in 0..64 {
        let ready = std::future::poll_fn(|cx| Sink::<Vec<u8>>::poll_ready(Pin::new(&mut out), cx));
        run(ready).unwrap();
        out.push_frame(vec![2; 8 * 1024]).unwrap();
    }
    let calls = out.get_ref().0.len();
    assert!((7..=9).contains(&calls), "{calls} calls for 512 KiB");
}

#[test]
fn a_queue_that_is_writable_again_is_not_sent_to_its_end() {
    let _baseline = ResourceBaseline::take();
    let mut writer = Offers::default();
    let mut queue = WriteQueue::new();
    for _ in 0..65 {
        queue.push(vec![3; 2 * 1024]);
    }
    run(queue.writable_into(&mut writer)).unwrap();
    assert_eq!(writer.0, [64 * 1024; 2], "each call is offered 64 KiB");
    assert_eq!(queue.pending_bytes(), 2 * 1024);
}

#[test]
fn frames_that_are_kept_keep_little_memory_beside_their_bytes() {
    let _baseline = ResourceBaseline::take();
    let pool = Pool::builder().build();
    let round: Vec<u8> = [200, 2 * 1024, 16 * 1024, 128 * 1024]
        .into_iter()
        .flat_map(|length: u32| [&length.to_be_bytes()[..], &vec![9; length as usize]].concat())
        .collect();
    let pieces = (0..20).map(|_| Some(round.clone()));
    let mut frames =
        FramedRead::new(Pauses { pieces, rest: Vec::new() }, LengthDelimitedCodec::new());
    *frames.read_buffer_mut() = pool.alloc(1024);
    let mut kept = std::collections::VecDeque::new();
    while let Some(frame) = run(frames.next_frame()) {
        kept.push_back(frame.unwrap().freeze());
        if kept.len() > 4 {
            kept.pop_front();
        }
        let bytes: usize = kept.iter().map(ByteView::len).sum();
        let live = pool.stats().live;
        assert!(live <= bytes + 200 * 1024, "{live} bytes are held for {bytes}");
    }
}

#[test]
fn codecs_of_text_are_equal_while_their_settings_and_progress_are() {
    let hash = |codec: &LinesCodec| {
        let mut hasher = std::hash::DefaultHasher::new();
        std::hash::Hash::hash(codec, &mut hasher);
        std::hash::Hasher::finish(&hasher)
    };
    let (mut one, other) = (LinesCodec::new_with_max_length(5), LinesCodec::new_with_max_length(5));
    assert_eq!((&one, hash(&one)), (&other, hash(&other)));
    assert!(one < LinesCodec::new_with_max_length(6));
    assert!(one.decode(&mut ByteBuf::from("abc")).unwrap().is_none());
    assert_ne!(one, other, "one is within a line");

    let any = |seek: &[u8], written: &[u8]| AnyDelimiterCodec::new(seek.to_vec(), written.to_vec());
    assert_eq!(any(b",;", b","), any(b",;", b","));
    assert_ne!(any(b",;", b","), any(b",", b","));
    assert!(any(b",", b",") < any(b",", b";"));
}

#[test]
fn a_reader_passes_a_sink_through_and_a_writer_a_stream() {
    use futures_core::Stream;
    let mut cx = Context::from_waker(Waker::noop());
    let reader = FramedRead::new(&b"one\ntwo"[..], LinesCodec::new());
    let mut outer = FramedWrite::new(reader, LinesCodec::new());
    for line in ["one", "two"] {
        match Pin::new(&mut outer).poll_next(&mut cx) {
            Poll::Ready(Some(Ok(found))) => assert_eq!(found, *line),
            other => panic!("{other:?}"),
        }
    }
    assert!(matches!(Pin::new(&mut outer).poll_next(&mut cx), Poll::Ready(None)));

    let writer = FramedWrite::new(Vec::new(), LinesCodec::new());
    let mut outer = FramedRead::new(writer, LinesCodec::new());
    assert!(matches!(Sink::<&str>::poll_ready(Pin::new(&mut outer), &mut cx), Poll::Ready(Ok(()))));
    Sink::start_send(Pin::new(&mut outer), "three").unwrap();
    assert!(matches!(Sink::<&str>::poll_close(Pin::new(&mut outer), &mut cx), Poll::Ready(Ok(()))));
    assert_eq!(outer.into_inner().into_inner(), b"three\n");
}

#[test]
fn a_frame_behind_a_refused_one_needs_no_more_bytes() {
    let _baseline = ResourceBaseline::take();
    let mut cx = Context::from_waker(Waker::noop());
    let pieces = [Some(b"\xff\ngood\npart".to_vec()), None].into_iter();
    let mut lines = FramedRead::new(Pauses { pieces, rest: Vec::new() }, LinesCodec::new());
    assert!(run(lines.next_frame()).unwrap().is_err());
    assert!(run(lines.next_frame()).is_none());
    match std::pin::pin!(lines.next_frame()).poll(&mut cx) {
        Poll::Ready(Some(Ok(line))) => assert_eq!(line, *"good"),
        other => panic!("{other:?}"),
    }
    assert!(std::pin::pin!(lines.next_frame()).poll(&mut cx).is_pending());
    assert_eq!(lines.read_buffer()[..], b"part"[..]);
}

#[test]
fn a_new_codec_gets_what_the_one_before_it_left() {
    let _baseline = ResourceBaseline::take();
    let mut cx = Context::from_waker(Waker::noop());
    let pieces = [Some(b"no line".to_vec()), None].into_iter();
    let mut lines = FramedRead::new(Pauses { pieces, rest: Vec::new() }, LinesCodec::new());
    assert!(std::pin::pin!(lines.next_frame()).poll(&mut cx).is_pending());
    let mut bytes = lines.map_decoder(|_| BytesCodec::new());
    match std::pin::pin!(bytes.next_frame()).poll(&mut cx) {
        Poll::Ready(Some(Ok(frame))) => assert_eq!(frame, b"no line"[..]),
        other => panic!("{other:?}"),
    }

    // Also at the end of the stream.
    let mut lengths = FramedRead::new(&b"abc"[..], LengthDelimitedCodec::new());
    assert!(run(lengths.next_frame()).unwrap().is_err());
    assert!(run(lengths.next_frame()).is_none());
    let mut bytes = lengths.map_decoder(|_| BytesCodec::new());
    assert_eq!(run(bytes.next_frame()).unwrap().unwrap(), b"abc"[..]);
    assert!(run(bytes.next_frame()).is_none());
}
