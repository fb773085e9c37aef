//! Moves bytes from one descriptor to another: a proxy between two connections, an upload into a file.
//!
//! Only the thread that moves the bytes is measured.

use std::fs::File;
use std::io::{self, Read};

use bytebuf::{Splice, Spliced};

use crate::report::{Report, cpu, scaled};
use crate::side_by_side::Candidate;
use crate::wire::{Sink, Source, write_all};

/// The usual size of a read in handwritten code.
const BUFFER: usize = 64 * 1024;

pub(crate) fn run(report: &mut Report) -> io::Result<()> {
    let job = "proxy, TCP to TCP";
    if report.is_selected(job) {
        proxy(report, job, scaled(128 << 20, 1 << 20))?;
    }
    let job = "upload, TCP to a new file";
    if report.is_selected(job) {
        upload(report, job, scaled(128 << 20, 1 << 20))?;
    }
    Ok(())
}

fn splice(from: &Source, to: impl std::os::fd::AsFd, len: usize) -> io::Result<()> {
    let mut splice = Splice::new().with_limit(len as u64);
    while !matches!(splice.transfer(&from.stream, &to)?, Spliced::Done(_)) {}
    Ok(())
}

fn copy(
    from: &Source,
    to: impl std::os::fd::AsFd,
    len: usize,
    buffer: &mut [u8],
) -> io::Result<()> {
    let mut left = len;
    while left > 0 {
        let most = left.min(buffer.len());
        let read = (&from.stream).read(&mut buffer[..most])?;
        write_all(&to, &buffer[..read])?;
        left -= read;
    }
    Ok(())
}

fn proxy(report: &mut Report, job: &str, len: usize) -> io::Result<()> {
    let (source, sink) = (Source::new()?, Sink::tcp()?);
    let mut buffer = vec![0; BUFFER];
    let ours = || {
        source.request(len);
        let cost = cpu(|| splice(&source, &sink, len));
        sink.await_bytes(len);
        cost
    };
    let by_hand = || {
        source.request(len);
        let cost = cpu(|| copy(&source, &sink, len, &mut buffer));
        sink.await_bytes(len);
        cost
    };
    report.measure(
        job,
        (len >> 20, "MiB"),
        0.45,
        vec![Candidate::metered("Splice", ours), Candidate::metered("read, write 64 KiB", by_hand)],
    );
    Ok(())
}

fn upload(report: &mut Report, job: &str, len: usize) -> io::Result<()> {
    let source = Source::new()?;
    let mut buffer = vec![0; BUFFER];
    let into_new_file = |save: &mut dyn FnMut(&File) -> io::Result<()>| {
        let file = tempfile::tempfile_in(env!("CARGO_TARGET_TMPDIR")).expect("a place for files");
        source.request(len);
        cpu(|| save(&file))
    };
    report.measure(
        job,
        (len >> 20, "MiB"),
        0.7,
        vec![
            Candidate::metered("Splice", || into_new_file(&mut |file| splice(&source, file, len))),
            Candidate::metered("read, write 64 KiB", || {
                into_new_file(&mut |file| copy(&source, file, len, &mut buffer))
            }),
        ],
    );
    Ok(())
}
