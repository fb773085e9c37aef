//! One connection: two directions that end independently.

use std::io;

use bytebuf::{ByteBuf, Pool, Splice, shutdown_write};
use bytes::Buf;
use clap::ValueEnum;
use tokio::net::TcpStream;

/// How bytes are moved from one socket to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Method {
    /// Inside the kernel, through a pooled pipe.
    Splice,
    /// Through a buffer of 64 KiB in the process.
    Copy,
}

/// Both directions of a connection.
#[derive(Debug)]
pub(crate) struct Relay {
    pub(crate) to_server: Flow,
    pub(crate) to_client: Flow,
}

impl Relay {
    pub(crate) fn new(method: Method) -> Self {
        Self { to_server: Flow::new(method), to_client: Flow::new(method) }
    }

    /// Relays until both sides have ended, or either fails.
    pub(crate) async fn run(&mut self, client: &TcpStream, server: &TcpStream) -> io::Result<()> {
        // Small messages are forwarded at once.
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        tokio::try_join!(self.to_server.run(client, server), self.to_client.run(server, client))?;
        Ok(())
    }
}

/// One direction, with its counters.
#[derive(Debug)]
pub(crate) enum Flow {
    Splice(Splice),
    Copy(CopyLoop),
}

impl Flow {
    fn new(method: Method) -> Self {
        match method {
            Method::Splice => Self::Splice(Splice::new()),
            Method::Copy => Self::Copy(CopyLoop::default()),
        }
    }

    /// Moves all bytes, then the end of the stream.
    async fn run(&mut self, from: &TcpStream, to: &TcpStream) -> io::Result<()> {
        match self {
            Self::Splice(splice) => drop(splice.transfer_all(from, to).await?),
            Self::Copy(copy) => copy.transfer_all(from, to).await?,
        }
        shutdown_write(to)
    }

    pub(crate) fn moved_bytes(&self) -> u64 {
        match self {
            Self::Splice(splice) => splice.moved_bytes(),
            Self::Copy(copy) => copy.moved,
        }
    }

    pub(crate) fn system_calls(&self) -> u64 {
        match self {
            Self::Splice(splice) => splice.system_calls(),
            Self::Copy(copy) => copy.system_calls,
        }
    }
}

/// Copies through a buffer, as proxies without `splice` do.
#[derive(Debug, Default)]
pub(crate) struct CopyLoop {
    moved: u64,
    system_calls: u64,
}

impl CopyLoop {
    async fn transfer_all(&mut self, from: &TcpStream, to: &TcpStream) -> io::Result<()> {
        loop {
            from.readable().await?;
            let mut bytes = Pool::global().alloc(64 * 1024);
            self.system_calls += 1;
            match from.try_read_buf(&mut bytes) {
                Ok(0) => return Ok(()),
                Ok(_) => self.write_all(bytes, to).await?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }

    async fn write_all(&mut self, mut bytes: ByteBuf, to: &TcpStream) -> io::Result<()> {
        while !bytes.is_empty() {
            to.writable().await?;
            self.system_calls += 1;
            match to.try_write(&bytes) {
                Ok(written) => {
                    bytes.advance(written);
                    self.moved += written as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
