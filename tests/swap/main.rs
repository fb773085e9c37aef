//! Code written for `bytes` compiles and means the same with the names swapped: the same tests run
//! on the types of `bytes` and on ours.
#![allow(clippy::duplicate_mod, reason = "that is the point")]

/// The types of `bytes`: the tests describe them rightly.
#[path = "."]
mod theirs {
    use bytes::{Bytes, BytesMut};

    mod handles;
    mod traits;
}

/// Ours, under their names.
#[path = "."]
mod ours {
    use bytebuf::{ByteBuf as BytesMut, ByteView as Bytes};

    mod handles;
    mod traits;
}
