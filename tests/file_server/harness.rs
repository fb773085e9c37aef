//! A running server, a plain socket client, and files to serve.

use std::fs;
use std::hash::{DefaultHasher, Hasher};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use rustix::net::sockopt::set_socket_recv_buffer_size;
use rustix::net::{AddressFamily, SocketType, connect, socket};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

#[path = "../support/example.rs"]
mod example;

/// How bodies travel.
pub(crate) const PATHS: [&str; 4] = ["sendfile", "splice", "mmap", "copy"];

pub(crate) fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| example::build("file_server"))
}

/// Files to serve, in a directory that has neighbours that must not be.
pub(crate) struct Site {
    home: TempDir,
}

impl Site {
    pub(crate) fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("www")).unwrap();
        Self { home }
    }

    pub(crate) fn with(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.root().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    /// A directory that is not served.
    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.home.path().join("www")
    }

    /// Adds that many empty files to a directory, and returns their names in order.
    pub(crate) fn with_empty_files(&self, directory: &str, count: usize) -> Vec<String> {
        fs::create_dir_all(self.root().join(directory)).unwrap();
        let name = |n| format!("file-{n:05}.txt");
        let names: Vec<String> = (0..count).map(name).collect();
        for name in &names {
            fs::File::create(self.root().join(directory).join(name)).unwrap();
        }
        names
    }

    pub(crate) fn start(&self) -> Server {
        Server::start(Command::new(binary()).args(["--listen", "127.0.0.1:0"]).arg(self.root()))
    }

    pub(crate) fn start_with(&self, options: &[&str]) -> Server {
        Server::start(
            Command::new(binary()).args(["--listen", "127.0.0.1:0"]).args(options).arg(self.root()),
        )
    }
}

/// A server process; it dies with this value.
pub(crate) struct Server {
    child: Child,
    out: BufReader<ChildStdout>,
    pub(crate) address: SocketAddr,
}

impl Server {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let (said, address) = line.trim_end().split_once("://").expect(&line);
        assert!(["listening on http", "listening on https"].contains(&said), "{line}");
        let address = address.parse().unwrap();
        Self { child, out, address }
    }

    pub(crate) fn url(&self, target: &str) -> String {
        format!("http://{}{target}", self.address)
    }

    pub(crate) fn connect(&self) -> Client {
        Client::new(TcpStream::connect(self.address).unwrap())
    }

    /// A client that takes little from the network before it reads.
    pub(crate) fn connect_narrow(&self) -> Client {
        let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        set_socket_recv_buffer_size(&socket, 4096).unwrap();
        connect(&socket, &self.address).unwrap();
        Client::new(socket.into())
    }

    /// The reply to one request on a connection of its own.
    pub(crate) fn get(&self, target: &str) -> Reply {
        self.connect().get(target, "")
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Reads what it says until it ends, which it must do without an error.
    pub(crate) fn last_words(mut self) -> String {
        let mut words = String::new();
        self.out.read_to_string(&mut words).unwrap();
        assert!(self.child.wait().unwrap().success());
        words
    }

    /// A file under `/proc/PID`.
    pub(crate) fn proc(&self, name: &str) -> PathBuf {
        Path::new("/proc").join(self.child.id().to_string()).join(name)
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn open_files(&self) -> usize {
        fs::read_dir(self.proc("fd")).unwrap().count()
    }

    /// Resident memory in KiB.
    pub(crate) fn resident(&self) -> u64 {
        let status = fs::read_to_string(self.proc("status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    pub(crate) fn length(&self) -> u64 {
        self.field("Content-Length").unwrap().parse().unwrap()
    }

    pub(crate) fn text(&self) -> &str {
        str::from_utf8(&self.body).unwrap()
    }
}

/// One connection, with nothing between the test and the bytes.
pub(crate) struct Client(BufReader<TcpStream>);

impl Client {
    fn new(stream: TcpStream) -> Self {
        // No test waits that long; a server that hangs fails the test instead of hanging it.
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Self(BufReader::new(stream))
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.get_mut().write_all(bytes.as_ref()).unwrap();
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        self.0.get_ref()
    }

    pub(crate) fn get(&mut self, target: &str, fields: &str) -> Reply {
        self.send(request("GET", target, fields));
        self.reply()
    }

    pub(crate) fn head(&mut self, target: &str, fields: &str) -> Reply {
        self.send(request("HEAD", target, fields));
        self.reply_head()
    }

    /// Sends bytes that need not be a request and reads a reply.
    pub(crate) fn raw(&mut self, bytes: impl AsRef<[u8]>) -> Reply {
        self.send(bytes);
        self.reply()
    }

    pub(crate) fn reply_head(&mut self) -> Reply {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(self.0.read_line(&mut head).unwrap(), 0, "the stream ended in {head:?}");
        }
        let status = head.strip_prefix("HTTP/1.1 ").unwrap()[..3].parse().unwrap();
        Reply { status, head, body: Vec::new() }
    }

    pub(crate) fn reply(&mut self) -> Reply {
        let mut reply = self.reply_head();
        if reply.field("Transfer-Encoding") == Some("chunked") {
            reply.body = self.chunks();
        } else if reply.status != 304 {
            reply.body = self.bytes(usize::try_from(reply.length()).unwrap());
        }
        reply
    }

    /// Reads a body in chunks, up to and with the empty one.
    pub(crate) fn chunks(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).unwrap();
            let length = usize::from_str_radix(line.strip_suffix("\r\n").unwrap(), 16).unwrap();
            body.extend(self.bytes(length));
            assert_eq!(self.bytes(2), b"\r\n");
            if length == 0 {
                return body;
            }
        }
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.0.read_exact(&mut bytes).unwrap();
        bytes
    }

    /// Reads up to the end of the stream.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).unwrap();
        rest
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let mut byte = [0];
        self.0.read_exact(&mut byte).unwrap();
        byte[0]
    }
}

pub(crate) fn request(method: &str, target: &str, fields: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nHost: test\r\n{fields}\r\n")
}

pub(crate) fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}
