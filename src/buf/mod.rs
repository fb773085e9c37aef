//! The handles: [`ByteBuf`], [`ByteView`], [`ByteStr`], [`CompositeByteBuf`].
mod byte_buf;
mod byte_str;
mod byte_view;
mod compare;
mod composite;
pub(crate) mod dump;
mod ext;
mod peek;
pub(crate) mod range;
mod search;
mod text;
mod varint;

// Last, so that the pages of the types list the generated methods after all others.
mod access;

pub use self::{
    byte_buf::{ByteBuf, IndexError, TryReserveError, TryReserveErrorKind},
    byte_str::{ByteStr, ByteStrError},
    byte_view::ByteView,
    composite::{ByteIter, Components, CompositeByteBuf, IntoComponents},
    dump::{Dump, HexDump, HexError, decode_hex},
    ext::{BufExt, BufMutExt, VarintError},
    peek::{OutOfRange, Peek, Poke},
    search::{Finder, Found, MultiFinder, NeedleError, Search},
    text::StrError,
    varint::VarintOverflow,
};

/// Makes a value from `source`, then drops `source`.
///
/// The drop of the last handle of a foreign owner may panic. If a function drops its arguments at its end and
/// this panics, the compiler leaks the return value (<https://github.com/rust-lang/rust/issues/47949>). Here
/// the value is a local variable, which is dropped as well.
pub(crate) fn drop_after<S, T>(source: S, make: impl FnOnce(&S) -> T) -> T {
    let made = make(&source);
    drop(source);
    made
}
