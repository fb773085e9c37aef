//! TLS by rustls: the queue is flushed into a session, and the session's records to the socket.
//!
//! A session holds at most [`PLAINTEXT_MAX`] bytes that the socket has not taken, and one record of the peer. This server encrypts
//! in the process; it does not use the TLS of the kernel (kTLS), which `sendfile` could use.

use std::fs;
use std::io::{self, BufRead, ErrorKind, IoSlice, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use bytebuf::{ByteBuf, Flush, WriteQueue};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};

use crate::channel::Received;
use crate::report::Counters;

/// Bytes that a session takes from the queue before the socket has taken them.
const PLAINTEXT_MAX: usize = 64 * 1024;

/// Bytes that one connection encrypts in its turn.
const TURN: u64 = 256 * 1024;

/// Reads a certificate chain and its key, both in PEM.
pub(crate) fn config(certificate: &Path, key: &Path) -> io::Result<Arc<ServerConfig>> {
    let unusable = |what: &str, path: &Path, error: &dyn std::error::Error| {
        let message = format!("no usable {what} in {}: {error}", path.display());
        io::Error::new(ErrorKind::InvalidData, message)
    };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unusable("certificate", certificate, &error))?;
    let private =
        PrivateKeyDer::from_pem_file(key).map_err(|error| unusable("key", key, &error))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, private))
        .map_err(|error| unusable("certificate", certificate, &error))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Creates a self-signed certificate for this machine, and its key, in new files: both or none.
pub(crate) fn make_pair(certificate: &Path, key: &Path) -> io::Result<()> {
    let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let pair = rcgen::generate_simple_self_signed(names).map_err(io::Error::other)?;
    create(key, 0o600, &pair.signing_key.serialize_pem())?;
    create(certificate, 0o644, &pair.cert.pem()).inspect_err(|_| drop(fs::remove_file(key)))
}

/// Creates a file with this text; leaves no file if that fails.
fn create(path: &Path, mode: u32, text: &str) -> io::Result<()> {
    let file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let created = file.and_then(|mut file| {
        file.write_all(text.as_bytes()).inspect_err(|_| drop(fs::remove_file(path)))
    });
    created.map_err(|error| {
        let advice = match error.kind() {
            ErrorKind::AlreadyExists => "; without --self-signed the server uses the file",
            _ => "",
        };
        let message = format!("cannot create {}: {error}{advice}", path.display());
        io::Error::new(error.kind(), message)
    })
}

#[derive(Debug)]
pub(crate) struct Session {
    socket: TcpStream,
    tls: ServerConnection,
    /// The session has sent its end to the peer.
    has_ended: bool,
}

impl Session {
    pub(crate) fn new(socket: OwnedFd, config: Arc<ServerConfig>) -> io::Result<Self> {
        let mut tls = ServerConnection::new(config).map_err(io::Error::other)?;
        tls.set_buffer_limit(Some(PLAINTEXT_MAX));
        Ok(Self { socket: socket.into(), tls, has_ended: false })
    }

    /// Receives up to `limit` bytes into the spare capacity of `inbox`, with one read from the socket at
    /// most. [`flush`](Self::flush) sends the replies of the handshake.
    pub(crate) fn receive(
        &mut self,
        inbox: &mut ByteBuf,
        limit: usize,
        counters: &mut Counters,
    ) -> io::Result<Received> {
        // Decrypted bytes come first, because no event announces them.
        match self.read_plaintext(inbox, limit)? {
            Received::Nothing => {}
            received => return Ok(received),
        }
        counters.system_calls += 1;
        match self.tls.read_tls(&mut self.socket) {
            Ok(0) => return Ok(Received::End),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Received::Nothing),
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(Received::Again),
            Err(error) => return Err(error),
        }
        if let Err(error) = self.tls.process_new_packets() {
            // The alert tells the peer the reason. The connection ends in any case.
            let _ = self.send_records(counters);
            return Err(io::Error::new(ErrorKind::InvalidData, error));
        }
        match self.read_plaintext(inbox, limit)? {
            Received::Nothing => Ok(Received::Again),
            received => Ok(received),
        }
    }

    fn read_plaintext(&mut self, inbox: &mut ByteBuf, limit: usize) -> io::Result<Received> {
        let mut plaintext = self.tls.reader();
        match plaintext.fill_buf() {
            Ok([]) => Ok(Received::End),
            Ok(bytes) => {
                let taken = bytes.len().min(limit);
                inbox.extend_from_slice(&bytes[..taken]);
                plaintext.consume(taken);
                Ok(Received::Bytes(taken))
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Received::Nothing),
            Err(error) => Err(error),
        }
    }

    /// Moves bytes from the queue into records, and records to the socket.
    pub(crate) fn flush(
        &mut self,
        outbox: &mut WriteQueue,
        counters: &mut Counters,
    ) -> io::Result<Flush> {
        let mut moved = 0;
        loop {
            if !self.send_records(counters)? {
                return Ok(Flush::WouldBlock(moved));
            }
            if outbox.is_empty() {
                return Ok(Flush::Done(moved));
            }
            if moved >= TURN {
                return Ok(Flush::BudgetSpent(moved));
            }
            let flush = outbox.flush_into(&mut Plaintext(self.tls.writer()))?;
            moved += flush.bytes();
            if !self.tls.wants_write() {
                // The session is full until the handshake has ended.
                return Ok(Flush::WouldBlock(moved));
            }
        }
    }

    /// Returns whether records wait for the socket.
    pub(crate) fn has_unsent(&self) -> bool {
        self.tls.wants_write()
    }

    /// Sends the record that ends the stream. Returns false if the socket must be writable first.
    pub(crate) fn end(&mut self, counters: &mut Counters) -> io::Result<bool> {
        if !std::mem::replace(&mut self.has_ended, true) {
            self.tls.send_close_notify();
        }
        self.send_records(counters)
    }

    /// Sends the encrypted records. Returns false if the socket does not take all of them.
    fn send_records(&mut self, counters: &mut Counters) -> io::Result<bool> {
        while self.tls.wants_write() {
            counters.system_calls += 1;
            match self.tls.write_tls(&mut self.socket) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

impl AsFd for Session {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// The plaintext side of a session. With [`PLAINTEXT_MAX`] bytes it is full: a write returns
/// `WouldBlock`.
struct Plaintext<'s>(rustls::Writer<'s>);

impl Plaintext<'_> {
    fn taken(bytes: usize) -> io::Result<usize> {
        if bytes == 0 { Err(ErrorKind::WouldBlock.into()) } else { Ok(bytes) }
    }
}

impl Write for Plaintext<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Self::taken(self.0.write(bytes)?)
    }

    fn write_vectored(&mut self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        Self::taken(self.0.write_vectored(bytes)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
