//! The models that the fuzz targets run: those of the crate's own tests.

#[path = "../../tests/models/mod.rs"]
pub mod models;

use arbitrary::{Arbitrary, Result, Unstructured};
use models::LONGEST;

/// Operations up to the end of the input, without separators, so that a fuzzer inserts or removes whole
/// operations.
#[derive(Debug)]
pub struct Ops<T>(pub Vec<T>);

impl<'a, T: Arbitrary<'a>> Arbitrary<'a> for Ops<T> {
    fn arbitrary(input: &mut Unstructured<'a>) -> Result<Self> {
        let mut ops = Vec::new();
        while !input.is_empty() && ops.len() < LONGEST {
            ops.push(T::arbitrary(input)?);
        }
        Ok(Self(ops))
    }
}

/// A target that runs a model.
#[macro_export]
macro_rules! fuzz_model {
    ($model:ty) => {
        libfuzzer_sys::fuzz_target!(|ops: $crate::Ops<<$model as $crate::models::Model>::Op>| {
            $crate::models::run::<$model>(&ops.0);
        });
    };
}
