//! Batches as the records of a [`Segment`](bytebuf::Segment): they contain their own length and checksum, so consumers get the bytes
//! of the file.

use bytebuf::{Framing, Parsed, Place};

use crate::batch::{self, HEAD, MAX_BATCH};

#[derive(Debug, Clone, Copy)]
pub(crate) struct Batches;

impl Framing for Batches {
    const NAME: [u8; 8] = *b"kafka v2";

    fn max_len(&self) -> usize {
        MAX_BATCH
    }

    fn parse(&self, _: Place, bytes: &[u8]) -> Parsed {
        if bytes.len() < HEAD {
            return Parsed::Incomplete(HEAD);
        }
        match batch::length(bytes) {
            Some(length) if length > bytes.len() => Parsed::Incomplete(length),
            Some(length) if batch::parse(bytes).is_ok() => Parsed::Valid(length),
            _ => Parsed::Corrupt,
        }
    }
}
