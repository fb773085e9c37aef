//! The client of the demonstration.

use std::fs::File;
use std::io;
use std::time::Instant;

use bytebuf::codec::{Framed, LengthDelimitedCodec};
use tokio::net::{TcpListener, TcpStream};

use crate::output::say;
use crate::server;

/// Length of the file that the client requests.
const LENGTH: usize = 64 << 20;

/// Serves a temporary directory, requests each kind of answer, and prints each step.
pub(crate) async fn demo() -> io::Result<()> {
    let dir = tempfile::tempdir()?;
    // A file without blocks: it takes no space, and reads as zeros.
    File::create(dir.path().join("large"))?.set_len(LENGTH as u64)?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let serve = async { server::serve_connection(listener.accept().await?.0, dir.path()).await };
    tokio::try_join!(serve, request_each(address))?;
    Ok(())
}

async fn request_each(address: std::net::SocketAddr) -> io::Result<()> {
    let socket = TcpStream::connect(address).await?;
    let mut builder = LengthDelimitedCodec::builder();
    builder.length_field_type::<u64>().max_frame_length(LENGTH);
    let mut frames: Framed<_, LengthDelimitedCodec> = builder.new_framed(socket);
    say(format_args!(
        "client: connected, accepts frames of up to {} bytes",
        frames.codec().max_frame_length()
    ));
    for request in ["hello", "LIST", "GET large", "GET ../etc/passwd"] {
        say(format_args!("client: {request:?}"));
        let begin = Instant::now();
        frames.send_frame(request.as_bytes()).await?;
        let answer = frames.next_frame().await.ok_or(io::ErrorKind::UnexpectedEof)??;
        match answer.len() {
            0..100 => say(format_args!("client: received {:?}", String::from_utf8_lossy(&answer))),
            length => say(format_args!("client: received {length} bytes in {:?}", begin.elapsed())),
        }
    }
    Ok(())
}
