//! One connection: two flows that end independently.

use std::io;

use bytebuf::{ByteBuf, Pool, Splice, shutdown_write};
use bytes::Buf;
use clap::ValueEnum;
use tokio::net::TcpStream;

/// How bytes travel from one socket to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Path {
    /// Inside the kernel, through a pooled pipe.
    Splice,
    /// Read into a buffer of 64 KiB, written from there.
    Copy,
}

/// Both directions of a connection.
#[derive(Debug)]
pub(crate) struct Relay {
    pub(crate) there: Flow,
    pub(crate) back: Flow,
}

impl Relay {
    pub(crate) fn new(path: Path) -> Self {
        Self { there: Flow::new(path), back: Flow::new(path) }
    }

    /// Relays until both sides have ended, or either fails.
    pub(crate) async fn run(&mut self, client: &TcpStream, server: &TcpStream) -> io::Result<()> {
        // What is small goes on at once, as it came.
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        tokio::try_join!(self.there.run(client, server), self.back.run(server, client))?;
        Ok(())
    }
}

/// One direction, and what it has carried.
#[derive(Debug)]
pub(crate) enum Flow {
    Splice(Splice),
    Copy(Copying),
}

impl Flow {
    fn new(path: Path) -> Self {
        match path {
            Path::Splice => Self::Splice(Splice::new()),
            Path::Copy => Self::Copy(Copying::default()),
        }
    }

    /// Carries everything over, and the end of it too.
    async fn run(&mut self, from: &TcpStream, to: &TcpStream) -> io::Result<()> {
        match self {
            Self::Splice(splice) => drop(splice.transfer_all(from, to).await?),
            Self::Copy(copying) => copying.transfer_all(from, to).await?,
        }
        shutdown_write(to)
    }

    pub(crate) fn moved_bytes(&self) -> u64 {
        match self {
            Self::Splice(splice) => splice.moved_bytes(),
            Self::Copy(copying) => copying.moved,
        }
    }

    pub(crate) fn system_calls(&self) -> u64 {
        match self {
            Self::Splice(splice) => splice.system_calls(),
            Self::Copy(copying) => copying.system_calls,
        }
    }
}

/// What proxies do without splice, to compare it with.
#[derive(Debug, Default)]
pub(crate) struct Copying {
    moved: u64,
    system_calls: u64,
}

impl Copying {
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
