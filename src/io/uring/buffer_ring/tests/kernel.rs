//! A made-up kernel: the other side of the shared memory, as Linux does it. It knows the addresses that were
//! registered and nothing else.

use std::ops::Range;
use std::sync::atomic::{AtomicU16, Ordering};

use super::super::{BUFFER_MORE, HAS_BUFFER, INCREMENTAL, MORE, Registration};

/// What stands in the completion queue, with the bytes that the kernel has received by it.
#[derive(Debug)]
pub(super) struct Completion {
    pub(super) result: i32,
    pub(super) flags: u32,
    pub(super) bytes: Vec<u8>,
}

impl Completion {
    pub(super) fn id(&self) -> u16 {
        (self.flags >> 16) as u16
    }
}

#[derive(Debug)]
pub(super) struct Kernel {
    registration: Registration,
    /// The place of the entry that is used next.
    head: u16,
}

struct Entry {
    address: u64,
    len: u32,
    id: u16,
}

impl Kernel {
    pub(super) fn new(registration: Registration) -> Self {
        Self { registration, head: 0 }
    }

    /// Receives as many of the bytes as fit the next block, or the next blocks.
    pub(super) fn receive(&mut self, bytes: &[u8], is_bundle: bool) -> Completion {
        if self.is_empty() {
            return Completion { result: -libc::ENOBUFS, flags: 0, bytes: Vec::new() };
        }
        let mut flags = HAS_BUFFER | u32::from(self.entry(self.head).id) << 16;
        let mut received = 0;
        loop {
            received += self.fill(&bytes[received..], &mut flags);
            if !is_bundle || received == bytes.len() || self.is_empty() {
                break;
            }
        }
        // Observed: a bundle that empties the ring ends its request, as if by an error.
        if !(is_bundle && self.is_empty()) {
            flags |= MORE;
        }
        Completion { result: received as i32, flags, bytes: bytes[..received].to_vec() }
    }

    /// The peer has ended its half. Requests that have chosen a block by then use it up.
    pub(super) fn end(&mut self, has_chosen: bool) -> Completion {
        let mut flags = 0;
        if has_chosen && !self.is_empty() {
            flags = HAS_BUFFER | u32::from(self.entry(self.head).id) << 16;
            if self.is_incremental() {
                flags |= BUFFER_MORE;
            } else {
                self.head = self.head.wrapping_add(1);
            }
        }
        Completion { result: 0, flags, bytes: Vec::new() }
    }

    /// The ids of the offered blocks, in order.
    pub(super) fn offered(&self) -> Vec<u16> {
        self.places().map(|place| self.entry(place).id).collect()
    }

    /// The addresses that it may write to.
    pub(super) fn ranges(&self) -> Vec<Range<u64>> {
        let entries = self.places().map(|place| self.entry(place));
        entries.map(|entry| entry.address..entry.address + u64::from(entry.len)).collect()
    }

    fn places(&self) -> impl Iterator<Item = u16> + use<> {
        let head = self.head;
        (0..self.tail().wrapping_sub(head)).map(move |ahead| head.wrapping_add(ahead))
    }

    fn is_incremental(&self) -> bool {
        self.registration.flags & INCREMENTAL != 0
    }

    fn is_empty(&self) -> bool {
        self.head == self.tail()
    }

    /// Writes to the next block, and uses it up or not.
    fn fill(&mut self, bytes: &[u8], flags: &mut u32) -> usize {
        let Entry { address, len, .. } = self.entry(self.head);
        let written = bytes.len().min(len as usize);
        let to = std::ptr::with_exposed_provenance_mut::<u8>(address as usize);
        // SAFETY: an offered block.
        unsafe { to.copy_from_nonoverlapping(bytes.as_ptr(), written) };
        *flags &= !BUFFER_MORE;
        if self.is_incremental() && written < len as usize {
            *flags |= BUFFER_MORE;
            self.rewrite(self.head, address + written as u64, len - written as u32);
        } else {
            self.head = self.head.wrapping_add(1);
        }
        written
    }

    /// As Linux: it keeps in the entry how far the block is used up.
    fn rewrite(&mut self, place: u16, address: u64, len: u32) {
        let at = self.at(place);
        // SAFETY: an entry of the registered memory.
        unsafe { at.cast::<u64>().cast_mut().write(address) };
        // SAFETY: as above.
        unsafe { at.wrapping_byte_add(8).cast::<u32>().cast_mut().write(len) };
    }

    fn entry(&self, place: u16) -> Entry {
        let at = self.at(place);
        // SAFETY: an entry of the registered memory.
        let address = unsafe { at.cast::<u64>().read() };
        // SAFETY: as above.
        let len = unsafe { at.wrapping_byte_add(8).cast::<u32>().read() };
        // SAFETY: as above.
        let id = unsafe { at.wrapping_byte_add(12).cast::<u16>().read() };
        Entry { address, len, id }
    }

    fn tail(&self) -> u16 {
        let tail = self.at(0).wrapping_byte_add(14).cast::<u16>();
        // SAFETY: in the registered memory.
        unsafe { AtomicU16::from_ptr(tail.cast_mut()) }.load(Ordering::Acquire)
    }

    fn at(&self, place: u16) -> *const u8 {
        let index = usize::from(place % self.registration.entries);
        let entries = std::ptr::with_exposed_provenance::<u8>(self.registration.address as usize);
        entries.wrapping_add(16 * index)
    }
}
