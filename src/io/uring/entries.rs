//! The memory that a ring of provided buffers shares with the kernel: an array of entries and a tail.
//!
//! The kernel loads the tail, then reads the entries before it. No model checker covers the kernel's half, because
//! its values would have to be at fixed addresses of a mapping. So the tail, which is stored once per refill, is
//! stored with the strongest ordering, and no weaker one needs a proof.
#![allow(unsafe_code, reason = "writes to memory that the kernel reads")]

use std::io;
use std::sync::atomic::{AtomicU16, Ordering};

use crate::sys::memory::Mapping;

/// The size of the kernel's `struct io_uring_buf`: an address (8 bytes), a length (4), a buffer id (2), and 2 bytes
/// that are the tail in the first entry and unused in the others.
const ENTRY: usize = 16;

const TAIL: usize = 14;

pub(super) struct Entries {
    memory: Mapping,
    /// The number of places, a power of two.
    places: u16,
    tail: u16,
}

impl Entries {
    pub(super) fn new(places: u16) -> io::Result<Self> {
        debug_assert!(places.is_power_of_two());
        let memory = Mapping::map(usize::from(places) * ENTRY).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { memory, places, tail: 0 })
    }

    /// Returns the address to register.
    pub(super) fn address(&self) -> u64 {
        self.memory.base().as_ptr().expose_provenance() as u64
    }

    /// Removes all entries. The memory must not be registered with the kernel.
    pub(super) fn reset(&mut self) {
        self.tail = 0;
        self.publish(0);
    }

    /// Begins to write entries behind the tail.
    pub(super) fn batch(&mut self) -> Batch<'_> {
        Batch { entries: self, count: 0 }
    }

    /// Moves the tail over the next `count` entries, so that the kernel may use them.
    fn publish(&mut self, count: u16) {
        self.tail = self.tail.wrapping_add(count);
        let tail = self.memory.at(TAIL).cast::<u16>().as_ptr();
        // SAFETY: the tail is aligned, in the mapping, and this process accesses it only here.
        let tail = unsafe { AtomicU16::from_ptr(tail) };
        tail.store(self.tail, Ordering::SeqCst);
    }

    fn store<T>(&mut self, offset: usize, value: T) {
        let field = self.memory.at(offset).cast::<T>();
        // SAFETY: the field is aligned and in the mapping, and the kernel does not read this entry now (X1).
        unsafe { field.write(value) }
    }
}

/// Entries behind the tail. The kernel may use them when the batch is dropped, also by a panic between two entries:
/// their blocks count as offered from the first write on.
pub(super) struct Batch<'a> {
    entries: &'a mut Entries,
    count: u16,
}

impl Batch<'_> {
    /// Writes the next entry.
    pub(super) fn write(&mut self, address: u64, len: u32, id: u16) {
        let place = self.entries.tail.wrapping_add(self.count) % self.entries.places;
        let at = usize::from(place) * ENTRY;
        self.entries.store(at, address);
        self.entries.store(at + 8, len);
        // The last 2 bytes are not written: they may be the tail.
        self.entries.store(at + 12, id);
        self.count += 1;
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        if self.count > 0 {
            self.entries.publish(self.count);
        }
    }
}
