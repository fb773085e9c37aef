//! A server that speaks RESP, the protocol of Redis: pipelined `GET` and `SET`.

mod command;

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock, Mutex};

use bytebuf::{ByteBuf, ByteView, RecvSizer, WriteQueue};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures_util::try_join;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use command::command;

use super::{Scenario, Variant, accept, join, skip, write_all_of};

const CONNECTIONS: usize = 50;
/// The lengths of the values, each with one key.
const VALUES: [usize; 3] = [64, 1024, 16 * 1024];
/// The number of `GET`s after each `SET`.
const GETS: usize = 9;
/// How often each connection sends these commands.
const PIPELINES: usize = 400;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "resp",
    title: "RESP server",
    variants: &[
        Variant {
            name: "bytebuf",
            serve: |listener, dir| {
                let store = Store::default();
                Box::pin(accept(listener, dir, move |stream, _| ours(stream, store.clone())))
            },
        },
        Variant {
            name: "bytes, one buffer",
            serve: |listener, dir| {
                let store = Store::default();
                let serve = move |stream, _| on_bytes(stream, store.clone(), usize::MAX);
                Box::pin(accept(listener, dir, serve))
            },
        },
        Variant {
            name: "bytes, write_vectored",
            serve: |listener, dir| {
                let store = Store::default();
                let serve = move |stream, _| on_bytes(stream, store.clone(), 1024);
                Box::pin(accept(listener, dir, serve))
            },
        },
    ],
    load: |server, quick| Box::pin(load(server, if quick { 5 } else { PIPELINES })),
};

/// Keys and values, copied so that they keep no received block.
type Store<T> = Arc<Mutex<HashMap<T, T>>>;

async fn ours(stream: TcpStream, store: Store<ByteView>) -> io::Result<()> {
    let (mut sizer, mut received, mut out) = (RecvSizer::new(), ByteBuf::new(), WriteQueue::new());
    while sizer.receive_some(&stream, &mut received).await? != 0 {
        while let Some(command) = command(&received)? {
            match command.value {
                Some(value) => {
                    let key = ByteView::copy_from_slice(&received[command.key]);
                    let value = ByteView::copy_from_slice(&received[value]);
                    store.lock().expect("no panic").insert(key, value);
                    out.push_copy(b"+OK\r\n");
                }
                None => match store.lock().expect("no panic").get(&received[command.key]) {
                    Some(value) => {
                        out.push_copy(format!("${}\r\n", value.len()).as_bytes());
                        out.push(value.clone());
                        out.push_copy(b"\r\n");
                    }
                    None => {
                        out.push_copy(b"$-1\r\n");
                    }
                },
            }
            received.advance(command.length);
            out.writable(&stream).await?;
        }
        out.flush_all(&stream).await?;
    }
    Ok(())
}

/// Copies values of up to `copied` bytes into one buffer with the answers around them; sends larger ones without a copy.
async fn on_bytes(mut stream: TcpStream, store: Store<Bytes>, copied: usize) -> io::Result<()> {
    let (mut received, mut out) = (BytesMut::with_capacity(4096), BytesMut::new());
    let mut parts = Vec::new();
    while stream.read_buf(&mut received).await? != 0 {
        while let Some(command) = command(&received)? {
            match command.value {
                Some(value) => {
                    let key = Bytes::copy_from_slice(&received[command.key]);
                    let value = Bytes::copy_from_slice(&received[value]);
                    store.lock().expect("no panic").insert(key, value);
                    out.put_slice(b"+OK\r\n");
                }
                None => match store.lock().expect("no panic").get(&received[command.key]) {
                    Some(value) => {
                        out.put_slice(format!("${}\r\n", value.len()).as_bytes());
                        if value.len() <= copied {
                            out.put_slice(value);
                        } else {
                            parts.extend([out.split().freeze(), value.clone()]);
                        }
                        out.put_slice(b"\r\n");
                    }
                    None => out.put_slice(b"$-1\r\n"),
                },
            }
            received.advance(command.length);
            if out.len() > 64 * 1024 || parts.len() > 32 {
                flush(&mut stream, &mut parts, &mut out).await?;
            }
        }
        flush(&mut stream, &mut parts, &mut out).await?;
    }
    Ok(())
}

async fn flush(
    stream: &mut TcpStream,
    parts: &mut Vec<Bytes>,
    out: &mut BytesMut,
) -> io::Result<()> {
    if parts.is_empty() {
        return stream.write_all_buf(out).await;
    }
    parts.push(out.split().freeze());
    write_all_of(stream, parts).await
}

/// The commands of a pipeline, and the length of the answers.
static PIPELINE: LazyLock<(Vec<u8>, usize)> = LazyLock::new(|| {
    let (mut commands, mut answers) = (Vec::new(), 0);
    for length in VALUES {
        let (key, value) = (format!("key:{length:06}"), "v".repeat(length));
        let set = format!("*3\r\n$3\r\nSET\r\n$10\r\n{key}\r\n${length}\r\n{value}\r\n");
        commands.extend_from_slice(set.as_bytes());
        answers += "+OK\r\n".len();
        for _ in 0..GETS {
            let get = format!("*2\r\n$3\r\nGET\r\n$10\r\n{key}\r\n");
            commands.extend_from_slice(get.as_bytes());
            answers += format!("${length}\r\n{value}\r\n").len();
        }
    }
    (commands, answers)
});

async fn load(server: SocketAddr, pipelines: usize) -> io::Result<Vec<TcpStream>> {
    let tasks = (0..CONNECTIONS).map(|_| tokio::spawn(client(server, pipelines)));
    join(tasks.collect()).await
}

async fn client(server: SocketAddr, pipelines: usize) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(server).await?;
    stream.set_nodelay(true)?;
    let (commands, answers) = &*PIPELINE;
    let mut buffer = vec![0; 64 * 1024];
    for _ in 0..pipelines {
        let (mut from, mut to) = stream.split();
        try_join!(to.write_all(commands), skip(&mut from, &mut buffer, *answers))?;
    }
    Ok(stream)
}
