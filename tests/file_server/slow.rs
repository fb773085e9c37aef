//! Clients that keep a connection busy without getting anywhere.

use super::resource_baseline::ResourceBaseline;
use std::io::{Read, Write};

use crate::harness::{Client, Server, Site, request};

const TIMEOUT: [&str; 2] = ["--timeout", "1"];

/// Sends `byte` again and again until the server has closed the connection, and returns the end
/// of what it said.
fn trickle_until_closed(server: &Server, slow: &Client, byte: u8) -> String {
    let mut other = server.connect();
    let mut stream = slow.stream();
    stream.set_nodelay(true).unwrap();
    stream.set_nonblocking(true).unwrap();
    let mut said = Vec::new();
    for turn in 0..10_000_000 {
        // Each of these takes the server through its loop; two seconds are many of them.
        assert_eq!(other.get("/small", "").text(), "x");
        if turn % 64 == 0 && stream.write_all(&[byte]).is_err() {
            return String::from_utf8(said).unwrap();
        }
        let _ = stream.read_to_end(&mut said);
    }
    panic!("a connection that sends {byte:#x} lasts for ever");
}

#[test]
fn a_trickled_head_is_cut_off() {
    let _baseline = ResourceBaseline::take();
    let site = Site::new().with("small", "x");
    let server = site.start_with(&TIMEOUT);
    let mut slow = server.connect();
    slow.send("GET / HTTP/1.1\r\nHost: test\r\nX: ");
    assert!(trickle_until_closed(&server, &slow, b'x').contains(" 408 "));
}

#[test]
fn trickled_blank_lines_before_a_request_are_cut_off() {
    let _baseline = ResourceBaseline::take();
    let site = Site::new().with("small", "x");
    let server = site.start_with(&TIMEOUT);
    assert!(trickle_until_closed(&server, &server.connect(), b'\n').contains(" 408 "));
}

#[test]
fn a_trickled_body_is_cut_off() {
    let _baseline = ResourceBaseline::take();
    let site = Site::new().with("small", "x");
    let server = site.start_with(&TIMEOUT);
    for (method, status) in [("GET", 200), ("POST", 405)] {
        let mut slow = server.connect();
        let announced = format!("Content-Length: {}\r\n", u64::MAX);
        let reply = slow.raw(request(method, "/small", &announced));
        assert_eq!(reply.status, status);
        trickle_until_closed(&server, &slow, b'x');
    }
}

#[test]
fn silence_is_cut_off_in_every_state() {
    let _baseline = ResourceBaseline::take();
    let site = Site::new().with("small", "x").with("large", vec![0; 32 << 20]);
    site.with_empty_files("many", 4000);
    let server = site.start_with(&TIMEOUT);
    let mut other = server.connect();
    assert_eq!(other.get("/small", "").text(), "x");
    let before = server.open_files();
    let mut silent = Vec::new();
    for bytes in [
        String::new(),
        "GET /sm".to_owned(),
        request("GET", "/small", "Content-Length: 5\r\n") + "abc",
        request("GET", "/large", ""),
        request("GET", "/many/", ""),
        request("GET", "/large", "Connection: close\r\n"),
        request("GET", "/large", "").repeat(100),
    ] {
        let mut client = server.connect_narrow();
        client.send(&bytes);
        silent.push(client);
        // One that has said all it will say is cut off as well.
        let mut client = server.connect_narrow();
        client.send(&bytes);
        client.stream().shutdown(std::net::Shutdown::Write).unwrap();
        silent.push(client);
    }
    let gone = (0..1_000_000).any(|_| {
        assert_eq!(other.get("/small", "").text(), "x");
        server.open_files() == before
    });
    assert!(gone, "{} files open, {before} before", server.open_files());
}
