//! [`BufferRing`]: which blocks are offered, and what completions have made of them.
#![allow(unsafe_code, reason = "the kernel writes to blocks, and says by numbers how far (X2, X4)")]

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::mem::ManuallyDrop;

use super::entries::Entries;
use crate::buf::ByteBuf;
use crate::pool::Pool;

/// `IORING_CQE_F_*`.
const HAS_BUFFER: u32 = 1;
const MORE: u32 = 1 << 1;
const SOCKET_NONEMPTY: u32 = 1 << 2;
const BUFFER_MORE: u32 = 1 << 4;

/// `IOU_PBUF_RING_INC`.
const INCREMENTAL: u16 = 2;

/// The kernel's limit on the entries of one group.
const MAX_ENTRIES: u16 = 1 << 15;

/// How the kernel uses an offered block up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Consume {
    /// One receive uses a whole block, however little it brings.
    Whole,
    /// Receives fill a block one after the other until it is full (`IOU_PBUF_RING_INC`, from Linux 6.12 on). What
    /// they bring shares the block, so that a small part keeps all of it: see
    /// [`ByteView::compact`](crate::ByteView::compact). Requests on the group must not be made by the kernel's
    /// worker threads (`IOSQE_ASYNC`).
    Incremental,
}

/// What `IORING_REGISTER_PBUF_RING` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Registration {
    /// The address of the entries.
    pub address: u64,
    /// The number of entries.
    pub entries: u16,
    /// The buffer group.
    pub group: u16,
    /// The flags: `IOU_PBUF_RING_INC` for [`Consume::Incremental`].
    pub flags: u16,
}

/// What a completion of a request on the group came to.
#[derive(Debug)]
#[must_use]
#[non_exhaustive]
pub struct Taken {
    /// What it brought.
    pub received: Received,
    /// The request stays armed and completes again (`IORING_CQE_F_MORE`). If not, it has to be submitted again for
    /// more, and nothing else says so: one that has emptied the ring may end without [`Received::Starved`].
    pub is_armed: bool,
    /// The socket had more bytes than this (`IORING_CQE_F_SOCK_NONEMPTY`).
    pub has_more: bool,
}

/// What a completion has brought.
#[derive(Debug)]
#[must_use]
#[non_exhaustive]
pub enum Received {
    /// Bytes, in one block. The buffer is unique: it can be changed in place, then frozen.
    Bytes(ByteBuf),
    /// Bytes in several blocks, in order: a bundle.
    Bundle(Vec<ByteBuf>),
    /// The peer has ended its half.
    End,
    /// The ring was empty (`ENOBUFS`). [Refill](BufferRing::refill) it, then arm the request again: by itself it does
    /// not continue, and while the ring stays empty it fails at once.
    Starved,
    /// The request was cancelled. Its bytes, if any, are in the socket.
    Cancelled,
    /// The request failed; [`io::ErrorKind::InvalidData`] if the completion does not match the offered blocks.
    Failed(io::Error),
}

/// Figures of a [`BufferRing`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BufferRingStats {
    /// Blocks that are offered to the kernel.
    pub offered: usize,
    /// Places without a block: what [`BufferRing::refill`] fills.
    pub empty: usize,
    /// Bytes of the blocks that the ring holds, less what was received into them.
    pub bytes: usize,
    /// Completions that found the ring empty.
    pub starved: u64,
}

/// Blocks of a pool that the kernel chooses from when it receives: a ring of provided buffers, registered as a
/// buffer group with an `io_uring` of whatever crate.
///
/// Ten thousand idle connections hold the memory of the ring, not a buffer each. What is received belongs to the
/// receiver: no block returns to the ring. It is dropped as any other, on any thread, and [`refill`](Self::refill) takes
/// fresh ones from the pool, within its limit and its budget. What the ring holds counts as in use there.
///
/// A group belongs to one ring and to the thread that reaps its completions. The crate enters no ring: this value
/// says what to [register](Self::register), and [`take`](Self::take) gets the completions.
///
/// Over loopback a ring saves nearly all system calls and little or no processor time: use it for the memory of idle
/// connections. `docs/io-uring.md` has figures, and the rules that a program keeps.
///
/// # Examples
///
/// With the crate `io-uring`; `examples/echo_uring` is a whole server.
///
/// ```no_run
/// use bytebuf::{BufferRing, Consume, Pool, Received};
/// use io_uring::{IoUring, opcode, types};
/// use std::os::fd::AsRawFd;
///
/// # fn main() -> std::io::Result<()> {
/// # let socket = std::net::TcpStream::connect("127.0.0.1:7")?;
/// let mut ring: IoUring = IoUring::new(64)?;
/// let mut buffers = BufferRing::new(Pool::global(), 1, 64, 4096, Consume::Whole)?;
/// // SAFETY: it is registered with one ring, and unregistered below.
/// unsafe {
///     buffers.register(|r| {
///         ring.submitter().register_buf_ring_with_flags(r.address, r.entries, r.group, r.flags)
///     })
/// }?;
/// buffers.refill();
///
/// let receive = opcode::RecvMulti::new(types::Fd(socket.as_raw_fd()), 1).build();
/// // SAFETY: the request has no memory of its own.
/// unsafe { ring.submission().push(&receive) }.expect("the submission queue has space");
/// ring.submit_and_wait(1)?;
/// for entry in ring.completion() {
///     // SAFETY: each completion of the group once, in order.
///     let taken = unsafe { buffers.take(entry.result(), entry.flags()) };
///     if let Received::Bytes(bytes) = taken.received {
///         println!("{} bytes, for as long as they are needed", bytes.len());
///     }
/// }
/// buffers.refill();
/// // SAFETY: the group is unregistered by this.
/// unsafe { buffers.unregister(|group| ring.submitter().unregister_buf_ring(group)) }
/// # }
/// ```
#[doc(alias = "IoUringBufferRing")]
pub struct BufferRing {
    pool: Pool,
    group: u16,
    block: usize,
    consume: Consume,
    /// Dropped only while not registered (X3).
    memory: ManuallyDrop<Memory>,
    /// The ids of the offered blocks, in the order in which they were offered: the kernel uses them in this order.
    offered: VecDeque<u16>,
    /// The ids that are not offered. Some have a block.
    empty: Vec<u16>,
    is_registered: bool,
    starved: u64,
}

/// What the kernel has addresses of.
struct Memory {
    entries: Entries,
    /// By id, the block without a readable byte: the kernel may write to its capacity.
    blocks: Box<[Option<ByteBuf>]>,
}

impl BufferRing {
    /// Makes a ring of `entries` blocks of `block` bytes each, for the buffer group `group`. It holds no blocks
    /// until it is [filled](Self::refill).
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidInput`] if `entries` is not a power of two up to 32768, or `block` is 0 or above
    /// 2 GiB; [`io::ErrorKind::OutOfMemory`] if there is no memory for the entries.
    ///
    /// # Cost
    ///
    /// Maps 16 bytes for each entry, in whole pages.
    pub fn new(
        pool: &Pool,
        group: u16,
        entries: u16,
        block: usize,
        consume: Consume,
    ) -> io::Result<Self> {
        let are_valid = entries.is_power_of_two() && entries <= MAX_ENTRIES;
        if !are_valid || block == 0 || i32::try_from(block).is_err() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let blocks = (0..entries).map(|_| None).collect();
        let memory = Memory { entries: Entries::new(entries)?, blocks };
        Ok(Self {
            pool: pool.clone(),
            group,
            block,
            consume,
            memory: ManuallyDrop::new(memory),
            offered: VecDeque::with_capacity(usize::from(entries)),
            empty: (0..entries).rev().collect(),
            is_registered: false,
            starved: 0,
        })
    }

    /// Registers the group by `call`, which gets the arguments of `IORING_REGISTER_PBUF_RING` and returns its result.
    /// The ring is empty afterwards: [`refill`](Self::refill) it.
    ///
    /// From here on, dropping the value leaks its memory, until [`unregister`](Self::unregister) has succeeded. It can be
    /// registered again then.
    ///
    /// # Errors
    ///
    /// Those of `call`: nothing is registered. [`Consume::Incremental`] gives `EINVAL` before Linux 6.12.
    ///
    /// # Panics
    ///
    /// If it is registered.
    ///
    /// # Safety
    ///
    /// `call` registers exactly its arguments, with one ring, and returns an error only if it did not. No completion
    /// of an earlier registration is [taken](Self::take) from now on.
    pub unsafe fn register(
        &mut self,
        call: impl FnOnce(Registration) -> io::Result<()>,
    ) -> io::Result<()> {
        assert!(!self.is_registered, "the group {} is registered", self.group);
        self.empty.extend(self.offered.drain(..));
        self.memory.entries.reset();
        let registration = Registration {
            address: self.memory.entries.address(),
            entries: self.memory.blocks.len() as u16,
            group: self.group,
            flags: if self.consume == Consume::Incremental { INCREMENTAL } else { 0 },
        };
        // Before the call, which may panic after it has registered the memory.
        self.is_registered = true;
        let result = call(registration);
        self.is_registered = result.is_ok();
        result
    }

    /// Ends the registration by `call`, which gets the group and returns the result of
    /// `IORING_UNREGISTER_PBUF_RING`.
    ///
    /// What completed before can still be [taken](Self::take). A request that is armed on the group ends with
    /// [`Received::Starved`] and writes nothing; but if the group is registered anew before it ends, it receives into
    /// that.
    ///
    /// # Errors
    ///
    /// Those of `call`: it is registered as before.
    ///
    /// # Safety
    ///
    /// `call` returns `Ok` only if the group is unregistered, or its ring is gone with all requests.
    pub unsafe fn unregister(
        &mut self,
        call: impl FnOnce(u16) -> io::Result<()>,
    ) -> io::Result<()> {
        call(self.group)?;
        self.is_registered = false;
        Ok(())
    }

    /// Offers a block of the pool in each place that has none, and returns the number of places that stay empty
    /// because the pool has no more memory for them.
    ///
    /// Call it after taking completions. While the group is empty, arming a request has no effect: it ends with
    /// [`Received::Starved`] at once, again and again. Wait until blocks of the pool are free, in a budget by
    /// `Pool::alloc_wait` (feature `tokio`).
    ///
    /// # Cost
    ///
    /// One allocation for each place, one atomic store; no system call.
    pub fn refill(&mut self) -> usize {
        let Memory { entries, blocks } = &mut *self.memory;
        let mut written = 0;
        while let Some(&id) = self.empty.last() {
            let block = &mut blocks[usize::from(id)];
            let block = match block {
                Some(block) => block,
                None => match self.pool.try_alloc(self.block) {
                    Ok(fresh) => block.insert(fresh),
                    Err(_) => break,
                },
            };
            let spare = block.as_uninit_mut();
            let address = spare.as_mut_ptr().expose_provenance() as u64;
            entries.write(written, address, spare.len() as u32, id);
            written += 1;
            self.empty.pop();
            self.offered.push_back(id);
        }
        if written > 0 {
            entries.publish(written);
        }
        self.empty.len()
    }

    /// Returns what a completion of a request on this group has brought. `result` and `flags` are those of the
    /// completion.
    ///
    /// A completion that does not match the offered blocks is [`Received::Failed`] with
    /// [`io::ErrorKind::InvalidData`], and changes nothing.
    ///
    /// # Cost
    ///
    /// No copy. A part of a block that the kernel goes on filling is split off as by
    /// [`ByteBuf::split_to`]; a bundle allocates its list.
    ///
    /// # Safety
    ///
    /// Result and flags are those of a completion of a request on this group, of its latest registration, read from the
    /// completion queue of its ring. Each is taken once; with [`Consume::Incremental`], in the order of the queue.
    pub unsafe fn take(&mut self, result: i32, flags: u32) -> Taken {
        let id = (flags & HAS_BUFFER != 0).then_some((flags >> 16) as u16);
        let is_used_up = flags & BUFFER_MORE == 0 || self.consume == Consume::Whole;
        let received = match (usize::try_from(result), id) {
            // SAFETY: as the caller promises (X4).
            (Ok(len @ 1..), Some(id)) => unsafe { self.received(id, len, is_used_up) },
            (Ok(1..), None) => Received::Failed(io::ErrorKind::InvalidData.into()),
            (other, id) => {
                if let Some(id) = id.filter(|_| is_used_up) {
                    self.offer_again(id);
                }
                match other {
                    Ok(_) => Received::End,
                    Err(_) => self.failed(result.saturating_neg()),
                }
            }
        };
        Taken { received, is_armed: flags & MORE != 0, has_more: flags & SOCKET_NONEMPTY != 0 }
    }

    /// Returns what the ring holds now.
    pub fn stats(&self) -> BufferRingStats {
        BufferRingStats {
            offered: self.offered.len(),
            empty: self.empty.len(),
            bytes: self.memory.blocks.iter().flatten().map(ByteBuf::capacity).sum(),
            starved: self.starved,
        }
    }

    /// `len` bytes, at least one, were received into the block with this id and, where it ended, into those that
    /// were offered after it. The last of them is used up, or will be filled further.
    ///
    /// # Safety
    ///
    /// As X4 says.
    unsafe fn received(&mut self, id: u16, len: usize, is_used_up: bool) -> Received {
        let Some(blocks) = self.blocks_of(id, len, is_used_up) else {
            return Received::Failed(io::ErrorKind::InvalidData.into());
        };
        let (first, count) = blocks;
        let mut left = len;
        let mut next = |ring: &mut Self, is_last: bool| {
            let goes_on = is_last && !is_used_up;
            let id = ring.offered[first];
            if !goes_on {
                ring.offered.remove(first);
                ring.empty.push(id);
            }
            let capacity = ring.capacity_of(id);
            let len = left.min(capacity);
            left -= len;
            // SAFETY: as the caller promises; the blocks in front were filled to their ends (X4).
            unsafe { ring.take_front(id, len, goes_on) }
        };
        match count {
            1 => Received::Bytes(next(self, true)),
            _ => Received::Bundle((1..=count).map(|n| next(self, n == count)).collect()),
        }
    }

    /// Where the block with this id stands among the offered ones, and how many from there on `len` bytes fill.
    /// `None` if that can't be.
    fn blocks_of(&self, id: u16, len: usize, is_used_up: bool) -> Option<(usize, usize)> {
        // It is the first one, unless requests complete in another order than they chose blocks.
        let first = self.offered.iter().position(|offered| *offered == id)?;
        let mut left = len;
        for (count, id) in (1..).zip(self.offered.range(first..)) {
            let capacity = self.capacity_of(*id);
            if left < capacity || left == capacity && is_used_up {
                return Some((first, count));
            }
            left = left.checked_sub(capacity).filter(|left| *left > 0)?;
        }
        None
    }

    fn capacity_of(&self, id: u16) -> usize {
        self.memory.blocks[usize::from(id)].as_ref().map_or(0, ByteBuf::capacity)
    }

    /// Takes the first `len` bytes of the block's capacity, and with them the block, unless it goes on being filled.
    ///
    /// # Safety
    ///
    /// The kernel has written the bytes, and no longer writes to them, nor to any of the block unless it goes on.
    unsafe fn take_front(&mut self, id: u16, len: usize, goes_on: bool) -> ByteBuf {
        let place = &mut self.memory.blocks[usize::from(id)];
        let Some(block) = place else { unreachable!("an offered block is there") };
        // SAFETY: within the capacity, and written, as the caller promises.
        unsafe { block.set_len(len) };
        if goes_on { block.split_to(len) } else { place.take().unwrap_or_default() }
    }

    /// The kernel has used the place of a block up, and nothing of the block.
    fn offer_again(&mut self, id: u16) {
        if let Some(at) = self.offered.iter().position(|offered| *offered == id) {
            self.offered.remove(at);
            self.empty.push(id);
        }
    }

    fn failed(&mut self, errno: i32) -> Received {
        match errno {
            libc::ENOBUFS => {
                self.starved += 1;
                Received::Starved
            }
            libc::ECANCELED => Received::Cancelled,
            other => Received::Failed(io::Error::from_raw_os_error(other)),
        }
    }
}

impl Drop for BufferRing {
    fn drop(&mut self) {
        if !self.is_registered {
            // SAFETY: it is not used afterwards. No ring of the kernel has its addresses (X3).
            unsafe { ManuallyDrop::drop(&mut self.memory) }
        }
    }
}

impl fmt::Debug for BufferRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BufferRing")
            .field("group", &self.group)
            .field("consume", &self.consume)
            .field("is_registered", &self.is_registered)
            .field("stats", &self.stats())
            .finish()
    }
}

#[cfg(test)]
mod tests;
