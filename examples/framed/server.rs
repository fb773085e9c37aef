//! The protocol, and the server.

use std::io;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use bytebuf::codec::{Decoder, Encoder, Framed, LengthDelimitedCodec};
use bytebuf::{ByteBuf, ByteStr, FileRegion, WriteQueue};
use bytes::BufMut;
use tokio::net::{TcpListener, TcpStream};

use crate::output::{context, say, warn};

/// Maximum length of a request.
const MAX_REQUEST: usize = 4096;

/// An answer of the server.
pub(crate) enum Answer {
    Text(ByteStr),
    /// Sent by the kernel, after the same header.
    File(FileRegion),
}

/// Frames with a length field of 8 bytes: text requests, answers of text or a file.
pub(crate) struct Protocol(LengthDelimitedCodec);

impl Protocol {
    pub(crate) fn new() -> Self {
        let mut builder = LengthDelimitedCodec::builder();
        Self(builder.length_field_type::<u64>().max_frame_length(MAX_REQUEST).new_codec())
    }
}

impl Decoder for Protocol {
    type Item = ByteStr;
    type Error = io::Error;

    fn decode(&mut self, src: &mut ByteBuf) -> io::Result<Option<ByteStr>> {
        let Some(frame) = self.0.decode(src)? else { return Ok(None) };
        let text = ByteStr::try_from(frame.freeze());
        Ok(Some(text.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?))
    }
}

impl Encoder<Answer> for Protocol {
    type Error = io::Error;

    fn encode(&mut self, answer: Answer, dst: &mut WriteQueue) -> io::Result<()> {
        dst.try_reserve(8)?;
        match answer {
            Answer::Text(text) => {
                dst.put_u64(text.len() as u64);
                dst.push(text);
            }
            Answer::File(file) => {
                dst.put_u64(file.len());
                dst.push(file);
            }
        }
        Ok(())
    }
}

/// Serves a directory until the process ends.
pub(crate) async fn listen(address: &str, dir: PathBuf) -> io::Result<()> {
    names(&dir).map_err(context(format_args!("cannot serve {}", dir.display())))?;
    let listener = TcpListener::bind(address)
        .await
        .map_err(context(format_args!("cannot listen on {address}")))?;
    say(format_args!("listening on {}", listener.local_addr()?));
    let dir = Rc::new(dir);
    let tasks = tokio::task::LocalSet::new();
    tasks
        .run_until(async {
            loop {
                let (socket, peer) = match listener.accept().await {
                    Ok(accepted) => accepted,
                    // For example, no descriptor is free. The end of a connection frees one.
                    Err(error) => {
                        warn(format_args!("cannot accept: {error}"));
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        continue;
                    }
                };
                let dir = dir.clone();
                tokio::task::spawn_local(async move {
                    if let Err(error) = serve_connection(socket, &dir).await {
                        say(format_args!("server: {peer}: {error}"));
                    }
                });
            }
        })
        .await
}

/// Answers each request of a client until it closes the connection.
pub(crate) async fn serve_connection(socket: TcpStream, dir: &Path) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let mut frames = Framed::new(socket, Protocol::new());
    while let Some(request) = frames.next_frame().await {
        let request = request?;
        let answer = match request.split_once(' ') {
            Some(("GET", name)) => {
                file(dir, name).unwrap_or_else(|error| text(format!("{name}: {error}")))
            }
            _ if *request == *"LIST" => text(names(dir)?),
            // The echo shares the block that received the request.
            _ => Answer::Text(request.clone()),
        };
        frames.push_frame(answer)?;
        // The flush of the sink would read the file into memory; this one sends it by `sendfile`.
        frames.flush_all().await?;
        say(format_args!("server: answered {request:?}"));
    }
    let stats = frames.write_buffer().stats();
    say(format_args!(
        "server: the client closed the connection; {} bytes written in {} calls, {} bytes of a file sent by the kernel in {} calls",
        stats.written_bytes, stats.writes, stats.sendfile_bytes, stats.sendfiles
    ));
    Ok(())
}

fn text(text: String) -> Answer {
    Answer::Text(text.into())
}

/// Opens a file of the directory; refuses a name that leads elsewhere.
fn file(dir: &Path, name: &str) -> io::Result<Answer> {
    let mut parts = Path::new(name).components();
    match (parts.next(), parts.next()) {
        (Some(Component::Normal(name)), None) => {
            Ok(Answer::File(FileRegion::open(dir.join(name))?))
        }
        _ => Err(io::ErrorKind::InvalidFilename.into()),
    }
}

fn names(dir: &Path) -> io::Result<String> {
    let mut names = String::new();
    for entry in std::fs::read_dir(dir)? {
        names.push_str(&entry?.file_name().to_string_lossy());
        names.push('\n');
    }
    Ok(names)
}
