//! Operations against a made-up kernel: completions of any length, failures, cancels, and notifications that
//! arrive in any order, late, or never.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use proptest::prelude::*;
use rustix::io::Errno;

use super::*;
use crate::buf::{ByteBuf, ByteView};
use crate::io::file::region::FileRegion;
use crate::pool::Pool;
use crate::sys::{Call, Outcome, with_plan};
use crate::test_io::file_with;

mod kernel;

/// What is sent without a copy, from blocks of whole pages.
const LARGE: usize = if cfg!(miri) { 2 * 1024 } else { 32 * 1024 };

fn result(errno: Errno) -> i32 {
    -errno.raw_os_error()
}

fn begin(queue: &mut WriteQueue) -> SendOperation {
    queue.begin(usize::MAX).unwrap().expect("something is to be sent")
}

fn large(pool: &Pool) -> ByteBuf {
    let mut part = pool.alloc(LARGE);
    part.resize(LARGE, b'z');
    part
}

fn zero_copy() -> WriteQueue {
    WriteQueue::new().with_zero_copy(LARGE)
}

/// The bytes that the kernel reads, by the addresses that it was given.
fn bytes_of(operation: &SendOperation) -> Vec<u8> {
    let bytes = kernel::read(operation.message());
    assert!(bytes == operation.slices().collect::<Vec<_>>().concat());
    bytes
}

#[derive(Clone, Debug)]
enum Do {
    PushCopy(usize),
    PushView(usize),
    PushFile(usize),
    Begin(usize),
    /// The first completion: a share of the bytes was sent.
    Sent(usize),
    Failed(Errno),
    /// The last completion of one of the operations in flight.
    Notify(usize),
    Forget(usize),
    TakeUnsent,
    Flush,
}

fn steps() -> impl Strategy<Value = Vec<Do>> {
    const ERRNOS: [Errno; 5] =
        [Errno::CANCELED, Errno::AGAIN, Errno::NOMEM, Errno::PIPE, Errno::OPNOTSUPP];
    let step = prop_oneof![
        4 => (0..3000_usize).prop_map(Do::PushCopy),
        2 => (0..2 * LARGE).prop_map(Do::PushView),
        2 => (0..1500_usize).prop_map(Do::PushView),
        1 => (0..3 * LARGE).prop_map(Do::PushFile),
        5 => prop_oneof![1..200_000_usize, Just(usize::MAX), Just(0)].prop_map(Do::Begin),
        5 => (0..=100_usize).prop_map(Do::Sent),
        2 => prop::sample::select(&ERRNOS[..]).prop_map(Do::Failed),
        3 => any::<usize>().prop_map(Do::Notify),
        1 => any::<usize>().prop_map(Do::Forget),
        1 => Just(Do::TakeUnsent),
        1 => Just(Do::Flush),
    ];
    prop::collection::vec(step, 1..60)
}

/// A connection of which the model knows what was pushed and what the peer has.
struct Connection {
    queue: WriteQueue,
    pool: Pool,
    out: Option<SendOperation>,
    in_flight: Vec<(InFlightSend, Vec<u8>)>,
    socket: UnixStream,
    peer: UnixStream,
    stream: Vec<u8>,
    received: usize,
}

impl Connection {
    fn new() -> Self {
        let (socket, peer) = UnixStream::pair().unwrap();
        peer.set_nonblocking(true).unwrap();
        let pool = Pool::builder().build();
        let (out, in_flight, stream) = (None, Vec::new(), Vec::new());
        Self { queue: zero_copy(), pool, out, in_flight, socket, peer, stream, received: 0 }
    }

    /// The next bytes of the stream; no two places of it look alike.
    fn append(&mut self, len: usize) -> Vec<u8> {
        let start = self.stream.len();
        self.stream.extend((start..start + len).map(|at| (at / 3) as u8 ^ (at >> 9) as u8));
        self.stream[start..].to_vec()
    }

    fn apply(&mut self, step: Do) {
        match step {
            Do::PushCopy(len) => {
                let bytes = self.append(len);
                self.queue.push_copy(&bytes);
            }
            Do::PushView(len) => {
                let bytes = self.append(len);
                self.queue.push(self.pool.copy_from_slice(&bytes));
            }
            Do::PushFile(len) => {
                let mut file = tempfile::tempfile().unwrap();
                file.write_all(&self.append(len)).unwrap();
                self.queue.push(FileRegion::new(file, 0..len as u64));
            }
            Do::Begin(limit) => self.begin(limit),
            Do::Sent(percent) => self.complete(|len| (len * percent).div_ceil(100) as i32),
            Do::Failed(errno) => self.complete(|_| result(errno)),
            Do::Notify(which) | Do::Forget(which) if !self.in_flight.is_empty() => {
                let which = which % self.in_flight.len();
                let (send, bytes) = self.in_flight.swap_remove(which);
                let held: Vec<_> = send.views().iter().map(|view| &view[..]).collect();
                assert!(held.concat() == bytes, "memory in flight has changed");
                if let Do::Notify(_) = step {
                    self.queue.complete(send, 0);
                }
            }
            Do::Notify(_) | Do::Forget(_) => {}
            Do::TakeUnsent => {
                let out = self.out.as_ref().filter(|out| out.method() != SendMethod::File);
                let stays = self.received + out.map_or(0, SendOperation::len);
                let unsent = self.queue.take_unsent();
                let taken: u64 = unsent.iter().map(crate::io::Payload::len).sum();
                assert_eq!(stays as u64 + taken, self.stream.len() as u64);
                self.stream.truncate(stays);
            }
            Do::Flush => {
                let flush = self.queue.flush(&self.socket);
                match &self.out {
                    Some(_) => {
                        assert_eq!(flush.unwrap_err().kind(), io::ErrorKind::ResourceBusy);
                    }
                    // It may wait for the peer, which reads afterwards.
                    None => self.receive(flush.unwrap()),
                }
            }
        }
        assert_eq!(self.queue.flushed_bytes(), self.received as u64);
        assert_eq!(self.queue.pending_bytes(), (self.stream.len() - self.received) as u64);
    }

    fn begin(&mut self, limit: usize) {
        let operation = self.queue.begin(limit).unwrap();
        if self.out.is_some() {
            assert!(operation.is_none());
            return;
        }
        assert_eq!(operation.is_none(), self.received == self.stream.len());
        if let Some(operation) = &operation {
            assert!((1..=limit.max(1)).contains(&operation.len()));
            if operation.method() != SendMethod::File {
                assert_eq!(bytes_of(operation).len(), operation.len());
            }
        }
        self.out = operation;
    }

    /// The first completion. The kernel reads the memory no earlier.
    fn complete(&mut self, outcome: impl FnOnce(usize) -> i32) {
        let Some(operation) = self.out.take() else { return };
        let bytes = bytes_of(&operation);
        let result = outcome(operation.len());
        if operation.method() == SendMethod::File {
            if result < 0 {
                let settled = self.queue.settle(operation, result, 0);
                assert_eq!(settled.sent.unwrap_err().raw_os_error(), Some(-result));
            } else {
                let flush = self.queue.settle_file(operation, &self.socket).unwrap();
                self.receive(flush);
            }
            return;
        }
        assert!(bytes == self.stream[self.received..][..bytes.len()], "what is out has changed");
        let zero_copy = operation.method() == SendMethod::ZeroCopy;
        let flags = if zero_copy { MORE_FOLLOWS } else { 0 };
        let settled = self.queue.settle(operation, result, flags);
        match settled.sent {
            Ok(sent) if result > 0 => assert_eq!(sent, result as u64),
            Ok(sent) => assert!(zero_copy && sent == 0, "a refusal"),
            Err(_) => assert!(result <= 0),
        }
        self.received += result.max(0) as usize;
        assert_eq!(settled.in_flight.is_some(), zero_copy);
        self.in_flight.extend(settled.in_flight.map(|send| (send, bytes)));
    }

    /// The peer reads what was flushed.
    fn receive(&mut self, flush: Flush) {
        let mut received = Vec::new();
        let _ = self.peer.read_to_end(&mut received);
        assert_eq!(received.len() as u64, flush.bytes());
        assert!(received == self.stream[self.received..][..received.len()]);
        self.received += received.len();
    }
}

proptest! {
    #[test]
    fn each_byte_is_sent_once_whatever_completions_say(steps in steps()) {
        let mut connection = Connection::new();
        connection.socket.set_nonblocking(true).unwrap();
        steps.into_iter().for_each(|step| connection.apply(step));
        // The queue ends first, then what its operations hold.
        let Connection { queue, pool, out, in_flight, .. } = connection;
        drop(queue);
        drop((out, in_flight));
        Pool::flush_thread();
        prop_assert_eq!(pool.stats().live_blocks, 0);
    }
}

#[test]
fn a_failed_zero_copy_operation_holds_its_memory_until_the_notification() {
    for errno in [Errno::PIPE, Errno::FAULT, Errno::OPNOTSUPP, Errno::NOMEM] {
        let pool = Pool::builder().build();
        let mut queue = zero_copy();
        queue.push(large(&pool));
        let operation = begin(&mut queue);
        assert_eq!(operation.method(), SendMethod::ZeroCopy);
        let settled = queue.settle(operation, result(errno), MORE_FOLLOWS);
        assert_eq!(settled.sent.is_err(), [Errno::PIPE, Errno::FAULT].contains(&errno));
        queue.clear();
        assert_eq!(pool.stats().live_blocks, 1, "{errno:?}");
        queue.complete(settled.in_flight.expect("a notification is due"), 0);
        Pool::flush_thread();
        assert_eq!(pool.stats().live_blocks, 0, "{errno:?}");
    }
}

#[test]
fn what_a_cancelled_operation_has_sent_is_gone_from_the_queue() {
    let (mut queue, sent) = (zero_copy(), LARGE as u64 / 3);
    queue.push(large(Pool::global()));
    let operation = begin(&mut queue);
    // Observed: an operation that is cancelled after the peer has read ends with a count.
    let settled = queue.settle(operation, sent as i32, MORE_FOLLOWS);
    assert_eq!(settled.sent.unwrap(), sent);
    assert_eq!(queue.pending_bytes(), LARGE as u64 - sent);
    let operation = begin(&mut queue);
    let cancelled = queue.settle(operation, result(Errno::CANCELED), 0);
    assert_eq!(cancelled.sent.unwrap_err().raw_os_error(), Some(Errno::CANCELED.raw_os_error()));
    assert_eq!(queue.pending_bytes(), LARGE as u64 - sent);
    settled.in_flight.map(|send| send.complete(0));
}

#[test]
fn what_is_pushed_meanwhile_may_be_joined_with_what_is_out() {
    let mut queue = WriteQueue::new();
    queue.push(ByteView::copy_from_slice(b"small, and "));
    let operation = begin(&mut queue);
    queue.push("small again");
    assert_eq!(bytes_of(&operation), b"small, and ");
    assert_eq!(queue.settle(operation, 11, 0).sent.unwrap(), 11);
    let operation = begin(&mut queue);
    assert_eq!(bytes_of(&operation), b"small again");
    assert_eq!(queue.settle(operation, 11, 0).sent.unwrap(), 11);
}

#[test]
fn a_result_above_what_was_offered_changes_nothing() {
    let mut queue = WriteQueue::new();
    queue.push("four");
    let operation = begin(&mut queue);
    let error = queue.settle(operation, 5, 0).sent.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    let operation = begin(&mut queue);
    assert_eq!(
        queue.settle(operation, i32::MIN, 0).sent.unwrap_err().raw_os_error(),
        Some(i32::MAX)
    );
    assert_eq!((queue.flushed_bytes(), queue.pending_bytes()), (0, 4));
}

#[test]
fn pages_of_a_send_that_is_dropped_in_flight_are_not_written_again() {
    let pool = Pool::builder().build();
    let view = large(&pool).freeze();
    let mut queue = zero_copy();
    queue.push(view.clone());
    let operation = begin(&mut queue);
    let settled = queue.settle(operation, LARGE as i32, MORE_FOLLOWS);
    let view = view.try_into_mut().expect_err("in flight");
    drop(settled.in_flight);
    view.try_into_mut().expect_err("the only handle, and the kernel may still be sending");
}

#[test]
fn memory_is_free_after_the_notification() {
    let view = large(Pool::global()).freeze();
    let mut queue = zero_copy();
    queue.push(view.clone());
    let operation = begin(&mut queue);
    let settled = queue.settle(operation, LARGE as i32, MORE_FOLLOWS);
    drop(queue);
    settled.in_flight.map(|send| send.complete(0));
    assert!(view.try_into_mut().is_ok());
}

#[test]
fn zero_copy_turns_off_where_it_is_refused_or_the_kernel_copies() {
    let turns_off = |end: &dyn Fn(&mut WriteQueue, SendOperation)| {
        let mut queue = zero_copy();
        for turn in 0_u64.. {
            queue.push(large(Pool::global()));
            let operation = begin(&mut queue);
            if operation.method() == SendMethod::Copy {
                _ = queue.settle(operation, result(Errno::CANCELED), 0);
                return (turn, queue.stats());
            }
            end(&mut queue, operation);
            queue.clear();
        }
        unreachable!()
    };
    let (turns, stats) = turns_off(&|queue, operation| {
        let settled = queue.settle(operation, LARGE as i32, MORE_FOLLOWS);
        queue.complete(settled.in_flight.unwrap(), i32::MIN);
    });
    assert_eq!((turns, stats.copied_operations, stats.zero_copy_operations), (8, 8, 8));
    for errno in [Errno::OPNOTSUPP, Errno::INVAL, Errno::NOMEM, Errno::NOBUFS] {
        let (turns, stats) = turns_off(&|queue, operation| {
            assert_eq!(queue.settle(operation, result(errno), 0).sent.unwrap(), 0);
        });
        assert_eq!((turns, stats.refused_operations), (1, 1), "{errno:?}");
    }
}

#[test]
fn zero_copy_pauses_at_the_limit_of_locked_memory_until_a_notification() {
    let mut queue = zero_copy();
    queue.push(large(Pool::global()));
    let operation = begin(&mut queue);
    let first = queue.settle(operation, LARGE as i32, MORE_FOLLOWS);
    queue.push(large(Pool::global()));
    let operation = begin(&mut queue);
    assert_eq!(queue.settle(operation, result(Errno::NOMEM), 0).sent.unwrap(), 0);
    let operation = begin(&mut queue);
    assert_eq!(operation.method(), SendMethod::Copy);
    _ = queue.settle(operation, result(Errno::AGAIN), 0);
    queue.complete(first.in_flight.unwrap(), 0);
    let operation = begin(&mut queue);
    assert_eq!(operation.method(), SendMethod::ZeroCopy);
    _ = queue.settle(operation, LARGE as i32, 0);
}

#[test]
fn a_header_is_marked_as_followed_by_the_file_behind_it() {
    let file = file_with(&[b'f'; 100_000]);
    let (socket, mut peer) = UnixStream::pair().unwrap();
    let mut queue = WriteQueue::new();
    queue.push("header");
    queue.push(FileRegion::new(file, 0..100_000));
    queue.push("trailer");
    let operation = begin(&mut queue);
    let more = libc::MSG_NOSIGNAL | libc::MSG_MORE;
    assert_eq!((operation.len(), operation.message_flags()), (6, more as u32));
    assert_eq!(queue.settle(operation, 6, 0).sent.unwrap(), 6);
    let reader = std::thread::spawn(move || {
        let mut received = Vec::new();
        peer.read_to_end(&mut received).map(|_| received)
    });
    while let Some(operation) = queue.begin(usize::MAX).unwrap() {
        // On a blocking socket, it does not wait.
        if operation.method() == SendMethod::File {
            let flush = queue.settle_file(operation, &socket).unwrap();
            assert!(flush.bytes() <= 100_007);
        } else {
            _ = queue.settle(operation, result(Errno::AGAIN), 0);
            _ = queue.flush(&socket).unwrap();
        }
        rustix::event::poll(
            &mut [rustix::event::PollFd::new(&socket, rustix::event::PollFlags::OUT)],
            None,
        )
        .unwrap();
    }
    assert!(!rustix::fs::fcntl_getfl(&socket).unwrap().contains(rustix::fs::OFlags::NONBLOCK));
    drop(socket);
    assert_eq!(reader.join().unwrap().unwrap().len(), 100_007);
}

#[test]
fn a_socket_whose_mode_cannot_be_changed_is_an_error_and_the_file_stays() {
    let file = file_with(&[b'f'; 20_000]);
    let (socket, mut peer) = UnixStream::pair().unwrap();
    let mut queue = WriteQueue::new();
    queue.push(FileRegion::new(file, 0..20_000));
    let operation = begin(&mut queue);
    let plan = |call, _| match call {
        Call::SetBlocking => Outcome::Fail(libc::EPERM),
        _ => Outcome::Pass,
    };
    let error = with_plan(plan, || queue.settle_file(operation, &socket)).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EPERM));
    assert_eq!((queue.pending_bytes(), queue.flushed_bytes()), (20_000, 0));
    let operation = begin(&mut queue);
    assert_eq!(queue.settle_file(operation, &socket).unwrap(), Flush::Done(20_000));
    peer.read_exact(&mut [0; 20_000]).unwrap();
}

#[test]
fn an_operation_that_moves_keeps_its_addresses_while_its_queue_is_used() {
    for parts in [1, 3, 9] {
        let pool = Pool::builder().build();
        let mut queue = WriteQueue::new();
        for part in 0..parts {
            queue.push_copy(&[part; 5]);
            queue.push(pool.copy_from_slice(&[part; 1100]));
        }
        queue.push_copy(b"the last block");
        let operation = begin(&mut queue);
        let (message, sent) = (operation.message(), bytes_of(&operation));
        let moved = Box::new(operation);
        // Behind the bytes that are out, in the same block.
        queue.push_copy(b", which goes on");
        assert_eq!(moved.message(), message);
        assert!(bytes_of(&moved) == sent);
        let cut = sent.len() / 2;
        assert_eq!(queue.settle(*moved, cut as i32, 0).sent.unwrap(), cut as u64);
        let rest = begin(&mut queue);
        assert!(bytes_of(&rest) == [&sent[cut..], b", which goes on"].concat());
        drop(queue);
        assert_eq!(bytes_of(&rest).len(), sent.len() - cut + 15);
    }
}

#[test]
fn an_operation_holds_its_bytes_after_the_queue_is_gone() {
    let mut queue = WriteQueue::new();
    queue.push(ByteView::copy_from_slice(&[7; 5000]));
    let operation = begin(&mut queue);
    drop(queue);
    let operation = std::thread::spawn(move || operation).join().unwrap();
    assert_eq!(bytes_of(&operation), [7; 5000]);
}

#[test]
#[should_panic(expected = "is not an operation of this queue")]
fn an_operation_of_another_queue_is_not_settled() {
    let mut queue = WriteQueue::new();
    queue.push("bytes");
    let _lost = begin(&mut queue);
    let mut other = WriteQueue::new();
    other.push("bytes");
    let operation = begin(&mut other);
    _ = queue.settle(operation, 5, 0);
}
