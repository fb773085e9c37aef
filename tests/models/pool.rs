//! Blocks taken, shared and dropped here and on three other threads at the same time, under a hard
//! limit, across trims and the pool's own end: each block has one owner, whose stamps no other
//! owner changes, and the figures add up.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use arbitrary::Arbitrary;
use bytebuf::{AllocErrorKind, ByteBuf, ByteView, Pool};

use super::Model;
use super::fixtures::MARK;

#[derive(Arbitrary, Debug)]
pub enum Op {
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
    Look {
        at: u8,
    },
    Drop {
        at: u8,
    },
    /// Another thread gets it, looks at it and drops it, whenever that may be.
    DropElsewhere {
        at: u8,
        thread: u8,
    },
    /// Another thread takes one, which comes here at the next `Wait`.
    TakeElsewhere {
        class: u8,
        thread: u8,
    },
    /// Another thread takes some and drops them.
    Churn {
        class: u8,
        count: u8,
        thread: u8,
    },
    SettleElsewhere {
        thread: u8,
    },
    /// Until the others have done what they were asked.
    Wait,
    Trim,
    Settle,
    Stats,
    /// The pool's handle goes; its blocks stay. A new pool takes its place.
    Close,
}

/// The most bytes of blocks in use or cached, and the most handles.
const LIMIT: usize = 16 << 20;
const HELD: usize = 24;

/// A handle, and whose stamp its bytes must bear.
struct Held {
    handle: Handle,
    owner: u64,
    /// The size of what the owner has stamped, and where the handle begins in it.
    size: usize,
    offset: usize,
}

enum Handle {
    Buf(ByteBuf),
    View(ByteView),
}

impl Held {
    fn bytes(&self) -> &[u8] {
        match &self.handle {
            Handle::Buf(buf) => buf,
            Handle::View(view) => view,
        }
    }

    fn check(&self) {
        let (bytes, stamp) = (self.bytes(), self.owner.to_le_bytes());
        assert_eq!(bytes.len(), self.size - self.offset);
        for i in spots(self.size).flatten().filter(|&i| i >= self.offset) {
            assert_eq!(bytes[i - self.offset], stamp[i % 8], "another owner wrote at {i}");
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if thread::panicking() {
            return;
        }
        self.check();
        if let Handle::Buf(buf) = &mut self.handle {
            // For the next owner to stumble over.
            buf.clear();
            let space = buf.writable();
            spots(space.len()).for_each(|spot| space[spot].fill(MARK));
        }
    }
}

/// Where stamps are: everywhere, or in large blocks at both ends and here and there between. What
/// stands at the ends are the canaries: a neighbour that passes its own end kills one.
fn spots(len: usize) -> impl Iterator<Item = Range<usize>> {
    let step = if len <= 4096 { 4096 } else { 256 * 1024 };
    let width = if len <= 4096 { 4096 } else { 64 };
    let along = (0..len).step_by(step).map(move |at| at..(at + width).min(len));
    along.chain((len > width).then(|| len - width..len))
}

/// Stamps a new buffer. Nothing of a former owner shows before that.
fn take(mut buf: ByteBuf, size: usize) -> Held {
    static OWNERS: AtomicU64 = AtomicU64::new(1);
    assert_eq!((buf.len(), buf.capacity()), (0, size));
    let owner = OWNERS.fetch_add(1, Ordering::Relaxed);
    let stamp = owner.to_le_bytes();
    let space = buf.writable();
    for i in spots(size).flatten() {
        assert_eq!(space[i], 0, "shows what an earlier owner wrote");
        space[i] = stamp[i % 8];
    }
    buf.commit(size);
    Held { handle: Handle::Buf(buf), owner, size, offset: 0 }
}

/// A size of each magnitude from 1 byte to 4 MiB, most of them small, and all that may be mapped.
fn size(class: u8, less: u8) -> usize {
    let most = match class {
        0..240 => 1 << (class % 17),
        240..255 => 1 << (class % 23),
        255 => LIMIT,
    };
    most - usize::from(less).min(most / 2)
}

/// What another thread is asked to do.
enum Errand {
    Drop(Held),
    Take(Pool, usize),
    Churn(Pool, usize, u8),
    Settle,
}

/// What has become of it: perhaps a block, or the panic.
type Reply = thread::Result<Option<Held>>;

impl Errand {
    fn run(self) -> Option<Held> {
        match self {
            Self::Drop(held) => drop(held),
            // What others hold may leave no space.
            Self::Take(pool, size) => {
                return pool.try_alloc(size).ok().map(|buf| take(buf, size));
            }
            Self::Churn(pool, size, count) => {
                let bufs = (0..count).filter_map(|_| pool.try_alloc(size).ok());
                drop(bufs.map(|buf| take(buf, size)).collect::<Vec<_>>());
            }
            Self::Settle => Pool::flush_thread(),
        }
        None
    }
}

/// What asks a thread, and where it answers.
type Desk = Sender<(Errand, Sender<Reply>)>;

/// The other threads. They live as long as the process, as a runtime's do.
fn helper(thread: u8) -> Desk {
    static HELPERS: OnceLock<[Desk; 3]> = OnceLock::new();
    let helpers = HELPERS.get_or_init(|| {
        std::array::from_fn(|_| {
            let (send, errands) = channel::<(Errand, Sender<Reply>)>();
            thread::spawn(move || {
                for (errand, reply) in errands {
                    // There is no receiver if the asking thread has panicked meanwhile.
                    _ = reply.send(catch_unwind(AssertUnwindSafe(|| errand.run())));
                }
            });
            send
        })
    });
    helpers[usize::from(thread) % helpers.len()].clone()
}

/// A pool and what is alive of it.
pub struct Blocks {
    pool: Pool,
    held: Vec<Held>,
    send: Sender<Reply>,
    replies: Receiver<Reply>,
    pending: usize,
}

impl Blocks {
    fn ask(&mut self, thread: u8, errand: Errand) {
        helper(thread).send((errand, self.send.clone())).expect("the helper lives");
        self.pending += 1;
    }

    fn wait(&mut self) {
        for _ in 0..std::mem::take(&mut self.pending) {
            match self.replies.recv().expect("an answer") {
                Ok(held) => self.held.extend(held),
                Err(panic) => resume_unwind(panic),
            }
        }
    }

    fn take(&mut self, size: usize, align: usize) {
        match self.pool.alloc_aligned(size, align) {
            Ok(buf) => {
                assert_eq!(buf.as_ptr().addr() % align, 0);
                self.held.push(take(buf, size));
            }
            Err(error) => {
                assert_eq!(error.kind(), AllocErrorKind::OverLimit);
                let held: usize = self.held.iter().map(|held| held.bytes().len()).sum();
                let much = size + held > LIMIT / 4;
                assert!(much || self.pending > 0, "{error}, with {held} held");
            }
        }
    }

    fn pick(&mut self, at: u8) -> Option<&mut Held> {
        let count = self.held.len().max(1);
        self.held.get_mut(usize::from(at) % count)
    }

    fn remove(&mut self, at: u8) -> Option<Held> {
        let at = usize::from(at) % self.held.len().max(1);
        (at < self.held.len()).then(|| self.held.swap_remove(at))
    }

    /// Another handle of a view.
    fn share(&mut self, at: u8, cut: fn(usize) -> usize) {
        if let Some(Held { handle: Handle::View(view), owner, size, offset }) = self.pick(at) {
            let from = cut(view.len());
            let handle = Handle::View(view.slice(from..));
            let held = Held { handle, owner: *owner, size: *size, offset: *offset + from };
            self.held.push(held);
        }
    }
}

fn new_pool() -> Pool {
    Pool::builder().chunk_size(1 << 20).thread_cache(64 << 10).max_memory(LIMIT).build()
}

impl Model for Blocks {
    type Op = Op;

    fn new() -> Self {
        let (send, replies) = channel();
        Self { pool: new_pool(), held: Vec::new(), send, replies, pending: 0 }
    }

    fn apply(&mut self, op: &Op, _: u8) {
        match *op {
            Op::Take { class, less } => self.take(size(class, less), 1),
            Op::TakeAligned { class, bits } => self.take(size(class, 0), 1 << (bits % 15)),
            Op::Freeze { at } => {
                if let Some(Held { handle, .. }) = self.pick(at)
                    && let Handle::Buf(buf) = handle
                {
                    *handle = Handle::View(std::mem::take(buf).freeze());
                }
            }
            Op::Clone { at } => self.share(at, |_| 0),
            Op::Slice { at } => self.share(at, |len| len / 3),
            Op::Thaw { at } => {
                if let Some(Held { handle, .. }) = self.pick(at)
                    && let Handle::View(view) = handle
                {
                    *handle = match std::mem::take(view).try_into_mut() {
                        Ok(buf) => Handle::Buf(buf),
                        Err(view) => Handle::View(view),
                    };
                }
            }
            Op::Look { at } => self.pick(at).into_iter().for_each(|held| held.check()),
            Op::Drop { at } => drop(self.remove(at)),
            Op::DropElsewhere { at, thread } => {
                if let Some(held) = self.remove(at) {
                    self.ask(thread, Errand::Drop(held));
                }
            }
            Op::TakeElsewhere { class, thread } => {
                self.ask(thread, Errand::Take(self.pool.clone(), size(class, 0)));
            }
            Op::Churn { class, count, thread } => {
                self.ask(thread, Errand::Churn(self.pool.clone(), size(class, 1), count % 8));
            }
            Op::SettleElsewhere { thread } => self.ask(thread, Errand::Settle),
            Op::Wait => self.wait(),
            Op::Trim => _ = self.pool.trim(),
            Op::Settle => Pool::flush_thread(),
            Op::Stats => {
                self.wait();
                let stats = self.pool.stats();
                assert_eq!(stats.mapped, stats.pinned + stats.cached + stats.free);
                assert!(stats.live <= stats.pinned);
                assert!(stats.pinned + stats.cached <= LIMIT, "{stats}");
                assert_eq!(stats.allocations - stats.releases, stats.live_blocks as u64);
            }
            Op::Close => self.pool = new_pool(),
        }
        if self.held.len() > HELD {
            self.held.remove(0);
        }
    }

    fn finish(mut self) {
        self.wait();
        self.held.clear();
        // All threads may keep credits of blocks that they shared.
        Pool::flush_thread();
        (0..3).for_each(|thread| self.ask(thread, Errand::Settle));
        self.wait();
        let stats = self.pool.stats();
        assert_eq!((stats.live, stats.live_blocks), (0, 0), "all went home: {stats}");
    }
}
