//! The programs. Each file has one server in several variants, and the work of its clients.

mod burst;
mod fan_out;
mod file;
mod proxy;
mod resp;

use std::future::Future;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub(crate) use file::write_files;

type Task<T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send>>;

/// A server in several variants, of which the first is on `bytebuf`.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) variants: &'static [Variant],
    /// Does a fixed amount of work, less for `--quick`, and returns the open connections.
    pub(crate) load: fn(SocketAddr, bool) -> Task<Vec<TcpStream>>,
}

/// A variant of the server.
pub(crate) struct Variant {
    pub(crate) name: &'static str,
    pub(crate) serve: fn(TcpListener, PathBuf) -> Task<()>,
}

pub(crate) const SCENARIOS: &[Scenario] =
    &[burst::SCENARIO, file::SCENARIO, fan_out::SCENARIO, proxy::SCENARIO, resp::SCENARIO];

/// Accepts connections until an error, each with its own task.
async fn accept<F>(
    listener: TcpListener,
    dir: PathBuf,
    serve: impl Fn(TcpStream, std::sync::Arc<Path>) -> F,
) -> io::Result<()>
where
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let dir: std::sync::Arc<Path> = dir.into();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let connection = serve(stream, dir.clone());
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                eprintln!("a connection failed: {error}");
            }
        });
    }
}

/// Receives and discards the given number of bytes.
async fn skip(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut [u8],
    mut bytes: usize,
) -> io::Result<()> {
    while bytes > 0 {
        let wanted = bytes.min(buffer.len());
        match stream.read(&mut buffer[..wanted]).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            received => bytes -= received,
        }
    }
    Ok(())
}

/// Sends many buffers by few calls, as a `WriteQueue` does, and empties the list.
async fn write_all_of(stream: &mut TcpStream, buffers: &mut Vec<Bytes>) -> io::Result<()> {
    if let [buffer] = &mut buffers[..] {
        stream.write_all_buf(buffer).await?;
        buffers.clear();
        return Ok(());
    }
    let mut sent = 0;
    while sent < buffers.len() {
        let slices: [IoSlice<'_>; 64] = std::array::from_fn(|n| {
            IoSlice::new(buffers.get(sent + n).map_or(&[], |buffer| &buffer[..]))
        });
        let mut written =
            stream.write_vectored(&slices[..slices.len().min(buffers.len() - sent)]).await?;
        while let Some(buffer) = buffers.get_mut(sent) {
            let part = written.min(buffer.len());
            buffer.advance(part);
            written -= part;
            if buffer.has_remaining() {
                break;
            }
            sent += 1;
        }
    }
    buffers.clear();
    Ok(())
}

/// Waits for all tasks of the clients.
async fn join<T: 'static>(
    tasks: Vec<tokio::task::JoinHandle<io::Result<T>>>,
) -> io::Result<Vec<T>> {
    let mut results = Vec::with_capacity(tasks.len());
    for task in tasks {
        results.push(task.await??);
    }
    Ok(results)
}
