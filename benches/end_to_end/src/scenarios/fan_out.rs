//! Each message of one publisher goes to 1,000 subscribers.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytebuf::{ByteView, WriteQueue};
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::{Scenario, Variant, accept, join, skip, write_all_of};

const SUBSCRIBERS: usize = 1000;
const MESSAGES: usize = 300;
const MESSAGE: usize = 4096;
/// Maximum number of queued messages of a subscriber: a slow one stops the publisher.
const QUEUED: usize = 64;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "fan-out",
    title: "fan-out to 1,000 connections",
    variants: &[
        Variant {
            name: "bytebuf",
            serve: |listener, dir| {
                let topic = Topic::default();
                Box::pin(accept(listener, dir, move |stream, _| ours(stream, topic.clone())))
            },
        },
        Variant {
            name: "bytes",
            serve: |listener, dir| {
                let topic = Topic::default();
                Box::pin(accept(listener, dir, move |stream, _| on_bytes(stream, topic.clone())))
            },
        },
    ],
    load: |server, quick| Box::pin(load(server, if quick { 5 } else { MESSAGES })),
};

/// The subscribers.
type Topic<T> = Arc<Mutex<Vec<Sender<T>>>>;

/// Subscribes the stream if the client requests it, and confirms.
async fn subscribe<T>(stream: &mut TcpStream, topic: &Topic<T>) -> io::Result<Option<Receiver<T>>> {
    if stream.read_u8().await? != b'S' {
        return Ok(None);
    }
    let (sender, receiver) = channel(QUEUED);
    topic.lock().expect("no panic").push(sender);
    stream.write_u8(b'S').await?;
    Ok(Some(receiver))
}

/// Sends the message to all subscribers. Skips those that have disconnected.
async fn publish<T: Clone>(message: T, topic: &Topic<T>) {
    let subscribers = topic.lock().expect("no panic").clone();
    for subscriber in subscribers {
        let _ = subscriber.send(message.clone()).await;
    }
}

async fn ours(mut stream: TcpStream, topic: Topic<ByteView>) -> io::Result<()> {
    use bytebuf::codec::{FramedRead, LengthDelimitedCodec};
    let Some(mut messages) = subscribe(&mut stream, &topic).await? else {
        let mut frames = FramedRead::new(stream, LengthDelimitedCodec::new());
        while let Some(frame) = frames.next_frame().await {
            publish(frame?.freeze(), &topic).await;
        }
        return Ok(());
    };
    let (mut batch, mut out) = (Vec::new(), WriteQueue::new());
    while messages.recv_many(&mut batch, QUEUED).await != 0 {
        for message in batch.drain(..) {
            out.push(message);
        }
        out.flush_all(&stream).await?;
    }
    Ok(())
}

async fn on_bytes(mut stream: TcpStream, topic: Topic<Bytes>) -> io::Result<()> {
    use tokio_util::codec::{FramedRead, LengthDelimitedCodec};
    let Some(mut messages) = subscribe(&mut stream, &topic).await? else {
        let mut frames = FramedRead::new(stream, LengthDelimitedCodec::new());
        while let Some(frame) = frames.next().await {
            publish(frame?.freeze(), &topic).await;
        }
        return Ok(());
    };
    let mut batch = Vec::new();
    while messages.recv_many(&mut batch, QUEUED).await != 0 {
        write_all_of(&mut stream, &mut batch).await?;
    }
    Ok(())
}

async fn load(server: SocketAddr, messages: usize) -> io::Result<Vec<TcpStream>> {
    let mut tasks = Vec::new();
    for _ in 0..SUBSCRIBERS {
        let mut stream = TcpStream::connect(server).await?;
        stream.write_u8(b'S').await?;
        stream.read_u8().await?;
        tasks.push(tokio::spawn(async move {
            skip(&mut stream, &mut [0; 16 * 1024], messages * MESSAGE).await?;
            Ok(stream)
        }));
    }
    let mut publisher = TcpStream::connect(server).await?;
    publisher.write_u8(b'P').await?;
    let mut frame = BytesMut::new();
    frame.put_u32(MESSAGE as u32);
    frame.put_bytes(7, MESSAGE);
    for _ in 0..messages {
        publisher.write_all(&frame).await?;
    }
    let mut streams = join(tasks).await?;
    streams.push(publisher);
    Ok(streams)
}
