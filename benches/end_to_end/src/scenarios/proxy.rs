//! A proxy for frames: the first frame of a client names the port of its upstream, the others are forwarded.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use bytes::{Buf, BufMut, BytesMut};
use futures_util::{StreamExt, TryStreamExt, try_join};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use super::{Scenario, Variant, accept, join, skip};

const CONNECTIONS: usize = 32;
/// The lengths of the frames; each client sends all of them [`TIMES`] times.
const FRAMES: [usize; 4] = [200, 2 * 1024, 16 * 1024, 128 * 1024];
const TIMES: usize = 100;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "proxy",
    title: "framed proxy",
    variants: &[
        Variant {
            name: "bytebuf",
            serve: |listener, dir| Box::pin(accept(listener, dir, |stream, _| ours(stream))),
        },
        Variant {
            name: "bytes, tokio_util",
            serve: |listener, dir| Box::pin(accept(listener, dir, |stream, _| tokio_util(stream))),
        },
    ],
    load: |server, quick| Box::pin(load(server, if quick { 2 } else { TIMES })),
};

/// Both crates have these types under the same names, so the source is the same.
macro_rules! proxy {
    ($name:ident, $($codec:ident)::+, $frame:ty) => {
        async fn $name(client: TcpStream) -> io::Result<()> {
            use $($codec)::+::{FramedRead, FramedWrite, LengthDelimitedCodec};
            let (from_client, to_client) = client.into_split();
            let mut requests = FramedRead::new(from_client, LengthDelimitedCodec::new());
            let Some(mut port) = requests.next().await.transpose()? else { return Ok(()) };
            if port.len() != 2 {
                return Err(io::ErrorKind::InvalidData.into());
            }
            let upstream = TcpStream::connect((Ipv4Addr::LOCALHOST, port.get_u16())).await?;
            upstream.set_nodelay(true)?;
            let (from_upstream, to_upstream) = upstream.into_split();
            let answers = FramedRead::new(from_upstream, LengthDelimitedCodec::new());
            let to_upstream = FramedWrite::new(to_upstream, LengthDelimitedCodec::new());
            let to_client = FramedWrite::new(to_client, LengthDelimitedCodec::new());
            try_join!(
                requests.map_ok(<$frame>::freeze).forward(to_upstream),
                answers.map_ok(<$frame>::freeze).forward(to_client),
            )?;
            Ok(())
        }
    };
}

proxy!(ours, bytebuf::codec, bytebuf::ByteBuf);
proxy!(tokio_util, tokio_util::codec, BytesMut);

async fn load(proxy: SocketAddr, times: usize) -> io::Result<Vec<TcpStream>> {
    let upstream = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let port = upstream.local_addr()?.port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = upstream.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                tokio::io::copy(&mut from, &mut to).await
            });
        }
    });
    let tasks = (0..CONNECTIONS).map(|_| tokio::spawn(client(proxy, port, times)));
    join(tasks.collect()).await
}

/// Sends the frames and receives as many bytes, both at the same time.
async fn client(proxy: SocketAddr, port: u16, times: usize) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(proxy).await?;
    stream.set_nodelay(true)?;
    let mut hello = BytesMut::new();
    hello.put_u32(2);
    hello.put_u16(port);
    stream.write_all(&hello).await?;
    let mut frames = BytesMut::new();
    for length in FRAMES {
        frames.put_u32(length as u32);
        frames.put_bytes(7, length);
    }
    let (mut from, mut to) = stream.split();
    let send = async {
        for _ in 0..times {
            to.write_all(&frames).await?;
        }
        Ok(())
    };
    let mut buffer = vec![0; 64 * 1024];
    try_join!(send, skip(&mut from, &mut buffer, times * frames.len()))?;
    Ok(stream)
}
