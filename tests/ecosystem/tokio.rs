//! Streams of tokio.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytebuf::{ByteBuf, ByteView, CompositeByteBuf};
use bytes::Buf;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::recorder::Recorder;
use crate::resource_baseline::ResourceBaseline;
use crate::test_runtime::run;

fn bytes(len: u32) -> Vec<u8> {
    (0..len).map(|i| (i / 7) as u8).collect()
}

#[test]
fn a_buffer_is_read_into_and_grows() {
    let _baseline = ResourceBaseline::take();
    run(async {
        let (mut from, mut to) = UnixStream::pair().unwrap();
        let sent = bytes(100_000);
        let send = tokio::spawn(async move { to.write_all(&bytes(100_000)).await });
        let mut buf = ByteBuf::new();
        while from.read_buf(&mut buf).await.unwrap() > 0 {}
        send.await.unwrap().unwrap();
        assert!(buf == sent);
    });
}

#[test]
fn reading_stops_at_the_maximum() {
    let _baseline = ResourceBaseline::take();
    run(async {
        let (mut from, mut to) = UnixStream::pair().unwrap();
        to.write_all(&bytes(1000)).await.unwrap();
        let mut buf = ByteBuf::with_capacity(10);
        buf.set_max_capacity(100).unwrap();
        while from.read_buf(&mut buf).await.unwrap() > 0 {}
        assert_eq!(buf, bytes(100));
    });
}

#[test]
fn a_composite_is_written_by_its_components() {
    let _baseline = ResourceBaseline::take();
    run(async {
        let [(mut to, writes), (mut from, _)] = Recorder::pair();
        let all: CompositeByteBuf = (1..9_u8).map(|i| vec![i; 1000]).collect();
        to.write_all_buf(&mut all.clone()).await.unwrap();
        drop(to);
        let mut received = Vec::new();
        from.read_to_end(&mut received).await.unwrap();
        assert!(all == received);
        assert!(writes.has(all.components().map(|view| &view[..])));
    });
}

#[test]
fn a_cancelled_write_has_consumed_what_it_sent() {
    let _baseline = ResourceBaseline::take();
    run(async {
        let (mut to, mut from) = UnixStream::pair().unwrap();
        let view = ByteView::from(bytes(3_000_000));
        let all = CompositeByteBuf::from_iter([view.slice(..1_000_000), view.slice(1_000_000..)]);
        let mut rest = all.clone();
        to.writable().await.unwrap();
        let mut cx = Context::from_waker(Waker::noop());
        while let Poll::Ready(sent) = pin!(to.write_buf(&mut rest)).poll(&mut cx) {
            assert_ne!(sent.unwrap(), 0);
        }
        assert!((1..all.len()).contains(&rest.len()), "no socket holds so much");
        drop(to);
        let mut received = Vec::new();
        from.read_to_end(&mut received).await.unwrap();
        assert_eq!(received.len() + rest.remaining(), all.len());
        assert!(all.slice(..received.len()) == received && all.slice(received.len()..) == rest);
    });
}
