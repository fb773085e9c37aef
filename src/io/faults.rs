//! The fault matrix: every system call of the crate fails in every way, at several of its calls. `docs/faults.md`
//! lists the results.
//!
//! Each job of `faults/jobs.rs` moves a known stream and continues after an error, as a caller that recovers does.
//! One call fails once. Then:
//!
//! * **FA1** The whole stream arrives, in order.
//! * **FA2** The error is returned unchanged, with three exceptions: `EINTR` is not returned, `EAGAIN` is reported
//!   as a state, and a refusal to transfer inside the kernel selects another method.
//! * **FA3** No descriptor is left open.

use std::cell::Cell;
use std::io;
use std::rc::Rc;

use rustix::io::Errno;

use crate::io::relay::pipes;
use crate::sys::{Call, Outcome, TRANSFERS_IN_KERNEL, with_plan};

mod jobs;

use jobs::{Job, Run};

const ERRNOS: [(&str, Errno); 12] = [
    ("EINTR", Errno::INTR),
    ("EAGAIN", Errno::AGAIN),
    ("EPIPE", Errno::PIPE),
    ("ECONNRESET", Errno::CONNRESET),
    ("ENOBUFS", Errno::NOBUFS),
    ("ENOMEM", Errno::NOMEM),
    ("EIO", Errno::IO),
    ("ENOSPC", Errno::NOSPC),
    ("EINVAL", Errno::INVAL),
    ("EPERM", Errno::PERM),
    ("ENOSYS", Errno::NOSYS),
    ("EMFILE", Errno::MFILE),
];

/// The numbers of the calls that fail, if the job makes that many.
const TURNS: [usize; 5] = [1, 2, 4, 16, 50];

/// A job, the calls that fail in it, and the calls that always fail there.
type Row = (Job, &'static [Call], &'static [Call]);

const ROWS: &[Row] = &[
    (jobs::queue_to_socket, &[Call::Send, Call::ReadAt, Call::Sendfile], &[]),
    (jobs::queue_to_socket, &[Call::Cork], &[]),
    (jobs::queue_to_socket, &[Call::Pipe, Call::PipeSize], &[Call::Sendfile]),
    (jobs::queue_to_socket, &[Call::SpliceIn, Call::SpliceOut], &[Call::Sendfile]),
    (jobs::queue_to_socket, &[Call::ReadAt, Call::Send], PATHS),
    (jobs::zero_copy_to_socket, &[Call::SendZeroCopy, Call::SetZeroCopy, Call::Completion], &[]),
    (jobs::zero_copy_to_socket, &[Call::Shutdown], &[]),
    (jobs::queue_to_file, &[Call::Write, Call::ReadAt, Call::Sendfile], &[]),
    (jobs::queue_to_file, &[Call::CopyRange], &[Call::Sendfile, Call::SpliceIn]),
    (jobs::queue_to_file, &[Call::ReadAt, Call::Write], PATHS),
    (jobs::relay, &[Call::Stat, Call::Pipe, Call::SpliceIn, Call::SpliceOut, Call::Read], &[]),
    (jobs::relay, &[Call::Read, Call::Send], &[Call::SpliceIn]),
    (jobs::relay, &[Call::Read, Call::Send], &[Call::SpliceOut]),
    (jobs::relay_to_pipe, &[Call::SpliceIn, Call::SpliceOut, Call::Poll, Call::Stat], &[]),
    (jobs::relay_direct, &[Call::Seek, Call::SpliceIn, Call::Stat], &[]),
    (jobs::upload, &[Call::Read, Call::Poll, Call::Write], &[]),
    (jobs::receive, &[Call::Read], &[]),
    (jobs::receive_vectored, &[Call::ReadVectored], &[]),
    (jobs::region, &[Call::Open, Call::Stat, Call::SetBlocking, Call::WillNeed, Call::ReadAt], &[]),
    (jobs::log, &[Call::WriteAt, Call::ReadAt, Call::SyncData, Call::Open], &[]),
    (jobs::log, &[Call::Allocate, Call::SetLen, Call::Stat, Call::LockFile], &[]),
    (jobs::no_log, &[Call::Unlink], &[Call::SyncAll]),
    (jobs::log, &[Call::SyncAll, Call::Link, Call::NextData, Call::ZeroRange], &[]),
    (jobs::snapshot, &[Call::Duplicate, Call::MemoryFile, Call::Seal, Call::Sendfile], &[]),
    (jobs::snapshot, &[Call::Map, Call::Unmap, Call::Advise, Call::Lock, Call::Stat], &[]),
    (jobs::in_place, &[Call::Open, Call::Allocate, Call::Stat, Call::Map, Call::Unmap], &[]),
    (jobs::in_place, &[Call::Duplicate], &[]),
    (jobs::in_place, &[Call::Advise, Call::Lock, Call::Flush, Call::SyncData, Call::Link], &[]),
    (jobs::memory, &[Call::MapMemory, Call::UnmapMemory, Call::AdviseMemory], &[]),
];

const PATHS: &[Call] = &[Call::Sendfile, Call::SpliceIn, Call::CopyRange];

/// Returns whether the caller may receive this error of this call (FA2).
fn may_be_reported(call: Call, errno: Errno) -> bool {
    // Without transfers in the kernel, no call refuses a pair of descriptors.
    let refusal = TRANSFERS_IN_KERNEL && [Errno::INVAL, Errno::PERM, Errno::NOSYS].contains(&errno);
    match call {
        _ if errno == Errno::INTR => false,
        // The job succeeds without these calls.
        Call::Pipe | Call::PipeSize | Call::Poll => false,
        Call::SetZeroCopy | Call::Cork => false,
        Call::Unmap | Call::UnmapMemory | Call::AdviseMemory | Call::Unlink => false,
        Call::NextData | Call::ZeroRange => false,
        // A file system without these calls is not a failure.
        Call::Allocate | Call::MemoryFile => errno != Errno::NOSYS,
        Call::Sendfile | Call::SpliceIn | Call::SpliceOut | Call::CopyRange => !refusal,
        _ => true,
    }
}

/// Returns whether `error` is the correct report of this failure.
fn is_reported_by(call: Call, errno: Errno, error: &io::Error) -> bool {
    match call {
        Call::MapMemory => error.kind() == io::ErrorKind::OutOfMemory,
        // A file that cannot be sealed gives this error.
        Call::Seal if errno == Errno::INVAL && error.raw_os_error().is_none() => {
            error.kind() == io::ErrorKind::InvalidInput
        }
        _ => error.raw_os_error() == Some(errno.raw_os_error()),
    }
}

/// Runs a job in which call number `turn` of one kind has this outcome, once, and the `unused` calls always fail.
/// Returns `None` if the call is made fewer times.
fn ending(
    call: Call,
    outcome: Outcome,
    turn: usize,
    unused: &'static [Call],
    job: Job,
) -> Option<Run> {
    // In memory, if possible: the jobs sync two thousand times, which is cheap there.
    let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    pipes::close_idle();
    let mut turns = 0;
    let is_made = Rc::new(Cell::new(false));
    let made = is_made.clone();
    let plan = move |this, _| {
        turns += usize::from(this == call);
        if this == call && turns == turn {
            made.set(true);
            outcome
        } else if unused.contains(&this) {
            Outcome::Fail(Errno::NOSYS.raw_os_error())
        } else {
            Outcome::Pass
        }
    };
    let run = with_plan(plan, || job(dir.path()));
    assert!(run.arrived == run.meant, "{call:?} {outcome:?} at turn {turn}");
    let left = std::fs::read_dir("/proc/self/fd").into_iter().flatten().filter(|entry| {
        let target = entry.as_ref().ok().and_then(|entry| std::fs::read_link(entry.path()).ok());
        target.is_some_and(|target| target.starts_with(dir.path()))
    });
    assert_eq!(left.count(), 0, "descriptors left by {call:?} {outcome:?}");
    is_made.get().then_some(run)
}

/// Runs a job with each failure of a call at one turn, and with short counts. Returns the number of runs per way: 0 if
/// the call is made fewer times.
fn fail(call: Call, turn: usize, unused: &'static [Call], job: Job) -> [usize; 14] {
    let mut cells = [0; 14];
    for (cell, (_, errno)) in cells.iter_mut().zip(ERRNOS) {
        let outcome = Outcome::Fail(errno.raw_os_error());
        // If another test releases a pipe at the same time, this run does not make the call.
        let tries = if matches!(call, Call::Pipe | Call::PipeSize) { 20 } else { 1 };
        let run = (0..tries).find_map(|_| ending(call, outcome, turn, unused, job));
        let Some(run) = run else { return cells };
        for error in run.errors {
            assert!(may_be_reported(call, errno), "{call:?} {errno:?}: {error}");
            assert!(is_reported_by(call, errno, &error), "{call:?} {errno:?}: {error:?}");
        }
        *cell += 1;
    }
    if call.moves_bytes() {
        for short in [1, 7, 4000] {
            let run = ending(call, Outcome::Short(short), turn, unused, job);
            let errors = run.map(|run| run.errors).unwrap_or_default();
            assert!(errors.is_empty(), "{call:?} cut to {short}: {errors:?}");
            cells[12] += 1;
        }
    }
    if call.proves_no_end() {
        let run = ending(call, Outcome::Nothing, turn, unused, job);
        let errors = run.map(|run| run.errors).unwrap_or_default();
        assert!(errors.is_empty(), "{call:?} that moves nothing: {errors:?}");
        cells[13] += 1;
    }
    cells
}

/// Prints the matrix: `cargo test --lib every_call_may_fail -- --nocapture`.
#[test]
fn every_call_may_fail_in_every_way() {
    let mut matrix = vec![[0; 14]; Call::ALL.len()];
    for &(job, calls, unused) in ROWS {
        for &call in calls {
            for turn in TURNS {
                let cells = fail(call, turn, unused, job);
                if cells[0] == 0 {
                    break;
                }
                let row = &mut matrix[Call::ALL.iter().position(|it| *it == call).unwrap()];
                row.iter_mut().zip(cells).for_each(|(sum, cell)| *sum += cell);
            }
        }
    }
    let ways = ERRNOS.map(|(name, _)| name).into_iter().chain(["short", "zero"]);
    println!("{:12}{}", "", ways.map(|name| format!("{name:>11}")).collect::<String>());
    for (call, row) in Call::ALL.iter().zip(&matrix) {
        let cells =
            row.map(|cell| if cell > 0 { format!("{cell:>9}") } else { format!("{:>9}", "-") });
        println!("{:>12} {}", format!("{call:?}"), cells.concat());
    }
    let failed = matrix.iter().filter(|row| row[..12].iter().all(|cell| *cell > 0)).count();
    let ways = matrix.iter().flatten().filter(|cell| **cell > 0).count();
    println!("{failed} calls, {ways} ways, {} runs", matrix.iter().flatten().sum::<usize>());
    if TRANSFERS_IN_KERNEL {
        // Some file systems have no direct I/O or accept parts of blocks. A thread is started once per process:
        // `pool::tests::life::users_of_a_pool_purge_it_where_no_thread_can_be_started` makes that fail.
        let spared = [Call::Seek, Call::Spawn];
        let without: Vec<_> = Call::ALL
            .iter()
            .zip(&matrix)
            .filter(|(call, row)| row[0] == 0 && !spared.contains(call))
            .collect();
        assert!(without.is_empty(), "calls that never fail: {without:?}");
        assert!(failed >= 28 && ways >= 150);
    }
}

/// The page has a line for each call.
#[test]
fn the_page_names_every_call() {
    let page = include_str!("../../docs/faults.md");
    let without = Call::ALL.iter().filter(|call| !page.contains(&format!("| `{call:?}` |")));
    assert_eq!(without.collect::<Vec<_>>(), [] as [&Call; 0]);
}
