//! What one thread leaves behind for another, by way of one word.

use crate::mapped::MappedBytes;
use crate::published::Published;
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use loom::thread::spawn;

/// A range of addresses is unmapped by one thread and mapped anew by another, while a third maps something
/// else. The kernel is a word that orders nothing. Catches: `less` not `Release`, `more` not `Acquire`.
#[test]
fn range_unmapped_vs_mapped_again() {
    struct World {
        mapped: MappedBytes,
        is_unmapped: AtomicBool,
        range: UnsafeCell<()>,
    }
    loom::model(|| {
        let world = Arc::new(World {
            mapped: MappedBytes(AtomicUsize::new(1)),
            is_unmapped: AtomicBool::new(false),
            range: UnsafeCell::new(()),
        });
        let unmaps = spawn({
            let world = Arc::clone(&world);
            move || {
                world.range.with_mut(|_| ());
                world.mapped.sub(1);
                world.is_unmapped.store(true, Relaxed);
            }
        });
        let other = spawn({
            let world = Arc::clone(&world);
            move || world.mapped.add(1)
        });
        if world.is_unmapped.load(Relaxed) {
            world.mapped.add(1);
            world.range.with_mut(|_| ());
        }
        unmaps.join().unwrap();
        other.join().unwrap();
    });
}

/// A writer of a segment publishes what it has written; a reader reads what is published. Catches: `set` not
/// `Release`, `get` not `Acquire`.
#[test]
fn published_records_are_read() {
    loom::model(|| {
        let segment = Arc::new((Published::new(0), UnsafeCell::new(())));
        let writes = spawn({
            let segment = Arc::clone(&segment);
            move || {
                let (published, record) = &*segment;
                record.with_mut(|_| ());
                published.set(1);
            }
        });
        let (published, record) = &*segment;
        if published.get() == 1 {
            record.with(|_| ());
        }
        writes.join().unwrap();
    });
}
