//! Streams with urgent bytes (`MSG_OOB`). An urgent byte is not a part of the stream, and the kernel's
//! `splice` stops in front of it with 0 or `EAGAIN`. The model is a plain `read` of the same stream.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, ioctl_fionbio, read};
use rustix::net::sockopt::set_socket_oobinline;
use rustix::net::{SendFlags, Shutdown, send, shutdown};

use super::*;
use crate::sys::{Call, Outcome, with_plan};
use crate::test_io::{contents_of, tcp_pair};

/// The two ends of a connection.
type Ends = (OwnedFd, OwnedFd);

fn tcp() -> Ends {
    let (near, far) = tcp_pair();
    near.set_nodelay(true).unwrap();
    (near.into(), far.into())
}

/// Returns a connection whose far end reads urgent bytes as a part of the stream.
fn tcp_inline() -> Ends {
    let (near, far) = tcp();
    set_socket_oobinline(&far, true).unwrap();
    (near, far)
}

fn unix() -> Ends {
    let (near, far) = UnixStream::pair().unwrap();
    (near.into(), far.into())
}

/// Sends a script: `!` is an urgent byte, `$` the end, a capital letter 20,000 bytes, any other letter 1
/// byte. Returns false if the socket has no urgent bytes.
fn play(script: &str, to: &OwnedFd) -> bool {
    for letter in script.bytes() {
        let bytes = vec![letter; if letter.is_ascii_uppercase() { 20_000 } else { 1 }];
        let sent = match letter {
            b'!' => match send(to, &bytes, SendFlags::OOB) {
                Err(Errno::OPNOTSUPP) => return false,
                sent => sent,
            },
            b'$' => shutdown(to, Shutdown::Write).map(|()| 1),
            _ => send(to, &bytes, SendFlags::empty()),
        };
        assert_eq!(sent.unwrap(), bytes.len(), "{script}");
    }
    true
}

fn wait_for(fd: &OwnedFd, what: PollFlags) -> bool {
    let limit = Timespec { tv_sec: 20, tv_nsec: 0 };
    poll(&mut [PollFd::new(fd, what)], Some(&limit)).unwrap() > 0
}

fn read_to_end(from: &OwnedFd) -> Vec<u8> {
    let (mut bytes, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        match read(from, &mut piece).unwrap() {
            0 => return bytes,
            n => bytes.extend_from_slice(&piece[..n]),
        }
    }
}

/// Plays a script that has an end. Returns the bytes that a plain reader gets and those that a transfer
/// delivers.
fn both(
    connect: fn() -> Ends,
    script: &str,
    nonblocking: bool,
    refused: &'static [Call],
    into_file: bool,
) -> Option<(Vec<u8>, Vec<u8>)> {
    let ends = [connect(), connect()];
    for (client, front) in &ends {
        if !play(script, client) {
            return None;
        }
        assert!(wait_for(front, PollFlags::RDHUP), "the end has arrived, and all before it");
    }
    let [(_client, front), (_other, reference)] = ends;
    let (back, server) = connect();
    let file = tempfile::tempfile().unwrap();
    for fd in [&front, &back] {
        ioctl_fionbio(fd, nonblocking).unwrap();
    }
    let plan = move |call, _| match refused.contains(&call) {
        true => Outcome::Fail(Errno::NOSYS.raw_os_error()),
        false => Outcome::Pass,
    };
    let mut splice = Splice::new();
    let ended = with_plan(plan, || match into_file {
        true => splice.transfer(&front, &file),
        false => splice.transfer(&front, &back),
    });
    assert!(matches!(ended.unwrap(), Spliced::Done(_)), "{script}: the source has ended");
    drop(back);
    let arrived = match into_file {
        true => contents_of(&file),
        false => read_to_end(&server),
    };
    Some((read_to_end(&reference), arrived))
}

#[test]
fn a_transfer_gets_what_a_read_gets_past_urgent_bytes() {
    let scripts = [
        "!$",
        "a!$",
        "!a$",
        "a!b$",
        "!b!$",
        "a!b!c$",
        "!!$",
        "A!B$",
        "A!$",
        "!A$",
        "AB!CD!EF$",
        "$",
    ];
    for script in scripts {
        for connect in [tcp, tcp_inline, unix] {
            for nonblocking in [false, true] {
                for (refused, into_file) in [(&[][..], false), (&[Call::Pipe], false), (&[], true)]
                {
                    let Some((read, moved)) =
                        both(connect, script, nonblocking, refused, into_file)
                    else {
                        continue;
                    };
                    assert!(read == moved, "{script}: {} and {}", read.len(), moved.len());
                }
            }
        }
    }
}

/// The client continues after the urgent byte. A loop that waits for readiness makes few calls and waits
/// in between.
#[test]
fn a_loop_on_readiness_gets_past_an_urgent_byte_and_waits_behind_it() {
    for connect in [tcp, unix] {
        for scripts in [["x!y", "z!"], ["!y", "A"], ["x!", "!y"], ["A!B", "!"], ["!", "!"]] {
            let (client, front) = connect();
            let (back, server) = connect();
            let mut server = File::from(server);
            for fd in [&front, &back] {
                ioctl_fionbio(fd, true).unwrap();
            }
            let mut splice = Splice::new();
            let mut calls = 0;
            for script in scripts {
                if !play(script, &client) {
                    continue;
                }
                let stream: Vec<u8> = script
                    .bytes()
                    .filter(|letter| *letter != b'!')
                    .flat_map(|letter| {
                        vec![letter; if letter.is_ascii_uppercase() { 20_000 } else { 1 }]
                    })
                    .collect();
                let before = splice.moved_bytes();
                while splice.moved_bytes() - before < stream.len() as u64 {
                    assert!(wait_for(&front, PollFlags::IN), "{script}: the stream stalls");
                    let ended = splice.transfer(&front, &back).unwrap();
                    assert!(matches!(ended, Spliced::SourceEmpty(_)), "{script}: {ended:?}");
                    calls += 1;
                    assert!(calls < 20, "{scripts:?}: it spins");
                }
                let mut arrived = vec![0; stream.len()];
                server.read_exact(&mut arrived).unwrap();
                assert!(arrived == stream, "{script}");
                assert!(splice.held_bytes() == 0 && splice.pipe.is_none());
            }
            while poll(&mut [PollFd::new(&front, PollFlags::IN)], Some(&Timespec::default()))
                .unwrap()
                > 0
            {
                let _ = splice.transfer(&front, &back).unwrap();
                calls += 1;
                assert!(calls < 20, "{scripts:?}: it spins");
            }
        }
    }
}
