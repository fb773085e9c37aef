#![doc = include_str!("../docs/netty.md")]
// What the links of the page name.
#[allow(unused_imports, reason = "rustdoc alone looks at them")]
use {
    crate::{
        BufExt, BufMutExt, ByteBuf, ByteView, CompositeByteBuf, Dump, FileRegion, Finder, Found,
        MultiFinder, OutOfRange, Peek, Poke, Pool, PoolBuilder, RecvSizer, Search, WriteQueue,
        decode_hex,
    },
    bytes::{Buf, BufMut},
};
