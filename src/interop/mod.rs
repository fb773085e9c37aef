//! The crate among its neighbours.

mod bytes;
#[cfg(feature = "serde")]
mod serde;
mod std_io;
#[cfg(all(unix, feature = "tokio"))]
mod tokio;

#[cfg(all(unix, feature = "tokio"))]
pub use self::tokio::{ReadReady, WriteReady};
