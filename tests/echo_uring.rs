//! The echo server on `io_uring`, and its comparison of idle connections.
#![cfg(all(target_os = "linux", target_pointer_width = "64", target_endian = "little", not(miri)))]

#[path = "support/example.rs"]
mod example;
#[path = "support/resource_baseline.rs"]
mod resource_baseline;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;

use resource_baseline::ResourceBaseline;

/// What the example says where the kernel or its configuration allows no ring.
fn is_refused(stderr: &str) -> bool {
    let refused = ["os error 1)", "os error 38)"].iter().any(|errno| stderr.contains(errno));
    if refused {
        println!("SKIPPED: the kernel gives no ring: {stderr}");
    }
    refused
}

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn all_connections_get_back_what_they_sent() {
    let _baseline = ResourceBaseline::take();
    for incremental in [&[][..], &["--incremental"]] {
        let mut child = Command::new(example::build("echo_uring"))
            .args(["--listen", "127.0.0.1:0", "--blocks", "4"])
            .args(incremental)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = child.stderr.take().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let server = Server(child);
        let address = lines.next().unwrap();
        let address = address.strip_prefix("listening on ").unwrap().to_owned();
        let clients: Vec<_> = (0..10)
            .map(|n| {
                let address = address.clone();
                thread::spawn(move || echo(&address, 300_000 + n))
            })
            .collect();
        let echoed = clients.into_iter().map(|client| client.join().unwrap());
        if echoed.filter(|echoed| *echoed).count() < 10 {
            drop(server);
            let mut said = String::new();
            stderr.read_to_string(&mut said).unwrap();
            assert!(is_refused(&said), "{said}");
            return;
        }
        let ends: Vec<_> = lines.by_ref().take(10).collect();
        assert!(ends.iter().all(|line| line.contains(" bytes echoed; the ring holds")), "{ends:?}");
        assert!(ends[9].contains(" for 0 connections"), "{ends:?}");
    }
}

/// Sends so many bytes, ends its half, and looks at what comes back. False if there is no server.
fn echo(address: &str, len: usize) -> bool {
    let Ok(mut socket) = TcpStream::connect(address) else { return false };
    let bytes: Vec<_> = (0..len).map(|at| (at / 3) as u8 ^ (at >> 9) as u8).collect();
    let mut writer = socket.try_clone().unwrap();
    let sent = bytes.clone();
    let writer = thread::spawn(move || {
        let written = writer.write_all(&sent).is_ok();
        written && writer.shutdown(Shutdown::Write).is_ok()
    });
    let mut received = Vec::new();
    let is_read = socket.read_to_end(&mut received).is_ok();
    if !writer.join().unwrap() || !is_read {
        return false;
    }
    assert!(received == bytes);
    true
}

/// Most shells allow 1024 descriptors at first, and more on request.
#[test]
fn more_connections_than_the_soft_limit_of_descriptors_are_opened() {
    let _baseline = ResourceBaseline::take();
    let limited = |limits: &str| {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("{limits}; exec \"$0\" --idle 100")]);
        let output = shell.arg(example::build("echo_uring")).output().unwrap();
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    };
    let (is_done, said) = limited("ulimit -Sn 64");
    assert!(is_done || is_refused(&said), "{said}");
    let (is_done, said) = limited("ulimit -n 64");
    assert!(!is_done && said.contains("the hard limit is 64"), "{said}");
}

#[test]
fn wrong_options_are_refused_before_anything_starts() {
    let _baseline = ResourceBaseline::take();
    let binary = example::build("echo_uring");
    for (options, reason) in [
        (["--blocks", "0"], "power of two"),
        (["--blocks", "65535"], "power of two"),
        (["--idle", "0"], "--idle"),
    ] {
        let output = Command::new(&binary).args(options).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && said.contains(reason), "{options:?}: {said}");
    }
}

#[test]
fn idle_connections_of_a_ring_hold_the_ring_alone() {
    let _baseline = ResourceBaseline::take();
    let output = Command::new(example::build("echo_uring")).args(["--idle", "200"]).output();
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() {
        assert!(is_refused(&said), "{said}");
        return;
    }
    let table = String::from_utf8(output.stdout).unwrap();
    let held = |kind: &str| {
        let row = table.lines().find_map(|line| line.strip_prefix(kind)).unwrap();
        row.split_whitespace().next().unwrap().parse::<usize>().unwrap()
    };
    assert_eq!(held("io_uring, a buffer each"), 200 * 4096, "{table}");
    assert_eq!(held("io_uring, BufferRing of 64 x 4 KiB"), 64 * 4096, "{table}");
    assert_eq!(held("epoll, RecvSizer"), 0, "{table}");
}
