//! Random sequences of operations on a queue that lends, with a kernel that is made up: it takes what it
//! likes, refuses what it likes, and tells of the ends of loans in any order, in runs or not at all.
//!
//! Whenever it tells of an end, the memory must still hold what it held when it was lent, although every
//! block that is free is written to after each operation. What the queue may do is a model of three states.
//!
//! 100 plans, or a twentieth of what `PLANS` says.

use std::cell::RefCell;
use std::fs::File;
use std::io::IoSlice;
use std::os::unix::fs::FileExt;
use std::rc::Rc;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType, socket};

use super::super::plans::Random;
use super::{COPIED, WriteQueue};
use crate::buf::{ByteBuf, ByteView};
use crate::pool::Pool;
use crate::sys::{Call, Completion, Outcome, with_sink};

/// The most bytes in a part, and the fewest that are lent.
const PART: usize = 64 * 1024;
const LEAST: usize = PART / 2;

/// What free memory is overwritten with; no byte of a stream.
const FOREIGN: u8 = 0xee;

/// What parts are made of.
static BYTES: [u8; 2 * PART] = {
    let mut bytes = [0; 2 * PART];
    let mut at = 0;
    while at < bytes.len() {
        bytes[at] = (at / 3 + at / 1021) as u8 & 0x7f;
        at += 1;
    }
    bytes
};

/// What the queue may do.
#[derive(Debug, PartialEq, Eq)]
enum May {
    Lend,
    /// Lend again when it has been told of an end.
    Wait,
    /// Copy, for ever.
    Copy,
}

/// The memory of one send: addresses, and what was there.
type Loan = Vec<(usize, Vec<u8>)>;

struct Kernel {
    random: Random,
    /// What was sent since the last look.
    taken: Vec<u8>,
    /// By the numbers of the sends; none when the end has been told.
    loans: Vec<Option<Loan>>,
    copied_in_a_row: u64,
    may: May,
    /// It has told of what was never lent, and is not believed any more.
    lost: bool,
    memory: File,
}

impl Kernel {
    fn new(seed: u64) -> Kernel {
        Kernel {
            random: Random(seed),
            taken: Vec::new(),
            loans: Vec::new(),
            copied_in_a_row: 0,
            may: May::Lend,
            lost: false,
            memory: File::open("/proc/self/mem").unwrap(),
        }
    }

    fn answer(&mut self, call: Call) -> Outcome {
        let fail = |errno: Errno| Outcome::Fail(errno.raw_os_error());
        let dice = self.random.below(16);
        match (call, dice) {
            (Call::Completion, 0..8) => self.tell(),
            (Call::Completion, 8) => fail(Errno::INTR),
            (Call::Completion, 9) => fail(Errno::NOMEM),
            (Call::Completion, _) => fail(Errno::AGAIN),
            (Call::Send | Call::SendZeroCopy, _) => {
                let lends = call == Call::SendZeroCopy;
                assert!(!lends || self.may == May::Lend, "{:?}", self.may);
                match dice {
                    0..3 => Outcome::Short(1 + self.random.below(PART)),
                    3 => fail(Errno::AGAIN),
                    4 => fail(Errno::INTR),
                    5 => fail(Errno::NOMEM),
                    6 | 7 if lends => {
                        self.may = if self.open() > 0 { May::Wait } else { May::Copy };
                        fail(Errno::NOBUFS)
                    }
                    8 if lends && self.random.below(10) == 0 => {
                        self.may = May::Copy;
                        fail(Errno::OPNOTSUPP)
                    }
                    _ => Outcome::Pass,
                }
            }
            _ => Outcome::Pass,
        }
    }

    /// How many loans are open.
    fn open(&self) -> usize {
        self.loans.iter().flatten().count()
    }

    /// Bytes that are lent.
    fn bytes(&self) -> usize {
        self.loans.iter().flatten().flatten().map(|(_, bytes)| bytes.len()).sum()
    }

    fn take(&mut self, call: Call, bufs: &[IoSlice<'_>]) {
        bufs.iter().for_each(|buf| self.taken.extend_from_slice(buf));
        if call == Call::SendZeroCopy {
            let place = |buf: &IoSlice<'_>| (buf.as_ptr().addr(), buf.to_vec());
            self.loans.push(Some(bufs.iter().map(place).collect()));
        }
    }

    /// Ends the loans of a few sends in a row, wherever they are.
    fn tell(&mut self) -> Outcome {
        assert!(self.open() > 0, "it was asked though nothing is lent");
        if self.lost || self.random.below(100) == 0 {
            (self.lost, self.may) = (true, May::Copy);
            let number = self.loans.len() as u32;
            return Outcome::Completed(Completion { first: number, last: number, copied: false });
        }
        let nth = self.random.below(self.open());
        let is_open = |&(_, loan): &(usize, &Option<Loan>)| loan.is_some();
        let (first, _) = self.loans.iter().enumerate().filter(is_open).nth(nth).unwrap();
        let most = 1 + self.random.below(4);
        let run = self.loans[first..].iter().take(most).take_while(|loan| loan.is_some()).count();
        for number in first..first + run {
            self.look_at(number);
            self.loans[number] = None;
        }
        let copied = self.random.below(3) > 0;
        self.copied_in_a_row = if copied { self.copied_in_a_row + run as u64 } else { 0 };
        if self.copied_in_a_row >= COPIED {
            self.may = May::Copy;
        } else if self.may == May::Wait {
            self.may = May::Lend;
        }
        Outcome::Completed(Completion {
            first: first as u32,
            last: (first + run - 1) as u32,
            copied,
        })
    }

    /// Reads lent memory, as a kernel does: by its address, whoever may have it now.
    fn look_at(&self, number: usize) {
        for (address, lent) in self.loans[number].iter().flatten() {
            let mut now = vec![0; lent.len()];
            self.memory.read_exact_at(&mut now, *address as u64).unwrap();
            assert!(now == *lent, "the memory of send {number} has changed");
        }
    }
}

/// A buffer of the pool, as long as the queue's borders make interesting.
fn part(random: &mut Random, pool: &Pool) -> ByteBuf {
    let len =
        [1 + random.below(2000), LEAST - 1, LEAST + random.below(LEAST), PART][random.below(4)];
    let at = random.below(PART);
    let mut part = pool.alloc(len);
    part.extend_from_slice(&BYTES[at..at + len]);
    part
}

/// One plan. Gives the number of loans that were made, and of those whose end was told.
fn run(pool: &Pool, seed: u64) -> (usize, usize) {
    let mut random = Random(seed);
    let kernel = Rc::new(RefCell::new(Kernel::new(!seed)));
    // Only asked for its kind and its number; nothing is sent to it.
    let out = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    let budget = 1 + random.below(4 * PART) as u64;
    let mut queue = WriteQueue::new().with_budget(budget).with_zero_copy(LEAST);
    // What was pushed and not taken yet, and views that somebody else holds, with what they show.
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
            assert_eq!(queue.lent_bytes(), kernel.bytes() as u64, "plan {seed}");
            let stats = queue.stats();
            let sends = (kernel.loans.len(), kernel.loans.len() - kernel.open());
            assert_eq!(sends.0 as u64, stats.zero_copy_sends, "plan {seed}");
            assert_eq!(sends.1 as u64, stats.zero_copy_completions, "plan {seed}");
            drop(kernel);
            // Whoever gets memory from here on writes to it.
            for len in [LEAST, PART, PART] {
                pool.alloc(len).resize(len, FOREIGN);
            }
        }
    });
    let kernel = kernel.borrow();
    (0..kernel.loans.len()).for_each(|number| kernel.look_at(number));
    assert!(kept.iter().all(|(view, bytes)| view == &bytes[..]), "plan {seed}");
    (kernel.loans.len(), kernel.loans.len() - kernel.open())
}

#[test]
fn random_plans_of_a_kernel_that_borrows_find_the_memory_as_it_was() {
    let plans = std::env::var("PLANS").map_or(2000, |plans| plans.parse().expect("a number")) / 20;
    let pool = Pool::builder().build();
    let (mut loans, mut ended) = (0, 0);
    for plan in 0..plans {
        let of_plan = run(&pool, plan);
        (loans, ended) = (loans + of_plan.0, ended + of_plan.1);
        if plan > 0 && plan % 10_000 == 0 {
            println!("{plan} plans");
        }
    }
    println!("{plans} plans, {loans} loans, {ended} ended: no memory was used before that");
    assert!(ended as u64 > plans && loans > ended);
}
