//! Pooled, reference-counted network buffers, ropes, and one write queue for bytes and files.

// House order, lowest first; a module imports only from modules above it in this list.
mod buf;
mod interop;
mod io;
mod memory;
mod pool;
mod sync;
mod sys;

#[cfg(doc)]
pub mod netty;

pub use buf::{
    BufExt, BufMutExt, ByteBuf, ByteIter, ByteView, Components, CompositeByteBuf, Dump, Finder,
    Found, HexDump, HexError, IndexError, IntoComponents, MultiFinder, NeedleError, OutOfRange,
    Peek, Poke, Search, StrError, TryReserveError, TryReserveErrorKind, VarintError,
    VarintOverflow, decode_hex,
};
#[cfg(all(unix, feature = "tokio"))]
pub use interop::{ReadReady, WriteReady};
#[cfg(unix)]
pub use io::{Access, MappedFile, Splice, Spliced};
pub use io::{
    CorruptRecord, FileRegion, FileShrank, Flush, Outgoing, QueueStats, Record, Records, RecvSizer,
    Segment, SegmentFull, SegmentReader, WriteQueue,
};
pub use pool::{
    AllocError, AllocErrorKind, BudgetStats, ClassStats, Outstanding, OutstandingSite, Pool,
    PoolBuilder, PoolStats, Track,
};
