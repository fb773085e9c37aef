//! System calls for any system: only reads and writes. The same bytes arrive, with more copies.
//!
//! No flag suppresses SIGPIPE here. Rust's runtime ignores that signal before `main`; a program in another
//! language must do so itself.

mod barrier;
mod file;
#[cfg(unix)]
mod file_mapping;
mod memory;
#[cfg(unix)]
mod pipe;
#[cfg(unix)]
mod socket;
#[cfg(unix)]
mod zerocopy;

pub(crate) use barrier::{heavy, is_available, light};
pub(super) use file::{
    end_of_data, link_file, linkable_file, next_data, preallocate, rename_new, will_need,
    zero_range,
};
#[cfg(unix)]
pub(super) use file_mapping::{
    give_name, is_sealed, populate, populate_mut, seal, sealable_file, unnamed_file,
};
#[cfg(unix)]
pub(super) use memory::are_whole_pages;
pub(super) use memory::{advise_huge, discard, map, unmap};
#[cfg(unix)]
pub(super) use pipe::{REFUSES_PAIR, copy_range, pipe, pipe_size, sendfile, set_pipe_size, splice};
#[cfg(unix)]
pub(super) use socket::{are_direct, send, set_tcp_nodelay, tcp_cork, tcp_nodelay};
#[cfg(unix)]
pub(super) use zerocopy::{enable_zero_copy, next_completion, send_zero_copy, socket_id};

/// Whether `sendfile` and other transfers inside the kernel are made.
#[cfg(all(test, unix))]
pub(crate) const TRANSFERS_IN_KERNEL: bool = false;
