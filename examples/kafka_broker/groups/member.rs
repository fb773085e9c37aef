//! The members of a group, and their memory.

use std::collections::HashMap;
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
    fn bytes(&self) -> usize {
        let protocols = self.protocols.iter().map(|(name, metadata)| name.len() + metadata.len());
        let instance = self.instance.as_ref().map_or(0, String::len);
        MEMBER + instance + protocols.sum::<usize>()
    }

    pub(super) fn metadata(&self, protocol: &str) -> ByteView {
        let spoken = self.protocols.iter().find(|(name, _)| name == protocol);
        spoken.map(|(_, metadata)| metadata.clone()).unwrap_or_default()
    }

    fn speaks(&self, protocol: &str) -> bool {
        self.protocols.iter().any(|(name, _)| name == protocol)
    }
}

/// The bytes that a new member would take, about.
pub(super) fn bytes_of(join: &Join<'_>) -> usize {
    let protocols = join.protocols.iter().map(|(name, metadata)| name.len() + metadata.len());
    MEMBER + join.instance.map_or(0, str::len) + protocols.sum::<usize>()
}

/// All members of a group, with counts, so that a request of one member does not visit the others.
///
/// While a member is in here, its instance and its protocols do not change, and `joining` changes by
/// [`take_joining`](Self::take_joining).
#[derive(Debug, Default)]
pub(super) struct Members {
    by_id: HashMap<String, Member>,
    /// The id of the member of each instance.
    by_instance: HashMap<String, String>,
    /// The number of members that speak each protocol.
    speakers: HashMap<String, usize>,
    bytes: usize,
    joining: usize,
}

impl Members {
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    pub(super) fn get(&self, id: &str) -> Option<&Member> {
        self.by_id.get(id)
    }

    pub(super) fn get_mut(&mut self, id: &str) -> Option<&mut Member> {
        self.by_id.get_mut(id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&String, &Member)> {
        self.by_id.iter()
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &Member> {
        self.by_id.values()
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut Member> {
        self.by_id.values_mut()
    }

    /// The id of the member of an instance.
    pub(super) fn of_instance(&self, instance: Option<&str>) -> Option<&String> {
        self.by_instance.get(instance?)
    }

    /// The bytes that all members take in memory, about, without their assignments.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The same without one member.
    pub(super) fn bytes_without(&self, id: &str) -> usize {
        self.bytes - self.get(id).map_or(0, Member::bytes)
    }

    /// Whether all members speak a protocol, except for the one named by `except`, which need not.
    pub(super) fn all_speak(&self, protocol: &str, except: &str) -> bool {
        let speakers = self.speakers.get(protocol).copied().unwrap_or(0);
        let silent = self.get(except).is_some_and(|member| !member.speaks(protocol));
        speakers + usize::from(silent) == self.len()
    }

    /// Whether all members wait for the next generation.
    pub(super) fn all_join(&self) -> bool {
        self.joining == self.len()
    }

    /// The answer that a member waits for until the next generation.
    pub(super) fn take_joining(&mut self, id: &str) -> Option<Sender<Joined>> {
        let joining = self.get_mut(id)?.joining.take()?;
        self.joining -= 1;
        Some(joining)
    }

    /// Adds a member; returns the one that had the id before.
    pub(super) fn insert(&mut self, id: &str, member: Member) -> Option<Member> {
        let replaced = self.remove(id);
        self.bytes += member.bytes();
        self.joining += usize::from(member.joining.is_some());
        for (protocol, _) in &member.protocols {
            *self.speakers.entry(protocol.clone()).or_default() += 1;
        }
        if let Some(instance) = &member.instance {
            self.by_instance.insert(instance.clone(), id.to_owned());
        }
        self.by_id.insert(id.to_owned(), member);
        replaced
    }

    pub(super) fn remove(&mut self, id: &str) -> Option<Member> {
        let member = self.by_id.remove(id)?;
        self.bytes -= member.bytes();
        self.joining -= usize::from(member.joining.is_some());
        for (protocol, _) in &member.protocols {
            let speakers = self.speakers.get_mut(protocol).expect("the member speaks it");
            *speakers -= 1;
            if *speakers == 0 {
                self.speakers.remove(protocol);
            }
        }
        if let Some(instance) = &member.instance {
            self.by_instance.remove(instance);
        }
        Some(member)
    }
}
