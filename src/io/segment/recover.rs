//! Finding the end of a log, what a crash has left behind it, and damage in front of it.
//!
//! 1. The records are a run from the start on, without a gap. Where it ends before the position that was
//!    durable, bytes are damaged; where it ends behind that position is the end of the log. A crash may leave
//!    anything behind the durable position: whole records, torn ones, zeros, in any order.
//! 2. Behind damage, the log goes on with the first record that ends before the durable position, or at that
//!    position, which is always the end of a record.
//! 3. The search for that record looks at each byte once, checks at most [`SEARCH`] bytes of records on the
//!    way, and holds one record in memory.

use std::fs::File;
use std::io;
use std::ops::Range;

use super::error::SegmentDamaged;
use super::format::{Header, START};
use super::framing::{Framing, Parsed};
use super::scan::{Found, Log, Window, read_at};
use crate::sys;

/// The bytes that a search behind damage checks: under a second's work. With random bytes in place of the
/// damage, one position in 256 looks like the start of a record of 8 MiB, so they are enough for 128 KiB of those;
/// other damage costs far less.
const SEARCH: u64 = 4 << 30;

/// What opening a segment found.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// use bytebuf::Segment;
///
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("00000.log");
/// let mut segment = Segment::create(&path, 1 << 20)?;
/// segment.append(b"record")?;
/// let end = segment.flush()?;
/// drop(segment);
///
/// let segment = Segment::open(&path)?;
/// let recovered = segment.recovered();
/// assert_eq!((recovered.end, &recovered.torn, recovered.damaged), (end, &None, None));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovered {
    /// The end of the last record.
    pub end: u64,
    /// Where bytes stand behind the end that are no whole record: what a crash has left of records that were not
    /// durable. The first append clears them.
    ///
    /// None of a recycled segment, where they cannot be told from those of an earlier life.
    pub torn: Option<Range<u64>>,
    /// The first bytes that were durable and are no valid records any more.
    pub damaged: Option<SegmentDamaged>,
}

impl Recovered {
    pub(super) fn empty() -> Recovered {
        Recovered { end: START, torn: None, damaged: None }
    }
}

/// What opening found, and where other bytes than zeros stand behind the end.
pub(super) struct Scan {
    pub(super) recovered: Recovered,
    pub(super) stale: Option<Range<u64>>,
}

/// Reads the whole file and tells what it holds.
pub(super) fn scan<F: Framing>(log: &Log<'_, F>, header: &Header, len: u64) -> io::Result<Scan> {
    let mut damaged = None;
    let end = walk(log, header, len, |bytes| {
        let Range { start: offset, end } = bytes;
        damaged.get_or_insert(SegmentDamaged { offset, length: end - offset });
        Ok(())
    })?;
    let stale = last_nonzero(log.file, end..len.min(header.capacity))?.map(|last| end..last + 1);
    let torn = stale.clone().filter(|_| !header.is_recycled);
    Ok(Scan { recovered: Recovered { end, torn, damaged }, stale })
}

/// Walks over all records, calls `damaged` for each damaged range (rules 1 and 2), and returns the end of the
/// last record.
pub(super) fn walk<F: Framing>(
    log: &Log<'_, F>,
    header: &Header,
    len: u64,
    mut damaged: impl FnMut(Range<u64>) -> io::Result<()>,
) -> io::Result<u64> {
    let limit = len.min(header.capacity);
    let mut window = Window::new(START);
    loop {
        match log.find(&mut window, limit)? {
            Found::Record(len) | Found::Filler(len) => window.skip(len),
            Found::Nothing if window.position() >= header.durable => return Ok(window.position()),
            Found::Nothing => {
                let next = next_valid(log, window.position(), header.durable, limit)?;
                damaged(window.position()..next)?;
                window = Window::new(next);
            }
        }
    }
}

/// Where the log goes on behind the damage at `from` (rules 2 and 3), in a file that may end before the durable
/// position, at `limit`.
pub(super) fn next_valid<F: Framing>(
    log: &Log<'_, F>,
    from: u64,
    durable: u64,
    limit: u64,
) -> io::Result<u64> {
    let limit = limit.min(durable);
    if from >= limit {
        return Ok(durable);
    }
    let mut search = Search { log, window: Window::new(from), at: 0, durable, limit, left: SEARCH };
    // As many bytes as the framing needs to tell the length.
    let head = match log.parse(from, &[]) {
        Parsed::Incomplete(head) => head,
        _ => 1,
    };
    let mut next = durable;
    if let Some(bytes) = search.bytes(head)?
        && let Parsed::Incomplete(len) = log.parse(from, bytes)
        && search.continues_at(from + len as u64)?
    {
        // The length is right, most likely, and what it counts is damaged. What is valid at any place may be a
        // copy in there.
        next = from + len as u64;
        if !F::IS_BOUND_TO_PLACE {
            return Ok(next);
        }
    }
    loop {
        search.at += 1;
        let position = search.position();
        if position >= next {
            return Ok(next);
        }
        let Some(bytes) = search.bytes(head)? else { return Ok(next) };
        let mut parsed = log.parse(position, bytes);
        if let Parsed::Incomplete(len) = parsed {
            let Some(left) = search.left.checked_sub(len as u64) else { return Ok(next) };
            search.left = left;
            parsed = search.bytes(len)?.map_or(Parsed::Corrupt, |bytes| log.parse(position, bytes));
        }
        if let Parsed::Valid(len) | Parsed::Filler(len) = parsed
            && let end = position + len as u64
            && end <= limit
            // A copy inside of a payload is followed by something else.
            && (F::IS_BOUND_TO_PLACE || search.continues_at(end)?)
        {
            return Ok(position);
        }
    }
}

struct Search<'a, F> {
    log: &'a Log<'a, F>,
    window: Window,
    /// The position that is looked at, within the window.
    at: usize,
    durable: u64,
    /// The end of the bytes to search: no later than `durable`.
    limit: u64,
    left: u64,
}

impl<F: Framing> Search<'_, F> {
    fn position(&self) -> u64 {
        self.window.position() + self.at as u64
    }

    /// The `len` bytes at the position, if there are so many.
    fn bytes(&mut self, len: usize) -> io::Result<Option<&[u8]>> {
        if len as u64 > self.limit.saturating_sub(self.position()) {
            return Ok(None);
        }
        if self.at + len > self.window.bytes().len() {
            self.window.skip(self.at);
            self.at = 0;
            // Twice the length, so that long candidates side by side are not read once each.
            self.window.need(self.log.file, len.saturating_mul(2), self.limit)?;
        }
        Ok(self.window.bytes().get(self.at..self.at + len))
    }

    /// Whether a record stands there, or all that was durable ends there.
    fn continues_at(&self, position: u64) -> io::Result<bool> {
        if position >= self.durable {
            return Ok(position == self.durable);
        }
        let found = self.log.find(&mut Window::new(position), self.limit)?;
        Ok(found != Found::Nothing)
    }
}

/// The position of the last byte that is not zero.
fn last_nonzero(file: &File, range: Range<u64>) -> io::Result<Option<u64>> {
    const PIECE: u64 = 64 * 1024;
    static ZEROS: [u8; PIECE as usize] = [0; PIECE as usize];
    let (mut last, mut at) = (None, range.start);
    while let Some(data) = sys::next_data(file, at)
        && data < range.end
    {
        at = data;
        let bytes = read_at(file, at, PIECE.min(range.end - at) as usize)?;
        if bytes.is_empty() {
            break;
        }
        if bytes[..] != ZEROS[..bytes.len()] {
            let found = bytes.iter().rposition(|&byte| byte != 0);
            last = found.map_or(last, |found| Some(at + found as u64));
        }
        at += bytes.len() as u64;
    }
    Ok(last)
}
