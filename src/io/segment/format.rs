//! The format of a segment on the disk, as pure functions. All numbers are little-endian.
//!
//! ```text
//! offset 0      a copy of the header, 64 bytes:
//!                 0  "bytebuf2"          24  capacity u64      48  flags u32, 1: recycled
//!                 8  name of the framing 32  sequence u64      52  zeros
//!                16  epoch u64           40  durable u64       60  CRC-32 of the 60 bytes before
//! offset 512    the other copy
//! offset 1024   the records, without a gap, up to the capacity at most; zeros behind them
//! ```
//!
//! * **SF1** The valid copy with the higher sequence number is the current header. A new header is written over the
//!   other copy, in a separate sector, so an interrupted write leaves the current header valid.
//! * **SF2** `durable` is written after a sync up to that position has succeeded. So no crash invalidates the bytes
//!   before it: invalid bytes there are damage. Invalid bytes behind it may be left by a crash.
//! * **SF3** The capacity is in the header and does not depend on the length of the file, which may be shorter or
//!   longer.
//! * **SF4** The bytes before offset 1024 are synced before the file gets its name, and no call makes the file
//!   shorter than that. A file that ends before offset 1024 has lost bytes, perhaps the newer copy of the header
//!   and with it the durable end.

use super::error::SegmentFormatError;

/// The offset of the first record.
pub(super) const START: u64 = 1024;

/// The offsets of the copies of the header.
const COPIES: [usize; 2] = [0, 512];

pub(super) const HEADER: usize = 64;

const MAGIC: &[u8; 8] = b"bytebuf2";
const OLD_MAGIC: &[u8; 8] = b"bytebuf1";

const RECYCLED: u32 = 1;

/// The header of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) framing: [u8; 8],
    pub(super) epoch: u64,
    pub(super) capacity: u64,
    pub(super) sequence: u64,
    pub(super) durable: u64,
    /// Whether bytes of an earlier life may be behind the records.
    pub(super) is_recycled: bool,
}

impl Header {
    pub(super) fn encode(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..16].copy_from_slice(&self.framing);
        for (field, at) in
            [(self.epoch, 16), (self.capacity, 24), (self.sequence, 32), (self.durable, 40)]
        {
            bytes[at..at + 8].copy_from_slice(&field.to_le_bytes());
        }
        bytes[48] = u8::from(self.is_recycled);
        let check = crc32fast::hash(&bytes[..60]);
        bytes[60..].copy_from_slice(&check.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8; HEADER]) -> Option<Self> {
        let number = |at: usize| Some(u64::from_le_bytes(*bytes[at..].first_chunk()?));
        let header = Self {
            framing: *bytes[8..].first_chunk()?,
            epoch: number(16)?,
            capacity: number(24)?,
            sequence: number(32)?,
            durable: number(40)?,
            is_recycled: u32::from_le_bytes(*bytes[48..].first_chunk()?) == RECYCLED,
        };
        let in_order = START <= header.durable && header.durable <= header.capacity;
        // No log reaches this number of syncs. It guarantees that a next number exists.
        let has_next = header.sequence < 1 << 63;
        (in_order && has_next && header.encode() == *bytes).then_some(header)
    }

    /// Returns the offset at which this header is written (SF1).
    pub(super) fn offset(&self) -> u64 {
        COPIES[(self.sequence % 2) as usize] as u64
    }
}

/// Returns the bytes in front of the records of a new segment.
pub(super) fn front(header: &Header) -> [u8; START as usize] {
    let mut front = [0; START as usize];
    for at in COPIES {
        front[at..at + HEADER].copy_from_slice(&header.encode());
    }
    front
}

/// Returns the current header from the first bytes of a file.
pub(super) fn header_of(front: &[u8], framing: [u8; 8]) -> Result<Header, SegmentFormatError> {
    let copies = COPIES.iter().filter_map(|&at| front.get(at..)?.first_chunk());
    match copies.filter_map(Header::decode).max_by_key(|header| header.sequence) {
        Some(header) if header.framing == framing => Ok(header),
        Some(Header { framing: found, .. }) => {
            Err(SegmentFormatError::Framing { expected: framing, found })
        }
        None if front.starts_with(OLD_MAGIC) => Err(SegmentFormatError::Version { found: 1 }),
        None => Err(SegmentFormatError::NotASegment),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forged_header_without_a_next_sequence_number_is_refused() {
        let header = |sequence| Header {
            framing: *b"framing ",
            epoch: 1,
            capacity: 4096,
            sequence,
            durable: START,
            is_recycled: false,
        };
        let decoded = |sequence| Header::decode(&header(sequence).encode()).map(|h| h.sequence);
        assert_eq!(decoded(7), Some(7));
        assert_eq!(decoded(u64::MAX), None);
    }
}
