//! Buffer groups and queues on a real ring of the kernel. Where it allows none, each test says so and passes.
#![cfg(all(target_os = "linux", target_pointer_width = "64", target_endian = "little", not(miri)))]
#![allow(
    unsafe_code,
    reason = "submitting a request, and saying what completed, is the caller's word"
)]

mod receiving;
#[path = "../support/resource_baseline.rs"]
mod resource_baseline;
mod ring;
mod sending;
#[path = "../../src/test_data.rs"]
mod test_data;
#[path = "../../src/test_io.rs"]
mod test_io;
