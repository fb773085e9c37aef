//! Typed access, search and dumps as methods of the types themselves: no trait to import.

use super::{
    ByteBuf, ByteView, CompositeByteBuf,
    dump::inherent_dump,
    peek_table::{inherent_peek, inherent_poke},
    search::table::inherent_search,
};

inherent_peek!(ByteView, |this| &this[..], "ByteView", "ByteView::from_iter(", ")");
inherent_search!(ByteView, |this| &this[..], "ByteView", "ByteView::from_iter(", ")");
inherent_dump!(ByteView, |this| &this[..], "ByteView", "ByteView::from_iter(", ")");

inherent_peek!(ByteBuf, |this| &this[..], "ByteBuf", "ByteBuf::from_iter(", ")");
inherent_poke!(ByteBuf, |this| &mut this[..], "ByteBuf", "ByteBuf::from_iter(", ")");
inherent_search!(ByteBuf, |this| &this[..], "ByteBuf", "ByteBuf::from_iter(", ")");
inherent_dump!(ByteBuf, |this| &this[..], "ByteBuf", "ByteBuf::from_iter(", ")");

inherent_peek!(
    CompositeByteBuf,
    |this| this,
    "CompositeByteBuf",
    "CompositeByteBuf::from(Vec::from(",
    "))"
);
inherent_poke!(
    CompositeByteBuf,
    |this| this,
    "CompositeByteBuf",
    "CompositeByteBuf::from(Vec::from(",
    "))"
);
inherent_search!(
    CompositeByteBuf,
    |this| this,
    "CompositeByteBuf",
    "CompositeByteBuf::from(Vec::from(",
    "))"
);
inherent_dump!(
    CompositeByteBuf,
    |this| this,
    "CompositeByteBuf",
    "CompositeByteBuf::from(Vec::from(",
    "))"
);
