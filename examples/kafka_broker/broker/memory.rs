//! Memory for requests and responses, which all connections share.
//!
//! 1. A request or response of up to [`FIRST_BLOCK`] bytes needs no permission: a connection has one of each at a time.
//! 2. A longer one is kept in reserved memory. If others hold that memory, the connection waits for it; for a response it keeps only its
//!    request meanwhile. If it waits too long, it is closed.
//! 3. While a connection waits, a peer that holds such memory and does not send or read has less time. One that waits for more
//!    than it holds has less time too, so that connections that wait for each other end soon.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytebuf::{ByteBuf, Payload, Pool};
use tokio::time::timeout;

use crate::api::Header;
use crate::limits::{FIRST_BLOCK, HURRY};
use crate::wire;

pub(crate) struct Memory {
    pool: Pool,
    /// How long a connection waits.
    patience: Duration,
    /// The connections that wait.
    waiting: Arc<AtomicUsize>,
}

impl Memory {
    pub(super) fn new(name: &str, bytes: usize, patience: Duration) -> Self {
        Self { pool: Pool::global().budget(name, bytes), patience, waiting: Arc::default() }
    }

    /// A part of this memory, with a limit of its own.
    pub(crate) fn part(&self, name: &str, bytes: usize) -> Self {
        let Self { pool, patience, waiting } = self;
        Self { pool: pool.budget(name, bytes), patience: *patience, waiting: waiting.clone() }
    }

    /// Whether a connection waits.
    pub(crate) fn is_wanted(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Waits for a block of this length.
    pub(super) async fn take(&self, length: usize) -> io::Result<ByteBuf> {
        self.take_within(self.patience, length).await
    }

    /// Waits for a block of this length, in the place of one that the connection holds meanwhile.
    pub(crate) async fn replace(&self, held: &ByteBuf, length: usize) -> io::Result<ByteBuf> {
        let holds = held.capacity() > FIRST_BLOCK;
        self.take_within(if holds { self.patience / HURRY } else { self.patience }, length).await
    }

    async fn take_within(&self, patience: Duration, length: usize) -> io::Result<ByteBuf> {
        let _counted = Waiting::count(&self.waiting);
        let block = timeout(patience, self.pool.alloc_wait(length)).await;
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

/// A connection that waits.
struct Waiting<'m>(&'m AtomicUsize);

impl<'m> Waiting<'m> {
    fn count(all: &'m AtomicUsize) -> Self {
        all.fetch_add(1, Ordering::Relaxed);
        Self(all)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
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
