//! The allocators and pools that the pool is compared with.
#![allow(
    unsafe_code,
    reason = "calls C allocators, and implements a global allocator that selects one of them"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::marker::PhantomData;
use std::mem::MaybeUninit;

/// Makes buffers of one kind.
pub trait Maker: Clone + Send + 'static {
    const NAME: &'static str;
    type Buffer: Send;
    fn make(&self, size: usize) -> Self::Buffer;
    /// Returns the spare capacity of a new buffer, or its first part.
    fn spare(buffer: &mut Self::Buffer) -> &mut [MaybeUninit<u8>];
    /// Writes a byte to each page of the first `size` bytes.
    #[inline(always)]
    fn touch(buffer: &mut Self::Buffer, size: usize) {
        touch(&mut Self::spare(buffer)[..size]);
    }
}

#[inline(always)]
fn touch(spare: &mut [MaybeUninit<u8>]) {
    for page in spare.chunks_mut(4096) {
        page[0] = MaybeUninit::new(1);
    }
}

/// This crate.
#[derive(Clone)]
pub struct Ours(pub &'static bytebuf::Pool);

impl Maker for Ours {
    const NAME: &'static str = "bytebuf";
    type Buffer = bytebuf::ByteBuf;
    #[inline(always)]
    fn make(&self, size: usize) -> Self::Buffer {
        self.0.alloc(size)
    }
    #[inline(always)]
    fn spare(buffer: &mut Self::Buffer) -> &mut [MaybeUninit<u8>] {
        buffer.spare_capacity_mut()
    }
}

/// A C allocator, called as Rust's global allocators call it.
pub trait Heap: Clone + Send + 'static {
    const NAME: &'static str;
    fn allocate(size: usize) -> *mut u8;
    /// # Safety
    ///
    /// `pointer` came from `allocate(size)` and is not used afterwards.
    unsafe fn free(pointer: *mut u8, size: usize);
}

macro_rules! heap {
    ($name:ident, $text:literal, $size:ident, $malloc:expr, |$pointer:ident| $free:expr) => {
        #[derive(Clone)]
        pub struct $name;

        impl Heap for $name {
            const NAME: &'static str = $text;
            #[inline(always)]
            fn allocate($size: usize) -> *mut u8 {
                // SAFETY: an allocation has no conditions.
                unsafe { $malloc }.cast()
            }
            #[inline(always)]
            unsafe fn free($pointer: *mut u8, $size: usize) {
                let _ = $size;
                let $pointer = $pointer.cast();
                // SAFETY: as the caller guarantees.
                unsafe { $free }
            }
        }
    };
}

heap!(Glibc, "glibc", size, libc::malloc(size), |p| libc::free(p));
heap!(Mimalloc, "mimalloc", size, libmimalloc_sys::mi_malloc(size), |p| {
    libmimalloc_sys::mi_free(p)
});
heap!(Jemalloc, "jemalloc", size, tikv_jemalloc_sys::malloc(size), |p| {
    tikv_jemalloc_sys::sdallocx(p, size, 0)
});

/// Memory of a C allocator.
#[derive(Clone)]
pub struct Malloc<H>(pub H);

pub struct Raw<H: Heap> {
    pointer: *mut u8,
    size: usize,
    heap: PhantomData<H>,
}

// SAFETY: plain memory, owned.
unsafe impl<H: Heap> Send for Raw<H> {}

impl<H: Heap> Drop for Raw<H> {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: made by `Malloc::make`, and this is its end.
        unsafe { H::free(self.pointer, self.size) }
    }
}

impl<H: Heap> Maker for Malloc<H> {
    const NAME: &'static str = H::NAME;
    type Buffer = Raw<H>;
    #[inline(always)]
    fn make(&self, size: usize) -> Raw<H> {
        let pointer = H::allocate(size);
        assert!(!pointer.is_null());
        Raw { pointer, size, heap: PhantomData }
    }
    #[inline(always)]
    fn spare(buffer: &mut Raw<H>) -> &mut [MaybeUninit<u8>] {
        // SAFETY: the buffer's own memory.
        unsafe { std::slice::from_raw_parts_mut(buffer.pointer.cast(), buffer.size) }
    }
}

/// `bytes::BytesMut` on glibc: an even number of bytes, for [`Routed`].
#[derive(Clone)]
pub struct BytesMut;

impl Maker for BytesMut {
    const NAME: &'static str = "BytesMut";
    type Buffer = bytes::BytesMut;
    #[inline(always)]
    fn make(&self, size: usize) -> Self::Buffer {
        bytes::BytesMut::with_capacity(size + size % 2)
    }
    #[inline(always)]
    fn spare(buffer: &mut Self::Buffer) -> &mut [MaybeUninit<u8>] {
        buffer.spare_capacity_mut()
    }
}

/// `bytes::BytesMut` on mimalloc: an odd number of bytes, for [`Routed`].
#[derive(Clone)]
pub struct BytesMutOnMimalloc;

impl Maker for BytesMutOnMimalloc {
    const NAME: &'static str = "BytesMut/mimalloc";
    type Buffer = bytes::BytesMut;
    #[inline(always)]
    fn make(&self, size: usize) -> Self::Buffer {
        bytes::BytesMut::with_capacity(size + 1 - size % 2)
    }
    #[inline(always)]
    fn spare(buffer: &mut Self::Buffer) -> &mut [MaybeUninit<u8>] {
        buffer.spare_capacity_mut()
    }
}

/// The global allocator: allocations of odd sizes go to mimalloc, all others to glibc, so that both are in one process.
pub struct Routed;

fn is_odd(layout: Layout) -> bool {
    layout.size() % 2 == 1 && layout.align() == 1
}

// SAFETY: both allocators keep the contract, and the layout alone decides which of them it is.
unsafe impl GlobalAlloc for Routed {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if is_odd(layout) {
            // SAFETY: as the caller guarantees; bytes have no alignment to keep.
            return unsafe { libmimalloc_sys::mi_malloc(layout.size()) }.cast();
        }
        // SAFETY: as the caller guarantees.
        unsafe { System.alloc(layout) }
    }

    #[inline]
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        if is_odd(layout) {
            // SAFETY: `alloc` got it from there.
            return unsafe { libmimalloc_sys::mi_free(pointer.cast()) };
        }
        // SAFETY: as the caller guarantees.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// `bytesbuf`'s global pool.
#[derive(Clone)]
pub struct Bytesbuf(bytesbuf::mem::GlobalPool);

impl Bytesbuf {
    pub fn new() -> Self {
        Self(bytesbuf::mem::GlobalPool::new())
    }
}

impl Default for Bytesbuf {
    fn default() -> Self {
        Self::new()
    }
}

impl Maker for Bytesbuf {
    const NAME: &'static str = "bytesbuf";
    type Buffer = bytesbuf::BytesBuf;
    #[inline(always)]
    fn make(&self, size: usize) -> Self::Buffer {
        self.0.reserve(size)
    }
    #[inline(always)]
    fn spare(buffer: &mut Self::Buffer) -> &mut [MaybeUninit<u8>] {
        buffer.first_unfilled_slice()
    }
    #[inline(always)]
    fn touch(buffer: &mut Self::Buffer, mut size: usize) {
        let mut writing = buffer.begin_vectored_write(None);
        for (spare, _) in writing.slices_mut() {
            let part = spare.len().min(size);
            touch(&mut spare[..part]);
            size -= part;
        }
    }
}

/// `ntex_bytes`, allocated.
#[derive(Clone)]
pub struct Ntex;

/// `ntex_bytes`, from its page cache if a page is large enough.
#[derive(Clone)]
pub struct NtexPages;

fn ntex_spare(buffer: &mut ntex_bytes::BytesMut) -> &mut [MaybeUninit<u8>] {
    use ntex_bytes::BufMut;
    let spare = buffer.chunk_mut();
    // SAFETY: `UninitSlice` is a slice of uninitialised bytes.
    unsafe { std::slice::from_raw_parts_mut(spare.as_mut_ptr().cast(), spare.len()) }
}

impl Maker for Ntex {
    const NAME: &'static str = "ntex";
    type Buffer = ntex_bytes::BytesMut;
    #[inline(always)]
    fn make(&self, size: usize) -> Self::Buffer {
        ntex_bytes::BytesMut::with_capacity(size)
    }
    fn spare(buffer: &mut Self::Buffer) -> &mut [MaybeUninit<u8>] {
        ntex_spare(buffer)
    }
}

impl Maker for NtexPages {
    const NAME: &'static str = "ntex pages";
    type Buffer = ntex_bytes::BytesMut;
    #[inline(always)]
    fn make(&self, size: usize) -> Self::Buffer {
        match ntex_bytes::BytePageSize::for_capacity(size) {
            ntex_bytes::BytePageSize::Unset => ntex_bytes::BytesMut::with_capacity(size),
            page => ntex_bytes::BytesMut::with_page_size(page),
        }
    }
    fn spare(buffer: &mut Self::Buffer) -> &mut [MaybeUninit<u8>] {
        ntex_spare(buffer)
    }
}

/// An object pool of boxes of one size.
#[derive(Clone)]
pub struct Opool(&'static opool::Pool<OneSize, Box<[MaybeUninit<u8>]>>);

pub struct OneSize(usize);

impl opool::PoolAllocator<Box<[MaybeUninit<u8>]>> for OneSize {
    fn allocate(&self) -> Box<[MaybeUninit<u8>]> {
        Box::new_uninit_slice(self.0)
    }
}

impl Opool {
    pub fn new(size: usize) -> Self {
        // On glibc, for `Routed`.
        Self(Box::leak(Box::new(opool::Pool::new(4096, OneSize(size + size % 2)))))
    }
}

impl Maker for Opool {
    const NAME: &'static str = "opool";
    type Buffer = opool::RefGuard<'static, OneSize, Box<[MaybeUninit<u8>]>>;
    #[inline(always)]
    fn make(&self, _size: usize) -> Self::Buffer {
        self.0.get()
    }
    #[inline(always)]
    fn spare(buffer: &mut Self::Buffer) -> &mut [MaybeUninit<u8>] {
        buffer
    }
}

/// No memory: the cost of passing a value of the size of our handles, and of reading it.
#[derive(Clone)]
pub struct HandleAlone;

pub struct Bytes64([MaybeUninit<u8>; 64]);

impl Drop for Bytes64 {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: `make` has written all of them.
        std::hint::black_box(unsafe { self.0[63].assume_init() });
    }
}

impl Maker for HandleAlone {
    const NAME: &'static str = "floor";
    type Buffer = Bytes64;
    #[inline(always)]
    fn make(&self, size: usize) -> Bytes64 {
        Bytes64([MaybeUninit::new(size as u8); 64])
    }
    #[inline(always)]
    fn spare(buffer: &mut Bytes64) -> &mut [MaybeUninit<u8>] {
        &mut buffer.0
    }
}
