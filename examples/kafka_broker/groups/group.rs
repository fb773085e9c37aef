//! One consumer group.
//!
//! 1. While the group prepares a rebalance, members ask to join. Each request is answered once, when the next generation begins.
//! 2. A generation is stable when its leader has assigned the partitions; until then, requests for the assignment wait.
//! 3. No two members have the same instance, which is the name of a static member. A member that joins without an id takes the
//!    place of the member of its instance.
//! 4. A member that sends no request within its session, and has none waiting, is removed.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, Instant};

use bytebuf::{AllocError, ByteView, Pool};
use tokio::sync::oneshot::Sender;

use super::member::{self, Member, Members};
use crate::api::code::Code;
use crate::api::group::{Identity, Join, Joined, Member as Listed, Sync};

const MAX_MEMBERS: usize = 10_000;

/// Maximum bytes that the members of a group may take: the leader gets what they have sent.
const MAX_BYTES: usize = 16 << 20;

/// Maximum number of protocols of a member; clients name one to four. The search for a common one visits those of all members.
const MAX_PROTOCOLS: usize = 10;

/// Memory of an assigned id.
const PENDING: usize = 128;

#[derive(Debug)]
pub(super) struct Group {
    /// The budget for the bytes that members send. Waiting responses share these bytes.
    memory: Pool,
    state: State,
    generation: i32,
    protocol_type: String,
    protocol: String,
    leader: String,
    members: Members,
    /// Answers to deliver. There may be one for each member.
    pub(super) answers: VecDeque<Answer>,
    /// Assigned ids that have not joined yet, and their deadlines.
    pending: HashMap<String, Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Empty,
    /// Members join until this time.
    Preparing(Instant),
    /// The leader assigns until this time.
    Assigning(Instant),
    Stable,
}

/// The answer to a request that has waited.
#[derive(Debug)]
pub(super) enum Answer {
    Joined(Sender<Joined>, Joined),
    Synced(Sender<Result<ByteView, Code>>, Result<ByteView, Code>),
}

impl Answer {
    fn joined(waiting: Option<Sender<Joined>>, joined: Joined) -> Option<Self> {
        waiting.map(|waiting| Self::Joined(waiting, joined))
    }

    fn synced(
        waiting: Option<Sender<Result<ByteView, Code>>>,
        synced: Result<ByteView, Code>,
    ) -> Option<Self> {
        waiting.map(|waiting| Self::Synced(waiting, synced))
    }

    /// Delivers the answer, unless the connection is closed.
    pub(super) fn send(self) {
        match self {
            Self::Joined(waiting, joined) => drop(waiting.send(joined)),
            Self::Synced(waiting, synced) => drop(waiting.send(synced)),
        }
    }
}

impl Group {
    pub(super) fn new(memory: Pool) -> Self {
        Self {
            memory,
            state: State::Empty,
            generation: 0,
            protocol_type: String::new(),
            protocol: String::new(),
            leader: String::new(),
            members: Members::default(),
            answers: VecDeque::new(),
            pending: HashMap::new(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty() && self.pending.is_empty()
    }

    /// The bytes that the group takes in memory, about.
    pub(super) fn bytes(&self) -> usize {
        let assigned = self.members.values().map(|member| member.assignment.len());
        self.members.bytes() + assigned.sum::<usize>() + self.pending.len() * PENDING
    }

    pub(super) fn join(&mut self, join: &Join<'_>, reply: Sender<Joined>, now: Instant) {
        let refuse = |code| Joined::refused(code, join.member);
        let session = Duration::from_millis(join.session_timeout_ms.unsigned_abs().into());
        if let Err(code) = self.admits(join) {
            return self.answers.extend(Answer::joined(Some(reply), refuse(code)));
        }
        let Ok(protocols) = self.keep(&join.protocols) else {
            let refused = refuse(Code::GROUP_MAX_SIZE_REACHED);
            return self.answers.extend(Answer::joined(Some(reply), refused));
        };
        if join.member.is_empty() && join.id_first && join.instance.is_none() {
            let id = new_id();
            self.pending.insert(id.clone(), now + session);
            let refused = Joined::refused(Code::MEMBER_ID_REQUIRED, &id);
            return self.answers.extend(Answer::joined(Some(reply), refused));
        }
        let id = if join.member.is_empty() { new_id() } else { join.member.to_owned() };
        self.pending.remove(&id);
        let old_leader = self.leader.clone();
        if join.member.is_empty()
            && let Some(predecessor) = self.members.of_instance(join.instance).cloned()
        {
            self.replace(&predecessor, &id);
        }

        let known = self.members.get(&id);
        let unchanged = known.is_some_and(|member| member.protocols == protocols);
        let assignment = known.map(|member| member.assignment.clone()).unwrap_or_default();
        let rebalance =
            Duration::from_millis(join.rebalance_timeout_ms.max(0).unsigned_abs().into());
        let member = Member {
            instance: join.instance.map(str::to_owned),
            session,
            rebalance: rebalance.max(session),
            alive_until: now + session,
            protocols,
            assignment,
            joining: Some(reply),
            syncing: None,
        };
        let replaced = self.members.insert(&id, member);
        // The member sent a second request; the first one ends.
        let earlier = replaced.and_then(|old| old.joining);
        self.answers.extend(Answer::joined(earlier, refuse(Code::UNKNOWN_MEMBER_ID)));
        if self.protocol_type.is_empty() {
            self.protocol_type = join.protocol_type.to_owned();
        }
        match self.state {
            // A member that asks again without changes gets the state of the group; only the leader can start a new
            // assignment in this way.
            State::Assigning(_) if unchanged && !join.member.is_empty() => self.tell(&id),
            State::Stable if unchanged && id != self.leader => self.tell(&id),
            // It was the leader under another id. The response names the old id as leader, so that it does not assign again.
            State::Stable if unchanged && id != old_leader => {
                let leader = std::mem::replace(&mut self.leader, old_leader);
                self.tell(&id);
                self.leader = leader;
            }
            _ => {
                self.prepare(now);
                self.begin_if_complete(now);
            }
        }
    }

    /// Copies what a member has sent into the memory of the group.
    fn keep(&self, named: &[(&str, &[u8])]) -> Result<Vec<(String, ByteView)>, AllocError> {
        let keep = |&(name, bytes): &(&str, &[u8])| {
            self.memory.try_copy_from_slice(bytes).map(|kept| (name.to_owned(), kept))
        };
        named.iter().map(keep).collect()
    }

    /// Gives a member another id, with all that it has.
    fn replace(&mut self, old: &str, new: &str) {
        let Some(mut member) = self.members.remove(old) else { return };
        let fenced = Joined::refused(Code::FENCED_INSTANCE_ID, old);
        self.answers.extend(Answer::joined(member.joining.take(), fenced));
        self.answers.extend(Answer::synced(member.syncing.take(), Err(Code::FENCED_INSTANCE_ID)));
        self.members.insert(new, member);
        if self.leader == old {
            new.clone_into(&mut self.leader);
        }
    }

    /// Checks that an instance, if one is named, is that of the member.
    fn is_not_fenced(&self, instance: Option<&str>, member: &str) -> Result<(), Code> {
        match (instance, self.members.of_instance(instance)) {
            (Some(_), None) => Err(Code::UNKNOWN_MEMBER_ID),
            (Some(_), Some(id)) if id != member => Err(Code::FENCED_INSTANCE_ID),
            _ => Ok(()),
        }
    }

    fn admits(&self, join: &Join<'_>) -> Result<(), Code> {
        if !join.member.is_empty() {
            self.is_not_fenced(join.instance, join.member)?;
        }
        // The member that it replaces does not count.
        let predecessor = match join.member.is_empty() {
            true => self.members.of_instance(join.instance).map_or("", String::as_str),
            false => join.member,
        };
        let has = |id: &str| self.members.get(id).is_some();
        let known = has(join.member) || self.pending.contains_key(join.member);
        if !join.member.is_empty() && !known {
            return Err(Code::UNKNOWN_MEMBER_ID);
        }
        let replaces = has(predecessor);
        if self.members.len() + self.pending.len() >= MAX_MEMBERS && !known && !replaces {
            return Err(Code::GROUP_MAX_SIZE_REACHED);
        }
        if self.members.bytes_without(predecessor) + member::bytes_of(join) > MAX_BYTES {
            return Err(Code::GROUP_MAX_SIZE_REACHED);
        }
        let is_alone = self.members.len() == usize::from(replaces);
        let common = |name: &str| self.members.all_speak(name, predecessor);
        let names: BTreeSet<_> = join.protocols.iter().map(|(name, _)| name).collect();
        let consistent = (1..=MAX_PROTOCOLS).contains(&join.protocols.len())
            && names.len() == join.protocols.len()
            && !join.protocol_type.is_empty()
            && (is_alone
                || self.protocol_type == join.protocol_type
                    && join.protocols.iter().any(|(name, _)| common(name)));
        if consistent { Ok(()) } else { Err(Code::INCONSISTENT_GROUP_PROTOCOL) }
    }

    /// Answers the join request of a member with the current generation.
    fn tell(&mut self, id: &str) {
        let list = |(id, member): (&String, &Member)| Listed {
            id: id.clone(),
            instance: member.instance.clone(),
            metadata: member.metadata(&self.protocol),
        };
        let members = match self.leader == id {
            true => self.members.iter().map(list).collect(),
            false => Vec::new(),
        };
        let joined = Joined {
            code: Code::NONE,
            generation: self.generation,
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            member: id.to_owned(),
            members,
        };
        self.answers.extend(Answer::joined(self.members.take_joining(id), joined));
    }

    /// Asks the members to join again.
    fn prepare(&mut self, now: Instant) {
        if matches!(self.state, State::Preparing(_)) {
            return;
        }
        for member in self.members.values_mut() {
            let again = Err(Code::REBALANCE_IN_PROGRESS);
            self.answers.extend(Answer::synced(member.syncing.take(), again));
        }
        let longest = self.members.values().map(|member| member.rebalance).max();
        self.state = State::Preparing(now + longest.unwrap_or_default());
    }

    fn begin_if_complete(&mut self, now: Instant) {
        let complete = self.pending.is_empty() && self.members.all_join();
        if matches!(self.state, State::Preparing(_)) && complete {
            self.begin(now);
        }
    }

    /// Begins a generation of the members that have asked to join.
    fn begin(&mut self, now: Instant) {
        let absent = self.members.iter().filter(|(_, member)| member.joining.is_none());
        for id in absent.map(|(id, _)| id.clone()).collect::<Vec<_>>() {
            self.members.remove(&id);
        }
        let Some((first, _)) = self.members.iter().next() else {
            *self = Self {
                pending: std::mem::take(&mut self.pending),
                answers: std::mem::take(&mut self.answers),
                generation: self.generation,
                ..Self::new(self.memory.clone())
            };
            return;
        };
        if self.members.get(&self.leader).is_none() {
            self.leader = first.clone();
        }
        self.generation = self.generation.wrapping_add(1).max(1);
        self.protocol = self.choose_protocol();
        let longest = self.members.values().map(|member| member.rebalance).max();
        self.state = State::Assigning(now + longest.unwrap_or_default());
        let ids: Vec<_> = self.members.iter().map(|(id, _)| id.clone()).collect();
        for id in ids {
            self.tell(&id);
        }
        for member in self.members.values_mut() {
            member.heard(now);
            member.assignment = ByteView::new();
        }
    }

    /// Returns the protocol that all members support and most prefer.
    fn choose_protocol(&self) -> String {
        let mut votes = BTreeMap::new();
        for member in self.members.values() {
            let mut protocols = member.protocols.iter();
            let preferred = protocols.find(|(name, _)| self.members.all_speak(name, ""));
            *votes.entry(preferred.map_or("", |(name, _)| name)).or_insert(0) += 1;
        }
        votes.into_iter().max_by_key(|(_, votes)| *votes).map_or("", |(name, _)| name).to_owned()
    }

    /// Returns the member that a request names, if it belongs to the current generation.
    fn member(&mut self, who: Identity<'_>, now: Instant) -> Result<&mut Member, Code> {
        self.is_not_fenced(who.instance, who.member)?;
        let generation = self.generation;
        let member = self.members.get_mut(who.member).ok_or(Code::UNKNOWN_MEMBER_ID)?;
        if who.generation != generation {
            return Err(Code::ILLEGAL_GENERATION);
        }
        member.heard(now);
        Ok(member)
    }

    pub(super) fn sync(
        &mut self,
        sync: &Sync<'_>,
        reply: Sender<Result<ByteView, Code>>,
        now: Instant,
    ) {
        let state = self.state;
        let kept = self.keep(&sync.assignments).map_err(|_| Code::COORDINATOR_NOT_AVAILABLE);
        let checked = kept.and_then(|kept| Ok((kept, self.member(sync.who, now)?)));
        let done = match (checked, state) {
            (Err(code), _) => Err(code),
            (Ok((_, member)), State::Stable) => Ok(member.assignment.clone()),
            (Ok((assignments, member)), State::Assigning(_)) => {
                member.syncing = Some(reply);
                if self.leader == sync.who.member {
                    self.assign(assignments, now);
                }
                return;
            }
            (Ok(_), State::Empty | State::Preparing(_)) => Err(Code::REBALANCE_IN_PROGRESS),
        };
        self.answers.extend(Answer::synced(Some(reply), done));
    }

    fn assign(&mut self, assignments: Vec<(String, ByteView)>, now: Instant) {
        for (id, assignment) in assignments {
            if let Some(member) = self.members.get_mut(&id) {
                member.assignment = assignment;
            }
        }
        self.state = State::Stable;
        for member in self.members.values_mut() {
            if let Some(waiting) = member.syncing.take() {
                member.heard(now);
                let assigned = Ok(member.assignment.clone());
                self.answers.extend(Answer::synced(Some(waiting), assigned));
            }
        }
    }

    pub(super) fn heartbeat(&mut self, who: Identity<'_>, now: Instant) -> Code {
        let state = self.state;
        match self.member(who, now) {
            Err(code) => code,
            Ok(_) if matches!(state, State::Preparing(_)) => Code::REBALANCE_IN_PROGRESS,
            Ok(_) => Code::NONE,
        }
    }

    pub(super) fn leave(&mut self, id: &str, now: Instant) -> Code {
        if self.pending.remove(id).is_some() {
            self.begin_if_complete(now);
            return Code::NONE;
        }
        if !self.remove(id) {
            return Code::UNKNOWN_MEMBER_ID;
        }
        self.prepare(now);
        self.begin_if_complete(now);
        Code::NONE
    }

    fn remove(&mut self, id: &str) -> bool {
        let Some(member) = self.members.remove(id) else { return false };
        let unknown = Joined::refused(Code::UNKNOWN_MEMBER_ID, id);
        self.answers.extend(Answer::joined(member.joining, unknown));
        self.answers.extend(Answer::synced(member.syncing, Err(Code::UNKNOWN_MEMBER_ID)));
        true
    }

    pub(super) fn may_commit(&mut self, who: Identity<'_>, now: Instant) -> Result<(), Code> {
        if who.generation < 0 && self.members.is_empty() {
            return Ok(());
        }
        let state = self.state;
        self.member(who, now)?;
        match state {
            State::Assigning(_) => Err(Code::REBALANCE_IN_PROGRESS),
            _ => Ok(()),
        }
    }

    /// Removes members that are overdue at `now`, and ends phases that are.
    pub(super) fn expire(&mut self, now: Instant) {
        let pending = self.pending.len();
        self.pending.retain(|_, until| now < *until);
        let gone = |m: &Member| now >= m.alive_until && !m.waits();
        let late = match self.state {
            State::Assigning(until) => now >= until,
            _ => false,
        };
        let remove: Vec<_> = self
            .members
            .iter()
            .filter(|(_, m)| gone(m) || late && m.syncing.is_none())
            .map(|(id, _)| id.clone())
            .collect();
        for id in &remove {
            self.remove(id);
        }
        // A member that waits for a response needs no heartbeat; its connection is checked again later.
        let overdue = self.members.values_mut().filter(|m| now >= m.alive_until);
        overdue.for_each(|member| member.heard(now));
        if !remove.is_empty() {
            self.prepare(now);
        }
        if !remove.is_empty() || self.pending.len() < pending {
            self.begin_if_complete(now);
        }
        if let State::Preparing(until) = self.state
            && now >= until
        {
            self.pending.clear();
            self.begin(now);
        }
    }

    /// When [`expire`](Self::expire) may have something to do.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let state = match self.state {
            State::Preparing(until) | State::Assigning(until) => Some(until),
            State::Empty | State::Stable => None,
        };
        let members = self.members.values().map(|member| member.alive_until);
        let pending = self.pending.values().copied();
        members.chain(pending).chain(state).min()
    }
}

/// An id that no other member has.
fn new_id() -> String {
    let random = || RandomState::new().build_hasher().finish();
    format!("member-{:016x}{:016x}", random(), random())
}
