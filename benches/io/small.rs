//! Many small buffers per flush, copied together or gathered, by cost.
//!
//! Each candidate gets owned buffers, sends them, and releases them.

use std::io::{self, IoSlice};
use std::mem;

use bytebuf::{ByteView, WriteQueue};
use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};

use crate::report::{Report, by_call, cpu, scaled};
use crate::side_by_side::Candidate;
use crate::wire::{Sink, write_all};

/// The number of buffers that are passed before the clock starts, so that the clock is not read per flush.
const BATCH: usize = 1024;

pub(crate) fn run(report: &mut Report) -> io::Result<()> {
    for (socket, connect) in [("TCP", Sink::tcp as fn() -> _), ("unix", Sink::unix)] {
        for size in [64, 512, 4096] {
            for number in [16, 256, 1024] {
                let job = format!("small: {number} x {size} B to {socket}");
                if report.is_selected(&job) {
                    measure(report, &job, &connect()?, number, size);
                }
            }
        }
    }
    Ok(())
}

fn measure(report: &mut Report, job: &str, sink: &Sink, number: usize, size: usize) {
    // Not adjacent, like buffers from several sources.
    let buffers: Vec<ByteView> = (0..number).map(|i| vec![i as u8; size].into()).collect();
    let mut queue = WriteQueue::new();
    let ours = |views: &mut Vec<ByteView>| {
        for view in views.drain(..) {
            queue.push(view);
        }
        while !queue.flush(sink)?.is_done() {}
        Ok(())
    };
    let mut block = Vec::new();
    let copied = |views: &mut Vec<ByteView>| {
        block.clear();
        views.drain(..).for_each(|view| block.extend_from_slice(&view));
        write_all(sink, &block)
    };
    let mut slices = Vec::new();
    let gathered = |views: &mut Vec<ByteView>| {
        let mut entries = mem::take(&mut slices);
        entries.extend(views.iter().map(|view| IoSlice::new(view)));
        let sent = send_all(sink, &mut entries);
        slices = reuse(entries);
        views.clear();
        sent
    };
    let batches = scaled(if size < 4096 { 32 } else { 8 }, 1);
    report.measure(
        job,
        (batches * BATCH, "buffer"),
        1.05,
        vec![
            Candidate::metered("WriteQueue", round(sink, &buffers, batches, ours)),
            Candidate::metered("copy, write", round(sink, &buffers, batches, copied)),
            Candidate::metered("writev", round(sink, &buffers, batches, gathered)),
        ],
    );
}

/// Passes `BATCH` buffers at a time, in flushes as long as `buffers`, and measures the sends.
fn round<'a>(
    sink: &'a Sink,
    buffers: &'a [ByteView],
    batches: usize,
    mut send: impl FnMut(&mut Vec<ByteView>) -> io::Result<()> + 'a,
) -> impl FnMut() -> f64 + 'a {
    let mut flushes = vec![Vec::with_capacity(buffers.len()); BATCH / buffers.len()];
    let bytes = BATCH * buffers[0].len();
    move || {
        let mut cost = 0.0;
        for _ in 0..batches {
            for flush in &mut flushes {
                flush.extend_from_slice(buffers);
            }
            cost += cpu(|| flushes.iter_mut().try_for_each(|views| by_call(|| send(views))));
            sink.await_bytes(bytes);
        }
        cost
    }
}

fn send_all(to: &Sink, mut entries: &mut [IoSlice<'_>]) -> io::Result<()> {
    while !entries.is_empty() {
        let flags = SendFlags::NOSIGNAL;
        let sent = sendmsg(to, entries, &mut SendAncillaryBuffer::default(), flags)?;
        IoSlice::advance_slices(&mut entries, sent);
    }
    Ok(())
}

/// Returns the same allocation for entries of another lifetime.
fn reuse<'a>(mut entries: Vec<IoSlice<'_>>) -> Vec<IoSlice<'a>> {
    entries.clear();
    entries.into_iter().map(|_| unreachable!("it is empty")).collect()
}
