//! The handles that people hold.
mod compare;
mod composite;
mod dump;
mod peek;
mod peek_table;

pub use self::{
    composite::{ByteIter, Components, CompositeByteBuf, IntoComponents},
    peek::{OutOfRange, Peek, Poke},
};

/// Interim.
pub type ByteView = bytes::Bytes;
/// Interim.
pub type ByteBuf = bytes::BytesMut;
