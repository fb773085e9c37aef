//! How the server starts and how it ends.

use super::resource_baseline::ResourceBaseline;
use std::io::Read;
use std::net::TcpStream;
use std::process::Command;
use std::time::Instant;

use rustix::process::Signal;

use crate::harness::{PATHS, Site, binary, hash, request};
use crate::test_data::noise;

#[test]
fn a_signal_lets_it_finish_what_it_is_sending() {
    let _baseline = ResourceBaseline::take();
    let bytes = noise(5, 32 << 20);
    let site = Site::new().with("large", &bytes).with("small", "x");
    for (path, signal) in PATHS.into_iter().zip([Signal::INT, Signal::TERM].into_iter().cycle()) {
        let server = site.start_with(&["--path", path]);
        let (mut idle, mut busy) = (server.connect(), server.connect());
        assert_eq!(idle.get("/small", "").status, 200);
        busy.send(request("GET", "/large", ""));
        assert_eq!(busy.reply_head().status, 200);
        server.signal(signal);
        assert!(idle.rest().is_empty(), "idle connections end first");
        assert!(TcpStream::connect(server.address).is_err(), "no connection is accepted any more");
        assert_eq!(hash(&busy.rest()), hash(&bytes));
        drop(busy);
        let words = server.last_words();
        assert!(words.contains("requests      2 on 2 connections"), "{words}");
        let in_kernel = path == "sendfile" && cfg!(not(bytebuf_portable));
        let by_sendfile = if in_kernel { bytes.len() } else { 0 };
        assert!(words.contains(&format!("by sendfile   {by_sendfile} ")), "{words}");
        let by_splice = format!("by splice     {} ", bytes.len());
        assert_eq!(words.contains(&by_splice), path == "splice", "{words}");
        for figure in ["bytes ", "system calls ", " per request", "pool "] {
            assert!(words.contains(figure), "{figure} in {words}");
        }
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let _baseline = ResourceBaseline::take();
    let site = Site::new().with("large", noise(5, 32 << 20));
    let server = site.start();
    let mut busy = server.connect();
    busy.send(request("GET", "/large", ""));
    assert_eq!(busy.reply_head().status, 200);
    server.signal(Signal::TERM);
    server.signal(Signal::INT);
    let words = server.last_words();
    assert!(words.contains("1 connections unfinished"), "{words}");
    assert!(words.contains("requests      1 on 1 connections"), "{words}");
}

#[test]
fn a_client_that_does_not_read_delays_the_end_by_the_grace_at_most() {
    let _baseline = ResourceBaseline::take();
    let site = Site::new().with("large", noise(5, 32 << 20));
    for path in PATHS {
        let server = site.start_with(&["--path", path, "--grace", "0.2"]);
        let mut stuck = server.connect_narrow();
        stuck.send(request("GET", "/large", ""));
        assert_eq!(stuck.reply_head().status, 200);
        let signalled = Instant::now();
        server.signal(Signal::TERM);
        let words = server.last_words();
        assert!(words.contains("1 connections unfinished"), "{words}");
        let delay = signalled.elapsed();
        assert!((0.2..5.0).contains(&delay.as_secs_f64()), "{delay:?}");
    }
}

#[test]
fn a_client_that_reads_a_little_at_a_time_gets_no_more_than_the_grace() {
    let _baseline = ResourceBaseline::take();
    let site = Site::new().with("large", noise(5, 32 << 20));
    let server = site.start_with(&["--grace", "0.5"]);
    let mut slow = server.connect_narrow();
    slow.send(request("GET", "/large", ""));
    assert_eq!(slow.reply_head().status, 200);
    server.signal(Signal::TERM);
    // Until the server ends, which closes the connection.
    let mut some = [0; 100];
    while slow.stream().read(&mut some).is_ok_and(|bytes| bytes > 0) {}
    assert!(server.last_words().contains("1 connections unfinished"));
}

#[test]
fn a_request_that_comes_with_the_signal_is_answered() {
    let _baseline = ResourceBaseline::take();
    let site = Site::new().with("small", "x");
    let server = site.start();
    let mut client = server.connect();
    assert_eq!(client.get("/small", "").status, 200);
    // While it is stopped both arrive, and it meets them in one turn.
    server.signal(Signal::STOP);
    client.send(request("GET", "/small", ""));
    server.signal(Signal::TERM);
    server.signal(Signal::CONT);
    assert_eq!(client.reply().text(), "x");
    assert!(client.rest().is_empty());
    assert!(server.last_words().contains("requests      2 on 1 connections"));
}

#[test]
fn what_cannot_be_done_is_said_clearly() {
    let _baseline = ResourceBaseline::take();
    let run = |arguments: &[&str]| {
        let output = Command::new(binary()).args(arguments).output().unwrap();
        assert!(!output.status.success());
        assert!(output.stdout.is_empty());
        String::from_utf8(output.stderr).unwrap()
    };
    let words = run(&["--path", "carrier-pigeon"]);
    assert!(PATHS.iter().all(|path| words.contains(path)), "{words}");
    assert!(run(&["/no/such/directory"]).contains("/no/such/directory"));
    for odd in ["-1", "inf", "soon"] {
        assert!(run(&[&format!("--grace={odd}")]).contains("--grace"));
    }
    assert!(run(&["--listen", "nowhere"]).contains("nowhere"));
    let site = Site::new().with("file", "");
    let file = site.root().join("file");
    assert!(run(&["--listen", "127.0.0.1:0", file.to_str().unwrap()]).contains("directory"));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    assert!(run(&["--listen", &address]).contains(&address));
}
