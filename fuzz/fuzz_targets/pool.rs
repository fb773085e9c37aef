//! Blocks taken, cloned, dropped here and on another thread, across trims and the pool's own end: each
//! block has one owner, whose stamp nobody else changes, and the figures add up.
#![no_main]

use arbitrary::Arbitrary;
use bytebuf::{ByteBuf, ByteView, Pool};
use bytebuf_fuzz::MARK;
use bytes::BufMut;
use libfuzzer_sys::fuzz_target;
use std::sync::OnceLock;
use std::sync::mpsc::{SyncSender, sync_channel};

#[derive(Arbitrary, Debug)]
enum Op {
    Take {
        class: u8,
        less: u8,
    },
    TakeAligned {
        class: u8,
        bits: u8,
    },
    Freeze {
        at: u8,
    },
    Clone {
        at: u8,
    },
    Slice {
        at: u8,
    },
    Thaw {
        at: u8,
    },
    Drop {
        at: u8,
    },
    DropElsewhere {
        at: u8,
    },
    TakeElsewhere {
        class: u8,
    },
    Trim,
    Settle,
    Stats,
    /// The pool's handle goes; its blocks stay. A new pool takes its place.
    Close,
}

/// What a thread that only helps is asked to do.
enum Errand {
    Drop(Held),
    Settle,
    Take(Pool, usize),
}

enum Held {
    Buf(ByteBuf, u8),
    View(ByteView, u8),
}

impl Held {
    /// Every byte bears the stamp of the owner.
    fn check(&self) {
        let (bytes, stamp): (&[u8], _) = match self {
            Self::Buf(buf, stamp) => (buf, *stamp),
            Self::View(view, stamp) => (view, *stamp),
        };
        assert!(bytes.iter().all(|&byte| byte == stamp), "another owner wrote here");
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.check();
        if let Self::Buf(buf, _) = self {
            // For the next owner to stumble over.
            buf.clear();
            buf.put_bytes(MARK, buf.capacity());
        }
    }
}

/// The other thread. It lives as long as the process, as a runtime's threads do.
fn helper() -> &'static SyncSender<(Errand, SyncSender<Option<Held>>)> {
    static HELPER: OnceLock<SyncSender<(Errand, SyncSender<Option<Held>>)>> = OnceLock::new();
    HELPER.get_or_init(|| {
        let (send, errands) = sync_channel::<(Errand, SyncSender<Option<Held>>)>(1);
        std::thread::spawn(move || {
            for (errand, reply) in errands {
                let answer = match errand {
                    Errand::Drop(held) => {
                        drop(held);
                        None
                    }
                    Errand::Settle => {
                        Pool::settle_thread();
                        None
                    }
                    Errand::Take(pool, size) => Some(take(pool.alloc(size), size, 0x55)),
                };
                reply.send(answer).expect("somebody waits");
            }
        });
        send
    })
}

fn run_elsewhere(errand: Errand) -> Option<Held> {
    let (reply, answer) = sync_channel(1);
    helper().send((errand, reply)).expect("the helper lives");
    answer.recv().expect("the helper answers")
}

/// Stamps all of a new buffer. Nothing of a former owner shows before that.
fn take(mut buf: ByteBuf, size: usize, stamp: u8) -> Held {
    assert_eq!((buf.len(), buf.capacity()), (0, size));
    assert!(buf.writable().iter().all(|&byte| byte == 0), "shows what a former owner wrote");
    buf.writable().fill(stamp);
    buf.commit(size);
    Held::Buf(buf, stamp)
}

/// A size of each magnitude from 1 byte to 4 MiB, most of them small.
fn size(class: u8, less: u8) -> usize {
    let bits = if class < 240 { class % 17 } else { class % 23 };
    ((1_usize << bits) - usize::from(less).min((1 << bits) / 2)).max(1)
}

const HELD: usize = 24;

fn step(pool: &mut Pool, held: &mut Vec<Held>, op: &Op, salt: u8) {
    let stamp = salt & 0x7F;
    let pick = |at: u8| usize::from(at) % held.len().max(1);
    match *op {
        Op::Take { class, less } => {
            let size = size(class, less);
            held.push(take(pool.alloc(size), size, stamp));
        }
        Op::TakeAligned { class, bits } => {
            let (size, align) = (size(class, 0), 1 << (bits % 15));
            let buf = pool.alloc_aligned(size, align).expect("no limit is set");
            assert_eq!(buf.as_ptr().addr() % align, 0);
            held.push(take(buf, size, stamp));
        }
        Op::TakeElsewhere { class } => {
            held.extend(run_elsewhere(Errand::Take(pool.clone(), size(class, 0))));
        }
        Op::Trim => {
            pool.trim();
        }
        Op::Settle => Pool::settle_thread(),
        Op::Stats => {
            let stats = pool.stats();
            assert_eq!(stats.mapped, stats.pinned + stats.cached + stats.free);
            assert!(stats.live <= stats.pinned);
            assert_eq!(stats.allocations - stats.releases, stats.live_blocks as u64);
        }
        Op::Close => *pool = new_pool(),
        _ if held.is_empty() => {}
        Op::Drop { at } => drop(held.swap_remove(pick(at))),
        Op::DropElsewhere { at } => {
            let one = held.swap_remove(pick(at));
            run_elsewhere(Errand::Drop(one));
        }
        Op::Freeze { at } => {
            let at = pick(at);
            if let Held::Buf(buf, stamp) = &mut held[at] {
                held[at] = Held::View(std::mem::take(buf).freeze(), *stamp);
            }
        }
        Op::Clone { at } => {
            if let Held::View(view, stamp) = &held[pick(at)] {
                let clone = Held::View(view.clone(), *stamp);
                held.push(clone);
            }
        }
        Op::Slice { at } => {
            if let Held::View(view, stamp) = &held[pick(at)] {
                let slice = Held::View(view.slice(view.len() / 3..), *stamp);
                held.push(slice);
            }
        }
        Op::Thaw { at } => {
            let at = pick(at);
            if let Held::View(view, stamp) = &mut held[at] {
                let stamp = *stamp;
                held[at] = match std::mem::take(view).try_into_mut() {
                    Ok(buf) => Held::Buf(buf, stamp),
                    Err(view) => Held::View(view, stamp),
                };
            }
        }
    }
    if held.len() > HELD {
        held.remove(0);
    }
}

fn new_pool() -> Pool {
    Pool::builder().chunk_size(1 << 20).thread_cache(64 << 10).build()
}

fuzz_target!(|ops: Vec<Op>| {
    let mut pool = new_pool();
    let mut held = Vec::new();
    for (salt, op) in ops.iter().enumerate() {
        step(&mut pool, &mut held, op, salt as u8);
    }
    held.iter().for_each(Held::check);
    drop(held);
    // Both threads may keep credits of blocks that they shared.
    Pool::settle_thread();
    run_elsewhere(Errand::Settle);
    let stats = pool.stats();
    assert_eq!((stats.live, stats.live_blocks), (0, 0), "all went home: {stats}");
});
