//! What the models share: recognisable bytes, and memory that an earlier owner has written.
//!
//! The crate must not show what an earlier owner of a block wrote. All bytes that models write are below [`MARK`],
//! blocks are recycled full of `MARK`, and no model may ever read one.

use std::ops::Range;
use std::sync::OnceLock;

use bytebuf::Pool;

pub(crate) use super::test_data::pattern;

/// The byte that only earlier owners of the pool's blocks wrote.
pub const MARK: u8 = 0xEE;

/// A pool of at most 64 MiB, the same for each run.
pub fn pool() -> &'static Pool {
    static POOL: OnceLock<Pool> = OnceLock::new();
    POOL.get_or_init(|| Pool::builder().chunk_size(1 << 20).max_memory(64 << 20).build())
}

/// Fills the blocks that the next buffers of these sizes get with `MARK`.
pub fn dirty(pool: &Pool, sizes: &[usize]) {
    for &size in sizes {
        pool.alloc(size).resize(size, MARK);
    }
}

/// A number from 0 to `most`.
pub fn within(n: u16, most: usize) -> usize {
    usize::from(n) % (most + 1)
}

/// A range in `len` bytes.
pub fn range(start: u16, end: u16, len: usize) -> Range<usize> {
    let (a, b) = (within(start, len), within(end, len));
    a.min(b)..a.max(b)
}
