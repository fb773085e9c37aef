//! Buffer groups and queues on a real ring of the kernel. Where it allows none, each test says so and passes.
#![cfg(all(target_os = "linux", target_pointer_width = "64", target_endian = "little", not(miri)))]
#![allow(
    unsafe_code,
    reason = "submitting a request, and saying what completed, is the caller's word"
)]

#[path = "../support/floor.rs"]
mod floor;
mod receiving;
mod ring;
mod sending;
