//! Finds the end of a log, the bytes that a crash left behind it, and the damage in front of it.
//!
//! * **SR1** The records are contiguous from the start on. If the first invalid bytes are before the durable end,
//!   they are damaged; otherwise they are the end of the log. Behind the durable end, a crash may leave complete
//!   records, torn ones and zeros in any order. A file that ends before the first record is damaged from its end on
//!   (SF4), even if its remaining header counts no record as durable.
//! * **SR2** Behind damage, the log continues with the first record that ends before or at the durable end, or else
//!   at the durable end, which is always the end of a record.
//! * **SR3** The search for that record reads each byte twice, checks at most [`SEARCH`] bytes of candidates each
//!   time, and holds two records in memory. If that is not enough, it ends at the durable end.

use std::fs::File;
use std::io;
use std::ops::Range;

use super::error::SegmentDamaged;
use super::format::{Header, START};
use super::framing::{Framing, Parsed};
use super::scan::{Found, Log, Window, read_at};
use crate::sys;

/// The number of bytes that each of the two passes of a search behind damage checks, which takes a quarter of a
/// second. In random bytes, one position in 65,536 looks like the start of a record of 8 MiB that another record
/// follows, so this suffices for 32 MiB of random bytes; other bytes take far less.
const SEARCH: u64 = 4 << 30;

/// The findings of opening a segment.
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
    /// The bytes behind the end that are not a complete record: a crash left them from records that were not
    /// durable. The first append clears them.
    ///
    /// `None` for a recycled segment, in which they cannot be distinguished from those of an earlier life.
    pub torn: Option<Range<u64>>,
    /// The first durable bytes that are no longer valid records.
    pub damaged: Option<SegmentDamaged>,
}

impl Recovered {
    pub(super) fn empty() -> Self {
        Self { end: START, torn: None, damaged: None }
    }
}

/// The findings of opening, and the range behind the end that has bytes other than zero.
pub(super) struct Scan {
    pub(super) recovered: Recovered,
    pub(super) stale: Option<Range<u64>>,
}

/// Reads the file except for its holes and returns its end and damage.
pub(super) fn scan<F: Framing>(log: &Log<'_, F>, header: &Header, len: u64) -> io::Result<Scan> {
    // Must come before the first read: read-ahead turns the pages of a hole into data. Otherwise all of a large
    // segment that was allocated and not used would be read.
    let data_end = sys::end_of_data(log.file, START);
    let mut damaged =
        (len < START).then(|| SegmentDamaged { offset: len, length: header.durable - len });
    let end = walk(log, header, len, |bytes| {
        let Range { start: offset, end } = bytes;
        damaged.get_or_insert(SegmentDamaged { offset, length: end - offset });
        Ok(())
    })?;
    let behind = end..len.min(header.capacity).min(data_end);
    let stale = last_nonzero(log.file, behind)?.map(|last| end..last + 1);
    let torn = stale.clone().filter(|_| !header.is_recycled);
    Ok(Scan { recovered: Recovered { end, torn, damaged }, stale })
}

/// Walks over all records, calls `damaged` for each damaged range (SR1 and SR2), and returns the end of the
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

/// Returns the position at which the log continues behind the damage at `from` (SR2 and SR3). `limit` bounds the
/// search: the file may end before the durable end.
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
    // The number of bytes that the framing needs to find the length of a record.
    let head = match log.parse(from, &[]) {
        Parsed::Incomplete(head) => head,
        _ => 1,
    };
    let search = Search { log, from, head, durable, limit };
    let mut next = durable;
    if let Parsed::Incomplete(len) = search.head_at(from)?
        && search.is_record_at(from + len as u64)?
    {
        // The length is probably correct, and only the payload is damaged. If records are valid at any place,
        // continue here: a search could find a copy of a record within the payload.
        next = from + len as u64;
        if !F::IS_BOUND_TO_PLACE {
            return Ok(next);
        }
    }
    // In random bytes, one candidate in 256 is followed by bytes that look like another record.
    let followed = |end| Ok(end == durable || search.head_at(end)? != Parsed::Corrupt);
    next = search.first_before(next, followed)?.unwrap_or(next);
    if F::IS_BOUND_TO_PLACE {
        // The last record in front of more damage may be followed by any bytes.
        next = search.first_before(next, |_| Ok(true))?.unwrap_or(next);
    }
    Ok(next)
}

struct Search<'a, F> {
    log: &'a Log<'a, F>,
    from: u64,
    /// The number of bytes that the framing needs to find the length of a record.
    head: usize,
    durable: u64,
    /// The end of the bytes to search, at most `durable`.
    limit: u64,
}

impl<F: Framing> Search<'_, F> {
    /// Returns the first record behind `from` and before `until` for whose end `may_be` returns true. Returns
    /// `None` if there is none, or if it would have to check too many bytes (SR3).
    fn first_before(
        &self,
        until: u64,
        may_be: impl Fn(u64) -> io::Result<bool>,
    ) -> io::Result<Option<u64>> {
        let mut bytes = Bytes { file: self.log.file, window: Window::new(self.from), at: 0 };
        let mut left = SEARCH;
        loop {
            bytes.at += 1;
            let position = bytes.position();
            let Some(head) = bytes.get(self.head, self.limit)? else { return Ok(None) };
            if position >= until {
                return Ok(None);
            }
            if head.iter().all(|&byte| byte == 0) {
                // No record begins with these bytes.
                bytes.skip_zeros(self.head);
                continue;
            }
            let mut parsed = self.log.parse(position, head);
            if let Parsed::Incomplete(len) = parsed {
                let end = position + len as u64;
                if end > self.limit || !may_be(end)? {
                    continue;
                }
                match left.checked_sub(len as u64) {
                    Some(rest) => left = rest,
                    None => return Ok(None),
                }
                let record = bytes.get(len, self.limit)?;
                parsed = record.map_or(Parsed::Corrupt, |record| self.log.parse(position, record));
            }
            if let Parsed::Valid(len) | Parsed::Filler(len) = parsed
                && let end = position + len as u64
                && end <= self.limit
                // A copy inside a payload is not followed by a record.
                && (F::IS_BOUND_TO_PLACE || self.is_record_at(end)?)
            {
                return Ok(Some(position));
            }
        }
    }

    /// Parses the first bytes of a record at the position.
    fn head_at(&self, position: u64) -> io::Result<Parsed> {
        let bytes = match position.checked_add(self.head as u64) {
            Some(end) if end <= self.limit => read_at(self.log.file, position, self.head)?,
            _ => return Ok(Parsed::Corrupt),
        };
        Ok(self.log.parse(position, &bytes))
    }

    /// Returns whether a record starts at the position, or the durable bytes end there.
    fn is_record_at(&self, position: u64) -> io::Result<bool> {
        if position >= self.durable {
            return Ok(position == self.durable);
        }
        let found = self.log.find(&mut Window::new(position), self.limit)?;
        Ok(found != Found::Nothing)
    }
}

/// A cursor that advances by single bytes.
struct Bytes<'a> {
    file: &'a File,
    window: Window,
    /// The position within the window.
    at: usize,
}

impl Bytes<'_> {
    fn position(&self) -> u64 {
        self.window.position() + self.at as u64
    }

    /// Advances to the last position in the window at which `len` zeros start.
    fn skip_zeros(&mut self, len: usize) {
        let zeros = self.window.bytes()[self.at..].iter().take_while(|&&byte| byte == 0).count();
        self.at += zeros.saturating_sub(len);
    }

    /// Returns the `len` bytes at the position, if they end before or at `limit`.
    fn get(&mut self, len: usize, limit: u64) -> io::Result<Option<&[u8]>> {
        if len as u64 > limit.saturating_sub(self.position()) {
            return Ok(None);
        }
        if self.at + len > self.window.bytes().len() {
            self.window.skip(self.at);
            self.at = 0;
            // Twice the length, so that neighbouring long candidates share one read.
            self.window.need(self.file, len.saturating_mul(2), limit)?;
        }
        Ok(self.window.bytes().get(self.at..self.at + len))
    }
}

/// Returns the position of the last byte that is not zero.
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
