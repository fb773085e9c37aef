//! Typed access, search and dumps on the contiguous handles, as methods of their own: no trait to import.

use super::dump::inherent_dump;
use super::peek_table::{inherent_peek, inherent_poke};
use super::search::inherent_search;
use super::{ByteBuf, ByteView};

inherent_peek!(ByteView, |this| &this[..], "ByteView", "ByteView::from(Vec::from(", "))");
inherent_search!(ByteView, |this| &this[..], "ByteView", "ByteView::from(Vec::from(", "))");
inherent_dump!(ByteView, |this| &this[..], "ByteView", "ByteView::from(Vec::from(", "))");

inherent_peek!(ByteBuf, |this| &this[..], "ByteBuf", "ByteBuf::from(Vec::from(", "))");
inherent_poke!(ByteBuf, |this| &mut this[..], "ByteBuf", "ByteBuf::from(Vec::from(", "))");
inherent_search!(ByteBuf, |this| &this[..], "ByteBuf", "ByteBuf::from(Vec::from(", "))");
inherent_dump!(ByteBuf, |this| &this[..], "ByteBuf", "ByteBuf::from(Vec::from(", "))");
