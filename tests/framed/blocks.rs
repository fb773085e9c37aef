//! Frames stay where they were received.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytebuf::codec::{FramedRead, LengthDelimitedCodec};
use tokio::io::{AsyncRead, ReadBuf};

use crate::resource_baseline::ResourceBaseline;
use crate::run;

/// Gives equal frames of this length, up to `most` bytes at a time, and records where it wrote the first byte of each.
struct Recorded {
    length: usize,
    most: usize,
    sent: usize,
    starts: Vec<usize>,
    offers: Vec<usize>,
}

impl AsyncRead for Recorded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let header = (self.length as u32).to_be_bytes();
        let whole = self.length + header.len();
        self.offers.push(buf.remaining());
        let mut left = self.most.min(buf.remaining());
        while left > 0 {
            let at = self.sent % whole;
            let rest = header.get(at..).unwrap_or_default();
            let next = if rest.is_empty() { &[7; 1000][..(whole - at).min(1000)] } else { rest };
            let next = &next[..left.min(next.len())];
            if at == header.len() {
                self.starts.push(buf.filled().as_ptr_range().end.addr());
            }
            buf.put_slice(next);
            self.sent += next.len();
            left -= next.len();
        }
        Poll::Ready(Ok(()))
    }
}

#[test]
fn frames_of_one_length_are_not_moved() {
    let _baseline = ResourceBaseline::take();
    for length in [10_000, 65_536, 200_000, 1 << 20] {
        for (most, keeps) in
            [(usize::MAX, false), (50_000, false), (usize::MAX, true), (3001, true)]
        {
            let (sent, starts, offers) = (0, Vec::new(), Vec::new());
            let reader = Recorded { length, most, sent, starts, offers };
            let mut frames = FramedRead::new(reader, LengthDelimitedCodec::new());
            let (mut moved, mut kept) = (Vec::new(), Vec::new());
            for turn in 0..30 {
                let frame = run(frames.next_frame()).unwrap().unwrap();
                assert_eq!(frame.len(), length);
                if frame.as_ptr().addr() != frames.get_ref().starts[turn] {
                    moved.push(turn);
                }
                kept.extend(keeps.then_some(frame));
            }
            // The first frames move, while their length is not known.
            assert!(moved.iter().all(|&turn| turn < 5), "{length} {most} {keeps}: {moved:?} moved");
        }
    }
}
