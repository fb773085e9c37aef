//! Searches that keep their state between two calls.

/// Netty's `SearchProcessor`.
pub(crate) trait Processor {
    /// Takes bytes in until one ends a match; then its place among them.
    fn feed(&mut self, bytes: &[u8]) -> Option<usize>;
    fn reset(&mut self);
    /// Which needle the last hit was, the longest where several end there.
    fn found(&self) -> usize;
}

/// The model: all that was fed, and a look at its end.
pub(crate) struct Naive {
    needles: Vec<Vec<u8>>,
    fed: Vec<u8>,
}

impl Naive {
    pub(crate) fn new(needles: Vec<Vec<u8>>) -> Self {
        Self { needles, fed: Vec::new() }
    }

    fn ending_here(&self) -> Option<usize> {
        let hits = self.needles.iter().enumerate().filter(|(_, needle)| self.fed.ends_with(needle));
        hits.max_by_key(|(_, needle)| needle.len()).map(|(id, _)| id)
    }
}

impl Processor for Naive {
    fn feed(&mut self, bytes: &[u8]) -> Option<usize> {
        bytes.iter().position(|byte| {
            self.fed.push(*byte);
            self.ending_here().is_some()
        })
    }

    fn reset(&mut self) {
        self.fed.clear();
    }

    fn found(&self) -> usize {
        self.ending_here().expect("asked after a hit")
    }
}
