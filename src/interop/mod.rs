//! The crate among its neighbours.

mod bytes;
#[cfg(all(unix, feature = "tokio"))]
mod tokio;

#[cfg(all(unix, feature = "tokio"))]
pub use self::tokio::{ReadReady, WriteReady};
