//! The system calls, as a fault plan sees them.

macro_rules! calls {
    ($($(#[$doc:meta])* $call:ident,)+) => {
        /// A kind of call.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[cfg_attr(
            not(all(target_os = "linux", not(any(bytebuf_portable, miri)))),
            allow(dead_code, reason = "fewer of them exist there")
        )]
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
    /// Gathered write to anything.
    Write,
    /// Gathered write to a socket that takes the memory itself.
    SendZeroCopy,
    /// A socket that is to be lent memory.
    SetZeroCopy,
    /// Read of a socket's error queue.
    Notice,
    /// Read of a file at an offset.
    ReadAt,
    /// Write of a file at an offset.
    WriteAt,
    /// Room for a file on its disk.
    Allocate,
    /// Length of a file.
    SetLen,
    /// A file into memory.
    Map,
    /// A file out of memory again.
    Unmap,
    /// How a file in memory will be used.
    Advise,
    /// A file in memory that is to stay there.
    Lock,
    /// A range of a file in memory to the disk.
    Flush,
    /// Memory for the pool.
    MapMemory,
    /// Memory of the pool back to the system.
    UnmapMemory,
    /// Pages of the pool back to the system, or how they are to be backed.
    AdviseMemory,
    /// A thread.
    Spawn,
    /// A file opened.
    Open,
    /// A second descriptor for a file.
    Duplicate,
    /// What a descriptor is and how long its file is.
    Stat,
    /// A lock on a file.
    LockFile,
    /// A name for a file.
    Link,
    /// A name removed.
    Unlink,
    /// A file in memory alone.
    MemoryFile,
    /// What may be done with a file in memory: set, or asked.
    Seal,
    /// A range of a file into memory in the background.
    WillNeed,
    /// Whether a descriptor has something.
    Poll,
    /// A file's way to the disk.
    SyncData,
    /// File to descriptor inside the kernel.
    Sendfile,
    /// File to file inside the kernel.
    CopyRange,
    /// Read of a stream.
    Read,
    /// Read of a stream into several pieces of memory.
    ReadVectored,
    /// A new pipe.
    Pipe,
    /// How much a pipe holds.
    PipeSize,
    /// Descriptor to pipe inside the kernel.
    SpliceIn,
    /// Pipe to descriptor inside the kernel.
    SpliceOut,
}

#[cfg(test)]
impl Call {
    /// Whether it may move a part of what it is offered.
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

    /// Whether it is made for the pool's sake: on whatever thread, at whatever time.
    pub(crate) fn is_of_pool(self) -> bool {
        use Call::*;
        matches!(self, MapMemory | UnmapMemory | AdviseMemory | Spawn)
    }
}
