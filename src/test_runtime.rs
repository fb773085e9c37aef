//! A runtime of tokio, for unit tests and `tests/`.

/// Runs a future to its end, on this thread.
pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap().block_on(future)
}
