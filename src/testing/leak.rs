//! [`LeakGuard`].

use crate::sys::memory;
use crate::{Pool, Track};
use std::ops::Deref;
use std::thread;

/// A pool that panics when it is dropped while one of its buffers, or a view of one, is alive. So a leak fails the
/// test, and the message names the lines that allocated the leaked buffers.
///
/// Declare it before the buffers, so that it is dropped after them. It does not check while the thread is already
/// panicking, so that the first failure is reported.
///
/// # Examples
///
/// ```
/// use bytebuf::testing::LeakGuard;
///
/// let pool = LeakGuard::new();
/// let mut request = pool.alloc(100);
/// request.extend_from_slice(b"GET / HTTP/1.1\r\n\r\n");
/// let line = request.split_to(14).freeze();
/// assert_eq!(line, "GET / HTTP/1.1");
/// ```
///
/// ```should_panic
/// # use bytebuf::testing::LeakGuard;
/// let pool = LeakGuard::new();
/// std::mem::forget(pool.alloc(100)); // "1 buffers of 128 bytes leaked: src/main.rs:2:23 ..."
/// ```
#[derive(Debug)]
#[must_use = "it checks when it is dropped, which would be at once"]
#[doc(alias = "ResourceLeakDetector")]
#[doc(alias = "LeakPresenceDetector")]
pub struct LeakGuard {
    pool: Pool,
}

impl LeakGuard {
    /// Creates a guard over a new pool in which every allocation is tracked.
    pub fn new() -> Self {
        Self::over(Pool::builder().track(Track::All).build())
    }

    /// Creates a guard over a pool, or, if it is a [budget](Pool::budget), over the buffers of that budget. The
    /// message names lines if the pool is tracked.
    ///
    /// # Examples
    ///
    /// A budget of the global pool separates tests that run at the same time:
    ///
    /// ```
    /// use bytebuf::{Pool, testing::LeakGuard};
    ///
    /// let pool = LeakGuard::over(Pool::global().budget("this test", 1 << 20));
    /// assert!(pool.try_alloc(2 << 20).is_err());
    /// ```
    pub fn over(pool: Pool) -> Self {
        Self { pool }
    }

    /// Returns the pool.
    #[must_use]
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Checks for leaks now, as the drop of the guard does.
    ///
    /// # Panics
    ///
    /// If any buffer is alive.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::testing::LeakGuard;
    ///
    /// let pool = LeakGuard::new();
    /// drop(pool.alloc(100));
    /// pool.check();
    /// ```
    #[track_caller]
    pub fn check(&self) {
        Pool::flush_thread();
        match self.pool.budget_stats() {
            None => self.pool.assert_no_leaks(),
            Some(budget) => {
                assert_eq!(budget.used, 0, "{budget}, leaked:\n{}", self.pool.outstanding());
            }
        }
    }
}

/// Returns the number of bytes that all pools of this process have mapped, including dropped pools of which a buffer
/// is alive.
///
/// Leak checkers do not see a lost mapping. A test finds one by comparing this number before and after, if no other
/// thread uses a pool meanwhile.
///
/// # Examples
///
/// ```
/// use bytebuf::{Pool, testing::mapped_bytes};
///
/// let before = mapped_bytes();
/// let pool = Pool::builder().build();
/// let buf = pool.alloc(100);
/// drop(pool);
/// assert!(mapped_bytes() > before); // the buffer keeps what it lies in
/// drop(buf);
/// assert_eq!(mapped_bytes(), before);
/// ```
#[must_use]
pub fn mapped_bytes() -> usize {
    memory::mapped_bytes()
}

/// Returns the number of [zero-copy sends](crate::WriteQueue::with_zero_copy) in flight, over all queues of
/// this process: the kernel has not reported their completion, and the queue holds their memory.
///
/// It is 0 when every queue has [reaped](crate::WriteQueue::reap_completions) all completions, or was
/// dropped, and always on systems other than Linux.
///
/// # Examples
///
/// ```
/// use bytebuf::{ByteView, WriteQueue, testing::sends_in_flight};
/// use std::net::{TcpListener, TcpStream};
///
/// # if cfg!(not(target_os = "linux")) { return Ok(()); }
/// static PAGE: [u8; 4096] = [b'x'; 4096];
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let out = TcpStream::connect(listener.local_addr()?)?;
///
/// let mut queue = WriteQueue::new().with_zero_copy(4096);
/// queue.push(ByteView::from_static(&PAGE));
/// assert!(queue.flush(&out)?.is_done());
/// assert_eq!(sends_in_flight(), 1);
/// while queue.reap_completions(&out)? > 0 {}
/// assert_eq!(sends_in_flight(), 0);
/// # std::io::Result::Ok(())
/// ```
#[must_use]
pub fn sends_in_flight() -> usize {
    #[cfg(unix)]
    return crate::io::sends_in_flight();
    #[cfg(not(unix))]
    0
}

impl Default for LeakGuard {
    fn default() -> Self {
        Self::new()
    }
}

impl Deref for LeakGuard {
    type Target = Pool;

    fn deref(&self) -> &Pool {
        &self.pool
    }
}

impl Drop for LeakGuard {
    fn drop(&mut self) {
        if !thread::panicking() {
            self.check();
        }
    }
}
