//! The batches that idempotent producers have appended to a partition, so that a batch that is sent again is not appended again.
//!
//! 1. A batch follows the last one of its producer, or is one of the last [`REMEMBERED`]; otherwise it is refused. Clients have at
//!    most that many requests in flight.
//! 2. The state matches the log: opening the log rebuilds it from the batches, or from a snapshot and the later batches.
//! 3. A partition remembers at most [`MAX_PRODUCERS`] producers, and all partitions together [`MAX_TOTAL`]; beyond those, a
//!    partition remembers [`FEW`]. Any sequence of a forgotten producer is accepted, as Kafka does when the records of a producer
//!    have expired.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::{Buf, BufMut, TryGetError};

use crate::api::code::Code;
use crate::batch::Batch;

/// Batches for each producer.
const REMEMBERED: usize = 5;

/// Producers for each partition; each takes some 200 bytes.
const MAX_PRODUCERS: usize = 10_000;

/// Producers of all partitions together: some 40 MB.
const MAX_TOTAL: usize = 200_000;

/// Producers that each partition may remember, however many the others have.
const FEW: usize = 64;

/// The number of producers that all partitions remember.
#[derive(Debug, Default, Clone)]
pub(crate) struct Total(Arc<AtomicUsize>);

/// What a partition remembers does not depend on the others.
impl PartialEq for Total {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Total {}

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Producers {
    total: Total,
    by_id: HashMap<i64, Producer>,
    /// Counts batches, so that the producer that was silent for longest can be found.
    clock: u64,
    forgotten: bool,
}

#[derive(Debug, PartialEq, Eq)]
struct Producer {
    epoch: i16,
    last: VecDeque<Appended>,
    used: u64,
}

/// A batch in the log: its first and last sequence number, and its offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Appended {
    first: i32,
    last: i32,
    offset: i64,
}

/// What is to be done with a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Append,
    /// It is in the log already, at this offset.
    Duplicate(i64),
    Refuse(Code),
}

impl Drop for Producers {
    fn drop(&mut self) {
        self.total.0.fetch_sub(self.by_id.len(), Ordering::Relaxed);
    }
}

impl Producers {
    pub(crate) fn new(total: Total) -> Self {
        Self { total, by_id: HashMap::new(), clock: 0, forgotten: false }
    }

    pub(crate) fn judge(&self, batch: &Batch) -> Verdict {
        let Some(sequence) = batch.producer else { return Verdict::Append };
        let (first, last) = (sequence.first, last_of(batch.records, sequence.first));
        let in_order = |in_order: bool| match in_order {
            true => Verdict::Append,
            false => Verdict::Refuse(Code::OUT_OF_ORDER_SEQUENCE_NUMBER),
        };
        let Some(producer) = self.by_id.get(&sequence.id) else {
            return in_order(first == 0 || self.forgotten);
        };
        if sequence.epoch != producer.epoch {
            return match sequence.epoch < producer.epoch {
                true => Verdict::Refuse(Code::INVALID_PRODUCER_EPOCH),
                false => in_order(first == 0),
            };
        }
        let same = producer.last.iter().find(|old| (old.first, old.last) == (first, last));
        if let Some(old) = same {
            return Verdict::Duplicate(old.offset);
        }
        let newest = producer.last.back().map_or(-1, |newest| newest.last);
        if first == after(newest, 1) {
            return Verdict::Append;
        }
        // Numbers wrap around: what lies less than half of them back is old.
        let back = newest.wrapping_sub(last) & i32::MAX;
        match back < i32::MAX / 2 {
            true => Verdict::Refuse(Code::DUPLICATE_SEQUENCE_NUMBER),
            false => Verdict::Refuse(Code::OUT_OF_ORDER_SEQUENCE_NUMBER),
        }
    }

    /// Remembers a batch that is in the log at `offset`.
    pub(crate) fn appended(&mut self, batch: &Batch, offset: i64) {
        let Some(sequence) = batch.producer else { return };
        self.clock += 1;
        let new = || Producer { epoch: sequence.epoch, last: VecDeque::new(), used: 0 };
        let producer = self.by_id.entry(sequence.id).or_insert_with(|| {
            self.total.0.fetch_add(1, Ordering::Relaxed);
            new()
        });
        if producer.epoch != sequence.epoch {
            *producer = new();
        }
        producer.used = self.clock;
        if producer.last.len() == REMEMBERED {
            producer.last.pop_front();
        }
        let last = last_of(batch.records, sequence.first);
        producer.last.push_back(Appended { first: sequence.first, last, offset });
        let (here, all) = (self.by_id.len(), self.total.0.load(Ordering::Relaxed));
        if here > MAX_PRODUCERS || here > FEW && all > MAX_TOTAL {
            self.forget_oldest();
        }
    }

    /// The state as bytes, for [`decode`](Self::decode).
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.put_u64(self.clock);
        out.put_u8(self.forgotten.into());
        for (id, producer) in &self.by_id {
            out.put_i64(*id);
            out.put_i16(producer.epoch);
            out.put_u64(producer.used);
            out.put_u8(producer.last.len() as u8); // at most REMEMBERED
            for batch in &producer.last {
                out.put_i32(batch.first);
                out.put_i32(batch.last);
                out.put_i64(batch.offset);
            }
        }
        out
    }

    /// The state that was [encoded](Self::encode), `None` of other bytes.
    pub(crate) fn decode(mut bytes: &[u8], total: Total) -> Option<Self> {
        let mut read = || -> Result<Self, TryGetError> {
            let (clock, forgotten) = (bytes.try_get_u64()?, bytes.try_get_u8()? != 0);
            let mut by_id = HashMap::new();
            while bytes.has_remaining() {
                let (id, epoch) = (bytes.try_get_i64()?, bytes.try_get_i16()?);
                let (used, count) = (bytes.try_get_u64()?, bytes.try_get_u8()?);
                let mut last = VecDeque::new();
                for _ in 0..count {
                    let (first, end) = (bytes.try_get_i32()?, bytes.try_get_i32()?);
                    last.push_back(Appended { first, last: end, offset: bytes.try_get_i64()? });
                }
                by_id.insert(id, Producer { epoch, last, used });
            }
            total.0.fetch_add(by_id.len(), Ordering::Relaxed);
            Ok(Self { total: total.clone(), by_id, clock, forgotten })
        };
        read().ok()
    }

    /// Forgets the tenth that was silent for longest, so that the search pays.
    fn forget_oldest(&mut self) {
        let mut used: Vec<_> = self.by_id.values().map(|producer| producer.used).collect();
        let (_, &mut limit, _) = used.select_nth_unstable(self.by_id.len() / 10);
        let before = self.by_id.len();
        self.by_id.retain(|_, producer| producer.used > limit);
        self.total.0.fetch_sub(before - self.by_id.len(), Ordering::Relaxed);
        self.forgotten = true;
    }
}

/// The sequence number `count` behind another: they wrap around to 0.
fn after(sequence: i32, count: u32) -> i32 {
    ((i64::from(sequence) + i64::from(count)) & i64::from(i32::MAX)) as i32
}

/// The sequence number of the last of so many records, which are one or more.
fn last_of(records: u32, first: i32) -> i32 {
    after(first, records - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Sequence;

    fn batch(id: i64, epoch: i16, first: i32, records: u32) -> Batch {
        let producer = Some(Sequence { id, epoch, first });
        Batch { base_offset: 0, length: 100, records, max_timestamp: 0, producer }
    }

    #[test]
    fn a_batch_that_is_sent_again_is_answered_with_its_old_offset() {
        let mut producers = Producers::default();
        for n in 0..8 {
            let next = batch(1, 0, n * 10, 10);
            assert_eq!(producers.judge(&next), Verdict::Append);
            producers.appended(&next, 1000 + i64::from(n));
        }
        for n in 3..8 {
            let again = Verdict::Duplicate(1000 + i64::from(n));
            assert_eq!(producers.judge(&batch(1, 0, n * 10, 10)), again);
        }
        let old = Verdict::Refuse(Code::DUPLICATE_SEQUENCE_NUMBER);
        assert_eq!(producers.judge(&batch(1, 0, 20, 10)), old);
        assert_eq!(producers.judge(&batch(1, 0, 70, 5)), old, "of another length");
        assert_eq!(producers.judge(&batch(2, 0, 0, 10)), Verdict::Append, "another producer");
    }

    #[test]
    fn a_gap_is_refused_and_so_is_an_old_epoch() {
        let mut producers = Producers::default();
        let gap = Verdict::Refuse(Code::OUT_OF_ORDER_SEQUENCE_NUMBER);
        assert_eq!(producers.judge(&batch(1, 3, 5, 1)), gap, "its beginning is missing");
        producers.appended(&batch(1, 3, 0, 5), 0);
        assert_eq!(producers.judge(&batch(1, 3, 6, 1)), gap);
        assert_eq!(producers.judge(&batch(1, 4, 5, 1)), gap, "an epoch begins with 0");
        assert_eq!(producers.judge(&batch(1, 4, 0, 1)), Verdict::Append);
        let fenced = Verdict::Refuse(Code::INVALID_PRODUCER_EPOCH);
        assert_eq!(producers.judge(&batch(1, 2, 5, 1)), fenced);
        let none = Batch { producer: None, ..batch(0, 0, 0, 1) };
        assert_eq!(producers.judge(&none), Verdict::Append);
    }

    #[test]
    fn sequences_wrap_around_to_zero() {
        let mut producers = Producers::default();
        producers.appended(&batch(1, 0, i32::MAX - 1, 4), 50);
        assert_eq!(producers.judge(&batch(1, 0, 2, 3)), Verdict::Append);
        assert_eq!(producers.judge(&batch(1, 0, i32::MAX - 1, 4)), Verdict::Duplicate(50));
        let gap = Verdict::Refuse(Code::OUT_OF_ORDER_SEQUENCE_NUMBER);
        assert_eq!(producers.judge(&batch(1, 0, 3, 3)), gap);
    }

    #[test]
    fn the_number_of_producers_is_bounded() {
        let mut producers = Producers::default();
        for id in 0..3 * MAX_PRODUCERS as i64 {
            producers.appended(&batch(id, 0, 0, 1), id);
        }
        assert!(producers.by_id.len() <= MAX_PRODUCERS);
        let newest = 3 * MAX_PRODUCERS as i64 - 1;
        assert_eq!(producers.judge(&batch(newest, 0, 0, 1)), Verdict::Duplicate(newest));
        assert_eq!(producers.judge(&batch(0, 0, 1, 1)), Verdict::Append, "it was forgotten");
    }

    #[test]
    fn a_snapshot_is_the_state_and_a_part_of_one_is_refused() {
        let mut producers = Producers::default();
        for n in 0..7 {
            producers.appended(&batch(1, 0, n * 10, 10), n.into());
            producers.appended(&batch(i64::MAX, 3, n, 1), 100 + i64::from(n));
        }
        let bytes = producers.encode();
        let decode = |bytes: &[u8]| Producers::decode(bytes, Total::default());
        assert_eq!(decode(&bytes), Some(producers));
        assert_eq!(decode(&bytes[..bytes.len() - 1]), None);
        assert_eq!(decode(&[]), None);
    }

    #[test]
    fn the_producers_of_all_partitions_are_bounded_and_each_partition_remembers_a_few() {
        let total = Total::default();
        let count = || total.0.load(Ordering::Relaxed);
        let mut partitions = Vec::new();
        for n in 0..30 {
            let mut producers = Producers::new(total.clone());
            for id in 0..8_000 {
                producers.appended(&batch(id, 0, 0, 1), id);
            }
            assert!(count() <= MAX_TOTAL + n * FEW + 1);
            partitions.push(producers);
        }
        let last = &partitions[29];
        assert!(last.by_id.len() <= FEW && last.by_id.len() > FEW / 2);
        assert_eq!(last.judge(&batch(7_999, 0, 0, 1)), Verdict::Duplicate(7_999));
        assert_eq!(count(), partitions.iter().map(|producers| producers.by_id.len()).sum());
        let snapshot = Producers::decode(&partitions[0].encode(), total.clone());
        partitions.push(snapshot.unwrap());
        assert_eq!(count(), partitions.iter().map(|producers| producers.by_id.len()).sum());
        drop(partitions);
        assert_eq!(count(), 0);
    }
}
