//! The barrier of `src/sys`, as each system has it: by fences on both sides, or, on a thread with a [`Processor`], by
//! Linux's `membarrier`, which interrupts that processor.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, Ordering::Relaxed, Ordering::SeqCst, fence};
use std::cell::RefCell;

#[path = "../../src/sys/fallback/barrier.rs"]
mod fallback;
#[path = "../../src/sys/linux/barrier.rs"]
mod linux;

loom::thread_local! {
    static PROCESSOR: RefCell<Option<Arc<Processor>>> = RefCell::new(None);
}

fn processor() -> Option<Arc<Processor>> {
    PROCESSOR.with(|processor| processor.borrow().clone())
}

/// A processor that runs one thread and executes a full barrier when another asks for it, at any of the places where that
/// thread is [interrupted](interrupt).
#[derive(Default)]
pub(crate) struct Processor {
    requested: AtomicBool,
    done: AtomicBool,
}

/// From here on this thread runs on a processor, or interrupts it.
pub(crate) fn use_processor(processor: &Arc<Processor>) {
    PROCESSOR.with(|mine| *mine.borrow_mut() = Some(Arc::clone(processor)));
}

/// The thread is interrupted here, if a barrier has been asked for.
pub(crate) fn interrupt() {
    if let Some(processor) = processor()
        && processor.requested.load(Relaxed)
        && !processor.done.load(Relaxed)
    {
        processor.switch();
    }
}

impl Processor {
    /// A thread that is switched out has executed a full barrier.
    pub(crate) fn switch(&self) {
        fence(SeqCst);
        self.done.store(true, Relaxed);
    }
}

/// What the kernel and the compiler do for `linux`.
mod membarrier {
    use super::{PROCESSOR, interrupt, processor};
    use loom::sync::atomic::{Ordering, Ordering::Relaxed, Ordering::SeqCst, fence};

    pub(super) fn register() -> bool {
        PROCESSOR.with(|processor| processor.borrow().is_some())
    }

    /// Orders what loom does not reorder either. The thread may be interrupted here as everywhere.
    pub(super) fn compiler_fence(_: Ordering) {
        interrupt();
    }

    pub(super) fn expedited() -> bool {
        let Some(processor) = processor() else { return false };
        processor.requested.store(true, Relaxed);
        while !processor.done.load(Relaxed) {
            loom::thread::yield_now();
        }
        fence(SeqCst);
        true
    }
}

pub(crate) mod barrier {
    use super::{fallback, linux, processor};

    pub(crate) fn light() {
        if processor().is_some() { linux::light() } else { fallback::light() }
    }

    pub(crate) fn heavy() -> bool {
        if processor().is_some() { linux::heavy() } else { fallback::heavy() }
    }
}
