//! Consumer groups: the classic protocol, in which the broker keeps the members and one of them, the
//! leader, assigns the partitions.
//!
//! `group.rs` is the state of one group, as functions of the time, and `member.rs` that of its members; this file holds all groups and
//! wakes waiting requests; `committed.rs` keeps the committed offsets.
//!
//! A generation begins when all members have asked to join again, or when the time for that has passed and the remaining members
//! are removed. A static member (`group.instance.id`, from `JoinGroup` 5 on) that restarts within its session takes over the
//! assignment of its predecessor, without a rebalance; a predecessor that still runs is fenced. `LeaveGroup` and `OffsetCommit`, in the
//! supported versions, name no instance: for them a fenced member is an unknown member.

mod committed;
mod group;
mod member;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use bytebuf::{ByteView, Pool};
use tokio::sync::{Notify, oneshot};

use crate::api::code::Code;
use crate::api::group::{Heartbeat, Identity, Join, Joined, Leave, Sync};
use group::{Answer, Group};

pub(crate) use committed::Committed;

/// Maximum number of groups. A group without members and pending joins is removed.
const MAX_GROUPS: usize = 10_000;

/// Approximate maximum of the bytes of all groups.
const MAX_BYTES: usize = 64 << 20;

/// Minimum time between two checks of the deadlines, as each check visits all groups.
const TICK: Duration = Duration::from_millis(10);

/// Checks of the deadlines use at most one part in so many of the time.
const CHECKS: u32 = 20;

/// Answers that are delivered before other tasks run: their responses take some 2 ms.
const TOGETHER: usize = 64;

/// The allowed session timeouts.
const SESSION_MS: std::ops::RangeInclusive<i32> = 1_000..=1_800_000;

#[derive(Debug)]
pub(crate) struct Groups {
    /// The budget for the bytes that members send, until the last response with them has been sent.
    memory: Pool,
    state: Mutex<State>,
    /// A deadline may have become earlier.
    changed: Notify,
    /// There are answers to deliver.
    answered: Notify,
}

#[derive(Debug, Default)]
struct State {
    groups: HashMap<String, Group>,
    /// The bytes of all groups at the last check, and of what was added since.
    bytes: usize,
    answers: VecDeque<Answer>,
}

impl Groups {
    pub(crate) fn new() -> Self {
        let memory = Pool::global().budget("groups", 2 * MAX_BYTES);
        Self { memory, state: Mutex::default(), changed: Notify::new(), answered: Notify::new() }
    }

    fn notify(&self) {
        self.changed.notify_one();
        self.answered.notify_one();
    }

    /// Delivers answers, for as long as it is polled. A generation answers all members of a group; a few at a time, so that
    /// a large group does not stop other connections meanwhile.
    pub(crate) async fn deliver(&self) {
        loop {
            self.answered.notified().await;
            loop {
                let few: Vec<_> = {
                    let answers = &mut self.lock().answers;
                    answers.drain(..TOGETHER.min(answers.len())).collect()
                };
                if few.is_empty() {
                    break;
                }
                few.into_iter().for_each(Answer::send);
                tokio::task::yield_now().await;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it has the groups")
    }

    /// Asks to be a member of the next generation; the answer comes when that begins.
    pub(crate) fn join(&self, join: &Join<'_>, now: Instant) -> oneshot::Receiver<Joined> {
        let (answer, receiver) = oneshot::channel();
        let mut state = self.lock();
        let takes = join.group.len() + member::bytes_of(join);
        let State { groups, bytes, answers } = &mut *state;
        let refused = if join.group.is_empty() {
            Some(Code::INVALID_GROUP_ID)
        } else if !SESSION_MS.contains(&join.session_timeout_ms) {
            Some(Code::INVALID_SESSION_TIMEOUT)
        } else if groups.len() >= MAX_GROUPS && !groups.contains_key(join.group)
            || *bytes + takes > MAX_BYTES
        {
            Some(Code::GROUP_MAX_SIZE_REACHED)
        } else {
            None
        };
        if let Some(code) = refused {
            // If the connection is gone, so is the reason to answer.
            let _ = answer.send(Joined::refused(code, join.member));
            return receiver;
        }
        let new = || Group::new(self.memory.clone());
        let group = groups.entry(join.group.to_owned()).or_insert_with(new);
        group.join(join, answer, now);
        answers.append(&mut group.answers);
        *bytes += takes;
        drop(state);
        self.notify();
        receiver
    }

    /// Asks for the assignment of a member; the answer comes when the leader has given it.
    pub(crate) fn sync(
        &self,
        sync: &Sync<'_>,
        now: Instant,
    ) -> oneshot::Receiver<Result<ByteView, Code>> {
        let (answer, receiver) = oneshot::channel();
        let State { groups, bytes, answers } = &mut *self.lock();
        let takes = sync.assignments.iter().map(|(_, assignment)| assignment.len()).sum::<usize>();
        // If the connection is gone, so is the reason to answer.
        match groups.get_mut(sync.who.group) {
            None => drop(answer.send(Err(Code::UNKNOWN_MEMBER_ID))),
            Some(_) if *bytes + takes > MAX_BYTES => {
                drop(answer.send(Err(Code::COORDINATOR_NOT_AVAILABLE)));
            }
            Some(group) => {
                group.sync(sync, answer, now);
                answers.append(&mut group.answers);
                *bytes += takes;
            }
        }
        self.notify();
        receiver
    }

    pub(crate) fn heartbeat(&self, heartbeat: &Heartbeat<'_>, now: Instant) -> Code {
        let mut state = self.lock();
        let group = state.groups.get_mut(heartbeat.who.group);
        group.map_or(Code::UNKNOWN_MEMBER_ID, |group| group.heartbeat(heartbeat.who, now))
    }

    pub(crate) fn leave(&self, leave: &Leave<'_>, now: Instant) -> Code {
        let State { groups, answers, .. } = &mut *self.lock();
        let Some(group) = groups.get_mut(leave.group) else { return Code::UNKNOWN_MEMBER_ID };
        let code = group.leave(leave.member, now);
        answers.append(&mut group.answers);
        self.notify();
        code
    }

    /// Whether offsets may be committed in this name.
    pub(crate) fn may_commit(&self, who: Identity<'_>, now: Instant) -> Result<(), Code> {
        match self.lock().groups.get_mut(who.group) {
            Some(group) => group.may_commit(who, now),
            None if who.generation < 0 => Ok(()),
            None => Err(Code::ILLEGAL_GENERATION),
        }
    }

    /// Ends what has taken too long, for as long as it is polled.
    pub(crate) async fn keep_time(&self) {
        loop {
            let begun = Instant::now();
            let next = self.expire(begun);
            tokio::time::sleep(TICK.max(CHECKS * begun.elapsed())).await;
            let changed = self.changed.notified();
            match next {
                Some(next) => drop(tokio::time::timeout_at(next.into(), changed).await),
                None => changed.await,
            }
        }
    }

    /// Removes members that are gone and groups that are empty; returns when to look again.
    fn expire(&self, now: Instant) -> Option<Instant> {
        let State { groups, bytes, answers } = &mut *self.lock();
        groups.retain(|_, group| {
            group.expire(now);
            answers.append(&mut group.answers);
            !group.is_empty()
        });
        if !answers.is_empty() {
            self.answered.notify_one();
        }
        *bytes = groups.iter().map(|(name, group)| name.len() + group.bytes()).sum();
        groups.values().filter_map(Group::next_deadline).min()
    }
}
