//! Record batches of magic 2, as producers build them and the log keeps them.
//!
//! ```text
//!  0  base offset i64    8  length i32, of what follows it   12  leader epoch i32   16  magic i8
//! 17  CRC-32C u32 of all that follows it   21  attributes i16   23  last offset delta i32
//! 27  base timestamp i64   35  max timestamp i64   43  producer id i64   51  producer epoch i16
//! 53  base sequence i32    57  records i32         61  the records, compressed or not
//! ```
//!
//! The broker writes the first 8 bytes and the leader epoch, which the checksum does not cover, and passes all other bytes on
//! unchanged. It does not read the records: a batch whose records contradict its head is a fault of the producer, and
//! reaches the consumers.

use std::error::Error;
use std::fmt;

use bytebuf::{Peek, Poke};

use crate::api::code::Code;

/// The length of a batch without any record.
pub(crate) const HEAD: usize = 61;

/// The longest batch that is accepted: Kafka's default.
pub(crate) const MAX_BATCH: usize = (1 << 20) + 12;

const LENGTH_AT: usize = 8;
const EPOCH_AT: usize = 12;
const MAGIC_AT: usize = 16;
const CRC_AT: usize = 17;
const CHECKED_FROM: usize = 21;

/// The bits of the attributes that say how the records are compressed. A producer sets no others: they say that the broker has
/// given the records their time, that the batch belongs to a transaction or controls one, that the base timestamp has another
/// meaning, or nothing that is known.
const CODEC: i16 = 0x7;

/// The last number of a compression: zstd.
const LAST_CODEC: i16 = 4;

/// The bytes of the shortest record.
const SHORTEST_RECORD: usize = 7;

/// What the head of a valid batch says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Batch {
    pub(crate) base_offset: i64,
    /// All bytes of the batch.
    pub(crate) length: usize,
    pub(crate) records: u32,
    pub(crate) max_timestamp: i64,
    pub(crate) producer: Option<Sequence>,
}

/// Where a batch of an idempotent producer stands in what that producer sends to a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sequence {
    pub(crate) id: i64,
    pub(crate) epoch: i16,
    /// The sequence number of the first record.
    pub(crate) first: i32,
}

/// Why bytes are not a batch that can be appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BatchError {
    /// The checksum differs: damaged on the way, so that sending it again helps.
    Checksum {
        stored: u32,
        computed: u32,
    },
    TooLarge {
        length: usize,
    },
    /// A message of the formats before batches.
    Magic(u8),
    /// Not a batch of this format; sending it again does not help.
    Invalid(&'static str),
}

impl BatchError {
    /// Returns the error code for a producer. It sends a damaged batch again, and gives up other batches.
    pub(crate) fn code(self) -> Code {
        match self {
            Self::Checksum { .. } => Code::CORRUPT_MESSAGE,
            Self::TooLarge { .. } => Code::MESSAGE_TOO_LARGE,
            Self::Magic(_) => Code::UNSUPPORTED_FOR_MESSAGE_FORMAT,
            Self::Invalid(_) => Code::INVALID_RECORD,
        }
    }
}

impl fmt::Display for BatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Checksum { stored, computed } => {
                write!(f, "the batch has the checksum {stored:#x}, its bytes have {computed:#x}")
            }
            Self::TooLarge { length } => {
                write!(f, "a batch of {length} bytes; {MAX_BATCH} are allowed")
            }
            Self::Magic(magic) => write!(f, "a message of magic {magic}; batches have 2"),
            Self::Invalid(what) => f.write_str(what),
        }
    }
}

impl Error for BatchError {}

/// The length of the batch that `bytes` begin with, if they begin with the head of one.
pub(crate) fn length(bytes: &[u8]) -> Option<usize> {
    let length = usize::try_from(bytes.peek_i32(LENGTH_AT)?).ok()? + EPOCH_AT;
    (length >= HEAD).then_some(length)
}

/// The batch that `bytes` begin with, if its bytes are all there and its checksum holds.
pub(crate) fn parse(bytes: &[u8]) -> Result<Batch, BatchError> {
    let batch = head(bytes)?;
    let stored = u32::from_be_bytes(array(bytes, CRC_AT));
    let computed = crc32c::crc32c(&bytes[CHECKED_FROM..batch.length]);
    if stored == computed { Ok(batch) } else { Err(BatchError::Checksum { stored, computed }) }
}

/// Whether one of these batches has a wrong checksum. Bytes that are no batch of this format end the search.
pub(crate) fn is_damaged(mut bytes: &[u8]) -> bool {
    while bytes.get(MAGIC_AT) == Some(&2)
        && let Some(length) = length(bytes)
        && let Some(batch) = bytes.get(..length)
    {
        if u32::from_be_bytes(array(batch, CRC_AT)) != crc32c::crc32c(&batch[CHECKED_FROM..]) {
            return true;
        }
        bytes = &bytes[length..];
    }
    false
}

/// The batch that `bytes` begin with, if its bytes are all there and its head is valid. The checksum is not verified, so an
/// error may come from [damage](is_damaged).
pub(crate) fn head(bytes: &[u8]) -> Result<Batch, BatchError> {
    let invalid = BatchError::Invalid;
    // It stands at the same place in all formats.
    match bytes.get(MAGIC_AT) {
        Some(2) => {}
        Some(&magic) => return Err(BatchError::Magic(magic)),
        None => return Err(invalid("a truncated batch")),
    }
    let length = length(bytes).ok_or(invalid("no batch is so short"))?;
    if length > MAX_BATCH {
        return Err(BatchError::TooLarge { length });
    }
    let batch = bytes.get(..length).ok_or(invalid("a truncated batch"))?;
    let records = i32::from_be_bytes(array(batch, 57));
    let last_delta = i32::from_be_bytes(array(batch, 23));
    if records <= 0 || last_delta != records - 1 {
        return Err(invalid("a batch whose count and last offset differ"));
    }
    let attributes = i16::from_be_bytes(array(batch, 21));
    if attributes & !CODEC != 0 {
        return Err(invalid("a batch with attributes that producers do not set"));
    }
    match attributes {
        0 if (length - HEAD) / SHORTEST_RECORD < records as usize => {
            return Err(invalid("a batch that is shorter than its records"));
        }
        0..=LAST_CODEC => {}
        _ => return Err(invalid("a batch of an unknown compression")),
    }
    let id = i64::from_be_bytes(array(batch, 43));
    let (epoch, first) =
        (i16::from_be_bytes(array(batch, 51)), i32::from_be_bytes(array(batch, 53)));
    // Some clients number their batches without being idempotent: the id alone tells.
    if id >= 0 && (epoch < 0 || first < 0) {
        return Err(invalid("a producer id without an epoch or a sequence"));
    }
    Ok(Batch {
        base_offset: i64::from_be_bytes(array(batch, 0)),
        length,
        records: records.unsigned_abs(),
        max_timestamp: i64::from_be_bytes(array(batch, 35)),
        producer: (id >= 0).then_some(Sequence { id, epoch, first }),
    })
}

/// Bytes of a head that is known to be whole.
fn array<const N: usize>(batch: &[u8], at: usize) -> [u8; N] {
    batch.peek_array(at).expect("the batch is as long as its head or longer")
}

/// Gives a valid batch its place in the log.
pub(crate) fn place(batch: &mut [u8], base_offset: i64, leader_epoch: i32) {
    let placed = batch.set_i64(0, base_offset).and(batch.set_i32(EPOCH_AT, leader_epoch));
    placed.expect("the batch is as long as its head or longer");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(records: i32, body: &[u8]) -> Vec<u8> {
        let mut batch = vec![0; HEAD];
        batch.extend_from_slice(body);
        let length = batch.len() as i32 - 12;
        batch.set_i32(LENGTH_AT, length).unwrap();
        batch[MAGIC_AT] = 2;
        batch.set_i32(23, records - 1).unwrap();
        batch.set_i64(43, -1).unwrap();
        batch.set_i32(57, records).unwrap();
        seal(&mut batch);
        batch
    }

    fn seal(batch: &mut [u8]) {
        let crc = crc32c::crc32c(&batch[CHECKED_FROM..]);
        batch.set_u32(CRC_AT, crc).unwrap();
    }

    #[test]
    fn a_batch_stays_valid_when_it_is_placed() {
        let mut bytes = batch(3, b"three of the shortest");
        place(&mut bytes, 77, 5);
        let parsed = parse(&bytes).unwrap();
        assert_eq!((parsed.base_offset, parsed.records, parsed.producer), (77, 3, None));
        assert_eq!(parsed.length, HEAD + 21);
        assert_eq!(bytes.peek_i32(EPOCH_AT), Some(5));
    }

    #[test]
    fn every_damaged_byte_behind_the_epoch_is_seen() {
        let good = batch(2, b"two short records");
        for at in 8..good.len() {
            let mut bytes = good.clone();
            bytes[at] ^= 0x40;
            if !(EPOCH_AT..MAGIC_AT).contains(&at) {
                assert!(parse(&bytes).is_err(), "byte {at}");
            }
        }
        for cut in 0..good.len() {
            assert!(parse(&good[..cut]).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn counts_that_contradict_each_other_are_invalid() {
        for (count, last) in [(0, -1), (2, 2), (-1, -2), (i32::MIN, i32::MAX), (3, 2)] {
            let mut bytes = batch(1, b"two short records");
            bytes.set_i32(23, last).unwrap();
            bytes.set_i32(57, count).unwrap();
            seal(&mut bytes);
            assert!(matches!(parse(&bytes), Err(BatchError::Invalid(_))), "{count} {last}");
        }
    }

    #[test]
    fn batches_that_no_consumer_here_can_read_are_invalid() {
        let of_transactions = [(0x10, false), (0x20, false)];
        let of_brokers = [(0x08, false), (0x40, false), (0x80, false), (i16::MIN, false)];
        let codecs = [(0, true), (4, true), (5, false), (7, false)];
        for (attributes, valid) in codecs.into_iter().chain(of_transactions).chain(of_brokers) {
            let mut bytes = batch(1, b"records");
            bytes.set_i16(21, attributes).unwrap();
            seal(&mut bytes);
            assert_eq!(parse(&bytes).is_ok(), valid, "{attributes:#x}");
        }
    }
}
