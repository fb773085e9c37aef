//! Only what its documentation is: the page, whose programs `cargo test --doc` compiles and runs.

#[cfg(doctest)]
#[doc = include_str!("../../docs/interop.md")]
struct Page;
