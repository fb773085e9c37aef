//! Searches that keep their state between two calls.

use bytebuf::{Finder, MultiFinder};

/// Netty's `SearchProcessor`.
pub(crate) trait Processor {
    /// Takes bytes in until one ends a match, and then says how many it took.
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
    /// Netty takes no empty needle.
    pub(crate) fn new(needles: Vec<Vec<u8>>) -> Option<Self> {
        let empty = needles.iter().any(Vec::is_empty);
        (!empty).then_some(Self { needles, fed: Vec::new() })
    }

    fn ending_here(&self) -> Option<usize> {
        let hits = self.needles.iter().enumerate().filter(|(_, needle)| self.fed.ends_with(needle));
        hits.max_by_key(|(_, needle)| needle.len()).map(|(id, _)| id)
    }
}

impl Processor for Naive {
    fn feed(&mut self, bytes: &[u8]) -> Option<usize> {
        let ends = |byte: &u8| {
            self.fed.push(*byte);
            self.ending_here().is_some()
        };
        bytes.iter().position(ends).map(|last| last + 1)
    }

    fn reset(&mut self) {
        self.fed.clear();
    }

    fn found(&self) -> usize {
        self.ending_here().expect("asked after a hit")
    }
}

impl Processor for Finder<'static> {
    fn feed(&mut self, bytes: &[u8]) -> Option<usize> {
        self.feed(bytes)
    }

    fn reset(&mut self) {
        self.reset();
    }

    fn found(&self) -> usize {
        0
    }
}

/// The library's search for many needles, and what it found last.
pub(crate) struct Multi {
    finder: MultiFinder,
    found: usize,
}

impl Multi {
    pub(crate) fn new(finder: MultiFinder) -> Self {
        Self { finder, found: 0 }
    }
}

impl Processor for Multi {
    fn feed(&mut self, bytes: &[u8]) -> Option<usize> {
        let found = self.finder.feed(bytes)?;
        self.found = found.needle;
        Some(found.end)
    }

    fn reset(&mut self) {
        self.finder.reset();
    }

    fn found(&self) -> usize {
        self.found
    }
}
