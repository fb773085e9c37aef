//! Connections that all send a few messages at the same time, and then are idle.

use std::io;
use std::net::SocketAddr;

use bytes::{Buf, BytesMut};
use futures_util::{SinkExt, StreamExt};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::{Scenario, Variant, accept, join, skip};

/// The messages of each connection, and their length with the header.
const MESSAGES: usize = 4;
const MESSAGE: usize = 16 * 1024;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "burst",
    title: "10,000 connections: burst, then idle",
    variants: &[
        Variant {
            name: "bytebuf",
            serve: |listener, dir| Box::pin(accept(listener, dir, |stream, _| ours(stream))),
        },
        Variant {
            name: "bytes, tokio_util",
            serve: |listener, dir| Box::pin(accept(listener, dir, |stream, _| framed(stream))),
        },
        Variant {
            name: "bytes, freed by hand",
            serve: |listener, dir| Box::pin(accept(listener, dir, |stream, _| by_hand(stream))),
        },
    ],
    load: |server, quick| Box::pin(load(server, if quick { 500 } else { 10_000 })),
};

async fn ours(stream: TcpStream) -> io::Result<()> {
    use bytebuf::codec::{Framed, LengthDelimitedCodec};
    let mut frames = Framed::new(stream, LengthDelimitedCodec::new());
    while let Some(frame) = frames.next_frame().await {
        frames.push_frame(frame?)?;
        frames.flush_all().await?;
    }
    Ok(())
}

async fn framed(stream: TcpStream) -> io::Result<()> {
    use tokio_util::codec::{Framed, LengthDelimitedCodec};
    let mut frames = Framed::new(stream, LengthDelimitedCodec::new());
    while let Some(frame) = frames.next().await {
        frames.send(frame?.freeze()).await?;
    }
    Ok(())
}

/// Waits without a buffer, and sends each message back from the buffer that received it: no codec, no copy.
async fn by_hand(mut stream: TcpStream) -> io::Result<()> {
    let mut received = BytesMut::new();
    loop {
        if received.is_empty() {
            received = BytesMut::new();
        }
        stream.readable().await?;
        received.reserve(MESSAGE);
        match stream.try_read_buf(&mut received) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error),
        }
        while let Some(mut header) = received.get(..4) {
            let length = 4 + header.get_u32() as usize;
            if received.len() < length {
                received.reserve(length - received.len());
                break;
            }
            stream.write_all_buf(&mut received.split_to(length)).await?;
        }
    }
}

async fn load(server: SocketAddr, connections: usize) -> io::Result<Vec<TcpStream>> {
    let mut streams = Vec::new();
    for _ in 0..connections {
        streams.push(TcpStream::connect(server).await?);
    }
    let tasks = streams.into_iter().map(|stream| tokio::spawn(burst(stream)));
    join(tasks.collect()).await
}

/// Sends the messages, and waits for the echo of each.
async fn burst(mut stream: TcpStream) -> io::Result<TcpStream> {
    static SENT: [u8; MESSAGE] = {
        let mut message = [7; MESSAGE];
        let length = (MESSAGE as u32 - 4).to_be_bytes();
        (message[0], message[1], message[2], message[3]) =
            (length[0], length[1], length[2], length[3]);
        message
    };
    stream.set_nodelay(true)?;
    for _ in 0..MESSAGES {
        stream.write_all(&SENT).await?;
        skip(&mut stream, &mut [0; 4096], MESSAGE).await?;
    }
    Ok(stream)
}
