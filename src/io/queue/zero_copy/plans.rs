//! Random sequences of operations on a queue with zero-copy sends and a simulated kernel. It makes short
//! sends, refuses sends, and reports completions in any order, in runs or not at all.
//!
//! When it reports a completion, the memory must still hold the bytes that were sent, although all free
//! blocks are overwritten after each operation. A model of three states says which sends the queue may make.
//!
//! Runs 100 plans, or a twentieth of the number in `PLANS`.

use std::cell::RefCell;
use std::fs::File;
use std::io::IoSlice;
use std::os::unix::fs::FileExt;
use std::rc::Rc;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType, socket};

use super::{MAX_COPIED, WriteQueue};
use crate::buf::{ByteBuf, ByteView};
use crate::pool::Pool;
use crate::sys::{Call, Completion, Outcome, with_sink};
use crate::test_data::Random;

/// The largest length of a part, and the smallest that is sent by zero-copy.
const PART: usize = 64 * 1024;
const LEAST: usize = PART / 2;

/// The byte that overwrites free memory. No stream contains it.
const FOREIGN: u8 = 0xee;

/// The contents of the parts.
static BYTES: [u8; 2 * PART] = {
    let mut bytes = [0; 2 * PART];
    let mut at = 0;
    while at < bytes.len() {
        bytes[at] = (at / 3 + at / 1021) as u8 & 0x7f;
        at += 1;
    }
    bytes
};

/// The sends that the queue may make.
#[derive(Debug, PartialEq, Eq)]
enum May {
    ZeroCopy,
    /// Zero-copy again after a completion.
    Wait,
    /// Copy from now on.
    Copy,
}

/// The memory of one send: addresses, and the bytes that were there.
type Memory = Vec<(usize, Vec<u8>)>;

struct Kernel {
    random: Random,
    /// The bytes sent since the last check.
    taken: Vec<u8>,
    /// Indexed by the numbers of the sends; `None` if the completion has been reported.
    sends: Vec<Option<Memory>>,
    copied_in_a_row: u64,
    may: May,
    /// Whether it has reported an unexpected completion.
    lost: bool,
    memory: File,
}

impl Kernel {
    fn new(seed: u64) -> Self {
        Self {
            random: Random::new(seed),
            taken: Vec::new(),
            sends: Vec::new(),
            copied_in_a_row: 0,
            may: May::ZeroCopy,
            lost: false,
            memory: File::open("/proc/self/mem").unwrap(),
        }
    }

    fn answer(&mut self, call: Call) -> Outcome {
        let fail = |errno: Errno| Outcome::Fail(errno.raw_os_error());
        let dice = self.random.below(16);
        match (call, dice) {
            (Call::Completion, 0..8) => self.complete(),
            (Call::Completion, 8) => fail(Errno::INTR),
            (Call::Completion, 9) => fail(Errno::NOMEM),
            (Call::Completion, _) => fail(Errno::AGAIN),
            (Call::Send | Call::SendZeroCopy, _) => {
                let zero_copy = call == Call::SendZeroCopy;
                assert!(!zero_copy || self.may == May::ZeroCopy, "{:?}", self.may);
                match dice {
                    0..3 => Outcome::Short(1 + self.random.below(PART)),
                    3 => fail(Errno::AGAIN),
                    4 => fail(Errno::INTR),
                    5 => fail(Errno::NOMEM),
                    6 | 7 if zero_copy => {
                        self.may = if self.open() > 0 { May::Wait } else { May::Copy };
                        fail(Errno::NOBUFS)
                    }
                    8 if zero_copy && self.random.below(10) == 0 => {
                        self.may = May::Copy;
                        fail(Errno::OPNOTSUPP)
                    }
                    _ => Outcome::Pass,
                }
            }
            _ => Outcome::Pass,
        }
    }

    /// The number of sends in flight.
    fn open(&self) -> usize {
        self.sends.iter().flatten().count()
    }

    /// Bytes in flight.
    fn bytes(&self) -> usize {
        self.sends.iter().flatten().flatten().map(|(_, bytes)| bytes.len()).sum()
    }

    fn take(&mut self, call: Call, bufs: &[IoSlice<'_>]) {
        bufs.iter().for_each(|buf| self.taken.extend_from_slice(buf));
        if call == Call::SendZeroCopy {
            let place = |buf: &IoSlice<'_>| (buf.as_ptr().addr(), buf.to_vec());
            self.sends.push(Some(bufs.iter().map(place).collect()));
        }
    }

    /// Completes a few consecutive sends at a random position.
    fn complete(&mut self) -> Outcome {
        assert!(self.open() > 0, "it was asked though nothing is in flight");
        if self.lost || self.random.below(100) == 0 {
            (self.lost, self.may) = (true, May::Copy);
            let number = self.sends.len() as u32;
            return Outcome::Completed(Completion { first: number, last: number, copied: false });
        }
        let nth = self.random.below(self.open());
        let is_open = |&(_, send): &(usize, &Option<Memory>)| send.is_some();
        let (first, _) = self.sends.iter().enumerate().filter(is_open).nth(nth).unwrap();
        let most = 1 + self.random.below(4);
        let run = self.sends[first..].iter().take(most).take_while(|send| send.is_some()).count();
        for number in first..first + run {
            self.check_memory(number);
            self.sends[number] = None;
        }
        let copied = self.random.below(3) > 0;
        self.copied_in_a_row = if copied { self.copied_in_a_row + run as u64 } else { 0 };
        if self.copied_in_a_row >= MAX_COPIED {
            self.may = May::Copy;
        } else if self.may == May::Wait {
            self.may = May::ZeroCopy;
        }
        Outcome::Completed(Completion {
            first: first as u32,
            last: (first + run - 1) as u32,
            copied,
        })
    }

    /// Reads the memory of a send as a kernel does: by its address, even if it has been reused.
    fn check_memory(&self, number: usize) {
        for (address, sent) in self.sends[number].iter().flatten() {
            let mut now = vec![0; sent.len()];
            self.memory.read_exact_at(&mut now, *address as u64).unwrap();
            assert!(now == *sent, "the memory of send {number} has changed");
        }
    }
}

/// Returns a buffer of the pool with a length near the boundaries of the queue.
fn part(random: &mut Random, pool: &Pool) -> ByteBuf {
    let len =
        [1 + random.below(2000), LEAST - 1, LEAST + random.below(LEAST), PART][random.below(4)];
    let at = random.below(PART);
    let mut part = pool.alloc(len);
    part.extend_from_slice(&BYTES[at..at + len]);
    part
}

/// Runs one plan. Returns the number of zero-copy sends, and of those that completed.
fn run(pool: &Pool, seed: u64) -> (usize, usize) {
    let mut random = Random::new(seed);
    let kernel = Rc::new(RefCell::new(Kernel::new(!seed)));
    // Only its type and id are queried; nothing is sent to it.
    let out = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    let budget = 1 + random.below(4 * PART) as u64;
    let mut queue = WriteQueue::new().with_budget(budget).with_zero_copy(LEAST);
    // The bytes pushed and not yet taken, and views that the test holds, with their bytes.
    let (mut pushed, mut kept) = (Vec::new(), Vec::<(ByteView, Vec<u8>)>::new());
    let answer = {
        let kernel = kernel.clone();
        move |call, _| kernel.borrow_mut().answer(call)
    };
    let take = {
        let kernel = kernel.clone();
        move |call, bufs: &[IoSlice<'_>]| kernel.borrow_mut().take(call, bufs)
    };
    with_sink(answer, take, || {
        for _ in 0..random.below(60) {
            match random.below(12) {
                0..4 => {
                    let part = part(&mut random, pool);
                    pushed.extend_from_slice(&part);
                    queue.push(part);
                }
                4 => {
                    let part = part(&mut random, pool).freeze();
                    pushed.extend_from_slice(&part);
                    kept.push((part.clone(), part.to_vec()));
                    queue.push(part);
                }
                5 => {
                    pushed.extend_from_slice(&BYTES[..PART]);
                    queue.push(&BYTES[..PART]);
                }
                6 => drop((!kept.is_empty()).then(|| kept.swap_remove(random.below(kept.len())))),
                7 => {
                    let unsent = queue.take_unsent();
                    unsent.into_iter().for_each(|part| _ = queue.push(part));
                }
                8 if random.below(4) == 0 => {
                    queue.clear();
                    pushed.clear();
                }
                9 => _ = queue.reap_completions(&out),
                _ => _ = queue.flush(&out).map(|flush| flush.bytes()),
            }
            let mut kernel = kernel.borrow_mut();
            let taken = std::mem::take(&mut kernel.taken);
            assert!(pushed.starts_with(&taken), "plan {seed}: the stream differs");
            pushed.drain(..taken.len());
            assert_eq!(queue.pending_bytes(), pushed.len() as u64, "plan {seed}");
            assert_eq!(queue.in_flight_bytes(), kernel.bytes() as u64, "plan {seed}");
            let stats = queue.stats();
            let sends = (kernel.sends.len(), kernel.sends.len() - kernel.open());
            assert_eq!(sends.0 as u64, stats.zero_copy_sends, "plan {seed}");
            assert_eq!(sends.1 as u64, stats.zero_copy_completions, "plan {seed}");
            drop(kernel);
            // Overwrites free blocks.
            for len in [LEAST, PART, PART] {
                pool.alloc(len).resize(len, FOREIGN);
            }
        }
    });
    let kernel = kernel.borrow();
    (0..kernel.sends.len()).for_each(|number| kernel.check_memory(number));
    assert!(kept.iter().all(|(view, bytes)| view == &bytes[..]), "plan {seed}");
    (kernel.sends.len(), kernel.sends.len() - kernel.open())
}

#[test]
fn random_plans_of_completions_find_the_memory_unchanged() {
    let plans = std::env::var("PLANS").map_or(2000, |plans| plans.parse().expect("a number")) / 20;
    let pool = Pool::builder().build();
    let (mut sends, mut completed) = (0, 0);
    for plan in 0..plans {
        let of_plan = run(&pool, plan);
        (sends, completed) = (sends + of_plan.0, completed + of_plan.1);
        if plan > 0 && plan % 10_000 == 0 {
            println!("{plan} plans");
        }
    }
    println!("{plans} plans, {sends} sends, {completed} completed: no memory was used before that");
    assert!(completed as u64 > plans && sends > completed);
}
