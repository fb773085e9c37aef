//! Buffers of this crate under compio, on a real ring of the kernel.
#![cfg(all(target_os = "linux", target_pointer_width = "64", target_endian = "little", not(miri)))]

#[path = "../src/test_data.rs"]
mod test_data;

use bytebuf::{ByteBuf, ByteView, CompositeByteBuf, Pool};
use compio::buf::{BufResult, IntoInner, IoBuf, IoBufMut};
use compio::fs::{File, OpenOptions};
use compio::io::{AsyncRead, AsyncReadAt, AsyncReadExt, AsyncWriteAt, AsyncWriteExt};
use compio::net::{TcpListener, TcpStream};
use compio::runtime::Runtime;
use test_data::pattern;

/// Runs on a ring; where the kernel or its configuration allows none, says so and passes.
fn on_a_ring(test: impl AsyncFnOnce()) {
    match Runtime::new() {
        Ok(runtime) => runtime.block_on(test()),
        Err(error) => println!("no ring here: {error}"),
    }
}

#[test]
fn a_file_is_written_in_one_vectored_call_and_read_behind_what_is_held() {
    on_a_ring(async || {
        let path = tempfile::NamedTempFile::new().unwrap().into_temp_path();
        let bytes = pattern(100_000, 0);
        let parts: CompositeByteBuf = bytes.chunks(7_001).map(ByteView::copy_from_slice).collect();
        let mut file = OpenOptions::new().write(true).open(&path).await.unwrap();
        let BufResult(written, parts) = file.write_vectored_at(parts, 0).await;
        assert_eq!((written.unwrap(), parts.len()), (bytes.len(), bytes.len()));

        let file = File::open(&path).await.unwrap();
        let pool = Pool::builder().build();
        let mut buf = pool.alloc(4 + bytes.len());
        buf.extend_from_slice(b"held");
        let mut tail = buf.uninit();
        let mut at = 0;
        while at < bytes.len() {
            let BufResult(read, back) = file.read_at(tail, at as u64).await;
            (at, tail) = (at + read.unwrap(), back);
        }
        let buf: ByteBuf = tail.into_inner();
        assert_eq!(buf[..4], b"held"[..]);
        assert!(buf[4..] == bytes);
        // No byte was copied: the kernel wrote into the block of the pool.
        assert_eq!(pool.stats().live_blocks, 1);
    });
}

#[test]
fn a_connection_echoes_what_is_sent_and_ends_with_its_peer() {
    on_a_ring(async || {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let client = async {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let bytes = pattern(50_000, 0);
            let view = ByteView::from(bytes.clone());
            let BufResult(sent, view) = stream.write_all(view.slice(..)).await;
            sent.unwrap();
            assert_eq!(view.into_inner(), bytes);
            let buf = ByteBuf::with_capacity(bytes.len());
            let BufResult(read, buf) = stream.read_exact(buf).await;
            read.unwrap();
            assert!(buf == bytes[..]);
        };
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut inbox = ByteBuf::with_capacity(4096);
            loop {
                let BufResult(read, back) = stream.read(inbox).await;
                inbox = back;
                if read.unwrap() == 0 {
                    return;
                }
                // A part is held by the write while the next read fills the rest of the block.
                let BufResult(sent, _) = stream.write_all(inbox.split().freeze()).await;
                sent.unwrap();
                inbox.reserve(1);
            }
        };
        futures_join(client, server).await;
    });
}

/// Runs both until the client has ended; the server ends with it.
async fn futures_join(client: impl Future<Output = ()>, server: impl Future<Output = ()>) {
    let (mut client, mut server) = (std::pin::pin!(client), std::pin::pin!(server));
    let (mut ended, mut served) = (false, false);
    std::future::poll_fn(|cx| {
        ended = ended || client.as_mut().poll(cx).is_ready();
        served = served || server.as_mut().poll(cx).is_ready();
        if ended && served { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}
