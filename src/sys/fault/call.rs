//! The system calls, as a fault plan sees them.

macro_rules! calls {
    ($($(#[$doc:meta])* $call:ident,)+) => {
        /// A kind of call.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[cfg_attr(not(unix), allow(dead_code, reason = "fewer of them are made there"))]
        pub(crate) enum Call {
            $($(#[$doc])* $call,)+
        }

        #[cfg(test)]
        impl Call {
            pub(crate) const ALL: &[Call] = &[$(Call::$call,)+];
        }
    };
}

calls! {
    /// Gathered write to a socket.
    Send,
    /// Gathered write to another descriptor.
    Write,
    /// Zero-copy send.
    SendZeroCopy,
    /// End of the sending direction of a socket.
    Shutdown,
    /// Query or change of `TCP_CORK` or `TCP_NODELAY`.
    Cork,
    /// Preparation of a socket for zero-copy sends, or query of its number.
    SetZeroCopy,
    /// Read of a completion from a socket's error queue.
    Completion,
    /// Read of a file at an offset.
    ReadAt,
    /// Write of a file at an offset.
    WriteAt,
    /// Allocation of disk blocks for a file.
    Allocate,
    /// Change of a file's length.
    SetLen,
    /// Mapping of a file.
    Map,
    /// Unmapping of a file.
    Unmap,
    /// Advice about a mapped file.
    Advise,
    /// Locking of a mapped file in memory.
    Lock,
    /// Flush of a range of a mapped file to the disk.
    Flush,
    /// Mapping of memory for the pool.
    MapMemory,
    /// Unmapping of memory of the pool.
    UnmapMemory,
    /// Release of pages of the pool to the system, or advice about how to back them.
    AdviseMemory,
    /// Start of a thread.
    Spawn,
    /// Opening of a file.
    Open,
    /// Change of a descriptor to blocking or non-blocking.
    SetBlocking,
    /// A second descriptor of an open file.
    Duplicate,
    /// Query of a file's or descriptor's kind, flags and length.
    Stat,
    /// A lock on a file.
    LockFile,
    /// Naming of a file.
    Link,
    /// Removal of a name.
    Unlink,
    /// A new file in memory.
    MemoryFile,
    /// Seals of a file in memory: set or queried.
    Seal,
    /// Read-ahead of a range of a file.
    WillNeed,
    /// Query or change of a file's cursor.
    Seek,
    /// Query whether a descriptor is readable, or wait until it is writable.
    Poll,
    /// Flush of a file to the disk.
    SyncData,
    /// Flush of a file and of its metadata to the disk.
    SyncAll,
    /// Search for the holes of a file.
    NextData,
    /// Zeros for a range of a file.
    ZeroRange,
    /// File to descriptor inside the kernel.
    Sendfile,
    /// File to file inside the kernel.
    CopyRange,
    /// Read of a stream.
    Read,
    /// Read of a stream into several slices.
    ReadVectored,
    /// A new pipe.
    Pipe,
    /// Change of a pipe's capacity.
    PipeSize,
    /// Descriptor to pipe inside the kernel.
    SpliceIn,
    /// Pipe to descriptor inside the kernel.
    SpliceOut,
}

#[cfg(test)]
impl Call {
    /// Returns whether the call may move a part of the bytes that it is offered.
    pub(crate) fn moves_bytes(self) -> bool {
        use Call::*;
        matches!(
            self,
            Send | SendZeroCopy
                | Write
                | ReadAt
                | WriteAt
                | Sendfile
                | CopyRange
                | Read
                | ReadVectored
                | SpliceIn
                | SpliceOut
        )
    }

    /// Returns whether the call moves bytes inside the kernel, where a result of 0 does not prove an end.
    pub(crate) fn proves_no_end(self) -> bool {
        matches!(self, Self::Sendfile | Self::CopyRange | Self::SpliceIn)
    }

    /// Returns whether the pool makes the call, on any thread and at any time.
    pub(crate) fn is_of_pool(self) -> bool {
        use Call::*;
        matches!(self, MapMemory | UnmapMemory | AdviseMemory | Spawn)
    }
}
