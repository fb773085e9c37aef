//! `Arbitrary` of the crate of that name, for fuzzers: the input selects the bytes, their memory and
//! every boundary.

use super::segment::{composite, pick};
use super::{Backing, FaultPlan};
use crate::{ByteBuf, ByteView, CompositeByteBuf};
use arbitrary::{Arbitrary, Result, Unstructured};

impl<'a> Arbitrary<'a> for Backing {
    /// Returns a kind that does not leak.
    fn arbitrary(input: &mut Unstructured<'a>) -> Result<Self> {
        Ok(pick(input.arbitrary::<u8>()?.into()))
    }

    fn size_hint(_: usize) -> (usize, Option<usize>) {
        (1, Some(1))
    }
}

impl<'a> Arbitrary<'a> for ByteView {
    fn arbitrary(input: &mut Unstructured<'a>) -> Result<Self> {
        Ok(Backing::arbitrary(input)?.view(input.arbitrary()?))
    }

    fn arbitrary_take_rest(mut input: Unstructured<'a>) -> Result<Self> {
        Ok(Backing::arbitrary(&mut input)?.view(input.take_rest()))
    }
}

impl<'a> Arbitrary<'a> for ByteBuf {
    fn arbitrary(input: &mut Unstructured<'a>) -> Result<Self> {
        Ok(Backing::arbitrary(input)?.buf(input.arbitrary()?))
    }

    fn arbitrary_take_rest(mut input: Unstructured<'a>) -> Result<Self> {
        Ok(Backing::arbitrary(&mut input)?.buf(input.take_rest()))
    }
}

impl<'a> Arbitrary<'a> for CompositeByteBuf {
    /// Returns as many parts as the input gives; some may be empty.
    fn arbitrary(input: &mut Unstructured<'a>) -> Result<Self> {
        input.arbitrary_iter::<ByteView>()?.collect::<Result<Vec<_>>>().map(composite)
    }
}

impl<'a> Arbitrary<'a> for FaultPlan {
    /// Returns a [hostile](FaultPlan::hostile) plan or another, with a seed from the input.
    fn arbitrary(input: &mut Unstructured<'a>) -> Result<Self> {
        let seed = input.arbitrary()?;
        Ok(if input.arbitrary()? { Self::hostile(seed) } else { Self::seeded(seed) })
    }
}
