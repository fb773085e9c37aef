//! Code written for `bytes` compiles and means the same with the names swapped: the same tests run
//! on the types of `bytes` and on ours.
#![allow(clippy::duplicate_mod, reason = "that is the point")]

use std::ops::Range;

use proptest::collection::vec;
use proptest::prelude::*;

#[path = "../support/resource_baseline.rs"]
mod resource_baseline;

use resource_baseline::ResourceBaseline;

/// The types of `bytes`: the tests describe them rightly.
#[path = "."]
mod theirs {
    use bytes::{Bytes, BytesMut};

    mod handles;
    pub(crate) mod script;
    mod traits;
}

/// Ours, under their names.
#[path = "."]
mod ours {
    use bytebuf::{ByteBuf as BytesMut, ByteView as Bytes};

    mod handles;
    pub(crate) mod script;
    mod traits;
}

/// What a script does to a handle.
#[derive(Clone, Debug)]
enum Step {
    SplitTo(usize),
    SplitOff(usize),
    Truncate(usize),
    Advance(usize),
    Slice(Range<usize>),
    Clone,
    Freeze,
    Thaw,
    TryIntoMut,
    IntoVec,
    Put(Vec<u8>),
    Resize(usize),
    Reserve(usize),
    Within(Range<usize>),
    Unsplit(usize),
    CopyToBytes(usize),
    Overwrite,
    Drop,
}

fn step() -> impl Strategy<Value = Step> {
    let at = || prop_oneof![8 => 0..12_usize, 1 => Just(usize::MAX)];
    let range = || (at(), at()).prop_map(|(start, end)| start..end);
    prop_oneof![
        at().prop_map(Step::SplitTo),
        at().prop_map(Step::SplitOff),
        at().prop_map(Step::Truncate),
        at().prop_map(Step::Advance),
        range().prop_map(Step::Slice),
        Just(Step::Clone),
        Just(Step::Freeze),
        Just(Step::Thaw),
        Just(Step::TryIntoMut),
        Just(Step::IntoVec),
        vec(any::<u8>(), 0..200).prop_map(Step::Put),
        at().prop_map(Step::Resize),
        at().prop_map(Step::Reserve),
        range().prop_map(Step::Within),
        at().prop_map(Step::Unsplit),
        at().prop_map(Step::CopyToBytes),
        Just(Step::Overwrite),
        Just(Step::Drop),
    ]
}

proptest! {
    #[test]
    fn scripts_read_the_same_after_every_step(
        start in vec(any::<u8>(), 0..20),
        script in vec((any::<usize>(), step()), 0..40),
    ) {
        let _baseline = ResourceBaseline::take();
        let (theirs, ours) = (theirs::script::play(&start, &script), ours::script::play(&start, &script));
        for ((step, theirs), ours) in script.iter().zip(theirs).zip(ours) {
            prop_assert_eq!(ours, theirs, "after {:?}", step);
        }
    }
}
