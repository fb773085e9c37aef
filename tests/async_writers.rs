//! Queues into asynchronous writers: those of tokio and rustls, and made-up ones that wait, fail and lie.
#![cfg(all(target_os = "linux", not(miri)))]

#[path = "support/resource_baseline.rs"]
mod resource_baseline;
#[path = "../src/test_data.rs"]
mod test_data;
#[path = "../src/test_io.rs"]
mod test_io;
#[path = "../src/test_runtime.rs"]
mod test_runtime;

use std::io::{self, IoSlice, Write};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bytebuf::{ByteView, CompositeByteBuf, FileRegion, WriteQueue};
use resource_baseline::ResourceBaseline;
use test_data::pattern;
use test_io::file_with;
use test_runtime::run;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, DuplexStream};

/// Everything that can be queued, and the stream that it is.
fn queue_and_stream() -> (WriteQueue, Vec<u8>) {
    let contents = pattern(200_000, 0);
    let file = Arc::new(file_with(&contents));
    let (mut queue, mut stream) = (WriteQueue::new(), Vec::new());
    for n in 0..20 {
        queue.push_copy(format!("header {n}").as_bytes());
        stream.extend_from_slice(format!("header {n}").as_bytes());
        queue.push(FileRegion::new(file.clone(), 100 * n..200 * n + 50));
        stream.extend_from_slice(&contents[100 * n as usize..200 * n as usize + 50]);
    }
    queue.push(FileRegion::new(file, 0..200_000));
    queue.push(contents.clone());
    let parts = contents.chunks(3000).map(ByteView::copy_from_slice);
    queue.push(parts.collect::<CompositeByteBuf>());
    for _ in 0..3 {
        stream.extend_from_slice(&contents);
    }
    (queue, stream)
}

async fn arrives_whole(
    mut writer: impl AsyncWrite + Unpin,
    mut reader: impl AsyncRead + Unpin,
) -> io::Result<()> {
    let (mut queue, stream) = queue_and_stream();
    let send = async {
        queue.flush_into_async(&mut writer).await?;
        assert!(queue.is_empty());
        tokio::io::AsyncWriteExt::shutdown(&mut writer).await
    };
    let mut received = Vec::new();
    let (sent, read) = tokio::join!(send, reader.read_to_end(&mut received));
    sent?;
    read?;
    assert!(received == stream);
    Ok(())
}

#[test]
fn pipes_in_memory_get_everything() {
    let _baseline = ResourceBaseline::take();
    for size in [7, 100, 5000, 1 << 20] {
        let (writer, reader) = tokio::io::duplex(size);
        run(arrives_whole(writer, reader)).unwrap();
    }
}

#[test]
fn split_halves_get_everything() {
    let _baseline = ResourceBaseline::take();
    run(async {
        let (near, far) = tokio::net::UnixStream::pair().unwrap();
        let (_reader, writer) = tokio::io::split(near);
        arrives_whole(writer, far).await.unwrap();

        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (far, _) = listener.accept().await.unwrap();
        let (_reader, writer) = near.into_split();
        arrives_whole(writer, far).await.unwrap();
    });
}

/// Both ends of a TLS connection over a pipe in memory of so many bytes.
async fn tls(
    size: usize,
) -> (tokio_rustls::client::TlsStream<DuplexStream>, tokio_rustls::server::TlsStream<DuplexStream>)
{
    use rustls::pki_types::{PrivatePkcs8KeyDer, ServerName};
    use rustls::{ClientConfig, RootCertStore, ServerConfig};
    let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = key.cert.der().clone();
    let private = PrivatePkcs8KeyDer::from(key.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let client = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], private.into())
        .unwrap();
    let (near, far) = tokio::io::duplex(size);
    let name = ServerName::try_from("localhost").unwrap();
    let connect = tokio_rustls::TlsConnector::from(Arc::new(client)).connect(name, near);
    let accept = tokio_rustls::TlsAcceptor::from(Arc::new(server)).accept(far);
    let (client, server) = tokio::join!(connect, accept);
    (client.unwrap(), server.unwrap())
}

#[test]
fn tls_streams_get_everything() {
    let _baseline = ResourceBaseline::take();
    run(async {
        // A smaller pipe would not hold the session tickets, which the client does not read.
        for size in [20_000, 1 << 20] {
            let (client, server) = tls(size).await;
            arrives_whole(client, server).await.unwrap();
            let (client, server) = tls(size).await;
            let (_reader, writer) = tokio::io::split(server);
            arrives_whole(writer, client).await.unwrap();
        }
    });
}

/// Compresses; only a flush makes it give out what it has.
struct Compressor<W> {
    encoder: flate2::write::DeflateEncoder<Vec<u8>>,
    sent: usize,
    is_flushed: bool,
    out: W,
}

impl<W: AsyncWrite + Unpin> AsyncWrite for Compressor<W> {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.is_flushed = false;
        Poll::Ready(this.encoder.write(bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.is_flushed {
            this.encoder.flush()?;
            this.is_flushed = true;
        }
        while this.sent < this.encoder.get_ref().len() {
            let rest = &this.encoder.get_ref()[this.sent..];
            this.sent += ready!(Pin::new(&mut this.out).poll_write(cx, rest))?;
        }
        Pin::new(&mut this.out).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().out).poll_shutdown(cx)
    }
}

#[test]
fn a_compressor_is_flushed_also_when_the_queue_is_empty_already() {
    let _baseline = ResourceBaseline::take();
    run(async {
        let (mut queue, stream) = queue_and_stream();
        let (out, mut reader) = tokio::io::duplex(1000);
        let encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
        let mut writer = Compressor { encoder, sent: 0, is_flushed: false, out };
        // The pipe holds less than there is, so this ends in the writer's own flush.
        let mut cx = Context::from_waker(Waker::noop());
        assert!(queue.poll_flush_into(&mut cx, Pin::new(&mut writer)).is_pending());
        assert!(queue.is_empty());
        let receive = async {
            let mut inflate = flate2::Decompress::new(false);
            let (mut received, mut bytes) = (Vec::with_capacity(stream.len() + 1), vec![0; 4096]);
            while received.len() < stream.len() {
                let n = reader.read(&mut bytes).await.unwrap();
                let flush = flate2::FlushDecompress::None;
                inflate.decompress_vec(&bytes[..n], &mut received, flush).unwrap();
            }
            received
        };
        let (flushed, received) = tokio::join!(queue.flush_into_async(&mut writer), receive);
        flushed.unwrap();
        assert!(received == stream);
    });
}

/// What a made-up writer does with one call.
#[derive(Clone, Copy, Debug)]
enum Answer {
    Take(usize),
    Pending,
    Fail(io::ErrorKind),
    Nothing,
    Lie,
}

/// Answers as a generator of numbers says.
struct Moody {
    seed: u64,
    received: Vec<u8>,
    may_fail: bool,
}

impl Moody {
    fn answer(&mut self) -> Answer {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let dice = (self.seed >> 33) as usize;
        match dice % 16 {
            0..4 => Answer::Pending,
            4 if self.may_fail => Answer::Fail(io::ErrorKind::BrokenPipe),
            5 if self.may_fail => Answer::Fail(io::ErrorKind::WouldBlock),
            6 if self.may_fail => Answer::Nothing,
            7 if self.may_fail => Answer::Lie,
            8 => Answer::Fail(io::ErrorKind::Interrupted),
            9..12 => Answer::Take(1 + dice / 16 % 100),
            _ => Answer::Take(1 + dice / 16 % 70_000),
        }
    }

    fn take(&mut self, cx: &Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let offered: usize = bufs.iter().map(|buf| buf.len()).sum();
        assert!(offered > 0 && offered <= 64 * 1024 && bufs.len() <= 1024, "{offered}");
        match self.answer() {
            Answer::Pending => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Answer::Fail(kind) => Poll::Ready(Err(kind.into())),
            Answer::Nothing => Poll::Ready(Ok(0)),
            Answer::Lie => Poll::Ready(Ok(offered + 1)),
            Answer::Take(most) => {
                let end = self.received.len() + most.min(offered);
                bufs.iter().for_each(|buf| self.received.extend_from_slice(buf));
                self.received.truncate(end);
                Poll::Ready(Ok(most.min(offered)))
            }
        }
    }

    fn flush(&mut self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        match self.answer() {
            Answer::Pending => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            _ => Poll::Ready(Ok(())),
        }
    }
}

/// What the traits of tokio and of futures have in common.
macro_rules! poll_methods {
    () => {
        fn poll_write(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.get_mut().take(cx, &[IoSlice::new(bytes)])
        }

        fn poll_write_vectored(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bufs: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            self.get_mut().take(cx, bufs)
        }

        fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.get_mut().flush(cx)
        }
    };
}

impl AsyncWrite for Moody {
    poll_methods!();

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl futures_io::AsyncWrite for Moody {
    poll_methods!();

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Each poll is by a future of its own, which is dropped when it is pending: nothing may be lost with it.
#[test]
fn a_writer_that_waits_fails_and_lies_gets_each_byte_once() {
    let _baseline = ResourceBaseline::take();
    for seed in 0..60 {
        let (mut queue, stream) = queue_and_stream();
        queue = {
            let mut other = WriteQueue::new().with_budget(150_000);
            queue.take_unsent().into_iter().for_each(|part| _ = other.push(part));
            other
        };
        let mut writer = Moody { seed, received: Vec::new(), may_fail: true };
        let mut cx = Context::from_waker(Waker::noop());
        let mut kinds = Vec::new();
        loop {
            let polled = if seed % 2 == 0 {
                pin!(queue.flush_into_async(&mut writer)).poll(&mut cx)
            } else {
                pin!(queue.flush_into_futures(&mut writer)).poll(&mut cx)
            };
            assert_eq!(queue.flushed_bytes(), writer.received.len() as u64);
            assert_eq!(queue.pending_bytes() + queue.flushed_bytes(), stream.len() as u64);
            match polled {
                Poll::Pending => {}
                Poll::Ready(Ok(())) => break,
                Poll::Ready(Err(e)) => kinds.push(e.kind()),
            }
        }
        assert!(writer.received == stream, "{seed}");
        let told = [
            io::ErrorKind::BrokenPipe,
            io::ErrorKind::WouldBlock,
            io::ErrorKind::WriteZero,
            io::ErrorKind::InvalidData,
        ];
        assert!(kinds.iter().all(|kind| told.contains(kind)), "{kinds:?}");
    }
}

/// Takes so many bytes, and then waits for ever.
struct Takes(usize);

impl AsyncWrite for Takes {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let taken = bytes.len().min(self.0);
        self.0 -= taken;
        if taken == 0 { Poll::Pending } else { Poll::Ready(Ok(taken)) }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        panic!("to wait for the watermark flushes nothing")
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[test]
fn waiting_for_the_low_watermark_ends_there_and_sends_no_more_than_it_must() {
    let _baseline = ResourceBaseline::take();
    let mut cx = Context::from_waker(Waker::noop());
    let mut queue = WriteQueue::new();
    queue.push(pattern(60_000, 0));
    let mut writer = Takes(0);
    let below = queue.poll_writable_into(&mut cx, Pin::new(&mut writer));
    assert!(matches!(below, Poll::Ready(Ok(()))), "it is writable, and nothing is sent");
    queue.push(pattern(60_000, 0));
    for (takes, ready) in [(0, false), (60_000, false), (20_000, false), (10_000, true)] {
        writer.0 = takes;
        let polled = queue.poll_writable_into(&mut cx, Pin::new(&mut writer));
        assert_eq!(polled.is_ready(), ready, "{takes}");
        assert_eq!(queue.is_writable(), ready);
    }
    assert_eq!(queue.pending_bytes(), 30_000);
}

#[test]
fn a_producer_that_awaits_the_watermark_holds_little() {
    let _baseline = ResourceBaseline::take();
    run(async {
        let (near, mut far) = tokio::net::UnixStream::pair().unwrap();
        let send = async move {
            let mut queue = WriteQueue::new();
            for n in 0..500 {
                queue.writable(&near).await?;
                queue.push(vec![n as u8; 10_000]);
                assert!(queue.pending_bytes() < 80_000);
            }
            queue.flush_all(&near).await
        };
        let mut received = Vec::new();
        let (sent, read) = tokio::join!(send, far.read_to_end(&mut received));
        sent.unwrap();
        assert_eq!(read.unwrap(), 5_000_000);
        assert!(received.chunks(10_000).enumerate().all(|(n, chunk)| chunk[0] == n as u8));
    });
}
