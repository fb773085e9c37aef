//! No safe call shows a byte that an earlier owner of the block wrote.
//!
//! Each round fills a block with a marker and drops it. The next owner of that block, which the thread's
//! cache hands out again, looks at all that safe code can see of it, in one of many ways.

#![allow(unsafe_code, reason = "reads the spare capacity, which the pool has zeroed")]

#[path = "support/resource_baseline.rs"]
mod resource_baseline;

use bytebuf::{ByteBuf, ByteView, Pool};
use bytes::{Buf, BufMut};
use resource_baseline::ResourceBaseline;
use std::io::{self, Read};

const ROUNDS: usize = if cfg!(miri) { 60 } else { 100_000 };

/// What must never be seen. No way of looking writes it.
const MARKER: u8 = 0xA5;

/// A reader that fills less than it is asked for.
struct Short(usize);

impl Read for Short {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        assert!(!space.contains(&MARKER), "a reader is shown foreign bytes");
        let n = self.0.min(space.len());
        space[..n].fill(1);
        Ok(n)
    }
}

/// The ways of making bytes visible that were not written. Each gives what can be seen.
const WAYS: &[fn(ByteBuf) -> Vec<u8>] = &[
    |mut buf| buf.writable().to_vec(),
    |mut buf| {
        buf.commit(buf.capacity());
        buf.to_vec()
    },
    |mut buf| {
        buf.put_u8(1);
        buf.set_writer_index(buf.capacity()).unwrap();
        buf.to_vec()
    },
    |mut buf| {
        buf.resize(buf.capacity(), 2);
        buf.truncate(1);
        buf.set_writer_index(buf.capacity()).unwrap();
        buf.to_vec()
    },
    |mut buf| {
        let n = buf.read_from(&mut Short(3)).unwrap();
        assert_eq!(n, buf.len());
        buf.commit(buf.capacity() - n);
        buf.freeze().to_vec()
    },
    |mut buf| {
        let filled = buf.read_into_spare(|space| Ok::<_, ()>(space[..1].write_copy_of_slice(&[4])));
        assert_eq!(filled, Ok(1));
        let view = buf.freeze();
        let mut buf = view.try_into_mut().unwrap();
        buf.writable().to_vec()
    },
    |mut buf| {
        let _ = buf.spare_capacity_mut();
        let _ = buf.chunk_mut();
        let n = buf.capacity() / 2;
        buf.commit(n);
        let rest = buf.split_off(n / 2);
        buf.unsplit(rest);
        buf.writable().to_vec()
    },
    |mut buf| {
        let mut rest = buf.split_off(buf.capacity() / 2);
        rest.commit(rest.capacity());
        drop(buf);
        let end = rest.len();
        rest.advance(end);
        rest.reserve(end + 1);
        rest.commit(rest.capacity());
        rest.to_vec()
    },
    |mut buf| {
        buf.put_u8(1);
        buf.prepend(b"head");
        assert_eq!(buf.reader_index(), 0);
        buf.reserve(buf.capacity() * 3);
        buf.commit(buf.capacity() - buf.len());
        buf.to_vec()
    },
    |mut buf| {
        buf.commit(2);
        buf.advance(1);
        buf.discard_read();
        buf.set_writer_index(buf.capacity()).unwrap();
        let text = format!("{:?}", buf);
        assert!(!text.contains("\\xa5"), "{text}");
        bytes::Bytes::from(buf).to_vec()
    },
    |buf| {
        let mut zeroed = ByteBuf::zeroed(buf.capacity());
        drop(buf);
        zeroed.extend_from_within(..);
        Vec::from(zeroed)
    },
    |mut buf| {
        buf.put_slice(&[9; 10]);
        buf.clear();
        let space = buf.capacity();
        buf.set_writer_index(space).unwrap();
        let mut twin = ByteBuf::new();
        twin.put(ByteView::from(buf));
        twin.clone().to_vec()
    },
];

#[test]
fn the_marker_of_an_earlier_owner_is_never_seen() {
    let _baseline = ResourceBaseline::take();
    let pool = Pool::builder().build();
    let sizes = [64, 100, 1000, 4096, 5000, 16 * 1024];
    for round in 0..ROUNDS {
        let way = round % WAYS.len();
        let size = sizes[round / WAYS.len() % sizes.len()];
        let used_before = || {
            let mut secret = pool.alloc_with_headroom(8, size);
            secret.put_bytes(MARKER, size);
            secret.prepend(&[MARKER; 8]);
            let address = secret.as_ptr().addr();
            drop(secret);
            let buf = pool.alloc_with_headroom(8, size);
            // Under Miri each owner has memory of its own.
            (cfg!(miri) || buf.as_ptr().addr() == address + 8).then_some(buf)
        };
        // The purger may take the free block away in between, but not each time.
        let buf = (0..100).find_map(|_| used_before()).expect("the same block again");
        let seen = WAYS[way](buf);
        assert!(!seen.is_empty());
        assert!(!seen.contains(&MARKER), "way {way} shows what an earlier owner wrote");
    }
}

/// Large blocks are mapped on their own, and kept warm.
#[test]
fn the_marker_is_never_seen_in_large_blocks() {
    let _baseline = ResourceBaseline::take();
    let pool = Pool::builder().build();
    let size = (1 << 20) + 1;
    for (round, way) in WAYS.iter().enumerate().take(if cfg!(miri) { 1 } else { usize::MAX }) {
        let mut secret = pool.alloc_with_headroom(8, size);
        secret.put_bytes(MARKER, size);
        drop(secret);
        let seen = way(pool.alloc_with_headroom(8, size));
        assert!(!seen.contains(&MARKER), "way {round} shows what an earlier owner wrote");
    }
}

/// With `zero_on_release` unsafe code finds zeros in the spare capacity as well.
#[test]
fn zero_on_release_erases_the_bytes() {
    let _baseline = ResourceBaseline::take();
    let pool = Pool::builder().zero_on_release(true).build();
    for size in [64, 5000, 64 * 1024, 2 << 20] {
        let mut secret = pool.alloc(size);
        secret.put_bytes(MARKER, size);
        let view = secret.freeze();
        let address = view.as_ptr().addr();
        drop((view.clone(), view));
        let mut buf = pool.alloc(size);
        if cfg!(miri) {
            continue;
        }
        assert_eq!(buf.as_ptr().addr(), address);
        let space = buf.spare_capacity_mut();
        // SAFETY: initialised: an earlier owner wrote it all, and the pool zeroes then (not under Miri,
        // where each owner has memory of its own).
        let seen = space.iter().map(|byte| unsafe { byte.assume_init() });
        assert!(seen.into_iter().all(|byte| byte == 0), "{size} bytes were not zeroed");
    }
}

/// The last handle is dropped while another thread, which has dropped one too, stays idle.
#[test]
// It looks at memory that is free, which these tools forbid.
#[cfg(not(any(miri, asan, valgrind)))]
fn the_last_drop_on_any_thread_erases_the_bytes() {
    let _baseline = ResourceBaseline::take();
    let pool = Pool::builder().zero_on_release(true).build();
    let mut secret = pool.alloc(4096);
    secret.put_bytes(MARKER, 4096);
    // The block is alone in its slab's first place, so its memory stays mapped for the look below.
    let keeps_the_slab = pool.alloc(4096);
    let view = secret.freeze();
    let (address, twin) = (view.as_ptr(), view.clone());
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let (done, wait) = std::sync::mpsc::channel();
    let idle = std::thread::spawn(move || {
        drop(twin);
        done.send(()).unwrap();
        let _ = ended.recv();
    });
    wait.recv().unwrap();
    drop(view);
    // SAFETY: the block is free, and its slab stays mapped, as another block of it is in use.
    let seen = unsafe { std::slice::from_raw_parts(address, 4096) };
    assert!(seen.iter().all(|&byte| byte == 0));
    drop((keeps_the_slab, end));
    idle.join().unwrap();
}
