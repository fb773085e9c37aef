//! A sink and a source that behave as badly as a socket may.

use super::random::Random;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Read, Write};

/// What becomes of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It moves all it can.
    Pass,
    /// It moves at most so many bytes, and at least one.
    Short(usize),
    /// It moves nothing, and fails with this kind: `WouldBlock` and `Interrupted` among them. The next
    /// call may pass.
    Error(ErrorKind),
    /// The peer is gone: this call fails and so do all after it, `BrokenPipe` for those who write,
    /// `ConnectionReset` for those who read.
    Disconnect,
}

/// What becomes of the calls, one after the other. The same plan gives the same faults.
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
    /// No faults.
    #[must_use]
    pub fn none() -> Self {
        Self::of([])
    }

    /// These, and none after them.
    #[must_use]
    pub fn of(script: impl IntoIterator<Item = Fault>) -> Self {
        Self { script: script.into_iter().collect(), then: Then::Pass }
    }

    /// Short counts, `WouldBlock` and `Interrupted`, in an order that depends on `seed`. Whoever goes on
    /// gets everything moved in the end.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        let random = Random::new(seed);
        let then = Then::Seeded { random, fatal: false, blocking: false };
        Self { script: VecDeque::new(), then }
    }

    /// As [`seeded`](Self::seeded), with other errors now and then, and a disconnect sooner or later.
    #[must_use]
    pub fn hostile(seed: u64) -> Self {
        let random = Random::new(seed);
        let then = Then::Seeded { random, fatal: true, blocking: false };
        Self { script: VecDeque::new(), then }
    }

    /// The same without `WouldBlock`, as a blocking descriptor behaves.
    #[must_use]
    pub fn blocking(mut self) -> Self {
        let is_block = |fault: &Fault| *fault == Fault::Error(ErrorKind::WouldBlock);
        self.script.retain(|fault| !is_block(fault));
        if let Then::Seeded { blocking, .. } = &mut self.then {
            *blocking = true;
        }
        self
    }

    /// What becomes of the next call.
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
        28..32 => Fault::Short(1 + random.below(9) as usize),
        32..38 => Fault::Error(ERRORS[random.below(4) as usize]),
        _ => Fault::Disconnect,
    }
}

/// A plan, and whether the peer is gone.
#[derive(Debug, Clone)]
struct Line {
    plan: FaultPlan,
    is_gone: bool,
}

impl Line {
    fn new(plan: FaultPlan) -> Self {
        Self { plan, is_gone: false }
    }

    /// How many of `len` bytes, which is not 0, the next call moves.
    fn admit(&mut self, len: usize, gone: ErrorKind) -> io::Result<usize> {
        if self.is_gone {
            return Err(gone.into());
        }
        match self.plan.next_fault() {
            Fault::Pass => Ok(len),
            Fault::Short(most) => Ok(len.min(most.max(1))),
            Fault::Error(kind) => Err(kind.into()),
            Fault::Disconnect => {
                self.is_gone = true;
                Err(gone.into())
            }
        }
    }
}

/// Takes bytes as a plan allows, and keeps them.
///
/// A vectored write is cut at any byte, within a slice and between two. Writing nothing is `Ok(0)` and
/// no step of the plan.
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
    line: Line,
    received: Vec<u8>,
}

impl FaultSink {
    /// A sink that has received nothing.
    #[must_use]
    pub fn new(plan: FaultPlan) -> Self {
        Self { line: Line::new(plan), received: Vec::new() }
    }

    /// All bytes that it took.
    #[must_use]
    pub fn received(&self) -> &[u8] {
        &self.received
    }

    /// Whether it has disconnected.
    #[must_use]
    pub fn is_disconnected(&self) -> bool {
        self.line.is_gone
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
        let taken = self.line.admit(offered, ErrorKind::BrokenPipe)?;
        let bytes = parts.iter().flat_map(|part| part.iter());
        self.received.extend(bytes.take(taken));
        Ok(taken)
    }

    /// Fails if the sink has disconnected; there is nothing else to do.
    fn flush(&mut self) -> io::Result<()> {
        if self.line.is_gone { Err(ErrorKind::BrokenPipe.into()) } else { Ok(()) }
    }
}

/// Gives bytes as a plan allows, then the end.
///
/// Reading into no room is `Ok(0)` and no step of the plan; so is reading at the end.
///
/// ```
/// use bytebuf::testing::{Fault, FaultPlan, FaultSource};
/// use std::io::{ErrorKind, Read};
///
/// let plan = FaultPlan::of([Fault::Short(2), Fault::Error(ErrorKind::WouldBlock)]);
/// let mut source = FaultSource::new(*b"abcd", plan);
/// let mut room = [0; 8];
/// assert_eq!(source.read(&mut room)?, 2);
/// assert_eq!(source.read(&mut room).unwrap_err().kind(), ErrorKind::WouldBlock);
/// assert_eq!(source.read(&mut room)?, 2);
/// assert_eq!(source.read(&mut room)?, 0);
/// # Ok::<_, std::io::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct FaultSource {
    line: Line,
    left: VecDeque<u8>,
}

impl FaultSource {
    /// A source of these bytes.
    #[must_use]
    pub fn new(content: impl Into<Vec<u8>>, plan: FaultPlan) -> Self {
        Self { line: Line::new(plan), left: content.into().into() }
    }

    /// How many bytes it has not given yet.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.left.len()
    }

    /// Whether it has disconnected.
    #[must_use]
    pub fn is_disconnected(&self) -> bool {
        self.line.is_gone
    }
}

impl Read for FaultSource {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        if room.is_empty() || (self.left.is_empty() && !self.line.is_gone) {
            return Ok(0);
        }
        let offered = room.len().min(self.left.len());
        let given = self.line.admit(offered, ErrorKind::ConnectionReset)?;
        for (to, from) in room.iter_mut().zip(self.left.drain(..given)) {
            *to = from;
        }
        Ok(given)
    }
}
