//! Each way from a file to a socket, as a program would go it with this library.

use std::fs::File;
use std::io::{self, Write};
use std::net::TcpStream;
use std::sync::Arc;

use bytebuf::{FileRegion, MappedFile, Pool, Splice, Spliced, WriteQueue};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Path {
    /// Read into a pooled buffer of so many bytes, written from there.
    ReadWrite(usize),
    /// Written from a mapping.
    MapWrite,
    /// Moved by the kernel.
    Sendfile,
    /// Moved by the kernel, through a pooled pipe.
    Splice,
}

/// All of them, in the order in which they are shown.
pub(crate) const PATHS: [Path; 5] = [
    Path::ReadWrite(64 * 1024),
    Path::ReadWrite(1024 * 1024),
    Path::MapWrite,
    Path::Sendfile,
    Path::Splice,
];

impl Path {
    pub(crate) fn title(self) -> String {
        match self {
            Path::ReadWrite(window) => format!("read + write, {} KiB", window / 1024),
            Path::MapWrite => "mmap + write".to_owned(),
            Path::Sendfile => "sendfile".to_owned(),
            Path::Splice => "splice".to_owned(),
        }
    }

    /// How often the sender's processor copies each byte: out of the page cache, into the socket.
    pub(crate) fn copies(self) -> u32 {
        match self {
            Path::ReadWrite(_) => 2,
            Path::MapWrite => 1,
            Path::Sendfile | Path::Splice => 0,
        }
    }

    /// Sends the file, tells `progress` how far it is, and gives the number of system calls.
    pub(crate) fn send(
        self,
        file: &Arc<File>,
        to: &TcpStream,
        progress: impl FnMut(u64),
    ) -> io::Result<u64> {
        let length = file.metadata()?.len();
        let region = FileRegion::new(file.clone(), 0..length);
        match self {
            Path::ReadWrite(window) => read_write(region, window, to, progress),
            Path::MapWrite => queue(MappedFile::sealed(file)?.view().clone().into(), to, progress),
            Path::Sendfile => queue(region.into(), to, progress),
            Path::Splice => splice(file, length, to, progress),
        }
    }
}

fn read_write(
    mut region: FileRegion,
    window: usize,
    mut to: &TcpStream,
    mut progress: impl FnMut(u64),
) -> io::Result<u64> {
    let mut buffer = Pool::global().alloc(window);
    let mut system_calls = 0;
    while !region.is_empty() {
        buffer.clear();
        let read = region.read_at(0, &mut buffer)?;
        to.write_all(&buffer)?;
        region.advance(read as u64);
        system_calls += 2;
        progress(region.position());
    }
    Ok(system_calls)
}

fn queue(
    what: bytebuf::Outgoing,
    to: &TcpStream,
    mut progress: impl FnMut(u64),
) -> io::Result<u64> {
    let mut queue = WriteQueue::new();
    queue.push(what);
    while !queue.flush(to)?.is_done() {
        progress(queue.flushed_bytes());
    }
    Ok(queue.stats().system_calls())
}

fn splice(
    file: &File,
    length: u64,
    to: &TcpStream,
    mut progress: impl FnMut(u64),
) -> io::Result<u64> {
    let mut splice = Splice::new().with_offset(0).with_limit(length);
    while !matches!(splice.transfer(file, to)?, Spliced::Done(_)) {
        progress(splice.moved_bytes());
    }
    Ok(splice.system_calls())
}
