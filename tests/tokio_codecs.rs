//! A program over frames, compiled against `tokio_util::codec` and, as the same text, against `bytebuf::codec`.

#[path = "support/resource_baseline.rs"]
mod resource_baseline;
#[path = "../src/test_runtime.rs"]
mod test_runtime;

use std::fmt::Debug;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, BufMut, Bytes};
use futures_core::Stream;
use futures_sink::Sink;
use proptest::prelude::*;
use resource_baseline::ResourceBaseline;
use test_runtime::run;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf};

/// What happened, in words that both crates have.
type Log = Vec<String>;

/// Gives `cut` bytes at a time.
struct Pieces<'a>(&'a [u8], usize);

impl AsyncRead for Pieces<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (now, rest) = self.0.split_at(self.1.min(buf.remaining()).min(self.0.len()));
        buf.put_slice(now);
        self.0 = rest;
        Poll::Ready(Ok(()))
    }
}

/// Takes all that a stream of frames gives, and polls it beyond its ends.
fn drain<F: AsRef<[u8]>, E>(mut stream: impl Stream<Item = Result<F, E>> + Unpin) -> Log {
    let (mut log, mut ends) = (Log::new(), 0);
    while ends < 3 {
        match run(poll_fn(|cx| Pin::new(&mut stream).poll_next(cx))) {
            Some(Ok(frame)) => {
                ends = 0;
                log.push(String::from_utf8_lossy(frame.as_ref()).into());
            }
            Some(Err(_)) => log.push("error".into()),
            None => {
                ends += 1;
                log.push("end".into());
            }
        }
    }
    log
}

/// Sends the items and gives what became of each, and the bytes.
fn send<I, E: Debug>(
    mut sink: impl Sink<I, Error = E> + Unpin,
    mut peer: impl AsyncRead + Unpin,
    items: impl IntoIterator<Item = I>,
) -> Log {
    run(async {
        let mut log = Log::new();
        for item in items {
            poll_fn(|cx| Pin::new(&mut sink).poll_ready(cx)).await.unwrap();
            let sent = Pin::new(&mut sink).start_send(item);
            log.push(if sent.is_ok() { "sent" } else { "error" }.into());
        }
        poll_fn(|cx| Pin::new(&mut sink).poll_close(cx)).await.unwrap();
        let mut bytes = String::new();
        peer.read_to_string(&mut bytes).await.unwrap();
        log.push(bytes);
        log
    })
}

/// How a length field is set, in this order: offset, width, adjustment, bytes to skip, little endian.
type Field = (usize, usize, isize, Option<usize>, bool);

macro_rules! program {
    ($name:ident, $codec:path, $received:path, $sent:path) => {
        mod $name {
            use $codec as codec;
            use $received as Received;
            use $sent as Sent;

            use codec::length_delimited::Builder;
            use codec::{
                AnyDelimiterCodec, BytesCodec, Decoder, Encoder, Framed, FramedParts, FramedRead,
                FramedWrite, LengthDelimitedCodec, LinesCodec, LinesCodecError,
            };

            use super::*;

            /// A protocol of a user: a kind, a length and a text.
            #[derive(Debug)]
            struct Messages;

            impl Decoder for Messages {
                type Item = Vec<u8>;
                type Error = io::Error;

                fn decode(&mut self, src: &mut Received) -> io::Result<Option<Vec<u8>>> {
                    if src.len() < 3 {
                        src.reserve(3 - src.len());
                        return Ok(None);
                    }
                    let length = usize::from(u16::from_be_bytes([src[1], src[2]]));
                    if src.len() < 3 + length {
                        return Ok(None);
                    }
                    let mut message = src.split_to(3 + length);
                    let kind = message.get_u8();
                    message.advance(2);
                    Ok(Some([&[kind], &message[..]].concat()))
                }
            }

            impl Encoder<(u8, &str)> for Messages {
                type Error = io::Error;

                fn encode(&mut self, (kind, text): (u8, &str), dst: &mut Sent) -> io::Result<()> {
                    let length = u16::try_from(text.len()).map_err(io::Error::other)?;
                    dst.reserve(3 + text.len());
                    dst.put_u8(kind);
                    dst.put_u16(length);
                    dst.extend_from_slice(text.as_bytes());
                    Ok(())
                }
            }

            fn builder((offset, width, adjustment, skip, little): Field) -> Builder {
                let mut builder = LengthDelimitedCodec::builder();
                builder.length_field_offset(offset).length_field_length(width);
                builder.length_adjustment(adjustment);
                if let Some(skip) = skip {
                    builder.num_skip(skip);
                }
                if little {
                    builder.little_endian()
                } else {
                    builder.big_endian()
                };
                builder
            }

            pub(super) fn read_lengths(bytes: &[u8], cut: usize, field: Field, max: usize) -> Log {
                let mut builder = builder(field);
                drain(builder.max_frame_length(max).new_read(Pieces(bytes, cut)))
            }

            pub(super) fn write_lengths(frames: &[Bytes], field: Field, max: usize) -> Log {
                let (near, far) = tokio::io::duplex(1 << 20);
                let sink = builder(field).max_frame_length(max).new_write(near);
                send(sink, far, frames.iter().cloned())
            }

            pub(super) fn read_text(bytes: &[u8], cut: usize, max: usize) -> [Log; 3] {
                let source = || Pieces(bytes, cut);
                let any =
                    AnyDelimiterCodec::new_with_max_length(b",;".to_vec(), b"--".to_vec(), max);
                let lines = LinesCodec::new_with_max_length(max);
                assert_eq!((lines.max_length(), any.max_length()), (max, max));
                let lines = FramedRead::new(source(), lines);
                let with_capacity = FramedRead::with_capacity(source(), LinesCodec::new(), 100);
                [
                    drain(lines.map_decoder(Text)),
                    drain(with_capacity.map_decoder(Text)),
                    drain(FramedRead::new(source(), any)),
                ]
            }

            /// A decoder of a user around one of the crate.
            struct Text(LinesCodec);

            impl Decoder for Text {
                type Item = Vec<u8>;
                type Error = LinesCodecError;

                fn decode(&mut self, src: &mut Received) -> Result<Option<Vec<u8>>, Self::Error> {
                    Ok(self.0.decode(src)?.map(|line| line.as_bytes().to_vec()))
                }

                fn decode_eof(
                    &mut self,
                    src: &mut Received,
                ) -> Result<Option<Vec<u8>>, Self::Error> {
                    Ok(self.0.decode_eof(src)?.map(|line| line.as_bytes().to_vec()))
                }
            }

            pub(super) fn write_text(texts: &[&str]) -> [Log; 3] {
                let pipe = || tokio::io::duplex(1 << 20);
                let (near, far) = pipe();
                let lines = send(FramedWrite::new(near, LinesCodec::new()), far, texts);
                let (near, far) = pipe();
                let any = AnyDelimiterCodec::default();
                let any = send(FramedWrite::with_capacity(near, any, 10), far, texts);
                let (near, far) = pipe();
                let bytes = texts.iter().map(|text| Bytes::copy_from_slice(text.as_bytes()));
                [lines, any, send(BytesCodec::new().framed(near), far, bytes)]
            }

            pub(super) fn read_bytes(bytes: &[u8], cut: usize) -> Log {
                drain(FramedRead::new(Pieces(bytes, cut), BytesCodec::new()))
            }

            /// Changes the protocol in the middle of a connection, and looks at everything on the way.
            pub(super) fn change_protocol() -> Log {
                run(async {
                    let mut log = Log::new();
                    let (near, mut far) = tokio::io::duplex(1 << 20);
                    far.write_all(b"hello\nm\0\x05there\0\0\0\x04last").await.unwrap();
                    let mut lines = Framed::new(near, LinesCodec::new_with_max_length(7));
                    lines.set_backpressure_boundary(3);
                    log.push(lines.backpressure_boundary().to_string());
                    let line = poll_fn(|cx| Pin::new(&mut lines).poll_next(cx)).await;
                    log.push(line.unwrap().unwrap().to_string());
                    Pin::new(&mut lines).start_send("queued").unwrap();
                    log.push(lines.write_buffer().is_empty().to_string());
                    log.push(Pin::new(&mut lines).codec_pin_mut().max_length().to_string());
                    log.push(format!("{:?}", lines.read_buffer()));

                    let mut messages = lines.map_codec(|_| Messages);
                    let next = poll_fn(|cx| Pin::new(&mut messages).poll_next(cx)).await;
                    log.push(format!("{:?}", next.unwrap().unwrap()));
                    Pin::new(&mut messages).start_send((b'm', "answer")).unwrap();
                    log.push(messages.read_buffer_mut().get_u32().to_string());

                    let FramedParts { io, codec, read_buf, write_buf, .. } = messages.into_parts();
                    log.push(format!("{codec:?} {read_buf:?}"));
                    let mut parts = FramedParts::new::<Bytes>(io, BytesCodec::new());
                    (parts.read_buf, parts.write_buf) = (read_buf, write_buf);
                    let mut raw = Framed::from_parts(parts);
                    let next = poll_fn(|cx| Pin::new(&mut raw).poll_next(cx)).await;
                    log.push(format!("{:?}", next.unwrap().unwrap()));
                    let close =
                        |cx: &mut Context<'_>| Sink::<Bytes>::poll_close(Pin::new(&mut raw), cx);
                    poll_fn(close).await.unwrap();
                    let mut sent = String::new();
                    far.read_to_string(&mut sent).await.unwrap();
                    log.push(sent);
                    let _: (&_, &BytesCodec) = (raw.get_ref(), raw.codec());
                    Pin::new(&mut raw).get_pin_mut().shutdown().await.unwrap();
                    drop(raw.into_inner());
                    log
                })
            }
        }
    };
}

program!(theirs, tokio_util::codec, bytes::BytesMut, bytes::BytesMut);
program!(ours, bytebuf::codec, bytebuf::ByteBuf, bytebuf::WriteQueue);

fn fields() -> impl Strategy<Value = Field> {
    (0..3_usize, 1..=8_usize, 0..3_isize, prop::option::of(0..3_usize), any::<bool>()).prop_map(
        |(offset, width, adjustment, more, little)| {
            (offset, width, adjustment, more.map(|more| offset + width + more), little)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn the_same_bytes_give_the_same_frames(
        bytes in "[ab\r\n,;é]{0,60}",
        cut in 1_usize..20,
        max in 0_usize..12,
    ) {
        let _baseline = ResourceBaseline::take();
        let bytes = bytes.as_bytes();
        for (ours, mut theirs) in ours::read_text(bytes, cut, max).into_iter().zip(theirs::read_text(bytes, cut, max)) {
            if theirs.iter().filter(|what| *what == "error").count() > 1 {
                // After an error at the end of a stream, theirs drops what is left.
                while theirs.pop_if(|what| what == "end").is_some() {}
                prop_assert_eq!(&ours[..theirs.len()], theirs);
            } else {
                prop_assert_eq!(ours, theirs);
            }
        }
        prop_assert_eq!(ours::read_bytes(bytes, cut), theirs::read_bytes(bytes, cut));
    }

    /// Whole frames, and perhaps a byte of another: theirs ends without an error between a header and its frame.
    #[test]
    fn the_same_lengths_give_the_same_frames(
        lengths in prop::collection::vec(0_u8..20, 0..8),
        stray in any::<bool>(),
        cut in 1_usize..30,
        max in prop::option::of(0_usize..20),
        field in fields(),
    ) {
        let _baseline = ResourceBaseline::take();
        let (offset, width, adjustment, skip, little) = field;
        let skipped = skip.unwrap_or(offset + width) - offset - width;
        let mut bytes = Vec::new();
        for length in lengths {
            bytes.resize(bytes.len() + offset, b'-');
            if little { bytes.put_uint_le(length.into(), width) } else { bytes.put_uint(length.into(), width) }
            bytes.resize(bytes.len() + skipped + usize::from(length) + adjustment as usize, b'x');
        }
        // One byte is less than a header.
        bytes.extend((stray && offset + width > 1).then_some(b'.'));
        // Theirs compares the length field, ours the frame: without an adjustment they are the same.
        let max = max.filter(|_| adjustment == 0).unwrap_or(1000);
        // A length that is refused is refused at each later read; theirs first waits for the bytes it skips.
        let to_first_error = |mut log: Log| {
            let error = log.iter().position(|what| what == "error");
            log.truncate(error.map_or(log.len(), |at| at + 1));
            log
        };
        prop_assert_eq!(
            to_first_error(ours::read_lengths(&bytes, cut, field, max)),
            to_first_error(theirs::read_lengths(&bytes, cut, field, max))
        );
    }

    #[test]
    fn the_same_frames_give_the_same_bytes(
        texts in prop::collection::vec("[a-z\n]{0,30}", 0..8),
        mut field in fields(),
        adjustment in -3_isize..3,
        max in 0_usize..40,
    ) {
        let _baseline = ResourceBaseline::take();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        prop_assert_eq!(ours::write_text(&texts), theirs::write_text(&texts));
        field.2 = adjustment;
        let frames: Vec<Bytes> = texts.iter().map(|text| text.as_bytes().to_vec().into()).collect();
        prop_assert_eq!(
            ours::write_lengths(&frames, field, max),
            theirs::write_lengths(&frames, field, max)
        );
    }
}

#[test]
fn a_connection_changes_its_protocol_and_loses_no_byte() {
    let _baseline = ResourceBaseline::take();
    let log = ours::change_protocol();
    assert_eq!(log, theirs::change_protocol());
    assert_eq!(log.last().unwrap(), "queued\nm\0\x06answer");
}
