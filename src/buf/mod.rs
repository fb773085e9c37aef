//! The handles that people hold.
mod access;
mod byte_buf;
mod byte_view;
mod compare;
mod composite;
pub(crate) mod dump;
mod peek;
mod peek_table;
pub(crate) mod range;
mod search;

pub use self::{
    byte_buf::{ByteBuf, IndexError, TryReserveError, TryReserveErrorKind},
    byte_view::ByteView,
    composite::{ByteIter, Components, CompositeByteBuf, IntoComponents},
    dump::{Dump, HexDump, HexError, decode_hex},
    peek::{OutOfRange, Peek, Poke},
    search::{Finder, Found, MultiFinder, NeedleError, Search},
};
