//! What other types give and take without copying, and that owners are dropped exactly once.

#[path = "support/resource_baseline.rs"]
mod resource_baseline;

use resource_baseline::ResourceBaseline;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use bytebuf::{ByteBuf, ByteStr, ByteView, CompositeByteBuf, RecvSizer, WriteQueue};
use bytes::{Buf, Bytes};

const TEXT: &str = "text that is longer than what any type keeps inline";

#[test]
fn empty_handles_and_queues_are_made_in_statics() {
    static BUF: Mutex<ByteBuf> = Mutex::new(ByteBuf::new());
    static VIEW: ByteView = ByteView::from_static(TEXT.as_bytes());
    static NAME: ByteStr = ByteStr::from_static(TEXT);
    static PARTS: Mutex<CompositeByteBuf> = Mutex::new(CompositeByteBuf::new());
    static QUEUE: Mutex<WriteQueue> = Mutex::new(WriteQueue::new());
    static SIZER: Mutex<RecvSizer> = Mutex::new(RecvSizer::new());

    let _baseline = ResourceBaseline::take();
    BUF.lock().unwrap().extend_from_slice(&VIEW);
    let buf = mem::take(&mut *BUF.lock().unwrap());
    PARTS.lock().unwrap().push_back(buf);
    let parts = mem::take(&mut *PARTS.lock().unwrap());
    assert_eq!(parts, NAME.as_bytes());
    QUEUE.lock().unwrap().push(parts);
    let mut sent = Vec::new();
    assert!(QUEUE.lock().unwrap().flush_into(&mut sent).unwrap().is_done());
    assert_eq!(sent, TEXT.as_bytes());
    assert_eq!(*SIZER.lock().unwrap(), RecvSizer::default());
}

#[test]
fn memory_is_taken_over_as_it_is() {
    let _baseline = ResourceBaseline::take();
    let vec = TEXT.as_bytes().to_vec();
    let at = vec.as_ptr();
    assert_eq!(ByteView::from(vec).as_ptr(), at);

    let vec = TEXT.as_bytes().to_vec();
    let at = vec.as_ptr();
    assert_eq!(ByteBuf::from(vec).as_ptr(), at);

    let boxed: Box<[u8]> = TEXT.as_bytes().into();
    let at = boxed.as_ptr();
    assert_eq!(ByteView::from(boxed).as_ptr(), at);

    let string = String::from(TEXT);
    let at = string.as_ptr();
    assert_eq!(ByteView::from(string).as_ptr(), at);

    let shared: Arc<[u8]> = TEXT.as_bytes().into();
    let view = ByteView::from(Arc::clone(&shared));
    assert_eq!((view.as_ptr(), Arc::strong_count(&shared)), (shared.as_ptr(), 2));
    drop(view.clone());
    assert_eq!(Arc::strong_count(&shared), 2);
    drop(view);
    assert_eq!(Arc::strong_count(&shared), 1);

    assert_eq!(ByteView::from(TEXT).as_ptr(), TEXT.as_ptr());
    assert_eq!(ByteView::from(TEXT.as_bytes()).as_ptr(), TEXT.as_ptr());
    assert_eq!(Bytes::from(ByteView::from(TEXT)).as_ptr(), TEXT.as_ptr());
}

#[test]
fn a_vector_is_returned_with_its_capacity() {
    let _baseline = ResourceBaseline::take();
    let mut vec = Vec::with_capacity(1000);
    vec.extend_from_slice(TEXT.as_bytes());
    let (at, capacity) = (vec.as_ptr(), vec.capacity());
    for back in [
        |vec: Vec<u8>| Vec::from(ByteView::from(vec)),
        |vec: Vec<u8>| Vec::from(ByteBuf::from(vec)),
        |vec: Vec<u8>| Vec::from(ByteBuf::from(ByteView::from(vec)).freeze()),
        |vec: Vec<u8>| Vec::from(CompositeByteBuf::from(vec)),
        |vec: Vec<u8>| Vec::from(ByteView::from(Bytes::from(vec))),
        |vec: Vec<u8>| Vec::from(ByteBuf::from(Bytes::from(vec))),
        |vec: Vec<u8>| Vec::from(Bytes::from(ByteView::from(Bytes::from(vec)))),
    ] {
        vec = back(vec);
        assert_eq!((vec.as_ptr(), vec.capacity(), &vec[..]), (at, capacity, TEXT.as_bytes()));
    }
}

#[test]
fn a_part_is_returned_as_its_vector() {
    let _baseline = ResourceBaseline::take();
    let vec = TEXT.as_bytes().to_vec();
    let at = vec.as_ptr();
    let part = ByteView::from(vec).slice(5..9);
    let vec = Vec::from(part);
    assert_eq!((vec.as_ptr(), &vec[..]), (at, &b"that"[..]));

    let vec = TEXT.as_bytes().to_vec();
    let at = vec.as_ptr();
    let part = ByteView::from(Bytes::from(vec)).slice(5..9);
    let vec = Vec::from(part);
    assert_eq!((vec.as_ptr(), &vec[..]), (at, &b"that"[..]));
}

#[test]
fn a_shared_vector_is_copied() {
    let _baseline = ResourceBaseline::take();
    let view = ByteView::from(TEXT.as_bytes().to_vec());
    let other = view.slice(..4);
    let at = view.as_ptr();
    let vec = Vec::from(view);
    assert_ne!(vec.as_ptr(), at);
    assert_eq!((&vec[..], other), (TEXT.as_bytes(), ByteView::from("text")));

    let bytes = Bytes::from(TEXT.as_bytes().to_vec());
    let mut buf = ByteBuf::from(bytes.clone());
    buf.make_ascii_uppercase();
    assert_eq!(bytes, TEXT);
}

#[test]
fn bytes_are_returned_unchanged() {
    let _baseline = ResourceBaseline::take();
    let bytes = Bytes::from(TEXT.as_bytes().to_vec());
    let at = bytes.as_ptr();
    let view = ByteView::from(bytes);
    assert_eq!(view.as_ptr(), at);
    let part = Bytes::from(view.slice(5..9));
    assert_eq!((part.as_ptr(), &part[..]), (at.wrapping_add(5), &b"that"[..]));
    drop(part);
    let bytes = Bytes::from(view);
    assert_eq!((bytes.as_ptr(), bytes.len()), (at, TEXT.len()));
    // Nothing is wrapped around it: it is as writable as it was.
    assert!(bytes.try_into_mut().is_ok());
}

#[test]
fn views_convert_to_bytes_without_copying() {
    let _baseline = ResourceBaseline::take();
    let view = ByteView::copy_from_slice(TEXT.as_bytes());
    let at = view.as_ptr();
    let bytes = Bytes::from(view.clone());
    assert_eq!(bytes.as_ptr(), at);
    assert!(!view.is_unique());
    drop(bytes.clone().slice(3..));
    drop(bytes);
    assert!(view.is_unique());

    let mut buf = ByteBuf::from(view);
    assert_eq!(buf.as_ptr(), at);
    let front = buf.copy_to_bytes(4);
    assert_eq!((front.as_ptr(), &front[..]), (at, &b"text"[..]));
    assert_eq!(Bytes::from(buf).as_ptr(), at.wrapping_add(4));
}

#[test]
fn a_composite_gives_what_lies_in_one_component_without_copying() {
    let _baseline = ResourceBaseline::take();
    let views = [TEXT, TEXT].map(|text| ByteView::copy_from_slice(text.as_bytes()));
    let mut parts = CompositeByteBuf::from_iter(views.clone());
    let first = parts.copy_to_bytes(4);
    assert_eq!(first.as_ptr(), views[0].as_ptr());
    let rest = parts.copy_to_bytes(TEXT.len() - 4);
    assert_eq!(rest.as_ptr(), views[0].as_ptr().wrapping_add(4));
    let second = parts.copy_to_bytes(TEXT.len());
    assert_eq!(second.as_ptr(), views[1].as_ptr());
    assert!(parts.is_empty());
}

/// Counts its drops, and panics where it is told to.
struct Owner {
    bytes: Vec<u8>,
    drops: Arc<AtomicUsize>,
    panics_in: &'static str,
}

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        assert_ne!(self.panics_in, "as_ref");
        &self.bytes
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.drops.fetch_add(1, Ordering::Relaxed);
        assert_ne!(self.panics_in, "drop");
    }
}

fn owner(panics_in: &'static str) -> (Owner, impl Fn() -> usize) {
    let drops = Arc::new(AtomicUsize::new(0));
    let owner = Owner { bytes: TEXT.into(), drops: Arc::clone(&drops), panics_in };
    (owner, move || drops.load(Ordering::Relaxed))
}

#[test]
fn an_owner_is_dropped_once_with_the_last_view() {
    let _baseline = ResourceBaseline::take();
    let (owner, drops) = owner("");
    let at = owner.bytes.as_ptr();
    let view = ByteView::from_owner(owner);
    assert_eq!((view.as_ptr(), &view[..]), (at, TEXT.as_bytes()));
    let bytes = Bytes::from(view.slice(1..));
    let parts = CompositeByteBuf::from_iter([view.slice(..30), view.slice(30..)]);
    thread::spawn(move || drop(view)).join().unwrap();
    drop(bytes);
    assert_eq!(drops(), 0);
    thread::spawn(move || drop(parts)).join().unwrap();
    assert_eq!(drops(), 1);
}

#[test]
fn an_owner_without_bytes_is_kept_as_well() {
    let _baseline = ResourceBaseline::take();
    let (mut owner, drops) = owner("");
    owner.bytes.clear();
    let view = ByteView::from_owner(owner);
    assert_eq!((view.len(), drops()), (0, 0));
    drop(view);
    assert_eq!(drops(), 1);
}

#[test]
fn an_owner_that_panics_when_asked_is_dropped_once() {
    let _baseline = ResourceBaseline::take();
    let (owner, drops) = owner("as_ref");
    assert!(catch_unwind(AssertUnwindSafe(|| ByteView::from_owner(owner))).is_err());
    assert_eq!(drops(), 1);
}

#[test]
fn an_owner_that_panics_when_dropped_is_dropped_once() {
    let _baseline = ResourceBaseline::take();
    let (owner, drops) = owner("drop");
    let view = ByteView::from_owner(owner);
    let other = view.clone();
    drop(view);
    assert_eq!(drops(), 0);
    assert!(catch_unwind(AssertUnwindSafe(|| drop(other))).is_err());
    assert_eq!(drops(), 1);
}

#[test]
fn an_owner_is_asked_once() {
    let _baseline = ResourceBaseline::take();
    /// Shows other bytes each time.
    struct Fickle(AtomicUsize);

    impl AsRef<[u8]> for Fickle {
        fn as_ref(&self) -> &[u8] {
            &b"0123456789"[self.0.fetch_add(1, Ordering::Relaxed)..]
        }
    }

    let view = ByteView::from_owner(Fickle(AtomicUsize::new(0)));
    assert_eq!((view.clone(), Bytes::from(view)), ("0123456789".into(), "0123456789".into()));
}
