//! Traits of other crates, for the types of this one.

#[cfg(any(feature = "tokio", feature = "futures-io"))]
mod async_write;
mod bytes;
#[cfg(any(feature = "compio-buf-08", feature = "compio-buf-09"))]
mod compio;
#[cfg(feature = "tokio")]
pub mod framed;
#[cfg(feature = "serde")]
mod serde;
mod std_io;
#[cfg(all(unix, feature = "tokio"))]
mod tokio;

#[cfg(all(unix, feature = "tokio"))]
pub use self::tokio::{ReadReady, WriteReady};
