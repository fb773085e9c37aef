//! The handles that people hold.
mod compare;
mod composite;
mod dump;
mod peek;
mod peek_table;
mod search;

pub use self::{
    composite::{ByteIter, Components, CompositeByteBuf, IntoComponents},
    dump::{Dump, HexDump, HexError, decode_hex},
    peek::{OutOfRange, Peek, Poke},
    search::{Finder, Found, MultiFinder, NeedleError, Search},
};

/// Interim.
pub type ByteView = bytes::Bytes;
/// Interim.
pub type ByteBuf = bytes::BytesMut;
