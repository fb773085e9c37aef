//! What a segment looks like on the disk, as pure functions. All numbers are little-endian.
//!
//! ```text
//! offset 0    "bytebuf1"   epoch u64   check u32   zeros         the header, 32 bytes
//! offset 32   len u32   check u32   payload of len bytes         a record
//! ...         the next record, without a gap                     ... and so on
//! ```
//!
//! 1. A record's check is made of epoch, position, length and payload: it is valid only where it
//!    was written and only in the life of the segment that wrote it. What an earlier life left
//!    behind, or what is found a few bytes off, is no record.
//! 2. The valid end of a segment is the end of the longest run of valid records from the header on.
//! 3. No record is longer than [`MAX_RECORD`], so a length made of garbage costs bounded memory.

use crc32fast::Hasher;

pub(super) const HEADER: usize = 32;
pub(super) const FRAME: usize = 8;

/// The most bytes that one record can hold.
pub(super) const MAX_RECORD: usize = 16 * 1024 * 1024;

const MAGIC: &[u8; 8] = b"bytebuf1";

/// The header of a segment of this epoch.
pub(super) fn header(epoch: u64) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..8].copy_from_slice(MAGIC);
    header[8..16].copy_from_slice(&epoch.to_le_bytes());
    let check = crc32fast::hash(&header[..16]);
    header[16..20].copy_from_slice(&check.to_le_bytes());
    header
}

/// The epoch of a header, if it is one.
pub(super) fn epoch_of(bytes: &[u8]) -> Option<u64> {
    let epoch = u64::from_le_bytes(bytes.get(8..16)?.try_into().ok()?);
    (bytes.get(..HEADER)? == header(epoch)).then_some(epoch)
}

/// What stands in front of a payload at `position`; `payload` is at most [`MAX_RECORD`] long.
pub(super) fn frame(epoch: u64, position: u64, payload: &[u8]) -> [u8; FRAME] {
    let len = payload.len() as u32;
    let mut frame = [0; FRAME];
    frame[..4].copy_from_slice(&len.to_le_bytes());
    frame[4..].copy_from_slice(&check(epoch, position, len, payload).to_le_bytes());
    frame
}

/// The length that a frame announces, if any record may have it.
pub(super) fn len_of(frame: [u8; FRAME]) -> Option<usize> {
    let [a, b, c, d, ..] = frame;
    let len = usize::try_from(u32::from_le_bytes([a, b, c, d])).ok()?;
    (len <= MAX_RECORD).then_some(len)
}

/// Whether `payload` is what its frame was written for, at this place (rule 1).
pub(super) fn is_valid(found: [u8; FRAME], epoch: u64, position: u64, payload: &[u8]) -> bool {
    found == frame(epoch, position, payload)
}

/// The CRC-32 of the payload, begun at a value that the place decides. Hashing the 20 bytes of the
/// place instead costs half as much as a payload of a kilobyte, since the fast ways of this
/// checksum begin at 128 bytes.
fn check(epoch: u64, position: u64, len: u32, payload: &[u8]) -> u32 {
    // Odd factors lose nothing, and leave the mixture in the upper half.
    let place = (epoch ^ position).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32);
    let place = (place ^ u64::from(len)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    let mut hasher = Hasher::new_with_initial((place >> 32) as u32);
    hasher.update(payload);
    // Never 0, so that the zeros behind the end are no empty record.
    hasher.finalize().max(1)
}
