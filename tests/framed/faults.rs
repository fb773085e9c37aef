//! Frames between streams, codecs and settings that fail, lie or ask for too much.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytebuf::codec::{BytesCodec, Encoder, Framed, FramedRead, FramedWrite, LengthDelimitedCodec};
use bytebuf::{ByteBuf, ByteView, FileRegion, WriteQueue};
use futures_sink::Sink;
use tokio::io::{AsyncRead, ReadBuf};

use crate::resource_baseline::ResourceBaseline;
use crate::run;

/// Appends parts of all kinds, and then fails or panics if the item says so.
struct Halfway;

/// The lengths of the parts, and how the encoder ends.
type Half = (Vec<usize>, Option<&'static str>);

impl Encoder<Half> for Halfway {
    type Error = io::Error;

    fn encode(&mut self, (lengths, end): Half, dst: &mut WriteQueue) -> io::Result<()> {
        for (turn, length) in lengths.into_iter().enumerate() {
            match turn % 4 {
                0 => _ = dst.push_copy(&vec![turn as u8; length]),
                1 => _ = dst.push(vec![turn as u8; length]),
                // A small part of a large block, twice.
                2 => {
                    let view = ByteView::from(ByteBuf::from(&vec![turn as u8; 64 * 1024][..]));
                    dst.push(view.slice(..length));
                    dst.push(view.slice(length..2 * length));
                }
                _ => {
                    let file = tempfile::tempfile()?;
                    file.set_len(length as u64)?;
                    dst.push(FileRegion::new(file, 0..length as u64));
                }
            }
        }
        match end {
            Some("panics") => panic!("the encoder of a test"),
            Some(error) => Err(io::Error::other(error)),
            None => Ok(()),
        }
    }
}

#[test]
fn an_encoder_that_fails_halfway_leaves_the_queue_as_it_was() {
    let _baseline = ResourceBaseline::take();
    let lengths =
        [vec![], vec![0], vec![10], vec![2000], vec![10, 10], vec![10, 2000, 1500, 30, 5]];
    let whole = |ends: &[Option<&'static str>]| {
        let mut out = FramedWrite::new(Vec::new(), Halfway);
        for first in &lengths {
            for second in &lengths {
                out.push_frame((first.clone(), None)).unwrap();
                for end in ends {
                    let frame = (second.clone(), *end);
                    let before = format!("{:?}", out.write_buffer());
                    let push = || out.push_frame(frame);
                    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(push));
                    assert!(!matches!(result, Ok(Ok(()))));
                    assert_eq!(format!("{:?}", out.write_buffer()), before);
                }
                out.push_frame((second.clone(), None)).unwrap();
            }
        }
        run(std::future::poll_fn(|cx| Sink::<Half>::poll_flush(Pin::new(&mut out), cx))).unwrap();
        out.into_inner()
    };
    assert!(whole(&[Some("fails"), Some("panics"), Some("fails")]) == whole(&[]));
}

#[test]
fn an_encoder_that_clears_or_replaces_the_queue_and_fails_sends_no_part_of_its_frame() {
    enum Frame {
        Bytes(usize),
        FailsAfterClearing(usize),
        FailsAfterReplacing(usize),
    }
    struct Clearing;
    impl Encoder<Frame> for Clearing {
        type Error = io::Error;

        fn encode(&mut self, frame: Frame, dst: &mut WriteQueue) -> io::Result<()> {
            let length = match frame {
                Frame::Bytes(length) => {
                    dst.push(vec![1; length]);
                    return Ok(());
                }
                Frame::FailsAfterClearing(length) => {
                    dst.push_copy(b"cleared too");
                    dst.clear();
                    length
                }
                Frame::FailsAfterReplacing(length) => {
                    *dst = WriteQueue::new();
                    length
                }
            };
            // A short one shares a block with the bytes in front.
            dst.push_copy(&vec![2; length]);
            dst.push(vec![3; length]);
            Err(io::Error::other("fails"))
        }
    }
    let _baseline = ResourceBaseline::take();
    for pending in [0, 4, 600, 5000] {
        for length in [1, 4, 5000] {
            for fails in [Frame::FailsAfterClearing, Frame::FailsAfterReplacing] {
                let mut out = FramedWrite::new(Vec::new(), Clearing);
                run(out.send_frame(Frame::Bytes(10_000))).unwrap();
                out.push_frame(Frame::Bytes(pending)).unwrap();
                out.push_frame(fails(length)).unwrap_err();
                assert_eq!(out.write_buffer().pending_bytes(), 0, "{pending} {length}");
                run(out.send_frame(Frame::Bytes(7))).unwrap();
                assert_eq!(out.into_inner(), [1; 10_007]);
            }
        }
    }
}

#[test]
fn an_adjustment_beyond_the_length_field_is_an_error() {
    let _baseline = ResourceBaseline::take();
    let mut queue = WriteQueue::new();
    for (adjustment, length) in [(-256, 0), (-300, 0), (-255, 1), (isize::MIN, 0), (isize::MAX, 7)]
    {
        let mut builder = LengthDelimitedCodec::builder();
        let mut codec = builder.length_field_type::<u8>().length_adjustment(adjustment).new_codec();
        let error = codec.encode(&vec![1; length][..], &mut queue).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{adjustment}");
    }
    assert!(queue.is_empty());
    let mut builder = LengthDelimitedCodec::builder();
    let mut codec = builder.length_field_type::<u8>().length_adjustment(-255).new_codec();
    codec.encode(&b""[..], &mut queue).unwrap();
    let mut sent = Vec::new();
    assert!(queue.flush_into(&mut sent).unwrap().is_done());
    assert_eq!(sent, [255]);
}

#[test]
fn a_capacity_of_any_size_asks_for_no_more_than_a_socket_holds() {
    let _baseline = ResourceBaseline::take();
    struct Offered(Vec<usize>);
    impl AsyncRead for Offered {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            self.0.push(buf.remaining());
            if self.0.len() < 4 {
                buf.put_slice(b"x");
            }
            Poll::Ready(Ok(()))
        }
    }
    for capacity in [0, 1, 20_000_000, isize::MAX as usize, usize::MAX] {
        let reader = Offered(Vec::new());
        let mut frames = FramedRead::with_capacity(reader, LengthDelimitedCodec::new(), capacity);
        assert!(run(frames.next_frame()).unwrap().is_err(), "four bytes are not a frame");
        let offered = &frames.get_ref().0;
        let capacity = capacity.clamp(1, 16 << 20);
        let most = capacity.next_power_of_two().max(4096);
        assert!(offered.iter().all(|offer| (1..=most).contains(offer)), "{capacity}: {offered:?}");
        assert!(offered[0] >= capacity);
    }
}

#[test]
fn the_boundary_is_that_of_the_queue_which_the_parts_bring() {
    let _baseline = ResourceBaseline::take();
    let mut frames = Framed::new(tokio::io::empty(), BytesCodec::new());
    assert_eq!(frames.backpressure_boundary(), 64 * 1024);
    frames.set_backpressure_boundary(1000);
    let frames = Framed::from_parts(frames.into_parts());
    assert_eq!(frames.backpressure_boundary(), 1000);
    let mut parts = frames.into_parts();
    parts.write_buf = WriteQueue::new().with_watermarks(1, u64::MAX);
    assert_eq!(Framed::from_parts(parts).backpressure_boundary(), usize::MAX);
}
