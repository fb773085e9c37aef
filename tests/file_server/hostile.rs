//! Clients that want what they may not have, or cost what they should not.

use super::resource_baseline::ResourceBaseline;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::symlink;
use std::process::Command;

use crate::harness::{PATHS, Server, Site, binary, hash, request};
use crate::test_data::noise;

#[test]
fn nothing_outside_of_the_directory_is_served() {
    let _baseline = ResourceBaseline::take();
    let site = Site::new().with("inside/file", "inside");
    let root = site.root();
    fs::write(root.join("../secret"), "secret").unwrap();
    symlink("../secret", root.join("link")).unwrap();
    symlink(root.join("../secret"), root.join("absolute-link")).unwrap();
    symlink("..", root.join("up")).unwrap();
    symlink("/", root.join("inside/root")).unwrap();
    symlink("/proc/self/root", root.join("magic")).unwrap();
    symlink("file", root.join("inside/fine")).unwrap();
    let secret = fs::canonicalize(root.join("../secret")).unwrap();
    let secret = secret.to_str().unwrap();
    let server = site.start();
    let mut client = server.connect();
    for target in [
        "/../secret",
        "/inside/../../secret",
        "/%2e%2e/secret",
        "/%2E%2E%2Fsecret",
        "/..%2fsecret",
        "/.%2e/secret",
        "/inside/%2e%2e/%2e%2e/secret",
        "/%252e%252e/secret",
        "/..\\secret",
        "/..;/secret",
        "/%c0%ae%c0%ae/secret",
        "//../secret",
        "/./../secret",
        "/link",
        "/absolute-link",
        "/up/secret",
        "/up/www/../../secret",
        "/inside/root/etc/passwd",
        "/magic/etc/passwd",
        "/file%00.txt",
        "/inside/file%00/../../../secret",
        "http://test/../secret",
        "file:///etc/passwd",
        "//etc/passwd",
        "/%2fetc/passwd",
        "/%2Fproc%2Fself%2Fcmdline",
        secret,
        &format!("/{secret}"),
        &secret.replace('/', "%2f").replacen("%2f", "/", 1),
    ] {
        let reply = client.get(target, "");
        assert!([400, 404].contains(&reply.status), "{target}: {reply:?}");
        assert!(reply.field("Location").is_none());
        assert!(reply.text().starts_with(&reply.status.to_string()), "{target}: {reply:?}");
    }
    // A path that climbs and comes back, and a link that stays inside, are fine.
    for target in ["/inside/../inside/file", "/x/../inside/./file", "/inside/fine"] {
        assert_eq!(client.get(target, "").text(), "inside", "{target}");
    }
    // Only ever to this host.
    assert_eq!(client.get("//inside", "").field("Location"), Some("/inside/"));
    // Raw bytes that no encoding hides.
    assert_eq!(server.connect().raw("GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n").status, 400);
}

#[test]
fn errors_say_why() {
    let _baseline = ResourceBaseline::take();
    let site = Site::new().with("file", "x");
    let server = site.start();
    let long = "x".repeat(20_000);
    for (text, status, why) in [
        ("nonsense\r\n\r\n".to_owned(), 400, "malformed"),
        (request("GET", "/%zz", ""), 400, "hex digits"),
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), 400, "Host"),
        (request("GET", "/missing", ""), 404, "no such file"),
        (request("GET", "/file/", ""), 404, "no such file"),
        (request("POST", "/file", ""), 405, "GET and HEAD"),
        (request("OPTIONS", "*", ""), 405, "GET and HEAD"),
        (request("GET", &format!("/{long}"), ""), 414, "8 KiB"),
        (request("GET", "/", &format!("X: {long}\r\n")), 431, "16 KiB"),
        (request("GET", "/", &"X: y\r\n".repeat(100)), 431, "64 header fields"),
        (request("GET", "/", "Transfer-Encoding: chunked\r\n"), 411, "Content-Length"),
        (request("GET", "/", "Content-Length: -1\r\n"), 400, "Content-Length"),
        (request("GET", "/", "Content-Length: 18446744073709551616\r\n"), 400, "below 2^64"),
    ] {
        let reply = server.connect().raw(&text);
        assert_eq!(reply.status, status, "{text:.60}");
        assert!(reply.text().contains(why), "{text:.60}: {}", reply.text());
    }
    let refused = server.connect().raw(request("DELETE", "/file", ""));
    assert_eq!(refused.field("Allow"), Some("GET, HEAD"));
}

#[test]
fn requests_cannot_be_smuggled_behind_a_body() {
    let _baseline = ResourceBaseline::take();
    let site = Site::new().with("file", "x");
    let server = site.start();
    for fields in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5, 5\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Content-Length : 5\r\n",
    ] {
        let mut client = server.connect();
        let smuggled = "0\r\n\r\n".to_owned() + &request("GET", "/file", "");
        let reply = client.raw(request("GET", "/file", fields) + &smuggled);
        assert!([400, 411].contains(&reply.status), "{fields}");
        assert!(client.rest().is_empty(), "{fields}: the connection ends there");
    }
    // A body of the announced length is passed over, whatever it looks like.
    let mut client = server.connect();
    let body = request("GET", "/missing", "");
    let fields = format!("Content-Length: {}\r\n", body.len());
    client.send(request("GET", "/file", &fields) + &body + &request("GET", "/file", ""));
    assert_eq!((client.reply().status, client.reply().status), (200, 200));
}

#[test]
fn a_client_that_sends_a_byte_at_a_time_is_served() {
    let _baseline = ResourceBaseline::take();
    let site = Site::new().with("file", "x");
    let server = site.start();
    let (mut slow, mut quick) = (server.connect(), server.connect());
    slow.stream().set_nodelay(true).unwrap();
    for byte in request("GET", "/file", "").bytes() {
        slow.send([byte]);
        assert_eq!(quick.get("/file", "").status, 200);
    }
    assert_eq!(slow.reply().text(), "x");
}

#[test]
fn a_client_that_reads_a_byte_at_a_time_stops_no_other() {
    let _baseline = ResourceBaseline::take();
    let bytes = noise(9, 8 << 20);
    let site = Site::new().with("large", &bytes).with("small", "x");
    for path in PATHS {
        let server = site.start_with(&["--path", path]);
        let (mut slow, mut quick) = (server.connect(), server.connect());
        slow.send(request("GET", "/large", ""));
        assert_eq!(slow.reply_head().length(), bytes.len() as u64);
        let memory = server.resident();
        for expected in &bytes[..2000] {
            assert_eq!(slow.byte(), *expected);
            assert_eq!(quick.get("/small", "").status, 200);
        }
        assert!(server.resident() < memory + 2048, "the file is not held in memory");
        assert_eq!(hash(&slow.bytes(bytes.len() - 2000)), hash(&bytes[2000..]));
    }
}

#[test]
fn a_client_that_never_stops_sending_is_cut_off() {
    let _baseline = ResourceBaseline::take();
    let site = Site::new().with("file", "x");
    let server = site.start();
    let (mut endless, mut other) = (server.connect(), server.connect());
    endless.stream().set_nodelay(true).unwrap();
    assert_eq!(endless.raw(request("GET", "/file", "Connection: close\r\n")).text(), "x");
    let mut stream = endless.stream();
    let cut_off = (0..10_000_000).any(|_| {
        assert_eq!(other.get("/file", "").status, 200);
        stream.write_all(b"x").is_err()
    });
    assert!(cut_off);
}

#[test]
fn clients_that_vanish_leave_nothing_behind() {
    let _baseline = ResourceBaseline::take();
    let site = Site::new().with("large", noise(4, 16 << 20)).with("small", "x");
    let server = site.start();
    let mut client = server.connect();
    assert_eq!(client.get("/small", "").status, 200);
    let before = server.open_files();
    for n in 0..50 {
        let mut vanishing = server.connect();
        match n % 3 {
            0 => vanishing.send("GET /large HTT"),
            1 => vanishing.send(request("GET", "/large", "")),
            _ => {
                vanishing.send(request("GET", "/large", ""));
                vanishing.stream().read_exact(&mut [0; 1000]).unwrap();
            }
        }
    }
    // Each request takes the server through its loop, where it meets those that are gone.
    let gone = (0..100_000).any(|_| {
        assert_eq!(client.get("/small", "").status, 200);
        server.open_files() == before
    });
    assert!(gone, "{} files open, {before} before", server.open_files());
}

#[test]
fn idle_connections_cost_next_to_nothing() {
    let _baseline = ResourceBaseline::take();
    let site = Site::new().with("file", noise(1, 10_000));
    let server = site.start();
    let serve = |count: usize| {
        let mut clients: Vec<_> = (0..count).map(|_| server.connect()).collect();
        for client in &mut clients {
            assert_eq!(client.get("/file", "").status, 200);
        }
        clients
    };
    let few = serve(10);
    let before = server.resident();
    let many = serve(500);
    let grown = server.resident().saturating_sub(before);
    assert!(grown < 500 * 4, "{grown} KiB for 500 idle connections");
    drop((few, many));
}

#[test]
fn a_client_that_never_reads_its_replies_is_not_read_either() {
    let _baseline = ResourceBaseline::take();
    let site = Site::new().with("file", noise(1, 10_000));
    let server = site.start();
    let mut client = server.connect();
    assert_eq!(client.get("/file", "").status, 200);
    let before = server.resident();
    let greedy = server.connect();
    greedy.stream().set_nonblocking(true).unwrap();
    // Requests for gigabytes of replies, for as long as the server takes any.
    let requests = request("GET", "/file", "").repeat(1000);
    let mut stream = greedy.stream();
    while stream.write(requests.as_bytes()).is_ok() {
        assert_eq!(client.get("/file", "").status, 200);
    }
    assert_eq!(client.get("/file", "").status, 200);
    let grown = server.resident().saturating_sub(before);
    assert!(grown < 4096, "{grown} KiB");
}

#[test]
fn a_file_that_shrinks_ends_its_connection_alone() {
    let _baseline = ResourceBaseline::take();
    const LENGTH: u64 = 256 << 20;
    let site = Site::new().with("small", "x");
    let file = fs::File::create(site.root().join("shrinking")).unwrap();
    for path in PATHS {
        file.set_len(LENGTH).unwrap();
        let server = site.start_with(&["--path", path]);
        let mut client = server.connect();
        client.send(request("GET", "/shrinking", ""));
        assert_eq!(client.reply_head().length(), LENGTH);
        file.set_len(1000).unwrap();
        let received = client.rest().len() as u64;
        assert!(received < LENGTH, "{received} bytes of {path}");
        assert_eq!(server.get("/small").status, 200);
    }
}

/// A server with few descriptors.
fn start_with_descriptors(site: &Site, count: u32, options: &str) -> Server {
    let limited =
        format!("ulimit -n {count}; exec {} --listen 127.0.0.1:0 {options} .", binary().display());
    Server::start(Command::new("sh").args(["-c", &limited]).current_dir(site.root()))
}

#[test]
fn more_clients_than_descriptors_are_served_one_after_another() {
    let _baseline = ResourceBaseline::take();
    let site = Site::new().with("small", "x").with("large", noise(1, 100_000));
    let server = start_with_descriptors(&site, 40, "");
    let mut clients: Vec<_> = (0..100).map(|_| server.connect()).collect();
    for (n, client) in clients.iter_mut().enumerate() {
        let target = if n % 2 == 0 { "/small" } else { "/large" };
        client.send(request("GET", target, "Connection: close\r\n"));
    }
    for mut client in clients {
        assert_eq!(client.reply().status, 200);
        assert!(client.rest().is_empty());
    }
}

#[test]
fn idle_connections_leave_descriptors_for_files() {
    let _baseline = ResourceBaseline::take();
    let site = Site::new().with("small", "x").with("large", noise(1, 100_000));
    site.with_empty_files("many", 500);
    for path in PATHS {
        let server = start_with_descriptors(&site, 64, &format!("--path {path}"));
        let mut clients: Vec<_> = (0..100).map(|_| server.connect()).collect();
        for target in ["/small", "/large", "/many/"] {
            assert_eq!(clients[0].get(target, "").status, 200, "{target} by {path}");
        }
        // Those that were not let in are, once others have gone.
        clients.drain(..70);
        assert_eq!(clients[29].get("/large", "").status, 200, "{path}");
    }
}

#[test]
fn a_log_that_has_lost_its_reader_does_not_end_the_server() {
    let _baseline = ResourceBaseline::take();
    let site = Site::new().with("small", "x");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = Command::new(binary());
    command.args(["--log", "--listen", "127.0.0.1:0"]).arg(site.root()).stderr(writer);
    let server = Server::start(&mut command);
    drop(command);
    for _ in 0..2 {
        assert_eq!(server.get("/small").text(), "x");
        assert_eq!(server.connect().raw("nonsense\r\n\r\n").status, 400);
    }
}
