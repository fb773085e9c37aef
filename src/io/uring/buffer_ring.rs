//! [`BufferRing`]: a group of provided buffers from its registration to its end (X3).
#![allow(unsafe_code, reason = "the kernel keeps addresses while a group is registered (X3)")]

use std::fmt;
use std::io;
use std::mem::ManuallyDrop;

use super::blocks::Blocks;
use super::completion::{BUFFER_MORE, HAS_BUFFER, MORE, Received, SOCKET_NONEMPTY, Taken};
use super::entries::Entries;
use crate::pool::Pool;

/// `IOU_PBUF_RING_INC`.
const INCREMENTAL: u16 = 2;

/// The kernel's limit on the entries of one group.
const MAX_ENTRIES: u16 = 1 << 15;

/// The rule by which the kernel uses an offered block up.
///
/// # Examples
///
/// ```
/// use bytebuf::{BufferRing, Consume, Pool};
///
/// // Many connections that send short messages: 8 blocks of 64 KiB, each filled by many receives.
/// let mut ring = BufferRing::new(Pool::global(), 1, 8, 64 * 1024, Consume::Incremental)?;
/// assert_eq!(ring.refill(), 0);
/// assert_eq!(ring.stats().bytes, 8 * 64 * 1024);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Consume {
    /// Each receive uses a whole block, even for one byte.
    Whole,
    /// Consecutive receives fill a block until it is full (`IOU_PBUF_RING_INC`, from Linux 6.12 on). Their bytes
    /// share the block, so a short view keeps all of it: see [`ByteView::compact`](crate::ByteView::compact). The
    /// kernel's worker threads must not execute requests on the group (`IOSQE_ASYNC`).
    Incremental,
}

/// The arguments of `IORING_REGISTER_PBUF_RING`.
///
/// # Examples
///
/// ```
/// use bytebuf::{BufferRing, Consume, Pool};
///
/// let mut ring = BufferRing::new(Pool::global(), 7, 64, 4096, Consume::Incremental)?;
/// // SAFETY: nothing is registered, and the error says so.
/// let result = unsafe {
///     ring.register(|arguments| {
///         assert_eq!((arguments.group, arguments.entries), (7, 64));
///         assert_eq!(arguments.flags, 2); // IOU_PBUF_RING_INC
///         Err(std::io::ErrorKind::Unsupported.into())
///     })
/// };
/// assert!(result.is_err());
/// # Ok::<(), std::io::Error>(())
/// ```
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

/// Figures of a [`BufferRing`].
///
/// # Examples
///
/// ```
/// use bytebuf::{BufferRing, Consume, Pool};
///
/// let mut ring = BufferRing::new(Pool::global(), 1, 8, 4096, Consume::Whole)?;
/// assert_eq!((ring.stats().offered, ring.stats().empty), (0, 8));
/// ring.refill();
/// assert_eq!((ring.stats().offered, ring.stats().empty), (8, 0));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BufferRingStats {
    /// The number of blocks that are offered to the kernel.
    pub offered: usize,
    /// The number of places that [`BufferRing::refill`] is to fill.
    pub empty: usize,
    /// The size of the blocks that the ring holds, less the bytes received into them.
    pub bytes: usize,
    /// The number of completions that found the ring empty.
    pub starved: u64,
}

/// A ring of provided buffers: blocks of a pool from which the kernel chooses when it receives. It is registered as
/// a buffer group with an `io_uring` of any crate.
///
/// Ten thousand idle connections hold the memory of one ring, not a buffer each. Received blocks belong to the
/// receiver and do not return to the ring: any thread may drop them, and [`refill`](Self::refill) allocates new
/// ones from the pool, within its limit and budget. The pool counts the blocks of the ring as in use.
///
/// A group belongs to one `io_uring` and to the thread that reaps its completions. This crate enters no `io_uring`:
/// the caller [registers](Self::register) the group, and passes completions to [`take`](Self::take).
///
/// Over loopback a ring saves nearly all system calls but little or no processor time: use it to save the memory of
/// idle connections. `docs/io-uring.md` has figures, and the rules for programs.
///
/// # Examples
///
/// With the crate `io-uring`. `examples/echo_uring` is a complete server.
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
    /// Dropped only if it is not registered (X3).
    memory: ManuallyDrop<Memory>,
    is_registered: bool,
    starved: u64,
}

/// The memory whose addresses the kernel has.
struct Memory {
    entries: Entries,
    blocks: Blocks,
}

impl BufferRing {
    /// Creates a ring of `entries` blocks of `block` bytes each, for the buffer group `group`. It holds no blocks
    /// until [`refill`](Self::refill) allocates them.
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
            let message = format!(
                "{entries} blocks of {block} bytes: a ring has a power of two of blocks up to {MAX_ENTRIES}, of 1 byte to 2 GiB"
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let memory = Memory { entries: Entries::new(entries)?, blocks: Blocks::new(entries) };
        Ok(Self {
            pool: pool.clone(),
            group,
            block,
            consume,
            memory: ManuallyDrop::new(memory),
            is_registered: false,
            starved: 0,
        })
    }

    /// Registers the group through `call`, which gets the arguments of `IORING_REGISTER_PBUF_RING` and returns its
    /// result. The ring is then empty: [`refill`](Self::refill) it.
    ///
    /// Dropping the value leaks its memory until [`unregister`](Self::unregister) has succeeded. Then it can be
    /// registered again.
    ///
    /// # Errors
    ///
    /// Those of `call`. Nothing is registered then. [`Consume::Incremental`] gives `EINVAL` before Linux 6.12.
    ///
    /// # Panics
    ///
    /// If the group is registered.
    ///
    /// # Safety
    ///
    /// `call` registers exactly its arguments with one `io_uring`, and returns an error only if it did not. No
    /// completion of an earlier registration is [taken](Self::take) afterwards.
    pub unsafe fn register(
        &mut self,
        call: impl FnOnce(Registration) -> io::Result<()>,
    ) -> io::Result<()> {
        assert!(!self.is_registered, "the group {} is registered", self.group);
        self.memory.blocks.withdraw_all();
        self.memory.entries.reset();
        let registration = Registration {
            address: self.memory.entries.address(),
            entries: self.memory.blocks.count(),
            group: self.group,
            flags: if self.consume == Consume::Incremental { INCREMENTAL } else { 0 },
        };
        // Set before the call, which may panic after it has registered the memory.
        self.is_registered = true;
        let result = call(registration);
        self.is_registered = result.is_ok();
        result
    }

    /// Unregisters the group through `call`, which gets the group and returns the result of
    /// `IORING_UNREGISTER_PBUF_RING`.
    ///
    /// Earlier completions can still be [taken](Self::take). A request that is armed on the group ends with
    /// [`Received::Starved`] and writes nothing; but if the group is registered again before the request ends, it
    /// receives into the new registration.
    ///
    /// # Errors
    ///
    /// Those of `call`. The group stays registered then.
    ///
    /// # Safety
    ///
    /// `call` returns `Ok` only if the group is unregistered, or its `io_uring` is closed and all its requests have
    /// ended.
    pub unsafe fn unregister(
        &mut self,
        call: impl FnOnce(u16) -> io::Result<()>,
    ) -> io::Result<()> {
        call(self.group)?;
        self.is_registered = false;
        Ok(())
    }

    /// Offers a block of the pool in each empty place, and returns the number of places that stay empty because the
    /// pool has no memory for them.
    ///
    /// Call it after taking completions. While the group is empty, an armed request ends with [`Received::Starved`]
    /// at once. Wait until blocks of the pool are free; for a budget, use [`Pool::alloc_wait`].
    ///
    /// # Cost
    ///
    /// One allocation for each empty place and one atomic store; no system call.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytebuf::{BufferRing, Consume, Pool};
    ///
    /// let pool = Pool::builder().build().budget("receive", 4 * 4096);
    /// let mut ring = BufferRing::new(&pool, 1, 8, 4096, Consume::Whole)?;
    /// assert_eq!(ring.refill(), 4); // the budget has memory for half of the places
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn refill(&mut self) -> usize {
        let Memory { entries, blocks } = &mut *self.memory;
        // The pool may call a function of its budget, which may panic: the batch ends then, too.
        let mut batch = entries.batch();
        while let Some((id, spare)) = blocks.offer(|| self.pool.try_alloc(self.block).ok()) {
            let address = spare.as_mut_ptr().expose_provenance() as u64;
            batch.write(address, spare.len() as u32, id);
        }
        drop(batch);
        blocks.empty()
    }

    /// Returns the bytes or the outcome of a completion of a request on this group. `result` and `flags` are those
    /// of the completion.
    ///
    /// A completion that contradicts the offered blocks is [`Received::Failed`] with
    /// [`io::ErrorKind::InvalidData`], and changes nothing.
    ///
    /// # Cost
    ///
    /// No copy. If the kernel continues to fill a block, the received part is split off as by
    /// [`ByteBuf::split_to`](crate::ByteBuf::split_to). A bundle allocates its list.
    ///
    /// # Safety
    ///
    /// `result` and `flags` are those of a completion of a request on the latest registration of this group, read
    /// from the completion queue of its `io_uring`. Each completion is taken once; with [`Consume::Incremental`],
    /// in the order of the queue.
    pub unsafe fn take(&mut self, result: i32, flags: u32) -> Taken {
        let id = (flags & HAS_BUFFER != 0).then_some((flags >> 16) as u16);
        let is_used_up = flags & BUFFER_MORE == 0 || self.consume == Consume::Whole;
        let blocks = &mut self.memory.blocks;
        let received = match (usize::try_from(result), id) {
            // SAFETY: the caller guarantees it (X4).
            (Ok(len @ 1..), Some(id)) => unsafe { blocks.take(id, len, is_used_up) }
                .unwrap_or_else(|| Received::Failed(io::ErrorKind::InvalidData.into())),
            (Ok(1..), None) => Received::Failed(io::ErrorKind::InvalidData.into()),
            (other, id) => {
                if let Some(id) = id.filter(|_| is_used_up) {
                    blocks.withdraw(id);
                }
                match other {
                    Ok(_) => Received::End,
                    Err(_) => Received::from_errno(result.saturating_neg()),
                }
            }
        };
        self.starved += u64::from(matches!(received, Received::Starved));
        Taken { received, is_armed: flags & MORE != 0, has_more: flags & SOCKET_NONEMPTY != 0 }
    }

    /// Returns the current counters of the ring.
    #[must_use]
    pub fn stats(&self) -> BufferRingStats {
        BufferRingStats {
            offered: self.memory.blocks.offered().len(),
            empty: self.memory.blocks.empty(),
            bytes: self.memory.blocks.bytes(),
            starved: self.starved,
        }
    }
}

impl Drop for BufferRing {
    fn drop(&mut self) {
        if !self.is_registered {
            // SAFETY: the memory is not used afterwards, and no ring of the kernel has its addresses (X3).
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
