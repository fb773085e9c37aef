//! Tests of a group with simulated time.

use std::time::{Duration, Instant};

use bytebuf::{ByteView, Pool};
use tokio::sync::oneshot::{self, Receiver};

use super::group::{Answer, Group};
use crate::api::code::Code;
use crate::api::group::{Identity, Join, Joined, Sync};

const SESSION: Duration = Duration::from_secs(10);
const REBALANCE: Duration = Duration::from_secs(30);

/// A group and the time.
struct Scene {
    group: Group,
    now: Instant,
}

fn identity(member: &str, generation: i32) -> Identity<'_> {
    Identity { group: "g", generation, member, instance: None }
}

fn request<'f>(member: &'f str, protocols: &[&'f str]) -> Join<'f> {
    Join {
        group: "g",
        session_timeout_ms: SESSION.as_millis() as i32,
        rebalance_timeout_ms: REBALANCE.as_millis() as i32,
        member,
        instance: None,
        protocol_type: "consumer",
        protocols: protocols.iter().map(|name| (*name, &b"topics"[..])).collect(),
        id_first: true,
    }
}

impl Scene {
    fn new() -> Self {
        Self { group: Group::new(Pool::global().clone()), now: Instant::now() }
    }

    fn ask(&mut self, join: &Join<'_>) -> Receiver<Joined> {
        let (answer, receiver) = oneshot::channel();
        self.group.join(join, answer, self.now);
        self.deliver();
        receiver
    }

    /// Asks to join under an id that the group has given.
    fn rejoin(&mut self, member: &str) -> Receiver<Joined> {
        self.ask(&request(member, &["range"]))
    }

    /// Asks to join for the first time: the id that is given, and the answer to come.
    fn join(&mut self) -> (String, Receiver<Joined>) {
        let given = self.ask(&request("", &["range"])).try_recv().expect("an id, at once");
        assert_eq!(given.code, Code::MEMBER_ID_REQUIRED);
        let receiver = self.rejoin(&given.member);
        (given.member, receiver)
    }

    fn sync(
        &mut self,
        member: &str,
        generation: i32,
        assignments: Vec<(&str, &[u8])>,
    ) -> Receiver<Result<ByteView, Code>> {
        let (answer, receiver) = oneshot::channel();
        let who = identity(member, generation);
        self.group.sync(&Sync { who, assignments }, answer, self.now);
        self.deliver();
        receiver
    }

    fn leave(&mut self, member: &str) -> Code {
        let code = self.group.leave(member, self.now);
        self.deliver();
        code
    }

    fn deliver(&mut self) {
        self.group.answers.drain(..).for_each(Answer::send);
    }

    fn heartbeat(&mut self, member: &str, generation: i32) -> Code {
        self.group.heartbeat(identity(member, generation), self.now)
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.group.expire(self.now);
        self.deliver();
    }

    /// Two members in one stable generation, the second of which leads or not.
    fn pair() -> (Self, String, String, i32) {
        let mut scene = Self::new();
        let (first, mut joined) = scene.join();
        assert_eq!(joined.try_recv().expect("alone, it need not wait").generation, 1);
        let (second, mut second_joined) = scene.join();
        assert_eq!(scene.heartbeat(&first, 1), Code::REBALANCE_IN_PROGRESS);
        assert!(second_joined.try_recv().is_err(), "the first has not asked again");
        let mut first_joined = scene.rejoin(&first);
        let (one, two) = (first_joined.try_recv().unwrap(), second_joined.try_recv().unwrap());
        assert_eq!((one.generation, two.generation), (2, 2));
        assert_eq!((&one.leader, &two.leader), (&first, &first));
        assert_eq!((one.members.len(), two.members.len()), (2, 0), "the leader is told of all");
        let mut waiting = scene.sync(&second, 2, vec![]);
        assert!(waiting.try_recv().is_err(), "the leader has not assigned");
        let mut leading = scene.sync(&first, 2, vec![(&first, b"p0"), (&second, b"p1")]);
        assert_eq!(leading.try_recv(), Ok(Ok("p0".into())));
        assert_eq!(waiting.try_recv(), Ok(Ok("p1".into())));
        assert_eq!(scene.heartbeat(&second, 2), Code::NONE);
        (scene, first, second, 2)
    }
}

#[test]
fn members_share_a_generation_and_the_leader_assigns() {
    let (mut scene, first, second, generation) = Scene::pair();
    assert_eq!(scene.heartbeat(&first, generation - 1), Code::ILLEGAL_GENERATION);
    assert_eq!(scene.heartbeat("unknown", generation), Code::UNKNOWN_MEMBER_ID);
    // One that lost its assignment on the way asks again, and no other notices.
    let mut again = scene.rejoin(&second);
    assert_eq!(again.try_recv().unwrap().generation, generation);
    assert_eq!(scene.sync(&second, generation, vec![]).try_recv(), Ok(Ok("p1".into())));
    assert_eq!(scene.heartbeat(&first, generation), Code::NONE);
}

#[test]
fn a_member_that_is_silent_is_gone_after_its_session() {
    let (mut scene, first, second, generation) = Scene::pair();
    scene.pass(SESSION / 2);
    assert_eq!(scene.heartbeat(&second, generation), Code::NONE);
    scene.pass(SESSION / 2);
    assert_eq!(scene.heartbeat(&second, generation), Code::REBALANCE_IN_PROGRESS);
    let joined = scene.rejoin(&second).try_recv().expect("it is alone");
    assert_eq!((joined.generation, &joined.leader), (generation + 1, &second));
    assert_eq!(scene.heartbeat(&first, generation), Code::UNKNOWN_MEMBER_ID);
}

#[test]
fn a_member_that_leaves_makes_the_others_join_again() {
    let (mut scene, first, second, generation) = Scene::pair();
    assert_eq!(scene.leave(&first), Code::NONE);
    assert_eq!(scene.heartbeat(&second, generation), Code::REBALANCE_IN_PROGRESS);
    assert_eq!(scene.rejoin(&second).try_recv().unwrap().leader, second);
    assert_eq!(scene.leave(&second), Code::NONE);
    assert!(scene.group.is_empty());
    assert_eq!(scene.leave(&second), Code::UNKNOWN_MEMBER_ID);
}

#[test]
fn a_generation_begins_without_those_that_do_not_ask_again_in_time() {
    let (mut scene, first, second, generation) = Scene::pair();
    let (third, mut joined) = scene.join();
    let mut second_joined = scene.rejoin(&second);
    // The first is heard of, but does not join.
    for _ in 0..6 {
        assert!(joined.try_recv().is_err());
        assert_eq!(scene.heartbeat(&first, generation), Code::REBALANCE_IN_PROGRESS);
        scene.pass(REBALANCE / 6);
    }
    assert_eq!(joined.try_recv().unwrap().generation, generation + 1);
    assert_eq!(second_joined.try_recv().unwrap().generation, generation + 1);
    assert_eq!(scene.heartbeat(&first, generation), Code::UNKNOWN_MEMBER_ID);
    assert_eq!(scene.heartbeat(&third, generation + 1), Code::NONE);
}

#[test]
fn a_leader_that_does_not_assign_is_gone() {
    let mut scene = Scene::new();
    let (first, _) = scene.join();
    let (second, mut joined) = scene.join();
    drop(scene.rejoin(&first));
    let generation = joined.try_recv().unwrap().generation;
    let mut waiting = scene.sync(&second, generation, vec![]);
    for _ in 0..6 {
        assert_eq!(scene.heartbeat(&first, generation), Code::NONE);
        scene.pass(REBALANCE / 6);
    }
    assert_eq!(waiting.try_recv(), Ok(Err(Code::REBALANCE_IN_PROGRESS)));
    assert_eq!(scene.rejoin(&second).try_recv().unwrap().leader, second);
}

#[test]
fn offsets_are_committed_by_members_of_this_generation_alone() {
    let (mut scene, first, _, generation) = Scene::pair();
    let mut may = |member, generation| {
        let now = scene.now;
        scene.group.may_commit(identity(member, generation), now)
    };
    assert_eq!(may(&first, generation), Ok(()));
    assert_eq!(may(&first, generation - 1), Err(Code::ILLEGAL_GENERATION));
    assert_eq!(may("", -1), Err(Code::UNKNOWN_MEMBER_ID), "the group has members");
    let mut empty = Group::new(Pool::global().clone());
    let alone = identity("", -1);
    assert_eq!(empty.may_commit(alone, Instant::now()), Ok(()));
}

#[test]
fn members_have_a_protocol_in_common() {
    let mut scene = Scene::new();
    let (first, _) = scene.join();
    let other = scene.ask(&request("", &["sticky"])).try_recv().unwrap();
    assert_eq!(other.code, Code::INCONSISTENT_GROUP_PROTOCOL);
    let both = scene.ask(&request("", &["sticky", "range"])).try_recv().unwrap().member;
    let mut joined = scene.ask(&request(&both, &["sticky", "range"]));
    drop(scene.rejoin(&first));
    assert_eq!(joined.try_recv().unwrap().protocol, "range");
    let unknown = scene.rejoin("made up").try_recv().unwrap();
    assert_eq!(unknown.code, Code::UNKNOWN_MEMBER_ID);
}

/// A static member, as it joins for the first time, or after a restart.
fn static_member<'f>(instance: &'f str, protocols: &[&'f str]) -> Join<'f> {
    Join { instance: Some(instance), ..request("", protocols) }
}

#[test]
fn a_static_member_that_restarts_keeps_its_assignment_and_no_other_notices() {
    let mut scene = Scene::new();
    let old = scene.ask(&static_member("one", &["range"])).try_recv().unwrap();
    assert_eq!((old.code, old.generation), (Code::NONE, 1), "it needs no id first");
    let mut other = scene.ask(&static_member("two", &["range"]));
    let again = Join { member: &old.member, ..static_member("one", &["range"]) };
    let leader = scene.ask(&again).try_recv().unwrap();
    let other = other.try_recv().unwrap().member;
    assert_eq!((leader.generation, &leader.leader), (2, &old.member));
    let mut synced = scene.sync(&other, 2, vec![]);
    let assigned = vec![(&old.member[..], &b"p0"[..]), (&other[..], b"p1")];
    assert_eq!(scene.sync(&old.member, 2, assigned).try_recv(), Ok(Ok("p0".into())));
    assert_eq!(synced.try_recv(), Ok(Ok("p1".into())));

    let new = scene.ask(&static_member("one", &["range"])).try_recv().expect("at once");
    assert_eq!((new.code, new.generation), (Code::NONE, 2));
    assert_ne!(new.member, old.member);
    assert_ne!(new.leader, new.member, "it is not to assign anew");
    assert_eq!(scene.sync(&new.member, 2, vec![]).try_recv(), Ok(Ok("p0".into())));
    assert_eq!(scene.heartbeat(&other, 2), Code::NONE);

    // If the old member still runs, it gets an error.
    let fenced = Identity { instance: Some("one"), ..identity(&old.member, 2) };
    assert_eq!(scene.group.heartbeat(fenced, scene.now), Code::FENCED_INSTANCE_ID);
    let again = Join { member: &old.member, ..static_member("one", &["range"]) };
    assert_eq!(scene.ask(&again).try_recv().unwrap().code, Code::FENCED_INSTANCE_ID);
    assert_eq!(scene.heartbeat(&old.member, 2), Code::UNKNOWN_MEMBER_ID, "it names no instance");
    let unknown = Identity { instance: Some("three"), ..identity(&new.member, 2) };
    assert_eq!(scene.group.heartbeat(unknown, scene.now), Code::UNKNOWN_MEMBER_ID);
}

#[test]
fn a_static_member_that_comes_back_with_other_topics_makes_the_others_join_again() {
    let mut scene = Scene::new();
    let one = scene.ask(&static_member("one", &["range"])).try_recv().unwrap();
    let assigned = vec![(&one.member[..], &b"p0"[..])];
    assert_eq!(scene.sync(&one.member, 1, assigned).try_recv(), Ok(Ok("p0".into())));
    let new = scene.ask(&static_member("one", &["range", "sticky"])).try_recv().unwrap();
    assert_eq!(
        (new.generation, &new.leader),
        (2, &new.member),
        "it is the leader of a new generation"
    );
}

#[test]
fn what_the_members_of_a_group_send_is_bounded() {
    let mut scene = Scene::new();
    let large = vec![0; 6 << 20];
    let mut codes = Vec::new();
    for instance in ["one", "two", "three"] {
        let protocols = vec![("range", &large[..])];
        let join = Join { protocols, ..static_member(instance, &[]) };
        codes.push(scene.ask(&join).try_recv().map(|joined| joined.code));
    }
    assert_eq!(codes[0], Ok(Code::NONE));
    assert!(codes[1].is_err(), "it waits for the first to join again");
    assert_eq!(codes[2], Ok(Code::GROUP_MAX_SIZE_REACHED));
}

#[test]
fn a_group_of_ten_thousand_members_joins_and_leaves_and_takes_no_more() {
    const MEMBERS: usize = 10_000;
    let mut scene = Scene::new();
    let ask = |scene: &mut Scene| scene.ask(&request("", &["range"])).try_recv().unwrap();
    let ids: Vec<_> = (0..MEMBERS).map(|_| ask(&mut scene).member).collect();
    assert_eq!(ask(&mut scene).code, Code::GROUP_MAX_SIZE_REACHED);
    for generation in 1..=2 {
        let waiting: Vec<_> = ids.iter().map(|id| scene.rejoin(id)).collect();
        let joined: Vec<_> = waiting.into_iter().map(|mut one| one.try_recv().unwrap()).collect();
        assert!(joined.iter().all(|one| one.generation == generation));
        let leaders: Vec<_> = joined.iter().filter(|one| !one.members.is_empty()).collect();
        assert_eq!((leaders.len(), leaders[0].members.len()), (1, MEMBERS));
        let assigned: Vec<_> = ids.iter().map(|id| (&id[..], id.as_bytes())).collect();
        let leader = leaders[0].member.clone();
        let mut leading = scene.sync(&leader, generation, assigned);
        assert_eq!(leading.try_recv().unwrap().unwrap(), leader);
        assert!(ids.iter().all(|id| scene.heartbeat(id, generation) == Code::NONE));
        // Only the leader makes the others join again.
        if generation == 1 {
            scene.group.join(&request(&leader, &["range"]), oneshot::channel().0, scene.now);
        }
    }
    assert!(ids.iter().all(|id| scene.leave(id) == Code::NONE));
    assert!(scene.group.is_empty());
    assert_eq!(scene.group.bytes(), 0);
}

#[test]
fn bytes_that_a_waiting_response_has_are_counted_after_they_were_replaced() {
    let memory = Pool::global().budget("groups", 1 << 20);
    let mut scene = Scene { group: Group::new(memory), now: Instant::now() };
    let large = [vec![1; 400 << 10], vec![2; 400 << 10], vec![3; 400 << 10]];
    let join = |member: &str, n: usize, scene: &mut Scene| {
        let protocols = vec![("range", &large[n][..])];
        scene.ask(&Join { member, id_first: false, protocols, ..request("", &[]) })
    };
    let mut first = join("", 0, &mut scene);
    let first = first.try_recv().unwrap();
    let second = join(&first.member, 1, &mut scene);
    let refused = join(&first.member, 2, &mut scene).try_recv().unwrap();
    assert_eq!(refused.code, Code::GROUP_MAX_SIZE_REACHED);
    let id = first.member.clone();
    assert_eq!(first.members[0].metadata, large[0]);
    drop(first);
    let third = join(&id, 2, &mut scene).try_recv().unwrap();
    assert_eq!(third.members[0].metadata, large[2]);
    drop(second);
}

#[test]
fn the_protocols_of_a_member_are_few_and_different() {
    let names: Vec<_> = (0..11).map(|n| format!("protocol {n}")).collect();
    let names: Vec<_> = names.iter().map(|name| &name[..]).collect();
    let ask =
        |protocols: &[&str]| Scene::new().ask(&request("", protocols)).try_recv().unwrap().code;
    assert_eq!(ask(&names[..10]), Code::MEMBER_ID_REQUIRED);
    assert_eq!(ask(&names), Code::INCONSISTENT_GROUP_PROTOCOL);
    assert_eq!(ask(&["range", "range"]), Code::INCONSISTENT_GROUP_PROTOCOL);
    assert_eq!(ask(&[]), Code::INCONSISTENT_GROUP_PROTOCOL);
}
