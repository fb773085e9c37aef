//! The system call `membarrier`, and the compiler fence for it. A model of the kernel replaces this file.

pub(super) use core::sync::atomic::compiler_fence;
use rustix::thread::{MembarrierCommand, membarrier, membarrier_query};

/// Registers the process for [`expedited`]. Returns whether the kernel has the call and allows it.
pub(super) fn register() -> bool {
    membarrier_query().contains_command(MembarrierCommand::PrivateExpedited)
        && membarrier(MembarrierCommand::RegisterPrivateExpedited).is_ok()
}

/// Makes each running thread of the process execute a full barrier. Returns whether this succeeded.
pub(super) fn expedited() -> bool {
    membarrier(MembarrierCommand::PrivateExpedited).is_ok()
}
