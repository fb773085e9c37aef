//! An HTTP file server: keep-alive connections request small and large files in turn.

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytebuf::{ByteBuf, FileRegion, RecvSizer, WriteQueue};
use bytes::{Buf, BufMut, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Scenario, Variant, accept, join, skip};

const CONNECTIONS: usize = 64;
/// Requests of each connection for each file.
const REQUESTS: usize = 20;
/// The files, by their lengths.
const FILES: [usize; 3] = [4 * 1024, 64 * 1024, 1024 * 1024];
/// Bytes that are read of a file at a time.
const PART: usize = 64 * 1024;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "file",
    title: "HTTP file server",
    variants: &[
        Variant { name: "bytebuf", serve: |listener, dir| Box::pin(accept(listener, dir, ours)) },
        Variant {
            name: "bytes, pread",
            serve: |listener, dir| Box::pin(accept(listener, dir, pread)),
        },
        Variant {
            name: "bytes, tokio::fs",
            serve: |listener, dir| Box::pin(accept(listener, dir, tokio_fs)),
        },
    ],
    load: |server, quick| Box::pin(load(server, if quick { 1 } else { REQUESTS })),
};

/// Writes the files that are served.
pub(crate) fn write_files(dir: &Path) -> io::Result<()> {
    FILES
        .iter()
        .try_for_each(|length| std::fs::write(dir.join(length.to_string()), vec![7; *length]))
}

async fn ours(stream: TcpStream, dir: Arc<Path>) -> io::Result<()> {
    let (mut sizer, mut received, mut out) = (RecvSizer::new(), ByteBuf::new(), WriteQueue::new());
    while sizer.receive_some(&stream, &mut received).await? != 0 {
        while let Some((path, length)) = request(&received, &dir)? {
            received.advance(length);
            let file = FileRegion::open(path)?;
            out.push(head(file.len()));
            out.push(file);
            out.writable(&stream).await?;
        }
        out.flush_all(&stream).await?;
    }
    Ok(())
}

/// Reads in the task, because the files are in the page cache.
async fn pread(mut stream: TcpStream, dir: Arc<Path>) -> io::Result<()> {
    // As long as the first part with its head, so that no part is zeroed before a read.
    let (mut received, mut out) = (BytesMut::with_capacity(4096), BytesMut::zeroed(PART + 256));
    while stream.read_buf(&mut received).await? != 0 {
        while let Some((path, length)) = request(&received, &dir)? {
            received.advance(length);
            let file = File::open(path)?;
            let length = file.metadata()?.len();
            let head = head(length);
            out[..head.len()].copy_from_slice(head.as_bytes());
            let (mut filled, mut position) = (head.len(), 0);
            while position < length {
                let part = (length - position).min(PART as u64) as usize;
                file.read_exact_at(&mut out[filled..filled + part], position)?;
                stream.write_all(&out[..filled + part]).await?;
                position += part as u64;
                filled = 0;
            }
        }
    }
    Ok(())
}

async fn tokio_fs(mut stream: TcpStream, dir: Arc<Path>) -> io::Result<()> {
    let (mut received, mut out) = (BytesMut::with_capacity(4096), BytesMut::new());
    while stream.read_buf(&mut received).await? != 0 {
        while let Some((path, length)) = request(&received, &dir)? {
            received.advance(length);
            let mut file = tokio::fs::File::open(path).await?;
            file.set_max_buf_size(PART);
            out.put_slice(head(file.metadata().await?.len()).as_bytes());
            loop {
                out.reserve(PART);
                let read = file.read_buf(&mut out).await?;
                if read == 0 && out.is_empty() {
                    break;
                }
                stream.write_all_buf(&mut out).await?;
            }
        }
    }
    Ok(())
}

/// Returns the path of the first request and its length, if it is complete.
fn request(received: &[u8], dir: &Path) -> io::Result<Option<(PathBuf, usize)>> {
    let invalid = |error| io::Error::new(io::ErrorKind::InvalidData, error);
    let mut headers = [httparse::EMPTY_HEADER; 16];
    let mut request = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(length) = request.parse(received).map_err(invalid)? else {
        return Ok(None);
    };
    let name = request.path.unwrap_or_default().trim_start_matches('/');
    if !FILES.iter().any(|known| known.to_string() == name) {
        return Err(io::ErrorKind::NotFound.into());
    }
    Ok(Some((dir.join(name), length)))
}

fn head(length: u64) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: keep-alive\r\n\r\n")
}

async fn load(server: SocketAddr, requests: usize) -> io::Result<Vec<TcpStream>> {
    let tasks = (0..CONNECTIONS).map(|_| tokio::spawn(client(server, requests)));
    join(tasks.collect()).await
}

async fn client(server: SocketAddr, requests: usize) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(server).await?;
    let mut part = vec![0; 256 * 1024];
    for length in FILES.into_iter().cycle().take(requests * FILES.len()) {
        let request = format!("GET /{length} HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        skip(&mut stream, &mut part, head(length as u64).len() + length).await?;
    }
    Ok(stream)
}
