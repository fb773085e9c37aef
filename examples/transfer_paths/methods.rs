//! The methods to send a file to a socket, as a program writes them with this crate.

use std::fs::File;
use std::io::{self, Write};
use std::net::TcpStream;
use std::sync::Arc;

use bytebuf::{FileRegion, MappedFile, Payload, Pool, Splice, Spliced, WriteQueue};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// Reads into a pooled buffer of this many bytes and writes it.
    ReadWrite(usize),
    /// Writes from a mapping.
    MapWrite,
    /// Sends with zero-copy from a mapping, until the kernel reports that it copies.
    MapZeroCopy,
    /// The kernel moves the bytes.
    Sendfile,
    /// The kernel moves the bytes through a pooled pipe.
    Splice,
}

/// All methods, in the order of the output.
pub(crate) const METHODS: [Method; 6] = [
    Method::ReadWrite(64 * 1024),
    Method::ReadWrite(1024 * 1024),
    Method::MapWrite,
    Method::MapZeroCopy,
    Method::Sendfile,
    Method::Splice,
];

/// Minimum length of a zero-copy send.
const ZERO_COPY_MIN: usize = 64 * 1024;

/// The counters of one transfer.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sent {
    pub(crate) system_calls: u64,
    /// Zero-copy sends.
    pub(crate) zero_copy: u64,
    /// Zero-copy sends that the kernel reported as copied.
    pub(crate) copied: u64,
}

impl Method {
    pub(crate) fn title(self) -> String {
        match self {
            Self::ReadWrite(size) => format!("read + write, {} KiB", size / 1024),
            Self::MapWrite => "mmap + write".to_owned(),
            Self::MapZeroCopy => "mmap + MSG_ZEROCOPY".to_owned(),
            Self::Sendfile => "sendfile".to_owned(),
            Self::Splice => "splice".to_owned(),
        }
    }

    /// Returns how often the sender's processor copies each byte: out of the page cache, into the socket.
    /// Over loopback the kernel also copies zero-copy sends.
    pub(crate) fn copies(self) -> u32 {
        match self {
            Self::ReadWrite(_) => 2,
            Self::MapWrite | Self::MapZeroCopy => 1,
            Self::Sendfile | Self::Splice => 0,
        }
    }

    /// Sends the file and calls `progress` with the bytes sent so far.
    pub(crate) fn send(
        self,
        file: &Arc<File>,
        to: &TcpStream,
        progress: impl FnMut(u64),
    ) -> io::Result<Sent> {
        let length = file.metadata()?.len();
        let region = FileRegion::new(file.clone(), 0..length);
        match self {
            Self::ReadWrite(size) => read_write(region, size, to, progress),
            Self::MapWrite => queue(WriteQueue::new(), map(file)?, to, progress),
            Self::MapZeroCopy => {
                queue(WriteQueue::new().with_zero_copy(ZERO_COPY_MIN), map(file)?, to, progress)
            }
            Self::Sendfile => queue(WriteQueue::new(), region.into(), to, progress),
            Self::Splice => splice(file, length, to, progress),
        }
    }
}

fn map(file: &File) -> io::Result<Payload> {
    Ok(MappedFile::sealed(file)?.view().clone().into())
}

fn read_write(
    mut region: FileRegion,
    size: usize,
    mut to: &TcpStream,
    mut progress: impl FnMut(u64),
) -> io::Result<Sent> {
    let mut buffer = Pool::global().alloc(size);
    let mut sent = Sent::default();
    while !region.is_empty() {
        buffer.clear();
        let read = region.read_at(0, &mut buffer)?;
        to.write_all(&buffer)?;
        region.advance(read as u64);
        sent.system_calls += 2;
        progress(region.position());
    }
    Ok(sent)
}

fn queue(
    mut queue: WriteQueue,
    payload: Payload,
    to: &TcpStream,
    mut progress: impl FnMut(u64),
) -> io::Result<Sent> {
    queue.push(payload);
    while !queue.flush(to)?.is_done() {
        progress(queue.flushed_bytes());
    }
    // Sends still in flight when the queue is dropped read the pages of the file, which does not change.
    let stats = queue.stats();
    let (zero_copy, copied) = (stats.zero_copy_sends, stats.zero_copy_copied);
    Ok(Sent { system_calls: stats.system_calls(), zero_copy, copied })
}

fn splice(
    file: &File,
    length: u64,
    to: &TcpStream,
    mut progress: impl FnMut(u64),
) -> io::Result<Sent> {
    let mut splice = Splice::new().with_offset(0).with_limit(length);
    while !matches!(splice.transfer(file, to)?, Spliced::Done(_)) {
        progress(splice.moved_bytes());
    }
    Ok(Sent { system_calls: splice.system_calls(), ..Sent::default() })
}
