use bytebuf::{ByteBuf, ByteView, FileRegion, Pool, RecvSizer, WriteQueue};
use bytes::Buf;
use std::io;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

/// Maximum length of a line, which limits the memory of a request.
const MAX_LINE: usize = 8 * 1024;

/// Removes the next line. It shares the memory that it was received into.
fn next_line(received: &mut ByteBuf) -> io::Result<Option<ByteView>> {
    let end = received.find_byte(b'\n');
    if end.unwrap_or(received.len()) > MAX_LINE {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let Some(end) = end else { return Ok(None) };
    let line = received.split_to(end).freeze();
    received.advance(1);
    Ok(Some(line))
}

/// Queues the answer to one request. `sendfile` sends a file; the process does not read it.
fn answer(line: &ByteView, out: &mut WriteQueue) {
    let name = line.strip_prefix(b"file ").and_then(|name| std::str::from_utf8(name).ok());
    match name.map(FileRegion::open) {
        Some(Ok(file)) => {
            out.push(format!("{} bytes\n", file.len()));
            out.push(file);
        }
        Some(Err(error)) => {
            out.push(format!("error: {error}\n"));
        }
        None => {
            out.push("hello, ");
            out.push(line.clone());
            out.push("\n");
        }
    }
}

async fn serve(stream: TcpStream, pool: Pool) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut received = pool.alloc(0);
    let mut sizer = RecvSizer::new();
    let mut out = WriteQueue::new();
    // Waits for bytes without holding memory. 0 is the end of the stream.
    while sizer.receive_some(&stream, &mut received).await? != 0 {
        while let Some(line) = next_line(&mut received)? {
            answer(&line, &mut out);
            // Above the high watermark this waits until the client has read. Its next requests stay in the socket.
            out.writable(&stream).await?;
        }
        out.flush_all(&stream).await?;
    }
    Ok(())
}

pub async fn run(listener: TcpListener) {
    let server = Pool::global().budget("server", 64 << 20);
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            // For example, no descriptor is free. The end of a connection frees one.
            Err(error) => {
                eprintln!("cannot accept: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let connection = server.budget("connection", 1 << 20);
        tokio::spawn(async move {
            if let Err(error) = serve(stream, connection).await {
                eprintln!("{peer}: {error}");
            }
        });
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    run(TcpListener::bind("127.0.0.1:7000").await?).await;
    Ok(())
}
