//! Strategies for proptest: they choose the bytes, how these are cut, and the memory behind them.

use super::segment::{composite, cut, pick};
use super::{Backing, FaultPlan};
use crate::{ByteBuf, ByteView, CompositeByteBuf};
use proptest::arbitrary::Arbitrary;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

/// Maximum number of parts; more components of one byte find no further faults.
const MAX_PARTS: usize = 20_000;

fn backing() -> impl Strategy<Value = Backing> + Clone {
    any::<Index>().prop_map(|index| pick(index.index(usize::MAX)))
}

/// Generates sorted places to cut `len` bytes at, some of them twice: none, a few, or all.
fn places(len: usize) -> impl Strategy<Value = Vec<usize>> {
    let few = vec(0..=len, 0..8).prop_map(|mut places| {
        places.sort_unstable();
        places
    });
    let twice = vec(0..=len, 1..4).prop_map(|mut places| {
        places.extend_from_within(..);
        places.sort_unstable();
        places
    });
    let mut ends = vec![0, len.min(1), len.saturating_sub(1), len];
    ends.sort_unstable();
    let all: Vec<usize> = (1..len.min(MAX_PARTS)).collect();
    prop_oneof![1 => Just(Vec::new()), 4 => few, 1 => twice, 1 => Just(ends), 1 => Just(all)]
}

/// Generates `bytes` in parts, as they may arrive: whole, byte by byte, with empty parts between them, in
/// memory of all kinds.
///
/// # Examples
///
/// ```
/// use bytebuf::testing::cuts;
/// use proptest::prelude::*;
///
/// proptest!(|(parts in cuts(b"GET / HTTP/1.1"))| {
///     prop_assert_eq!(parts.concat(), b"GET / HTTP/1.1");
/// });
/// ```
pub fn cuts(bytes: impl Into<Vec<u8>>) -> impl Strategy<Value = Vec<ByteView>> {
    let bytes = bytes.into();
    (places(bytes.len()), any::<Index>()).prop_map(move |(places, first)| {
        let first = first.index(Backing::ALL.len());
        cut(&bytes, &places, |part| pick(first + part))
    })
}

/// Generates composites of `bytes`, cut in many ways: the same content each time.
///
/// # Examples
///
/// ```
/// use bytebuf::testing::segmentations;
/// use proptest::prelude::*;
///
/// proptest!(|(input in segmentations(b"\x00\x05hello"))| {
///     prop_assert_eq!(input.peek_u16(0), Some(5));
///     prop_assert_eq!(input, "\0\x05hello");
/// });
/// ```
pub fn segmentations(bytes: impl Into<Vec<u8>>) -> impl Strategy<Value = CompositeByteBuf> {
    cuts(bytes).prop_map(composite)
}

/// Generates views of the bytes of `content`, in memory of all kinds.
///
/// # Examples
///
/// ```
/// use bytebuf::testing::byte_views;
/// use proptest::prelude::*;
///
/// proptest!(|(view in byte_views("[a-z]{1,8}".prop_map(String::into_bytes)))| {
///     prop_assert!(view.iter().all(u8::is_ascii_lowercase));
/// });
/// ```
pub fn byte_views(content: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = ByteView> {
    (content, backing()).prop_map(|(bytes, backing)| backing.view(&bytes))
}

/// Generates buffers with the bytes of `content`: with and without spare capacity, headroom, and bytes that were read
/// and can be read again.
///
/// # Examples
///
/// ```
/// use bytebuf::testing::byte_bufs;
/// use proptest::prelude::*;
///
/// proptest!(|(mut buf in byte_bufs(Just(b"head".to_vec())))| {
///     buf.extend_from_slice(b"tail");
///     prop_assert_eq!(buf, "headtail");
/// });
/// ```
pub fn byte_bufs(content: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = ByteBuf> {
    (content, backing(), 0..3_usize, 0..200_usize).prop_map(|(bytes, backing, kind, extra)| {
        match kind {
            0 => backing.buf(&bytes),
            1 => {
                let mut buf = backing.buf(&bytes);
                buf.reserve(extra);
                buf
            }
            _ => {
                let mut buf = ByteBuf::with_headroom(extra, bytes.len());
                buf.extend_from_slice(&bytes);
                buf
            }
        }
    })
}

/// Generates composites of the bytes of `content`, cut as by [`segmentations`].
///
/// # Examples
///
/// ```
/// use bytebuf::testing::composites;
/// use proptest::{collection::vec, prelude::*};
///
/// proptest!(|(parts in composites(vec(any::<u8>(), 0..100)))| {
///     prop_assert_eq!(parts.to_vec().len(), parts.len());
/// });
/// ```
pub fn composites(
    content: impl Strategy<Value = Vec<u8>>,
) -> impl Strategy<Value = CompositeByteBuf> {
    content.prop_flat_map(segmentations)
}

/// Generates plans of faults that never end a stream: [`FaultPlan::seeded`].
///
/// # Examples
///
/// ```
/// use bytebuf::testing::{FaultSource, fault_plans};
/// use proptest::prelude::*;
/// use std::io::Read;
///
/// proptest!(|(plan in fault_plans())| {
///     let mut text = String::new();
///     FaultSource::new("whole", plan.blocking()).read_to_string(&mut text)?;
///     prop_assert_eq!(text, "whole");
/// });
/// ```
pub fn fault_plans() -> impl Strategy<Value = FaultPlan> {
    any::<u64>().prop_map(FaultPlan::seeded)
}

/// Generates bytes as in network traffic: mostly few, sometimes none, sometimes more than the largest size class has.
fn content() -> impl Strategy<Value = Vec<u8>> {
    let huge = (1 << 20)..(1 << 20) + 3_usize;
    let len = prop_oneof![6 => 2000..20_000_usize, 1 => huge];
    let much = (any::<u8>(), len).prop_map(|(salt, len)| {
        let pattern = |i: usize| (i as u8).wrapping_mul(31) ^ (i >> 8) as u8 ^ salt;
        (0..len).map(pattern).collect()
    });
    prop_oneof![3 => Just(Vec::new()), 30 => vec(any::<u8>(), 0..200), 2 => much]
}

macro_rules! any_content {
    ($($type:ty: $strategy:expr;)+) => { $(
        /// Generates any content: mostly 0 to 200 bytes, at most a little more than 1 MiB.
        impl Arbitrary for $type {
            type Parameters = ();
            type Strategy = BoxedStrategy<Self>;

            fn arbitrary_with((): ()) -> Self::Strategy {
                $strategy.boxed()
            }
        }
    )+ };
}

any_content! {
    ByteView: byte_views(content());
    ByteBuf: byte_bufs(content());
    CompositeByteBuf: composites(content());
}
