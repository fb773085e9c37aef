//! System calls of Linux, with all transfers inside the kernel.

mod barrier;
mod file;
mod file_mapping;
mod membarrier;
mod memory;
mod pipe;
mod socket;
mod zerocopy;

pub(crate) use barrier::{heavy, is_available, light};
pub(super) use file::{
    end_of_data, link_file, linkable_file, next_data, preallocate, rename_new, will_need,
    zero_range,
};
pub(super) use file_mapping::{
    give_name, is_sealed, populate, populate_mut, seal, sealable_file, unnamed_file,
};
pub(super) use memory::{advise_huge, are_whole_pages, discard, map, unmap};
pub(super) use pipe::{REFUSES_PAIR, copy_range, pipe, pipe_size, sendfile, set_pipe_size, splice};
pub(super) use socket::{are_direct, send, set_tcp_nodelay, tcp_cork, tcp_nodelay};
pub(super) use zerocopy::{enable_zero_copy, next_completion, send_zero_copy, socket_id};

/// Whether `sendfile` and other transfers inside the kernel are made.
#[cfg(test)]
pub(crate) const TRANSFERS_IN_KERNEL: bool = true;
