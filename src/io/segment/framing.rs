//! Framings: find the next record of a segment and check whether it is complete.
//!
//! * **FR1** A framing decides from the bytes and the place of a record alone. So recovery, readers in other
//!   processes and consumers of a sent range get the same result.
//! * **FR2** No record is longer than [`Framing::max_len`], so a corrupt length costs bounded memory.
//! * **FR3** The checksum of [`Checksummed`] covers epoch, position, length and payload: a record is valid only at
//!   the position and in the epoch that it was written for.

use std::fmt::Debug;

use crc32fast::Hasher;

/// The place of a record.
///
/// # Examples
///
/// ```
/// use bytebuf::{Checksummed, Framing, Parsed, Place};
///
/// // The default framing accepts a record only at the place that it was written for.
/// let place = Place { epoch: 17, position: 4096 };
/// let filler = Checksummed.filler(place, 1000).unwrap();
/// assert_eq!(Checksummed.parse(place, &filler), Parsed::Filler(1000));
/// let elsewhere = Place { position: 8192, ..place };
/// assert_ne!(Checksummed.parse(elsewhere, &filler), Parsed::Filler(1000));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The epoch of the segment, a random number: see [`SegmentReader::epoch`](crate::SegmentReader::epoch).
    pub epoch: u64,
    /// The position in the file.
    pub position: u64,
}

/// The result of [`Framing::parse`].
///
/// # Examples
///
/// ```
/// use bytebuf::Parsed;
///
/// /// Records behind a length of two bytes, which counts itself.
/// fn parse(bytes: &[u8]) -> Parsed {
///     let Some(length) = bytes.first_chunk() else { return Parsed::Incomplete(2) };
///     match u16::from_be_bytes(*length).into() {
///         0..3 => Parsed::Corrupt,
///         length if bytes.len() < length => Parsed::Incomplete(length),
///         length => Parsed::Valid(length),
///     }
/// }
/// assert_eq!(parse(&[0]), Parsed::Incomplete(2));
/// assert_eq!(parse(&[0, 5, 1]), Parsed::Incomplete(5));
/// assert_eq!(parse(&[0, 5, 1, 2, 3, 4]), Parsed::Valid(5));
/// assert_eq!(parse(&[0, 0]), Parsed::Corrupt);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// The first bytes are a complete and valid record of this length, which is not 0.
    Valid(usize),
    /// This number of bytes, at least one, hold no record and are skipped. `parse` need not have been given all of
    /// them.
    Filler(usize),
    /// `parse` needs this number of bytes, which is more than it was given.
    Incomplete(usize),
    /// No record begins here.
    Corrupt,
}

/// A format of the records of a [`Segment`](crate::Segment), by which each can be found and checked.
///
/// A segment holds records without gaps and adds no bytes between them. With a custom framing, a range of the file
/// can be sent as it is: one [`region`](crate::SegmentReader::region), one `sendfile`. [`Checksummed`] is the
/// default framing.
///
/// A framing must distinguish zeros from a record, because zeros follow the last record. So no record may begin
/// with zeros in all of the bytes that `parse` requests first.
///
/// # Examples
///
/// Records that end with a newline and contain no other:
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
    /// The name of the framing. It is in the file, which can be opened with this framing only.
    const NAME: [u8; 8];

    /// The number of bytes at the front of a record that [`Record::payload`](crate::Record::payload) omits.
    const HEAD: usize = 0;

    /// Whether a record is valid only at the [`Place`] that it was written for.
    ///
    /// If not, records of an earlier life of the file would still be valid, so recycling a segment clears it first.
    const IS_BOUND_TO_PLACE: bool = false;

    /// Returns the maximum length of a record in bytes.
    fn max_len(&self) -> usize;

    /// Parses bytes of which the first is at `place`.
    ///
    /// `bytes` may be longer or shorter than the record. After [`Parsed::Incomplete`], the segment calls again with
    /// more bytes, unless the file has no more or the requested length is over [`max_len`](Self::max_len): then no
    /// record begins there. A framing with a length field first requests the bytes up to that field, then the
    /// record.
    fn parse(&self, place: Place, bytes: &[u8]) -> Parsed;

    /// Returns the bytes to write at the front of `len` damaged bytes, so that [`parse`](Self::parse) returns a
    /// [`Parsed::Filler`] of at most `len` bytes there.
    ///
    /// `None`, the default, means that damage cannot be skipped: see [`Repair::Skip`](crate::Repair::Skip).
    fn filler(&self, place: Place, len: u64) -> Option<Vec<u8>> {
        let _ = (place, len);
        None
    }
}

/// The default framing of a segment: length (u32), check (u32), and the payload.
///
/// All numbers are little-endian. The check is a CRC-32 of the payload, whose initial value depends on epoch,
/// position and length. Consumers of a sent range verify it with [`Framing::parse`]. A length whose highest bit is
/// set marks a filler: the other 31 bits are the number of bytes to skip behind the 8 bytes of length and check.
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

/// The maximum length of a payload in bytes.
pub(super) const MAX_PAYLOAD: usize = 16 * 1024 * 1024;

/// The size of length and check in bytes.
pub(super) const FRAME: usize = 8;

/// The bit that marks the length of a filler.
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
        // A longer range gets several fillers. This one leaves enough bytes for the next.
        let behind = if behind < u64::from(FILLER) { behind as u32 } else { FILLER / 2 };
        let field = FILLER | behind;
        Some([field.to_le_bytes(), check_of(place, field, &[]).to_le_bytes()].concat())
    }
}

/// Returns the length and check of a payload at `place`. `payload` has at most [`MAX_PAYLOAD`] bytes.
pub(super) fn frame(place: Place, payload: &[u8]) -> [u8; FRAME] {
    let len = payload.len() as u32;
    let mut frame = [0; FRAME];
    frame[..4].copy_from_slice(&len.to_le_bytes());
    frame[4..].copy_from_slice(&check_of(place, len, payload).to_le_bytes());
    frame
}

/// Returns the CRC-32 of the payload, with an initial value computed from the place and the length. Hashing their
/// 20 bytes instead would take half the time of a payload of 1 KiB, because the fast methods of this checksum begin
/// at 128 bytes.
fn check_of(place: Place, len: u32, payload: &[u8]) -> u32 {
    // Odd factors lose no information, and the upper half depends on all bits.
    let mix = (place.epoch ^ place.position).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32);
    let mix = (mix ^ u64::from(len)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    let mut hasher = Hasher::new_with_initial((mix >> 32) as u32);
    hasher.update(payload);
    // Never 0, so that zeros behind the end are not an empty record.
    hasher.finalize().max(1)
}
