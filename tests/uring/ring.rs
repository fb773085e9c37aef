//! A ring of the kernel, as the tests need it.

use std::collections::VecDeque;

use bytebuf::{
    BufferRing, InFlightSend, Registration, SendMethod, SendOperation, Settled, WriteQueue,
};
use io_uring::{IoUring, opcode, squeue, types};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

pub(crate) const RECEIVE: u64 = 1 << 32;
pub(crate) const SEND: u64 = 2 << 32;
pub(crate) const CANCEL: u64 = 3 << 32;

/// `IORING_SEND_ZC_REPORT_USAGE`.
const REPORT_USAGE: u16 = 1 << 3;

pub(crate) struct Completion {
    pub(crate) user_data: u64,
    pub(crate) result: i32,
    pub(crate) flags: u32,
}

impl Completion {
    pub(crate) fn is_notification(&self) -> bool {
        io_uring::cqueue::notif(self.flags)
    }
}

pub(crate) struct Ring {
    ring: IoUring,
    completed: VecDeque<Completion>,
}

impl Ring {
    /// Where the kernel or its configuration allows no ring, says so.
    pub(crate) fn new() -> Option<Self> {
        let ring = IoUring::new(256);
        let refused = ring.as_ref().err().map(std::io::Error::raw_os_error);
        if let Some(Some(libc::ENOSYS | libc::EPERM | libc::EACCES)) = refused {
            println!("SKIPPED: the kernel gives no ring: {}", ring.err()?);
            return None;
        }
        Some(Self { ring: ring.unwrap(), completed: VecDeque::new() })
    }

    pub(crate) fn register(&mut self, buffers: &mut BufferRing) -> std::io::Result<()> {
        let submitter = self.ring.submitter();
        let call = |r: Registration| {
            // SAFETY: the memory stays until it is unregistered.
            unsafe {
                submitter.register_buf_ring_with_flags(r.address, r.entries, r.group, r.flags)
            }
        };
        // SAFETY: registered as told, with one ring.
        unsafe { buffers.register(call) }
    }

    pub(crate) fn unregister(&mut self, buffers: &mut BufferRing) {
        let call = |group| self.ring.submitter().unregister_buf_ring(group);
        // SAFETY: this ring has the group.
        unsafe { buffers.unregister(call) }.unwrap();
    }

    /// # Safety
    ///
    /// What the request refers to stays until it completes.
    pub(crate) unsafe fn push(&mut self, request: squeue::Entry, user_data: u64) {
        let request = request.user_data(user_data);
        // SAFETY: as the caller promises.
        while unsafe { self.ring.submission().push(&request) }.is_err() {
            self.ring.submit().unwrap();
        }
    }

    pub(crate) fn receive(&mut self, socket: impl AsFd, group: u16, is_bundle: bool, data: u64) {
        let socket = types::Fd(socket.as_fd().as_raw_fd());
        let request = if is_bundle {
            opcode::RecvMultiBundle::new(socket, group).build()
        } else {
            opcode::RecvMulti::new(socket, group).build()
        };
        // SAFETY: the request has no memory of its own.
        unsafe { self.push(request, data) };
    }

    pub(crate) fn cancel(&mut self, data: u64) {
        // SAFETY: as above.
        unsafe { self.push(opcode::AsyncCancel::new(data).build(), CANCEL) };
    }

    /// Submits an operation, which the caller keeps until it completes.
    pub(crate) fn send(&mut self, socket: BorrowedFd<'_>, operation: &SendOperation, data: u64) {
        let socket = types::Fd(socket.as_raw_fd());
        let (message, flags) = (operation.message().cast(), operation.message_flags());
        let request = match operation.method() {
            SendMethod::Copy => opcode::SendMsg::new(socket, message).flags(flags).build(),
            SendMethod::ZeroCopy => {
                opcode::SendMsgZc::new(socket, message).flags(flags).ioprio(REPORT_USAGE).build()
            }
            SendMethod::File => opcode::PollAdd::new(socket, libc::POLLOUT as u32).build(),
            other => panic!("{other:?} is new"),
        };
        // SAFETY: the tests settle no operation before its completion.
        unsafe { self.push(request, data) };
    }

    /// Submits what was pushed.
    pub(crate) fn submit(&mut self) {
        self.ring.submit().unwrap();
    }

    /// The next completion, in the order of the queue.
    pub(crate) fn wait(&mut self) -> Completion {
        loop {
            if let Some(completion) = self.completed.pop_front() {
                return completion;
            }
            match self.ring.submit_and_wait(1) {
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                other => _ = other.unwrap(),
            }
            self.completed.extend(self.ring.completion().map(|entry| Completion {
                user_data: entry.user_data(),
                result: entry.result(),
                flags: entry.flags(),
            }));
        }
    }

    /// The next completion with this user data; others, except for cancels, are not expected.
    pub(crate) fn wait_for(&mut self, data: u64) -> Completion {
        loop {
            let completion = self.wait();
            if completion.user_data == data {
                return completion;
            }
            assert_eq!(completion.user_data, CANCEL);
        }
    }
}

/// One connection's queue, and what it has in flight.
pub(crate) struct Sender<S> {
    pub(crate) socket: S,
    pub(crate) queue: WriteQueue,
    operation: Option<SendOperation>,
    in_flight: VecDeque<InFlightSend>,
}

impl<S: AsFd> Sender<S> {
    pub(crate) fn new(socket: S, queue: WriteQueue) -> Self {
        Self { socket, queue, operation: None, in_flight: VecDeque::new() }
    }

    /// Begins an operation, if none is out and something is pending.
    pub(crate) fn begin(&mut self, ring: &mut Ring, data: u64) {
        if let Some(operation) = self.queue.begin(usize::MAX).unwrap() {
            ring.send(self.socket.as_fd(), &operation, data);
            self.operation = Some(operation);
        }
    }

    /// Takes a completion of its operations.
    pub(crate) fn complete(&mut self, completion: &Completion) -> std::io::Result<u64> {
        if completion.is_notification() {
            // One operation is out at a time, and its notification is the next in the queue, or later.
            let send = self.in_flight.pop_front().expect("in flight");
            self.queue.complete(send, completion.result);
            return Ok(0);
        }
        let operation = self.operation.take().expect("an operation is out");
        if operation.method() == SendMethod::File && completion.result >= 0 {
            return Ok(self.queue.settle_file(operation, &self.socket)?.bytes());
        }
        let Settled { sent, in_flight, .. } =
            self.queue.settle(operation, completion.result, completion.flags);
        self.in_flight.extend(in_flight);
        sent
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }
}
