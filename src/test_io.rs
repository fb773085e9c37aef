//! Connections and files, for unit tests and `tests/`.
#![allow(dead_code, reason = "each test program uses its part")]

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;

/// Returns the two ends of a connection. Neither blocks.
pub(crate) fn unix_pair() -> (UnixStream, UnixStream) {
    let (near, far) = UnixStream::pair().unwrap();
    near.set_nonblocking(true).unwrap();
    far.set_nonblocking(true).unwrap();
    (near, far)
}

/// Returns the two ends of a connection over the loopback interface. The first one has connected. Both block.
pub(crate) fn tcp_pair() -> (TcpStream, TcpStream) {
    accepted(&TcpListener::bind("127.0.0.1:0").unwrap())
}

/// Returns the two ends of a new connection to this listener, as `tcp_pair` does.
pub(crate) fn accepted(listener: &TcpListener) -> (TcpStream, TcpStream) {
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (near, listener.accept().unwrap().0)
}

/// Reads until the connection ends or has no bytes now.
pub(crate) fn read_available(from: &mut impl Read, into: &mut Vec<u8>) {
    if let Err(error) = from.read_to_end(into) {
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
    }
}

/// Returns a temporary file with these bytes. Its cursor is at the end.
pub(crate) fn file_with(contents: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(contents).unwrap();
    file
}

pub(crate) fn contents_of(mut file: &File) -> Vec<u8> {
    let mut contents = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut contents).unwrap();
    contents
}
