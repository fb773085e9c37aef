#![doc = include_str!("../docs/netty.md")]
// The types that the page links to.
#[allow(unused_imports, reason = "only rustdoc resolves them")]
use {
    crate::{
        BufExt, BufMutExt, ByteBuf, ByteView, CompositeByteBuf, Dump, FileRegion, Finder, Found,
        MultiFinder, OutOfRange, Peek, Poke, Pool, PoolBuilder, RecvSizer, Search, WriteQueue,
        decode_hex,
    },
    bytes::{Buf, BufMut},
};
