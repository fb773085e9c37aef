//! A member of a group, and its memory.

use std::time::{Duration, Instant};

use bytebuf::ByteView;
use tokio::sync::oneshot::Sender;

use crate::api::code::Code;
use crate::api::group::{Join, Joined};

/// Approximate memory of a member besides the bytes that it sent.
const MEMBER: usize = 512;

#[derive(Debug)]
pub(super) struct Member {
    pub(super) instance: Option<String>,
    pub(super) session: Duration,
    pub(super) rebalance: Duration,
    /// When it is removed, if it sends no request before.
    pub(super) alive_until: Instant,
    pub(super) protocols: Vec<(String, ByteView)>,
    pub(super) assignment: ByteView,
    pub(super) joining: Option<Sender<Joined>>,
    pub(super) syncing: Option<Sender<Result<ByteView, Code>>>,
}

impl Member {
    pub(super) fn heard(&mut self, now: Instant) {
        self.alive_until = now + self.session;
    }

    /// Whether it waits for an answer, on a connection that is still there.
    pub(super) fn waits(&self) -> bool {
        self.joining.as_ref().is_some_and(|answer| !answer.is_closed())
            || self.syncing.as_ref().is_some_and(|answer| !answer.is_closed())
    }

    /// The bytes that it takes in memory, about, without its assignment.
    pub(super) fn bytes(&self) -> usize {
        let protocols = self.protocols.iter().map(|(name, metadata)| name.len() + metadata.len());
        let instance = self.instance.as_ref().map_or(0, String::len);
        MEMBER + instance + protocols.sum::<usize>()
    }

    pub(super) fn metadata(&self, protocol: &str) -> ByteView {
        let spoken = self.protocols.iter().find(|(name, _)| name == protocol);
        spoken.map(|(_, metadata)| metadata.clone()).unwrap_or_default()
    }

    pub(super) fn speaks(&self, protocol: &str) -> bool {
        self.protocols.iter().any(|(name, _)| name == protocol)
    }
}

/// The bytes that a new member would take, about.
pub(super) fn bytes_of(join: &Join<'_>) -> usize {
    let protocols = join.protocols.iter().map(|(name, metadata)| name.len() + metadata.len());
    MEMBER + join.instance.map_or(0, str::len) + protocols.sum::<usize>()
}
