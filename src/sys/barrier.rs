//! An asymmetric memory barrier, free for the frequent side.
//!
//! Two threads each store to their own word and then load the word of the other thread. If both execute a full
//! barrier in between, at least one of them sees the store of the other. [`light`] and [`heavy`] are such a pair.
//! The thread that runs the protocol millions of times a second uses `light`. The other thread uses `heavy`, which
//! makes every running thread of the process execute a full barrier (`membarrier`, Linux 4.14). On other systems both
//! are full fences.

pub(crate) use super::os::{heavy, is_available, light};
