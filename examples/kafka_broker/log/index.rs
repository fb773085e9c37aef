//! The positions of the batches in a segment.
//!
//! 1. There is an entry for the first batch of every [`SPAN`] bytes, and one for each batch after the last of those. So the memory
//!    is bounded by the bytes of the log, and each batch at the end of the log, which most consumers read, has an entry.
//! 2. Every entry is the start of a batch, so a range between two entries holds whole batches.

/// The least distance between two entries that stay. All batches up to the next entry start within it.
pub(super) const SPAN: u64 = 4096;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    offset: i64,
    position: u64,
    /// The latest record of all batches up to the next entry.
    max_timestamp: i64,
}

#[derive(Debug, Default)]
pub(crate) struct Index {
    spans: Vec<Entry>,
    /// The batches behind the first of the last span.
    recent: Vec<Entry>,
}

impl Index {
    /// Adds the batch that stands behind all others.
    pub(crate) fn push(&mut self, offset: i64, position: u64, max_timestamp: i64) {
        let before = self.spans.last().map_or(i64::MIN, |span| span.max_timestamp);
        let entry = Entry { offset, position, max_timestamp: max_timestamp.max(before) };
        match self.spans.last_mut() {
            Some(span) if position - span.position < SPAN => {
                span.max_timestamp = entry.max_timestamp;
                self.recent.push(entry);
            }
            _ => {
                self.spans.push(entry);
                self.recent.clear();
            }
        }
    }

    /// The entries from the last one at or before `offset` on.
    fn from(&self, offset: i64) -> impl Iterator<Item = &Entry> {
        let spans = self.spans.partition_point(|entry| entry.offset <= offset).saturating_sub(1);
        let recent = self.recent.partition_point(|entry| entry.offset <= offset);
        let (spans, recent) = match recent.checked_sub(1) {
            Some(recent) => (self.spans.len(), recent),
            None => (spans, 0),
        };
        self.spans[spans..].iter().chain(&self.recent[recent..])
    }

    /// Returns whether [`range`](Self::range) may begin with batches before the one that holds `offset`. A consumer that
    /// continues behind the last range asks for the offset of an entry.
    pub(crate) fn is_within_a_span(&self, offset: i64) -> bool {
        let next = self.spans.partition_point(|entry| entry.offset <= offset);
        next > 0 && next < self.spans.len() && self.spans[next - 1].offset < offset
    }

    /// The range of whole batches from the entry of `offset` on, of at most `max` bytes or one entry, and before
    /// `end`, which is the end of a batch.
    pub(crate) fn range(&self, offset: i64, max: u64, end: u64) -> std::ops::Range<u64> {
        let Some(start) = self.from(offset).next().map(|entry| entry.position) else {
            return end..end;
        };
        let start = start.min(end);
        if end - start <= max {
            return start..end;
        }
        let limit = start.saturating_add(max);
        // The last boundary within the limit, else the first one behind the start.
        let spans = self.spans.partition_point(|entry| entry.position <= limit);
        let recent = self.recent.partition_point(|entry| entry.position <= limit);
        let last = |entries: &[Entry], n: usize| n.checked_sub(1).map(|n| entries[n].position);
        let within = last(&self.recent, recent).or(last(&self.spans, spans)).unwrap_or(start);
        if within > start {
            return start..within.min(end);
        }
        let next = self.from(offset).map(|entry| entry.position).find(|&p| p > start);
        start..next.unwrap_or(end).min(end)
    }

    /// The position from which to look for the first batch with a record of `timestamp` or later.
    pub(crate) fn at_time(&self, timestamp: i64) -> Option<u64> {
        // What is the latest so far only grows.
        let earlier = self.spans.partition_point(|entry| entry.max_timestamp < timestamp);
        self.spans.get(earlier).map(|entry| entry.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Batches of these lengths, one record each, from position 100 on.
    fn index(lengths: &[u64]) -> (Index, Vec<u64>) {
        let (mut index, mut position, mut starts) = (Index::default(), 100, Vec::new());
        for (offset, length) in lengths.iter().enumerate() {
            index.push(offset as i64, position, offset as i64);
            starts.push(position);
            position += length;
        }
        starts.push(position);
        (index, starts)
    }

    #[test]
    fn ranges_hold_the_batch_and_end_where_batches_do() {
        for lengths in [vec![100; 200], vec![5000; 10], vec![100, 9000, 70, 70, 4096, 61]] {
            let (index, starts) = index(&lengths);
            let end = *starts.last().unwrap();
            for offset in 0..lengths.len() {
                for max in [0, 1, 100, 5000, 20_000, u64::MAX] {
                    let range = index.range(offset as i64, max, end);
                    assert!(starts.contains(&range.start) && starts.contains(&range.end));
                    let holds = range.start <= starts[offset] && starts[offset + 1] <= range.end;
                    assert!(holds, "{offset} {max}");
                    let longest = lengths.iter().max().unwrap();
                    assert!(range.end - range.start <= max.max(SPAN + longest), "{offset} {max}");
                }
            }
        }
    }

    #[test]
    fn the_batches_at_the_end_are_known_one_by_one() {
        let (index, starts) = index(&[100; 50]);
        let end = *starts.last().unwrap();
        assert_eq!(index.range(49, 1, end), starts[49]..end);
        assert_eq!(index.range(45, 250, end), starts[45]..starts[47]);
        assert_eq!(index.range(50, 250, end), starts[49]..end, "offset 50 may be in the last");
        assert_eq!(index.range(3, 1000, 100), 100..100, "nothing is visible");
    }

    #[test]
    fn times_are_found_by_span() {
        let (index, starts) = index(&[1000; 20]);
        assert_eq!(index.at_time(0), Some(starts[0]));
        assert_eq!(index.at_time(4), Some(starts[0]));
        assert_eq!(index.at_time(5), Some(starts[5]));
        assert_eq!(index.at_time(20), None);
    }

    #[test]
    fn times_that_go_back_do_not_hide_the_first_batch_of_a_time() {
        let mut index = Index::default();
        for (n, time) in [50, 10, 70, 20, 60].into_iter().enumerate() {
            index.push(n as i64, n as u64 * SPAN, time);
        }
        let found = [0, 50, 51, 60, 70, 71].map(|time| index.at_time(time));
        assert_eq!(found, [Some(0), Some(0), Some(2 * SPAN), Some(2 * SPAN), Some(2 * SPAN), None]);
    }
}
