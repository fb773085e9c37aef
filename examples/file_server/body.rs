//! A body that enters the queue piece by piece, or bypasses it.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;

use bytebuf::{FileRegion, MappedFile, Payload, Pool, Splice, Spliced};

use crate::page::Page;
use crate::reply::{CHUNK_LINE, Framing};
use crate::report::Counters;

/// The maximum size of a read from a file that is sent through memory. Measured with 16 MiB: 256 KiB cost 1.3 times the processor
/// time, 64 KiB 1.5 times. A slow peer holds one such buffer, besides the megabytes in the kernel.
const READ_MAX: u64 = 512 * 1024;
/// The length of a mapping.
const MAP_LEN: u64 = 256 * 1024;
/// The system calls for a mapping: they create, fill, seal, inspect, map and unmap a file in memory, and copy or close three
/// descriptors.
const MAP_CALLS: u64 = 11;

/// The rest of a body.
#[derive(Debug)]
pub(crate) enum Rest {
    /// Read into pooled buffers, which are queued one by one.
    Copied(FileRegion),
    /// Copied into a mapping and queued part by part. The file itself is not mapped, because another process may truncate it,
    /// which would kill this process.
    Mapped(FileRegion),
    /// Spliced to the socket; this bypasses the queue, which must be empty.
    Spliced { splice: Splice, file: Arc<File>, length: u64 },
    /// The page of a directory; each piece is written when the queue takes it.
    Listed { page: Box<Page>, framing: Framing },
}

impl Rest {
    pub(crate) fn spliced(region: &FileRegion, file: Arc<File>) -> Self {
        let splice = Splice::new().with_offset(region.position()).with_limit(region.len());
        Self::Spliced { splice, file, length: region.len() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::Copied(region) | Self::Mapped(region) => region.is_empty(),
            Self::Spliced { splice, .. } => splice.is_done(),
            Self::Listed { page, .. } => page.is_done(),
        }
    }

    /// Returns whether the client takes the end of the connection for the end of the body.
    pub(crate) fn ends_with_connection(&self) -> bool {
        matches!(self, Self::Listed { framing: Framing::UntilClose, .. })
    }

    /// Returns the next piece for the queue; `None` if the body bypasses the queue.
    pub(crate) fn piece(&mut self, counters: &mut Counters) -> io::Result<Option<Payload>> {
        match self {
            Self::Copied(region) => {
                let mut buffer = Pool::global().alloc(region.len().min(READ_MAX) as usize);
                counters.system_calls += 1;
                let read = region.read_at(0, &mut buffer)?;
                region.advance(read as u64);
                Ok(Some(buffer.freeze().into()))
            }
            Self::Mapped(region) => {
                let part = region.split_to(region.len().min(MAP_LEN));
                let range = part.position()..part.position() + part.len();
                counters.system_calls += MAP_CALLS;
                let map = MappedFile::snapshot(part.file(), range)?;
                Ok(Some(map.view().clone().into()))
            }
            Self::Listed { page, framing } => {
                let piece = page.piece(CHUNK_LINE)?;
                counters.system_calls += page.take_system_calls();
                Ok(Some(framing.frame(piece, page.is_done()).freeze().into()))
            }
            Self::Spliced { .. } => Ok(None),
        }
    }

    /// Splices to the socket; returns `None` if the body goes through the queue.
    pub(crate) fn splice_to(
        &mut self,
        socket: impl AsFd,
        counters: &mut Counters,
    ) -> io::Result<Option<Spliced>> {
        let Self::Spliced { splice, file, length } = self else { return Ok(None) };
        let (calls, moved) = (splice.system_calls(), splice.moved_bytes());
        let spliced = splice.transfer(&**file, socket);
        counters.add_splice(splice.system_calls() - calls, splice.moved_bytes() - moved);
        let spliced = spliced?;
        if splice.is_done() && splice.moved_bytes() < *length {
            let message = "the file is shorter than it was when its length was sent";
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
        }
        Ok(Some(spliced))
    }
}
