//! The kinds of buffer: each kind of memory, as [`Backing`] lists it, and each way to make a buffer.

#[cfg(unix)]
use std::io::Write;
use std::sync::Arc;

#[cfg(unix)]
use bytebuf::MappedFile;
use bytebuf::testing::Backing;
use bytebuf::{ByteBuf, ByteView, CompositeByteBuf, Pool};
use bytes::{Buf, Bytes};

/// Makes a buffer with these bytes.
type Make<S> = dyn Fn(&[u8]) -> Made<S> + Send + Sync;

pub(crate) struct Kind<S> {
    pub(crate) name: String,
    pub(crate) make: Arc<Make<S>>,
}

impl<S> Kind<S> {
    fn new(
        name: impl Into<String>,
        make: impl Fn(&[u8]) -> Made<S> + Send + Sync + 'static,
    ) -> Self {
        Self { name: name.into(), make: Arc::new(make) }
    }
}

/// A buffer, and what shares its memory, with what that holds.
pub(crate) struct Made<S> {
    pub(crate) subject: S,
    pub(crate) others: Vec<(ByteView, Vec<u8>)>,
}

impl<S> From<S> for Made<S> {
    fn from(subject: S) -> Self {
        Self { subject, others: Vec::new() }
    }
}

impl<S> Made<S> {
    fn beside(mut self, others: impl IntoIterator<Item = ByteView>) -> Self {
        self.others.extend(others.into_iter().map(|other| (other.clone(), other.to_vec())));
        self
    }
}

macro_rules! kinds {
    ($($name:ident: $make:expr;)+) => {
        vec![$(Kind::new(stringify!($name), $make)),+]
    };
}

const BESIDE: [u8; 9] = [0xEE; 9];

/// More than any size class has.
const LARGE: usize = (1 << 20) + 1;

fn between(bytes: &[u8]) -> Vec<u8> {
    [&BESIDE, bytes, &BESIDE].concat()
}

/// The middle of a view that others look at too.
fn middle(mut whole: ByteView) -> Made<ByteView> {
    let all = whole.clone();
    let mut part = whole.split_off(BESIDE.len());
    let behind = part.split_off(part.len() - BESIDE.len());
    Made::from(part).beside([all, whole, behind])
}

/// A view of a file that can no longer change.
#[cfg(unix)]
fn mapped(bytes: &[u8]) -> ByteView {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(bytes).expect("space on the disk");
    let map = MappedFile::snapshot(&file, 0..bytes.len() as u64).expect("a mapping");
    map.view().clone()
}

/// The kinds of memory that other handles can show a larger part of.
const SHARED: [Backing; 5] =
    [Backing::Pooled, Backing::Vec, Backing::Owner, Backing::Bytes, Backing::Static];

pub(crate) fn views() -> Vec<Kind<ByteView>> {
    let of = |backing: Backing| {
        Kind::new(format!("view_of_{backing:?}"), move |bytes| backing.view(bytes).into())
    };
    let shared = |backing: Backing| {
        Kind::new(format!("view_beside_others_of_{backing:?}"), move |bytes| {
            middle(backing.view(&between(bytes)))
        })
    };
    let mut kinds: Vec<_> = Backing::ALL.map(of).into();
    kinds.extend(SHARED.map(shared));
    kinds.extend(kinds! {
        view_large: |bytes| {
            let mut buf = Pool::global().alloc(LARGE);
            buf.extend_from_slice(bytes);
            buf.freeze().into()
        };
        view_shared: |bytes| {
            let view = Backing::Pooled.view(bytes);
            Made::from(view.clone()).beside([view])
        };
        view_there_and_back: |bytes| {
            ByteView::from(Bytes::from(Backing::Pooled.view(bytes))).into()
        };
        view_compacted: |bytes| {
            Backing::Pooled.view(&between(bytes)).slice(9..9 + bytes.len()).compact().into()
        };
    });
    #[cfg(unix)]
    kinds.extend(kinds! {
        view_mapped: |bytes| mapped(bytes).into();
        view_mapped_part: |bytes| middle(mapped(&between(bytes)));
    });
    kinds
}

fn pooled(bytes: &[u8]) -> ByteBuf {
    let mut buf = Pool::global().alloc(bytes.len());
    buf.extend_from_slice(bytes);
    buf
}

pub(crate) fn bufs() -> Vec<Kind<ByteBuf>> {
    let of = |backing: Backing| {
        Kind::new(format!("buf_of_{backing:?}"), move |bytes| backing.buf(bytes).into())
    };
    let mut kinds: Vec<_> = Backing::ALL.map(of).into();
    kinds.extend(kinds! {
        buf_large: |bytes| {
            let mut buf = Pool::global().alloc(LARGE);
            buf.extend_from_slice(bytes);
            buf.into()
        };
        buf_grown: |bytes| {
            let mut buf = ByteBuf::new();
            bytes.iter().for_each(|byte| buf.extend_from_slice(&[*byte]));
            buf.into()
        };
        buf_headroom: |bytes| {
            let mut buf = ByteBuf::with_headroom(100, bytes.len());
            buf.extend_from_slice(bytes);
            buf.into()
        };
        buf_prepended: |bytes| {
            let mut buf = ByteBuf::with_headroom(bytes.len(), 10);
            buf.prepend(bytes);
            buf.into()
        };
        buf_front: |bytes| {
            let mut whole = pooled(&[bytes, &BESIDE].concat());
            let front = whole.split_to(bytes.len());
            Made::from(front).beside([whole.freeze()])
        };
        buf_back: |bytes| {
            let mut whole = pooled(&[&BESIDE, bytes].concat());
            let back = whole.split_off(BESIDE.len());
            Made::from(back).beside([whole.freeze()])
        };
        buf_middle: |bytes| {
            let mut front = pooled(&between(bytes));
            let mut part = front.split_off(BESIDE.len());
            let back = part.split_off(bytes.len());
            Made::from(part).beside([front.freeze(), back.freeze()])
        };
        buf_rejoined: |bytes| {
            let mut front = pooled(bytes);
            let back = front.split_off(bytes.len() / 2);
            front.unsplit(back);
            front.into()
        };
        buf_thawed: |bytes| {
            let thawed = pooled(bytes).freeze().try_into_mut();
            thawed.unwrap_or_else(|view| ByteBuf::from(&view[..])).into()
        };
        buf_thawed_part: |bytes| {
            let part = pooled(&between(bytes)).freeze().slice(9..9 + bytes.len());
            part.try_into_mut().unwrap_or_else(|view| ByteBuf::from(&view[..])).into()
        };
        buf_aligned: |bytes| {
            let mut buf = Pool::global().alloc_aligned(bytes.len(), 4096).expect("memory");
            buf.extend_from_slice(bytes);
            buf.into()
        };
    });
    kinds
}

/// Makes a composite of these parts and keeps every boundary.
fn composite(parts: impl IntoIterator<Item = ByteView>) -> CompositeByteBuf {
    let mut composite = CompositeByteBuf::new();
    for part in parts {
        composite.insert(composite.components().len(), part);
    }
    composite
}

fn pieces(bytes: &[u8], len: usize) -> impl DoubleEndedIterator<Item = ByteView> {
    // The last kind leaks.
    let kinds = Backing::ALL.len() - 1;
    bytes.chunks(len).enumerate().map(move |(i, part)| Backing::ALL[i % kinds].view(part))
}

pub(crate) fn composites() -> Vec<Kind<CompositeByteBuf>> {
    kinds! {
        composite_flat: |bytes| CompositeByteBuf::from(bytes.to_vec()).into();
        composite_halves: |bytes| composite(pieces(bytes, bytes.len() / 2 + 1)).into();
        composite_of_bytes: |bytes| composite(pieces(bytes, 1)).into();
        composite_of_threes: |bytes| composite(pieces(bytes, 3)).into();
        composite_pushed: |bytes| {
            pieces(bytes, 5).collect::<CompositeByteBuf>().into()
        };
        composite_from_behind: |bytes| {
            let mut composite = CompositeByteBuf::new();
            pieces(bytes, 7).rev().for_each(|part| composite.push_front(part));
            composite.into()
        };
        composite_part: |bytes| {
            let whole = composite(pieces(&between(bytes), 4));
            let part = whole.slice(9..9 + bytes.len());
            Made::from(part).beside(whole)
        };
        composite_read_up_to: |bytes| {
            let mut composite = composite(pieces(&between(bytes), 2));
            composite.advance(BESIDE.len());
            composite.truncate(bytes.len());
            composite.into()
        };
        composite_of_one_block: |bytes| {
            let view = Backing::Pooled.view(bytes);
            let parts = (0..bytes.len()).step_by(6).map(|at| {
                view.slice(at..bytes.len().min(at + 6))
            });
            Made::from(composite(parts)).beside([view.clone()])
        };
        composite_consolidated: |bytes| {
            let mut composite = composite(pieces(bytes, 3));
            let half = composite.components().len() / 2;
            composite.consolidate_components(..half);
            composite.into()
        };
    }
}
