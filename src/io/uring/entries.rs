//! The memory that a ring of provided buffers is shared by: an array of entries and a tail.
//!
//! The kernel loads the tail, then reads the entries before it, in memory that belongs to another address space
//! as well. No model checker can hold the kernel's half: its values would have to lie at fixed addresses of a
//! mapping. So the tail, which is stored once for a whole refill, is stored with the strongest ordering,
//! and there is no weaker one to prove.
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
    /// As many as is a power of two.
    places: u16,
    tail: u16,
}

impl Entries {
    pub(super) fn new(places: u16) -> io::Result<Self> {
        debug_assert!(places.is_power_of_two());
        let memory = Mapping::map(usize::from(places) * ENTRY).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { memory, places, tail: 0 })
    }

    /// The address that is registered.
    pub(super) fn address(&self) -> u64 {
        self.memory.base().as_ptr().expose_provenance() as u64
    }

    /// Begins anew: no entry is before the tail. The kernel must not know of this memory.
    pub(super) fn reset(&mut self) {
        self.tail = 0;
        self.publish(0);
    }

    /// Writes the entry that stands `ahead` places behind the tail.
    pub(super) fn write(&mut self, ahead: u16, address: u64, len: u32, id: u16) {
        let place = self.tail.wrapping_add(ahead) % self.places;
        let at = usize::from(place) * ENTRY;
        self.store(at, address);
        self.store(at + 8, len);
        // What follows may be the tail.
        self.store(at + 12, id);
    }

    /// Moves the tail over the next `count` entries: the kernel may use them from now on.
    pub(super) fn publish(&mut self, count: u16) {
        self.tail = self.tail.wrapping_add(count);
        let tail = self.memory.at(TAIL).cast::<u16>().as_ptr();
        // SAFETY: aligned, in the mapping, and on this side only accessed here.
        let tail = unsafe { AtomicU16::from_ptr(tail) };
        tail.store(self.tail, Ordering::SeqCst);
    }

    fn store<T>(&mut self, offset: usize, value: T) {
        let field = self.memory.at(offset).cast::<T>();
        // SAFETY: an aligned field of an entry in the mapping, which the kernel does not read now (X1).
        unsafe { field.write(value) }
    }
}
