//! Files to sockets: large ones alone, and small ones behind a header.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytebuf::{FileRegion, WriteQueue};
use rustix::net::{SendFlags, send};

use crate::report::{Report, by_call, cpu, scaled};
use crate::side_by_side::Candidate;
use crate::wire::{Sink, write_all};

const HEADER: [u8; 256] = [b'h'; 256];

pub(crate) fn run(report: &mut Report) -> io::Result<()> {
    let job = "file to TCP";
    if report.is_selected(job) {
        let len = scaled(256 << 20, 1 << 20);
        large(report, job, len)?;
    }
    for kib in [16, 64] {
        let job = format!("header + {kib} KiB file to TCP");
        if report.is_selected(&job) {
            behind_a_header(report, &job, kib * 1024)?;
        }
    }
    Ok(())
}

/// A file whose pages are in memory.
fn file_of(len: usize) -> io::Result<Arc<File>> {
    let mut file = tempfile::tempfile_in(env!("CARGO_TARGET_TMPDIR"))?;
    for piece in vec![7; len].chunks(1 << 20) {
        file.write_all(piece)?;
    }
    Ok(file.into())
}

fn send_file(to: &Sink, file: &File, len: usize) -> io::Result<()> {
    let mut at = 0;
    while at < len as u64 {
        let left = len - at as usize;
        rustix::fs::sendfile(to, file, Some(&mut at), left)?;
    }
    Ok(())
}

fn flush(queue: &mut WriteQueue, to: &Sink) -> io::Result<()> {
    while !queue.flush(to)?.is_done() {}
    Ok(())
}

fn large(report: &mut Report, job: &str, len: usize) -> io::Result<()> {
    let (file, sink) = (file_of(len)?, Sink::tcp()?);
    let ours = || {
        let cost = cpu(|| {
            let mut queue = WriteQueue::new();
            queue.push(FileRegion::new(Arc::clone(&file), 0..len as u64));
            flush(&mut queue, &sink)
        });
        sink.await_bytes(len);
        cost
    };
    let bare = || {
        let cost = cpu(|| send_file(&sink, &file, len));
        sink.await_bytes(len);
        cost
    };
    report.measure(
        job,
        (len >> 20, "MiB"),
        1.05,
        vec![
            Candidate::metered("WriteQueue", ours),
            Candidate::metered("sendfile in a loop", bare),
        ],
    );
    Ok(())
}

fn each<'a>(
    sink: &'a Sink,
    requests: usize,
    len: usize,
    mut request: impl FnMut() -> io::Result<()> + 'a,
) -> impl FnMut() -> f64 + 'a {
    move || {
        let cost = cpu(|| (0..requests).try_for_each(|_| by_call(&mut request)));
        sink.await_bytes(requests * (HEADER.len() + len));
        cost
    }
}

fn behind_a_header(report: &mut Report, job: &str, len: usize) -> io::Result<()> {
    let requests = scaled((32 << 20) / len, 2);
    let (file, sink) = (file_of(len)?, Sink::tcp()?);
    let region = FileRegion::new(Arc::clone(&file), 0..len as u64);
    let mut queue = WriteQueue::new();
    let ours = || {
        queue.push_copy(&HEADER);
        queue.push(region.clone());
        flush(&mut queue, &sink)
    };
    let mut buffer = vec![0; HEADER.len() + len];
    let read_behind = || {
        buffer[..HEADER.len()].copy_from_slice(&HEADER);
        file.read_exact_at(&mut buffer[HEADER.len()..], 0)?;
        write_all(&sink, &buffer)
    };
    let announced = || {
        let sent = send(&sink, &HEADER, SendFlags::MORE | SendFlags::NOSIGNAL)?;
        assert_eq!(sent, HEADER.len(), "a blocking send takes a few bytes whole");
        send_file(&sink, &file, len)
    };
    report.measure(
        job,
        (requests, "request"),
        1.05,
        vec![
            Candidate::metered("WriteQueue", each(&sink, requests, len, ours)),
            Candidate::metered("pread behind it, write", each(&sink, requests, len, read_behind)),
            Candidate::metered("MSG_MORE, sendfile", each(&sink, requests, len, announced)),
        ],
    );
    Ok(())
}
