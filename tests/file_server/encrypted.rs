//! The server with `--tls`, driven by clients that are not of this project.

use super::resource_baseline::ResourceBaseline;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rustix::process::Signal;

use crate::harness::{Server, Site, hash};
use crate::test_data::noise;

const SIZES: [usize; 5] = [0, 1000, 16 * 1024 + 1, 65536, (3 << 20) + 7];

/// A site, a server with a pair that it made for itself, and the certificate.
fn start(options: &[&str]) -> (Site, Server, PathBuf) {
    let site = SIZES.iter().fold(Site::new(), |site, &size| {
        site.with(&format!("{size}.bin"), noise(size as u64, size))
    });
    site.with_empty_files("many", 500);
    let pair = ["cert.pem", "key.pem"].map(|name| site.home().join(name));
    let [certificate, key] = pair.each_ref().map(|path| path.to_str().unwrap());
    let options = [&["--tls", certificate, key, "--self-signed"], options].concat();
    let server = site.start_with(&options);
    (site, server, PathBuf::from(certificate))
}

/// Whether a program is here; the test says so and ends where it is not.
fn have(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    if !found {
        eprintln!("SKIPPED: no {program} here");
    }
    found
}

#[test]
fn curl_gets_what_is_on_the_disk() {
    let _baseline = ResourceBaseline::take();
    if !have("curl") {
        return;
    }
    for path in ["sendfile", "mmap", "copy"] {
        let (_site, server, certificate) = start(&["--path", path]);
        let curl = |arguments: &[&str], target: &str| {
            let output = Command::new("curl")
                .args(["--silent", "--show-error", "--fail", "--cacert"])
                .arg(&certificate)
                .args(arguments)
                .arg(format!("https://{}{target}", server.address))
                .output()
                .unwrap();
            assert!(output.status.success(), "{output:?}");
            output.stdout
        };
        for size in SIZES {
            let body = curl(&[], &format!("/{size}.bin"));
            assert_eq!(hash(&body), hash(&noise(size as u64, size)), "{size} by {path}");
        }
        let target = format!("/{}.bin", 65536);
        assert_eq!(curl(&["--range", "100-199"], &target), &noise(65536, 65536)[100..200]);
        assert_eq!(curl(&["--tls-max", "1.2"], &target), noise(65536, 65536));
        let page = String::from_utf8(curl(&[], "/many/")).unwrap();
        assert_eq!(page.matches("<tr>").count(), 501);
    }
}

/// Runs a script of Python with the port of the server and the certificate as arguments.
fn python(server: &Server, certificate: &Path, script: &str) -> Output {
    let prelude = "
import socket, ssl, sys
port, certificate = int(sys.argv[1]), sys.argv[2]
context = ssl.create_default_context(cafile=certificate)
def connect():
    plain = socket.create_connection(('127.0.0.1', port), timeout=60)
    return context.wrap_socket(plain, server_hostname='localhost')
def get(target, fields=''):
    return f'GET {target} HTTP/1.1\\r\\nHost: localhost\\r\\n{fields}\\r\\n'.encode()
";
    Command::new("python3")
        .args(["-c", &format!("{prelude}{script}"), &server.address.port().to_string()])
        .arg(certificate)
        .output()
        .unwrap()
}

#[test]
fn python_gets_pipelined_replies_and_a_clean_end() {
    let _baseline = ResourceBaseline::take();
    if !have("python3") {
        return;
    }
    let (site, server, certificate) = start(&[]);
    let script = "
import hashlib
with connect() as tls:
    assert tls.version() == 'TLSv1.3', tls.version()
    # The requests come in pieces that are smaller than a record, and than a request.
    last = get('/3145735.bin', 'Connection: close\\r\\n')
    for byte in get('/1000.bin') * 3 + last: tls.send(bytes([byte]))
    stream = tls.makefile('rb')
    for n in range(4):
        length = None
        while (line := stream.readline()) != b'\\r\\n':
            if line.lower().startswith(b'content-length:'): length = int(line.split(b':')[1])
        body = stream.read(length)
        print(length, hashlib.sha256(body).hexdigest())
    # The server says that it ends: without that this is an error, as the stream may be cut.
    assert stream.read() == b''
";
    let output = python(&server, &certificate, script);
    assert!(output.status.success(), "{output:?}");
    let sum = |name: &str| {
        let script = "import hashlib, sys; print(hashlib.sha256(open(sys.argv[1], 'rb').read()).hexdigest())";
        let file = site.root().join(name);
        let output = Command::new("python3").args(["-c", script]).arg(file).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let expected = format!("1000 {}", sum("1000.bin")).repeat(3);
    let expected = expected + "3145735 " + &sum("3145735.bin");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
}

#[test]
fn a_client_that_ends_its_side_still_gets_its_replies() {
    let _baseline = ResourceBaseline::take();
    if !have("python3") {
        return;
    }
    let (_site, server, certificate) = start(&[]);
    let script = "
incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
tls = context.wrap_bio(incoming, outgoing, server_hostname='localhost')
plain = socket.create_connection(('127.0.0.1', port), timeout=60)
def step(call):
    while True:
        try: return call()
        except ssl.SSLWantReadError:
            if outgoing.pending: plain.sendall(outgoing.read())
            incoming.write(plain.recv(65536))
step(tls.do_handshake)
tls.write(get('/3145735.bin'))
plain.sendall(outgoing.read())
plain.shutdown(socket.SHUT_WR)
received = 0
while received < 3145735: received += len(step(lambda: tls.read(65536)))
";
    let output = python(&server, &certificate, script);
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn peers_that_do_not_speak_tls_are_cut_off_alone() {
    let _baseline = ResourceBaseline::take();
    let (_site, server, certificate) = start(&["--timeout", "1"]);
    let mut garbage = server.connect();
    garbage.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    // An alert of the protocol, and the end.
    assert_eq!(garbage.rest().first(), Some(&21));
    // Silence, and the beginning of a handshake that does not go on.
    let mut silent = server.connect();
    let mut begun = server.connect();
    begun.send([22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]);
    for client in [&mut silent, &mut begun] {
        let end = client.stream().read_to_end(&mut Vec::new());
        assert!(end.is_ok(), "{end:?}");
    }
    if have("python3") {
        let script = "
with connect() as tls:
    tls.sendall(get('/1000.bin'))
    assert tls.recv(12) == b'HTTP/1.1 200'
";
        let output = python(&server, &certificate, script);
        assert!(output.status.success(), "{output:?}");
    }
}

#[test]
fn clients_that_do_not_read_hold_little_and_end_with_the_grace() {
    let _baseline = ResourceBaseline::take();
    if !have("python3") {
        return;
    }
    let (site, server, certificate) = start(&["--grace", "0.2"]);
    let site = site.with("large", vec![0; 64 << 20]);
    let before = server.resident();
    // The last client gets a small file again and again, which takes the server through its loop.
    let script = "
clients = [connect() for _ in range(50)]
for tls in clients:
    tls.sendall(get('/large'))
    assert tls.recv(12) == b'HTTP/1.1 200'
other = connect()
stream = other.makefile('rb')
for n in range(50):
    other.sendall(get('/1000.bin'))
    while stream.readline() != b'\\r\\n': pass
    stream.read(1000)
print(open('/proc/PID/status').read().split('VmRSS:')[1].split()[0])
";
    let script = script.replace("PID", &server.id().to_string());
    let output = python(&server, &certificate, &script);
    assert!(output.status.success(), "{output:?}");
    let resident: u64 = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
    let grown = resident.saturating_sub(before);
    assert!(grown < 50 * 300, "{grown} KiB for 50 clients");
    server.signal(Signal::TERM);
    assert!(server.last_words().contains("requests      100 on 51 connections"));
    drop(site);
}

#[test]
fn a_pair_that_cannot_be_used_is_said_clearly() {
    let _baseline = ResourceBaseline::take();
    let site = Site::new();
    let run = |options: &[&str]| {
        let output = Command::new(crate::harness::binary()).args(options).output().unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    let pair = ["cert.pem", "key.pem"].map(|name| site.home().join(name));
    let [certificate, key] = pair.each_ref().map(|path| path.to_str().unwrap());
    assert!(run(&["--tls", certificate, key]).contains("cert.pem"));
    std::fs::write(certificate, "no certificate").unwrap();
    // A file that is there is never replaced.
    assert!(run(&["--tls", certificate, key, "--self-signed"]).contains("cert.pem"));
    assert_eq!(std::fs::read_to_string(certificate).unwrap(), "no certificate");
    assert!(!Path::new(key).exists(), "a key without a certificate stays");
    assert!(run(&["--tls", certificate, key, "--path", "splice"]).contains("--path splice"));
    assert!(run(&["--tls", certificate]).contains("--tls"));
    assert!(run(&["--self-signed"]).contains("--tls"));
}
