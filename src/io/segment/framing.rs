//! How the records of a segment are framed: finds the next record and checks whether it is complete.
//!
//! * **FR1** A framing decides from the bytes of a record, and from its place, alone. So recovery, readers of
//!   other processes and consumers of a sent range get the same result.
//! * **FR2** No record is longer than [`Framing::max_len`], so a corrupt length costs bounded memory.
//! * **FR3** The checksum of [`Checksummed`] covers epoch, position, length and payload: a record is valid
//!   only where it was written and only in the life of the segment that wrote it.

use std::fmt::Debug;

use crc32fast::Hasher;

/// Where a record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The life of the segment, a random number: see [`SegmentReader::epoch`](crate::SegmentReader::epoch).
    pub epoch: u64,
    /// The position in the file.
    pub position: u64,
}

/// What a [`Framing`] finds at the front of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// The first so many bytes, at least one, are a whole and valid record.
    Valid(usize),
    /// So many bytes, at least one, hold no record and are skipped. They need not all be there.
    Filler(usize),
    /// So many bytes, more than there are, have to be looked at.
    Incomplete(usize),
    /// No record begins here.
    Corrupt,
}

/// A way to frame the records of a [`Segment`](crate::Segment), so that each can be found and checked.
///
/// A segment holds records without a gap and adds nothing of its own between them. With a framing of the
/// caller's, a range of the file is what goes over the wire: one
/// [`region`](crate::SegmentReader::region), one `sendfile`. [`Checksummed`] is the framing that a segment has
/// by default.
///
/// A framing must distinguish a run of zeros from a record, because zeros follow the last record. So the bytes that
/// it requests first must not be all zeros in any record.
///
/// # Examples
///
/// Records that end with a newline, and hold no other:
///
/// ```
/// use bytebuf::{Framing, Parsed, Place, Segment};
///
/// #[derive(Debug)]
/// struct Lines;
///
/// impl Framing for Lines {
///     const NAME: [u8; 8] = *b"lines\0\0\0";
///
///     fn max_len(&self) -> usize {
///         1024
///     }
///
///     fn parse(&self, _: Place, bytes: &[u8]) -> Parsed {
///         match bytes.iter().position(|&byte| byte == b'\n' || byte == 0) {
///             Some(end) if bytes[end] == b'\n' => Parsed::Valid(end + 1),
///             Some(_) => Parsed::Corrupt,
///             None => Parsed::Incomplete(bytes.len() + 1),
///         }
///     }
/// }
///
/// # fn main() -> std::io::Result<()> {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("lines");
/// let mut segment = Segment::create_with(&path, 1 << 16, Lines)?;
/// let position = segment.append_framed(b"first\nsecond\n")?;
/// let end = segment.flush()?;
/// assert_eq!(&segment.slice(position..end)?[..], b"first\nsecond\n");
/// drop(segment);
///
/// let segment = Segment::open_with(&path, Lines)?;
/// assert_eq!(segment.records(segment.start()).count(), 2);
/// # Ok(())
/// # }
/// ```
pub trait Framing: Debug + Send + Sync + 'static {
    /// The name of the framing. It stands in the file, which is opened with no other.
    const NAME: [u8; 8];

    /// The bytes at the front of a record that [`Record::payload`](crate::Record::payload) leaves out.
    const HEAD: usize = 0;

    /// Whether a record is valid only at the [`Place`] that it was written for.
    ///
    /// If not, records of an earlier life of the file would be taken for records, so recycling such a segment
    /// clears it first.
    const IS_BOUND_TO_PLACE: bool = false;

    /// Returns the length in bytes of the longest record.
    fn max_len(&self) -> usize;

    /// Looks at bytes of which the first stands at `place`.
    ///
    /// There may be more bytes than the record has, and fewer. An answer of [`Parsed::Incomplete`] is followed by
    /// another call with more bytes, unless the file has no more, or the answer is over
    /// [`max_len`](Self::max_len): then no record begins there. A framing with a length field first asks for the
    /// bytes up to that field, then for the record.
    fn parse(&self, place: Place, bytes: &[u8]) -> Parsed;

    /// Returns what to write at the front of `len` damaged bytes, so that [`parse`](Self::parse) finds a
    /// [`Parsed::Filler`] of at most `len` bytes there.
    ///
    /// None, as by default, means that damage cannot be skipped over: see
    /// [`Repair::Skip`](crate::Repair::Skip).
    fn filler(&self, place: Place, len: u64) -> Option<Vec<u8>> {
        let _ = (place, len);
        None
    }
}

/// The framing that a segment has by default: length (u32), check (u32), and the payload.
///
/// All numbers are little-endian. The check is a CRC-32 of the payload, begun at a value that depends on epoch,
/// position and length: see [`Framing::parse`], which a consumer of a sent range calls as well. A length of which
/// the highest bit is set is that of a filler: the other 31 bits are the number of bytes to skip behind the
/// 8 bytes of length and check.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// use bytebuf::{Checksummed, Framing, Parsed, Place, Segment};
///
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("00000.log");
/// let mut segment = Segment::create(&path, 1 << 20)?;
/// let position = segment.append(b"record")?;
/// let end = segment.publish()?;
///
/// // What a consumer receives, with the epoch and the position.
/// let place = Place { epoch: segment.epoch(), position };
/// let sent = segment.slice(position..end)?;
/// assert_eq!(Checksummed.parse(place, &sent), Parsed::Valid(sent.len()));
/// assert_eq!(&sent[Checksummed::HEAD..], b"record");
/// assert_eq!(Checksummed.parse(place, &sent[..10]), Parsed::Incomplete(14));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checksummed;

/// The most bytes that the payload of one record can have.
pub(super) const MAX_PAYLOAD: usize = 16 * 1024 * 1024;

/// The length and the check.
pub(super) const FRAME: usize = 8;

/// What marks the length of a filler.
const FILLER: u32 = 1 << 31;

impl Framing for Checksummed {
    const NAME: [u8; 8] = *b"len+crc\0";
    const HEAD: usize = FRAME;
    const IS_BOUND_TO_PLACE: bool = true;

    fn max_len(&self) -> usize {
        FRAME + MAX_PAYLOAD
    }

    fn parse(&self, place: Place, bytes: &[u8]) -> Parsed {
        let Some(&[a, b, c, d, check @ ..]) = bytes.first_chunk::<FRAME>() else {
            return Parsed::Incomplete(FRAME);
        };
        let (field, found) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes(check));
        let Ok(len) = usize::try_from(field & !FILLER) else { return Parsed::Corrupt };
        if field & FILLER != 0 {
            let is_valid = found == check_of(place, field, &[]);
            return if is_valid { Parsed::Filler(FRAME + len) } else { Parsed::Corrupt };
        }
        if len > MAX_PAYLOAD || found == 0 {
            return Parsed::Corrupt;
        }
        match bytes.get(FRAME..FRAME + len) {
            None => Parsed::Incomplete(FRAME + len),
            Some(payload) if found == check_of(place, field, payload) => Parsed::Valid(FRAME + len),
            Some(_) => Parsed::Corrupt,
        }
    }

    fn filler(&self, place: Place, len: u64) -> Option<Vec<u8>> {
        let behind = len.checked_sub(FRAME as u64)?;
        // A piece of what is longer leaves enough for another.
        let behind = if behind < u64::from(FILLER) { behind as u32 } else { FILLER / 2 };
        let field = FILLER | behind;
        Some([field.to_le_bytes(), check_of(place, field, &[]).to_le_bytes()].concat())
    }
}

/// What stands in front of a payload at `place`; `payload` is at most [`MAX_PAYLOAD`] long.
pub(super) fn frame(place: Place, payload: &[u8]) -> [u8; FRAME] {
    let len = payload.len() as u32;
    let mut frame = [0; FRAME];
    frame[..4].copy_from_slice(&len.to_le_bytes());
    frame[4..].copy_from_slice(&check_of(place, len, payload).to_le_bytes());
    frame
}

/// The CRC-32 of the payload, begun at a value that the place decides. Hashing the 20 bytes of the
/// place instead costs half as much as a payload of a kilobyte, since the fast ways of this
/// checksum begin at 128 bytes.
fn check_of(place: Place, len: u32, payload: &[u8]) -> u32 {
    // Odd factors lose nothing, and leave the mixture in the upper half.
    let mix = (place.epoch ^ place.position).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32);
    let mix = (mix ^ u64::from(len)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    let mut hasher = Hasher::new_with_initial((mix >> 32) as u32);
    hasher.update(payload);
    // Never 0, so that the zeros behind the end are not an empty record.
    hasher.finalize().max(1)
}
