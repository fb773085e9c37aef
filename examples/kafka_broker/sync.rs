//! One sync for all waiting requests: a separate thread syncs everything that was written since the last sync, while the
//! connections continue.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// A file that the broker writes and that survives a crash of the machine.
pub(crate) trait Durable: Send + Sync {
    /// Syncs all bytes that were written before the call, and reports success or failure to the waiting requests. Blocks on the
    /// disk.
    fn sync(&self);
}

#[derive(Default)]
pub(crate) struct Syncer {
    dirty: Mutex<Vec<Arc<dyn Durable>>>,
    wake: Notify,
    /// Rounds of syncs; each round serves all waiting requests.
    pub(crate) rounds: AtomicU64,
    /// Files synced in them.
    pub(crate) files: AtomicU64,
}

impl Syncer {
    /// Requests a sync. Requests for the same file before the sync begins share one.
    pub(crate) fn ask(&self, file: Arc<dyn Durable>) {
        let mut dirty = self.dirty.lock().unwrap_or_else(PoisonError::into_inner);
        if !dirty.iter().any(|known| Arc::ptr_eq(known, &file)) {
            dirty.push(file);
        }
        drop(dirty);
        self.wake.notify_one();
    }

    /// Syncs for as long as it is polled.
    pub(crate) async fn run(&self) -> io::Error {
        loop {
            self.wake.notified().await;
            // Other tasks that are ready append first, and share this sync.
            tokio::task::yield_now().await;
            let files = {
                let mut dirty = self.dirty.lock().unwrap_or_else(PoisonError::into_inner);
                std::mem::take(&mut *dirty)
            };
            if files.is_empty() {
                continue;
            }
            self.rounds.fetch_add(1, Ordering::Relaxed);
            self.files.fetch_add(files.len() as u64, Ordering::Relaxed);
            let done = tokio::task::spawn_blocking(move || files.iter().for_each(|f| f.sync()));
            if let Err(error) = done.await {
                return error.into();
            }
        }
    }
}
