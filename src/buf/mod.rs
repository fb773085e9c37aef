//! The handles that people hold.
mod access;
mod byte_buf;
mod byte_view;
mod compare;
mod composite;
pub(crate) mod dump;
mod ext;
mod peek;
mod peek_table;
pub(crate) mod range;
mod search;
mod text;
mod varint;

pub use self::{
    byte_buf::{ByteBuf, IndexError, TryReserveError, TryReserveErrorKind},
    byte_view::ByteView,
    composite::{ByteIter, Components, CompositeByteBuf, IntoComponents},
    dump::{Dump, HexDump, HexError, decode_hex},
    ext::{BufExt, BufMutExt, VarintError},
    peek::{OutOfRange, Peek, Poke},
    search::{Finder, Found, MultiFinder, NeedleError, Search},
    text::StrError,
    varint::VarintOverflow,
};
