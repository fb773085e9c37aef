//! Typed access, search and dumps as methods of the types themselves: no trait to import.

use super::{
    ByteBuf, ByteView, CompositeByteBuf, Peek, Poke, Search,
    dump::inherent_dump,
    peek::table::{inherent_peek, inherent_poke},
    search::table::inherent_search,
};

inherent_search!(ByteView, |this| &this[..]);
inherent_dump!(ByteView, |this| &this[..]);
inherent_peek!(ByteView, |this| &this[..]);

inherent_search!(ByteBuf, |this| &this[..]);
inherent_dump!(ByteBuf, |this| &this[..]);
inherent_peek!(ByteBuf, |this| &this[..]);
inherent_poke!(ByteBuf, |this| &mut this[..]);

inherent_search!(CompositeByteBuf, |this| this);
inherent_dump!(CompositeByteBuf, |this| this);
inherent_peek!(CompositeByteBuf, |this| this);
inherent_poke!(CompositeByteBuf, |this| this);
