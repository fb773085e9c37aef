//! The one table of what may differ from Netty, and why.

/// A reason for which a step is not compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Difference {
    Negative,
    Aliasing,
    Quirks,
    ReadOnly,
    Counts,
    Boundaries,
    NeedleLength,
}

/// The steps that differ, by name, and the reason.
pub(crate) const DIFFERENCES: &[(Difference, &str, &str)] = &[
    (
        Difference::Negative,
        "any op with a negative index or length",
        "an index is a usize: the call can't be written down; Netty changes nothing by it",
    ),
    (
        Difference::Aliasing,
        "steps and traces marked aliasing",
        "a use after the last release, a write to a read-only view, a write seen through another \
         view: none compiles",
    ),
    (
        Difference::Quirks,
        "traces of the family quirks",
        "mistakes of Netty, recorded and not followed",
    ),
    (
        Difference::ReadOnly,
        "isReadOnly",
        "the type says it: a ByteView is read-only, a ByteBuf is not",
    ),
    (
        Difference::Counts,
        "refCnt, retain, release",
        "every handle counts for itself and is given back by its drop: there is no count to keep",
    ),
    (
        Difference::Boundaries,
        "numComponents, maxNumComponents, nioBufferCount",
        "a composite drops empty parts and has no largest number of them; content is compared, \
         and the pieces of nioBuffers end to end",
    ),
    (
        Difference::NeedleLength,
        "bitap with a needle over 64 bytes",
        "the search that replaces it takes needles of any length",
    ),
];
