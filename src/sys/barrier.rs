//! A memory barrier that costs the frequent side nothing.
//!
//! Two threads store to one word each and then read the other's. At least one of them sees the other's store, if
//! each has a full barrier in between. [`light`] and [`heavy`] are such a pair: the thread that goes through the
//! protocol millions of times a second uses `light`, the rare one uses `heavy`, which makes every running thread
//! of the process execute a full barrier (`membarrier`, Linux 4.14). On other systems both are full fences.

pub(crate) use super::os::{heavy, is_available, light};
