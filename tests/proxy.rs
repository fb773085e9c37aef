//! Starts the real proxy between real sockets, by both of its paths.
#![cfg(unix)]

#[path = "support/resource_baseline.rs"]
mod resource_baseline;
#[path = "../src/test_data.rs"]
mod test_data;

use resource_baseline::ResourceBaseline;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::Duration;
use test_data::noise;

#[path = "support/example.rs"]
mod example;

/// A proxy before a listener of the test's; it dies with this value.
struct Proxy {
    child: Child,
    out: BufReader<ChildStdout>,
    address: SocketAddr,
    server: TcpListener,
}

impl Proxy {
    fn start(path: &str) -> Self {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut child = Command::new(example::build("proxy"))
            .args(["--listen", "127.0.0.1:0", "--path", path, "--to"])
            .arg(server.local_addr().unwrap().to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut proxy = Self { child, out, address, server };
        let line = proxy.line();
        let address = line.strip_prefix("listening on ").unwrap().split(',').next().unwrap();
        proxy.address = address.parse().unwrap();
        proxy
    }

    /// The two ends of a connection through the proxy.
    fn connect(&self) -> (TcpStream, TcpStream) {
        let ends = (TcpStream::connect(self.address).unwrap(), self.server.accept().unwrap().0);
        // No test waits that long; a proxy that hangs fails the test instead of hanging it.
        for end in [&ends.0, &ends.1] {
            end.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        }
        ends
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        line
    }

    fn open_files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn send_all(mut stream: &TcpStream, bytes: &[u8]) {
    stream.write_all(bytes).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
}

fn rest(mut stream: &TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn both_directions_arrive_whole_and_are_counted() {
    let _baseline = ResourceBaseline::take();
    for path in ["splice", "copy"] {
        let mut proxy = Proxy::start(path);
        let (client, server) = proxy.connect();
        let (there, back) = (noise(1, 5_000_001), noise(2, 3_000_003));
        thread::scope(|scope| {
            scope.spawn(|| send_all(&client, &there));
            scope.spawn(|| send_all(&server, &back));
            scope.spawn(|| assert!(rest(&client) == back));
            assert!(rest(&server) == there);
        });
        let line = proxy.line();
        assert!(
            line.contains(" 5000001 bytes to the server, 3000003 bytes to the client "),
            "{line}"
        );
        assert!(line.ends_with(" done\n"), "{line}");
    }
}

#[test]
fn a_client_that_half_closes_still_gets_its_answer() {
    let _baseline = ResourceBaseline::take();
    for path in ["splice", "copy"] {
        let proxy = Proxy::start(path);
        let (client, server) = proxy.connect();
        send_all(&client, b"what is the time?");
        assert_eq!(rest(&server), b"what is the time?");
        send_all(&server, b"late");
        assert_eq!(rest(&client), b"late");
    }
}

#[test]
fn a_stalled_connection_does_not_hold_up_the_others() {
    let _baseline = ResourceBaseline::take();
    for path in ["splice", "copy"] {
        let proxy = Proxy::start(path);
        let (stalled, _unread) = proxy.connect();
        stalled.set_nonblocking(true).unwrap();
        let block = [0; 65536];
        // Until nothing is taken any more: the sockets and the proxy are full.
        while (&stalled).write(&block).is_ok() {}
        let (mut client, mut server) = proxy.connect();
        for i in 0..1000_u32 {
            client.write_all(&i.to_le_bytes()).unwrap();
            let mut bytes = [0; 4];
            server.read_exact(&mut bytes).unwrap();
            server.write_all(&bytes).unwrap();
            client.read_exact(&mut bytes).unwrap();
            assert_eq!(u32::from_le_bytes(bytes), i);
        }
    }
}

#[test]
fn a_peer_that_vanishes_ends_only_its_own_connection() {
    let _baseline = ResourceBaseline::take();
    for path in ["splice", "copy"] {
        let mut proxy = Proxy::start(path);
        for round in 0..20 {
            let (client, server) = proxy.connect();
            (&client).write_all(&noise(round, 100_000)).unwrap();
            // Closed with bytes unread, a socket sends a reset.
            (&server).read_exact(&mut [0; 10]).unwrap();
            let (gone, left) = if round % 2 == 0 { (client, server) } else { (server, client) };
            drop(gone);
            let _ = (&left).read_to_end(&mut Vec::new());
            drop(left);
            assert!(proxy.line().contains(" bytes to the server, "));
        }
        if cfg!(target_os = "linux") {
            let before = proxy.open_files();
            drop(proxy.connect());
            proxy.line();
            assert_eq!(proxy.open_files(), before, "descriptors are left over");
        }
        let (client, server) = proxy.connect();
        send_all(&client, b"still there?");
        assert_eq!(rest(&server), b"still there?");
    }
}

#[test]
fn a_missing_server_is_reported() {
    let _baseline = ResourceBaseline::take();
    let mut proxy = Proxy::start("splice");
    proxy.server = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(proxy.address).unwrap();
    assert!(proxy.line().contains("cannot reach"));
    assert!(rest(&client).is_empty());
}

#[test]
fn wrong_options_are_refused_before_anything_starts() {
    let _baseline = ResourceBaseline::take();
    let binary = example::build("proxy");
    for (options, reason) in [
        (&["--to", "127.0.0.1"][..], "no port"),
        (&["--to", ":80"], "no host"),
        (&["--to", "localhost:70000"], "port"),
        (&["--demo", "--size", "0"], "--size"),
    ] {
        let output = Command::new(&binary).args(options).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && said.contains(reason), "{options:?}: {said}");
    }
}

#[test]
fn a_demonstration_ends_quietly_when_its_reader_has_gone() {
    let _baseline = ResourceBaseline::take();
    let mut demo = Command::new(example::build("proxy"))
        .args(["--demo", "--size", "1"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(demo.stdout.take());
    let output = demo.wait_with_output().unwrap();
    assert_eq!(
        (output.status.code(), String::from_utf8(output.stderr).unwrap()),
        (Some(1), "".into())
    );
}
