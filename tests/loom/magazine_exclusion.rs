//! A thread that uses cells without an atomic read-modify-write, and another that keeps it out of them.

use crate::exclusion::Exclusion;
use crate::sys::{Processor, interrupt, use_processor};
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread::{JoinHandle, spawn};

struct Cells {
    exclusion: Exclusion,
    cell: UnsafeCell<usize>,
    key: usize,
}

impl Cells {
    fn new() -> Arc<Self> {
        Arc::new(Self { exclusion: Exclusion::new(), cell: UnsafeCell::new(0), key: 0 })
    }

    fn key(&self) -> *const () {
        (&raw const self.key).cast()
    }

    /// Uses the cell if that is allowed. Loom fails the model if another thread uses it meanwhile.
    fn use_once(&self) -> bool {
        interrupt();
        let may = self.exclusion.enter(self.key());
        if may {
            interrupt();
            self.cell.with_mut(|cell| {
                // SAFETY: what the models are about.
                unsafe { *cell += 1 }
            });
        }
        self.exclusion.leave();
        may
    }

    fn take(&self) {
        self.cell.with_mut(|cell| {
            // SAFETY: as above.
            unsafe { *cell = 0 }
        });
    }
}

/// Starts a thread that takes the content away if it can stop the owner.
fn spawn_take(cells: &Arc<Cells>) -> JoinHandle<()> {
    let cells = Arc::clone(cells);
    spawn(move || {
        if let Some(_stopped) = cells.exclusion.stop(1) {
            cells.take();
        }
    })
}

/// The owner uses the cells twice while another thread takes their content away. Catches: either barrier missing;
/// `leave` not `Release`; the load of `busy` not `Acquire`.
#[test]
fn owner_uses_cells_vs_stop() {
    loom::model(|| {
        let cells = Cells::new();
        assert!(cells.exclusion.activate(cells.key()));
        let takes = spawn_take(&cells);
        let _ = cells.use_once();
        let _ = cells.use_once();
        takes.join().unwrap();
    });
}

/// The owner comes back after it was kept out. Catches: an `activate` that does not take the lock.
#[test]
fn owner_returns_vs_stop() {
    loom::model(|| {
        let cells = Cells::new();
        let takes = spawn_take(&cells);
        if cells.exclusion.activate(cells.key()) {
            let _ = cells.use_once();
        }
        takes.join().unwrap();
    });
}

/// Another thread looks and lets the owner go on. Catches: `undo` not `Release`; the load of `key` not `Acquire`.
#[test]
fn owner_continues_after_an_inspection() {
    loom::model(|| {
        let cells = Cells::new();
        assert!(cells.exclusion.activate(cells.key()));
        let looks = spawn({
            let cells = Arc::clone(&cells);
            move || {
                if let Some(stopped) = cells.exclusion.stop(1) {
                    cells.take();
                    stopped.undo();
                }
            }
        });
        let _ = cells.use_once();
        looks.join().unwrap();
        assert!(cells.use_once());
    });
}

/// The owner does not come back after `retire`, and the thread that retired it may leave the rest to it. Catches: a
/// `retire` that changes nothing.
#[test]
fn retired_owner_stays_out() {
    loom::model(|| {
        let cells = Cells::new();
        assert!(cells.exclusion.activate(cells.key()));
        let retires = spawn({
            let cells = Arc::clone(&cells);
            move || {
                cells.exclusion.retire();
                if let Some(_stopped) = cells.exclusion.stop(1) {
                    cells.take();
                }
            }
        });
        let _ = cells.use_once();
        retires.join().unwrap();
        assert!(!cells.use_once());
    });
}

/// The owner takes the content away itself, as a thread does that ends. Catches: a `stop_own` that lets the owner in.
#[test]
fn owner_stops_itself_vs_stop() {
    loom::model(|| {
        let cells = Cells::new();
        assert!(cells.exclusion.activate(cells.key()));
        let takes = spawn_take(&cells);
        let _ = cells.use_once();
        let stopped = cells.exclusion.stop_own();
        cells.take();
        drop(stopped);
        takes.join().unwrap();
        assert!(!cells.use_once());
    });
}

/// As `owner_uses_cells_vs_stop`, with the barrier that Linux has: none on the owner's side, and an interrupt of its
/// processor at any place from the other. Catches: a stop without the system call, or that does not wait for it; the
/// fence before the call missing.
#[test]
fn owner_uses_cells_vs_membarrier() {
    loom::model(|| {
        let (cells, processor) = (Cells::new(), Arc::new(Processor::default()));
        assert!(cells.exclusion.activate(cells.key()));
        let takes = spawn({
            let (cells, processor) = (Arc::clone(&cells), Arc::clone(&processor));
            move || {
                use_processor(&processor);
                if let Some(_stopped) = cells.exclusion.stop(1) {
                    cells.take();
                }
            }
        });
        use_processor(&processor);
        let _ = cells.use_once();
        processor.switch();
        takes.join().unwrap();
    });
}
