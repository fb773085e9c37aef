//! Each way from a file to a socket, as a program writes it with this library.

use std::fs::File;
use std::io::{self, Write};
use std::net::TcpStream;
use std::sync::Arc;

use bytebuf::{FileRegion, MappedFile, Payload, Pool, Splice, Spliced, WriteQueue};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Path {
    /// Read into a pooled buffer of this many bytes, and written from there.
    ReadWrite(usize),
    /// Written from a mapping.
    MapWrite,
    /// Sent with zero-copy from a mapping, until the kernel reports that it copies.
    MapLend,
    /// Moved by the kernel.
    Sendfile,
    /// Moved by the kernel, through a pooled pipe.
    Splice,
}

/// All paths, in the order of the output.
pub(crate) const PATHS: [Path; 6] = [
    Path::ReadWrite(64 * 1024),
    Path::ReadWrite(1024 * 1024),
    Path::MapWrite,
    Path::MapLend,
    Path::Sendfile,
    Path::Splice,
];

/// Minimum length of a zero-copy send.
const LENT: usize = 64 * 1024;

/// The result of a path.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sent {
    pub(crate) system_calls: u64,
    /// Zero-copy sends, and the number of them that the kernel has copied.
    pub(crate) lent: u64,
    pub(crate) copied: u64,
}

impl Path {
    pub(crate) fn title(self) -> String {
        match self {
            Self::ReadWrite(window) => format!("read + write, {} KiB", window / 1024),
            Self::MapWrite => "mmap + write".to_owned(),
            Self::MapLend => "mmap + MSG_ZEROCOPY".to_owned(),
            Self::Sendfile => "sendfile".to_owned(),
            Self::Splice => "splice".to_owned(),
        }
    }

    /// How often the sender's processor copies each byte: out of the page cache, into the socket. Over
    /// loopback the kernel also copies zero-copy sends.
    pub(crate) fn copies(self) -> u32 {
        match self {
            Self::ReadWrite(_) => 2,
            Self::MapWrite | Self::MapLend => 1,
            Self::Sendfile | Self::Splice => 0,
        }
    }

    /// Sends the file and tells `progress` how far it is.
    pub(crate) fn send(
        self,
        file: &Arc<File>,
        to: &TcpStream,
        progress: impl FnMut(u64),
    ) -> io::Result<Sent> {
        let length = file.metadata()?.len();
        let region = FileRegion::new(file.clone(), 0..length);
        match self {
            Self::ReadWrite(window) => read_write(region, window, to, progress),
            Self::MapWrite => queue(WriteQueue::new(), map(file)?, to, progress),
            Self::MapLend => {
                queue(WriteQueue::new().with_zero_copy(LENT), map(file)?, to, progress)
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
    window: usize,
    mut to: &TcpStream,
    mut progress: impl FnMut(u64),
) -> io::Result<Sent> {
    let mut buffer = Pool::global().alloc(window);
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
    what: Payload,
    to: &TcpStream,
    mut progress: impl FnMut(u64),
) -> io::Result<Sent> {
    queue.push(what);
    while !queue.flush(to)?.is_done() {
        progress(queue.flushed_bytes());
    }
    // Sends still in flight when the queue ends use the pages of the file, which does not change.
    let stats = queue.stats();
    let (lent, copied) = (stats.zero_copy_sends, stats.zero_copy_copied);
    Ok(Sent { system_calls: stats.system_calls(), lent, copied })
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
