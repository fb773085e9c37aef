//! A sink and a source that fail like sockets.

use crate::test_data::Random;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Read, Write};

/// The result of one call.
///
/// # Examples
///
/// ```
/// use bytebuf::WriteQueue;
/// use bytebuf::testing::{Fault, FaultPlan, FaultSink};
/// use std::io::ErrorKind;
///
/// let plan = FaultPlan::of([Fault::Short(2), Fault::Error(ErrorKind::WouldBlock), Fault::Pass]);
/// let mut sink = FaultSink::new(plan);
/// let mut queue = WriteQueue::new();
/// queue.push("hello");
/// assert_eq!(queue.flush_into(&mut sink)?.bytes(), 2); // then the sink is full
/// assert!(queue.flush_into(&mut sink)?.is_done());
/// assert_eq!(sink.received(), b"hello");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The call moves all bytes that it is offered.
    Pass,
    /// The call moves at most this number of bytes, and at least one.
    Short(usize),
    /// The call moves nothing and fails with this kind, which may be `WouldBlock` or `Interrupted`. The next
    /// call may pass.
    Error(ErrorKind),
    /// The peer has disconnected. This call and all later ones fail: a write with `BrokenPipe`, a read with
    /// `ConnectionReset`.
    Disconnect,
}

/// The results of consecutive calls. The same plan gives the same faults.
///
/// # Examples
///
/// ```
/// use bytebuf::testing::{Fault, FaultPlan};
///
/// let mut plan = FaultPlan::of([Fault::Short(3), Fault::Disconnect]);
/// assert_eq!(plan.next_fault(), Fault::Short(3));
///
/// let faults = |seed| std::iter::repeat_with({
///     let mut plan = FaultPlan::seeded(seed);
///     move || plan.next_fault()
/// });
/// assert!(faults(7).take(100).eq(faults(7).take(100)));
/// assert!(!faults(7).take(100).eq(faults(8).take(100)));
/// ```
#[derive(Debug, Clone)]
pub struct FaultPlan {
    script: VecDeque<Fault>,
    then: Then,
}

#[derive(Debug, Clone)]
enum Then {
    Pass,
    Seeded { random: Random, fatal: bool, blocking: bool },
}

impl FaultPlan {
    /// Returns a plan without faults.
    #[must_use]
    pub fn none() -> Self {
        Self::of([])
    }

    /// Returns a plan of these faults, with no fault after them.
    #[must_use]
    pub fn of(script: impl IntoIterator<Item = Fault>) -> Self {
        Self { script: script.into_iter().collect(), then: Then::Pass }
    }

    /// Returns a plan of short counts, `WouldBlock` and `Interrupted`, in an order that depends on `seed`. A caller
    /// that retries moves all bytes in the end.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        let random = Random::new(seed);
        let then = Then::Seeded { random, fatal: false, blocking: false };
        Self { script: VecDeque::new(), then }
    }

    /// Returns a plan as [`seeded`](Self::seeded) does, with occasional other errors and at last a disconnect.
    #[must_use]
    pub fn hostile(seed: u64) -> Self {
        let random = Random::new(seed);
        let then = Then::Seeded { random, fatal: true, blocking: false };
        Self { script: VecDeque::new(), then }
    }

    /// Returns the same plan without `WouldBlock`, as for a blocking descriptor.
    #[must_use]
    pub fn blocking(mut self) -> Self {
        let is_block = |fault: &Fault| *fault == Fault::Error(ErrorKind::WouldBlock);
        self.script.retain(|fault| !is_block(fault));
        if let Then::Seeded { blocking, .. } = &mut self.then {
            *blocking = true;
        }
        self
    }

    /// Returns the result of the next call.
    pub fn next_fault(&mut self) -> Fault {
        if let Some(fault) = self.script.pop_front() {
            return fault;
        }
        match &mut self.then {
            Then::Pass => Fault::Pass,
            Then::Seeded { random, fatal, blocking } => choose(random, *fatal, *blocking),
        }
    }
}

fn choose(random: &mut Random, fatal: bool, blocking: bool) -> Fault {
    const ERRORS: [ErrorKind; 4] =
        [ErrorKind::OutOfMemory, ErrorKind::TimedOut, ErrorKind::StorageFull, ErrorKind::Other];
    match random.below(if fatal { 40 } else { 32 }) {
        0..8 => Fault::Pass,
        8..14 => Fault::Short(1),
        14..20 => Fault::Short(1 << random.below(17)),
        20..24 if !blocking => Fault::Error(ErrorKind::WouldBlock),
        20..28 => Fault::Error(ErrorKind::Interrupted),
        28..32 => Fault::Short(1 + random.below(9)),
        32..38 => Fault::Error(ERRORS[random.below(4)]),
        _ => Fault::Disconnect,
    }
}

/// A plan, and whether the peer has disconnected.
#[derive(Debug, Clone)]
struct Connection {
    plan: FaultPlan,
    is_disconnected: bool,
}

impl Connection {
    fn new(plan: FaultPlan) -> Self {
        Self { plan, is_disconnected: false }
    }

    /// Returns how many of `len` bytes, at least one, the next call moves.
    fn next_len(&mut self, len: usize, gone: ErrorKind) -> io::Result<usize> {
        if self.is_disconnected {
            return Err(gone.into());
        }
        match self.plan.next_fault() {
            Fault::Pass => Ok(len),
            Fault::Short(max) => Ok(len.min(max.max(1))),
            Fault::Error(kind) => Err(kind.into()),
            Fault::Disconnect => {
                self.is_disconnected = true;
                Err(gone.into())
            }
        }
    }
}

/// A writer that takes bytes as a plan allows, and keeps them.
///
/// A short vectored write may end at any byte, within a slice or between two. A write of no bytes returns `Ok(0)`
/// and takes no step of the plan.
///
/// # Examples
///
/// ```
/// use bytebuf::testing::{Fault, FaultPlan, FaultSink};
/// use std::io::{ErrorKind, IoSlice, Write};
///
/// let mut sink = FaultSink::new(FaultPlan::of([Fault::Short(4), Fault::Disconnect]));
/// let parts = [IoSlice::new(b"abc"), IoSlice::new(b"def")];
/// assert_eq!(sink.write_vectored(&parts)?, 4);
/// assert_eq!(sink.write(b"ef").unwrap_err().kind(), ErrorKind::BrokenPipe);
/// assert_eq!(sink.received(), b"abcd");
/// # Ok::<_, std::io::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct FaultSink {
    connection: Connection,
    received: Vec<u8>,
}

impl FaultSink {
    /// Creates a sink that has received nothing.
    #[must_use]
    pub fn new(plan: FaultPlan) -> Self {
        Self { connection: Connection::new(plan), received: Vec::new() }
    }

    /// Returns all bytes that the sink has taken.
    #[must_use]
    pub fn received(&self) -> &[u8] {
        &self.received
    }

    /// Returns whether the plan has disconnected.
    #[must_use]
    pub fn is_disconnected(&self) -> bool {
        self.connection.is_disconnected
    }
}

impl Write for FaultSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let offered = parts.iter().map(|part| part.len()).sum();
        if offered == 0 {
            return Ok(0);
        }
        let taken = self.connection.next_len(offered, ErrorKind::BrokenPipe)?;
        let bytes = parts.iter().flat_map(|part| part.iter());
        self.received.extend(bytes.take(taken));
        Ok(taken)
    }

    /// Does nothing; fails if the plan has disconnected.
    fn flush(&mut self) -> io::Result<()> {
        if self.connection.is_disconnected { Err(ErrorKind::BrokenPipe.into()) } else { Ok(()) }
    }
}

/// A reader that gives bytes as a plan allows, then the end.
///
/// A read into an empty slice, or at the end, returns `Ok(0)` and takes no step of the plan.
///
/// # Examples
///
/// ```
/// use bytebuf::testing::{Fault, FaultPlan, FaultSource};
/// use std::io::{ErrorKind, Read};
///
/// let plan = FaultPlan::of([Fault::Short(2), Fault::Error(ErrorKind::WouldBlock)]);
/// let mut source = FaultSource::new(*b"abcd", plan);
/// let mut buf = [0; 8];
/// assert_eq!(source.read(&mut buf)?, 2);
/// assert_eq!(source.read(&mut buf).unwrap_err().kind(), ErrorKind::WouldBlock);
/// assert_eq!(source.read(&mut buf)?, 2);
/// assert_eq!(source.read(&mut buf)?, 0);
/// # Ok::<_, std::io::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct FaultSource {
    connection: Connection,
    left: VecDeque<u8>,
}

impl FaultSource {
    /// Creates a source of these bytes.
    #[must_use]
    pub fn new(content: impl Into<Vec<u8>>, plan: FaultPlan) -> Self {
        Self { connection: Connection::new(plan), left: content.into().into() }
    }

    /// Returns the number of bytes that have not been read.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.left.len()
    }

    /// Returns whether the plan has disconnected.
    #[must_use]
    pub fn is_disconnected(&self) -> bool {
        self.connection.is_disconnected
    }
}

impl Read for FaultSource {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() || (self.left.is_empty() && !self.connection.is_disconnected) {
            return Ok(0);
        }
        let offered = buf.len().min(self.left.len());
        let given = self.connection.next_len(offered, ErrorKind::ConnectionReset)?;
        for (to, from) in buf.iter_mut().zip(self.left.drain(..given)) {
            *to = from;
        }
        Ok(given)
    }
}
