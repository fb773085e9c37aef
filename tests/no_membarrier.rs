//! A filter forbids the system call `membarrier`, by which a pool reaches the caches of other threads.
#![cfg(all(target_os = "linux", not(miri)))]

use bytebuf::Pool;
use std::process::Command;
use std::sync::mpsc::channel;
use std::time::Duration;

/// Makes `membarrier` fail with `EPERM` for this thread and those that it starts.
#[allow(unsafe_code, reason = "the filter is passed by address")]
fn forbid_membarrier() {
    const fn step(code: u32, jf: u8, k: u32) -> libc::sock_filter {
        libc::sock_filter { code: code as u16, jt: 0, jf, k }
    }
    let steps = [
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0), // the number of the call
        step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 1, libc::SYS_membarrier as u32),
        step(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32),
        step(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: steps.len() as u16, filter: steps.as_ptr().cast_mut() };
    // SAFETY: no pointer is passed.
    assert_eq!(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }, 0);
    let mode = libc::SECCOMP_MODE_FILTER;
    // SAFETY: the kernel copies the program during the call.
    assert_eq!(unsafe { libc::prctl(libc::PR_SET_SECCOMP, mode, &raw const program) }, 0);
}

/// Runs `f` in a thread, and panics if the thread does not end.
fn ends<R: Send + 'static>(f: impl FnOnce() -> R + Send + 'static) -> R {
    let (sender, ended) = channel();
    std::thread::spawn(move || sender.send(std::thread::spawn(f).join()));
    ended.recv_timeout(Duration::from_secs(60)).expect("the thread ends").unwrap()
}

/// A program that builds a pool, and then gives up rights that it no longer needs.
#[test]
fn threads_and_pools_end_if_the_call_is_forbidden_after_the_first_use() {
    let pool = Pool::builder().build();
    drop(pool.alloc(100));
    let figures = pool.clone();
    ends(move || {
        forbid_membarrier();
        let held: Vec<_> = (0..100).map(|i| pool.alloc(100 * i)).collect();
        drop(held);
        pool.trim();
        drop(pool.alloc(5000));
        let other = Pool::builder().build();
        drop(other.alloc(100));
    });
    figures.assert_no_leaks();
    figures.trim();
    assert_eq!(figures.stats().mapped, 0);
}

const CHILD: &str = "BYTEBUF_NO_MEMBARRIER";

/// In a process of its own: a process asks once whether it has the call.
#[test]
fn figures_and_limits_are_exact_if_the_call_is_forbidden_from_the_start() {
    let own = "figures_and_limits_are_exact_if_the_call_is_forbidden_from_the_start";
    if std::env::var_os(CHILD).is_none() {
        let program = std::env::current_exe().unwrap();
        let status = Command::new(program).args(["--exact", own]).env(CHILD, "1").status();
        assert!(status.unwrap().success());
        return;
    }
    forbid_membarrier();
    let limit = 8 << 20;
    let pool = Pool::builder().max_memory(limit).build();
    let (idle, threads) = (std::sync::Barrier::new(17), 16);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                drop([pool.alloc(400_000), pool.alloc(100)]);
                idle.wait();
                idle.wait();
            });
        }
        idle.wait();
        pool.assert_no_leaks();
        assert!(pool.try_alloc(limit / 2).is_ok(), "{:?}", pool.stats());
        pool.trim();
        assert_eq!(pool.stats().mapped, 0);
        idle.wait();
    });
    ends(move || drop(pool));
}
