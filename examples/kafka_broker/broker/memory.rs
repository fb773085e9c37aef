//! Memory for responses, which all connections share.
//!
//! 1. A response of up to [`FIRST_BLOCK`] bytes needs no permission: a connection has one at a time.
//! 2. A longer response is kept in reserved memory. If other responses hold that memory, the connection waits for it, and keeps
//!    only its request meanwhile. If it waits too long, it is closed.

use std::io;
use std::time::Duration;

use bytebuf::{ByteBuf, Payload, Pool};
use tokio::time::timeout;

use crate::api::Header;
use crate::limits::FIRST_BLOCK;
use crate::wire;

pub(crate) struct Memory {
    pool: Pool,
    patience: Duration,
}

impl Memory {
    pub(super) fn new(name: &str, bytes: usize, patience: Duration) -> Self {
        Self { pool: Pool::global().budget(name, bytes), patience }
    }

    /// Waits for a block of this length.
    pub(super) async fn take(&self, length: usize) -> io::Result<ByteBuf> {
        let block = timeout(self.patience, self.pool.alloc_wait(length)).await;
        block.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?.map_err(io::Error::other)
    }

    /// Waits for memory for a response of up to this length; a short one needs none.
    pub(super) async fn reserve(&self, length: usize) -> io::Result<Reserved> {
        let block = if length > FIRST_BLOCK { self.take(length).await? } else { ByteBuf::new() };
        Ok(Reserved(block))
    }

    /// Builds a response; builds it again if it must wait for memory.
    pub(super) async fn respond(
        &self,
        header: Header,
        mut build: impl FnMut(&mut ByteBuf),
    ) -> io::Result<Vec<Payload>> {
        let mut reserved = Reserved::NONE;
        loop {
            let mut out = wire::response();
            build(&mut out);
            match reserved.complete(out, header) {
                Ok(response) => return Ok(response),
                Err(length) => reserved = self.reserve(length).await?,
            }
        }
    }
}

/// Memory for one response.
pub(super) struct Reserved(ByteBuf);

impl Reserved {
    pub(super) const NONE: Self = Self(ByteBuf::new());

    /// Moves a whole message to where it may stay until it has been sent, or returns its length if it needs more memory.
    pub(super) fn keep(&mut self, out: ByteBuf) -> Result<ByteBuf, usize> {
        if out.len() <= FIRST_BLOCK {
            return Ok(out);
        }
        if out.len() > self.0.capacity() {
            return Err(out.len());
        }
        let mut kept = std::mem::take(&mut self.0);
        kept.extend_from_slice(&out);
        Ok(kept)
    }

    /// Completes a response that is in memory as a whole.
    pub(super) fn complete(
        &mut self,
        mut out: ByteBuf,
        header: Header,
    ) -> Result<Vec<Payload>, usize> {
        wire::complete(&mut out, header.correlation, 0);
        self.keep(out).map(|out| vec![out.freeze().into()])
    }
}
