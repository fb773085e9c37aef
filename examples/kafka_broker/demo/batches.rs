//! Batches as a producer builds them, compressed or not.

use std::io::Write;

use bytebuf::Poke;

use crate::batch::HEAD;

/// How the records of a batch are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Codec {
    None,
    Lz4,
    Zstd,
}

impl Codec {
    pub(crate) const ALL: [Self; 3] = [Self::None, Self::Lz4, Self::Zstd];

    /// As clients call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }

    /// The bits of a batch's attributes.
    fn attributes(self) -> i16 {
        match self {
            Self::None => 0,
            Self::Lz4 => 3,
            Self::Zstd => 4,
        }
    }

    fn compress(self, records: Vec<u8>) -> Vec<u8> {
        match self {
            Self::None => records,
            Self::Lz4 => {
                let mut frame = lz4_flex::frame::FrameEncoder::new(Vec::new());
                frame.write_all(&records).expect("a vector takes everything");
                frame.finish().expect("a vector takes everything")
            }
            Self::Zstd => {
                let level = ruzstd::encoding::CompressionLevel::Fastest;
                ruzstd::encoding::compress_to_vec(&records[..], level)
            }
        }
    }
}

/// A batch of these values, without keys, headers and times; `producer` is id, epoch and first sequence
/// number.
pub(crate) fn build(values: &[&[u8]], producer: Option<(i64, i16, i32)>, codec: Codec) -> Vec<u8> {
    let mut records = Vec::new();
    for (delta, value) in values.iter().enumerate() {
        let mut record = vec![0]; // attributes
        put_varint(&mut record, 0); // time
        put_varint(&mut record, delta as i64);
        put_varint(&mut record, -1); // no key
        put_varint(&mut record, value.len() as i64);
        record.extend_from_slice(value);
        put_varint(&mut record, 0); // no headers
        put_varint(&mut records, record.len() as i64);
        records.extend_from_slice(&record);
    }
    let mut batch = vec![0; HEAD];
    batch.extend_from_slice(&codec.compress(records));
    let (id, epoch, sequence) = producer.unwrap_or((-1, -1, -1));
    let (length, count) = (batch.len() as i32 - 12, values.len() as i32);
    batch[16] = 2;
    let head = [
        batch.set_i32(8, length),
        batch.set_i16(21, codec.attributes()),
        batch.set_i32(23, count - 1),
        batch.set_i64(43, id),
        batch.set_i16(51, epoch),
        batch.set_i32(53, sequence),
        batch.set_i32(57, count),
    ];
    assert!(head.iter().all(Result::is_ok), "the head is there");
    seal(&mut batch);
    batch
}

/// Puts the right checksum in.
pub(crate) fn seal(batch: &mut [u8]) {
    let crc = crc32c::crc32c(&batch[21..]);
    batch.set_u32(17, crc).expect("the head is there");
}

fn put_varint(out: &mut Vec<u8>, value: i64) {
    let mut zigzag = ((value << 1) ^ (value >> 63)) as u64;
    while zigzag >= 0x80 {
        out.push(zigzag as u8 | 0x80);
        zigzag >>= 7;
    }
    out.push(zigzag as u8);
}
