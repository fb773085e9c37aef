//! The constructors of `WriteQueue` and the setters of its limits.

#[cfg(all(target_os = "linux", feature = "io-uring"))]
use super::begin::Operations;
use super::{BLOCK, BUDGET, Parts, QueueStats, Tail, WATERMARKS, WriteQueue};

impl WriteQueue {
    /// Creates an empty queue with the default limits: a high watermark of 64 KiB, a low watermark of 32 KiB,
    /// and a budget of 1 MiB per flush.
    ///
    /// # Cost
    ///
    /// Allocates nothing until the first push.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::WriteQueue;
    ///
    /// let mut queue = WriteQueue::new();
    /// queue.push("hello");
    /// let mut out = Vec::new();
    /// assert!(queue.flush_into(&mut out)?.is_done());
    /// assert_eq!(out, b"hello");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub const fn new() -> Self {
        Self {
            parts: Parts::new(),
            tail: Tail::CLOSED,
            flushed: 0,
            unsent: 0,
            first_block: BLOCK.0,
            merged_before: 0,
            budget: BUDGET,
            low: WATERMARKS.0,
            high: WATERMARKS.1,
            above_high: false,
            stats: QueueStats::ZERO,
            #[cfg(unix)]
            zero_copy: None,
            #[cfg(all(target_os = "linux", feature = "io-uring"))]
            operations: Operations::NONE,
        }
    }

    /// Sets the watermarks: the queue stops being [writable](Self::is_writable) when its weight exceeds
    /// `high`, and becomes writable again when its weight falls to `low`.
    ///
    /// # Panics
    ///
    /// If `low` is above `high`.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::WriteQueue;
    ///
    /// let mut queue = WriteQueue::new().with_watermarks(0, 1000);
    /// queue.push(vec![0; 2000]);
    /// assert!(!queue.is_writable());
    /// queue.clear();
    /// assert!(queue.is_writable());
    /// ```
    #[must_use]
    #[doc(alias = "WriteBufferWaterMark")]
    pub fn with_watermarks(mut self, low: u64, high: u64) -> Self {
        assert!(low <= high, "low watermark {low} is above the high one, {high}");
        self.above_high = !self.is_writable();
        (self.low, self.high) = (low, high);
        self.update_writability(self.entries());
        self
    }

    /// Sets the number of bytes that one flush sends before it returns to let other connections send. 0
    /// counts as 1, and `u64::MAX` means no limit.
    ///
    /// With a budget of 64 KiB or more, a flush exceeds it by up to a sixteenth, at most 64 KiB, if that
    /// sends a part to its end: otherwise the last bytes of a file would take a separate system call.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::{Flush, WriteQueue};
    ///
    /// let mut queue = WriteQueue::new().with_budget(100_000);
    /// queue.push(vec![0; 250_000]);
    /// let mut out = Vec::new();
    /// let Flush::BudgetSpent(sent) = queue.flush_into(&mut out)? else { panic!("all is sent") };
    /// assert!((100_000..110_000).contains(&sent)); // now it is the turn of other connections
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn with_budget(mut self, bytes: u64) -> Self {
        self.budget = bytes.max(1);
        self
    }

    /// Returns the weight above which the queue stops being [writable](Self::is_writable).
    #[cfg(feature = "tokio")]
    pub(crate) fn high_watermark(&self) -> u64 {
        self.high
    }
}
