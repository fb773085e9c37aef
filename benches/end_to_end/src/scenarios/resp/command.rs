//! The commands of RESP that the clients send.

use std::io;
use std::ops::Range;

/// A `SET`, or without a value a `GET`, as ranges of the received bytes.
pub(super) struct Command {
    pub(super) length: usize,
    pub(super) key: Range<usize>,
    pub(super) value: Option<Range<usize>>,
}

/// Returns the first command, if it is complete.
pub(super) fn command(received: &[u8]) -> io::Result<Option<Command>> {
    let mut at = 0;
    let Some(parts) = number(received, &mut at, b'*')? else { return Ok(None) };
    if parts != 2 && parts != 3 {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut ranges = [0..0, 0..0, 0..0];
    for range in &mut ranges[..parts] {
        let Some(length) = number(received, &mut at, b'$')? else { return Ok(None) };
        *range = at..at + length;
        at += length + 2;
        if received.len() < at {
            return Ok(None);
        }
    }
    let [_, key, value] = ranges;
    Ok(Some(Command { length: at, key, value: (parts == 3).then_some(value) }))
}

/// Reads a line with a mark and a number.
fn number(received: &[u8], at: &mut usize, mark: u8) -> io::Result<Option<usize>> {
    let rest = &received[*at..];
    let Some(end) = memchr::memchr(b'\n', &rest[..rest.len().min(16)]) else { return Ok(None) };
    let line = std::str::from_utf8(&rest[..end]).ok().and_then(|line| line.strip_suffix('\r'));
    let digits = line.and_then(|line| line.strip_prefix(char::from(mark)));
    let number = digits.and_then(|digits| digits.parse().ok()).filter(|number| *number < 1 << 29);
    *at += end + 1;
    number.map(Some).ok_or_else(|| io::ErrorKind::InvalidData.into())
}
