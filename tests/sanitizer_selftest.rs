//! Makes one fault that a memory checker must report, named by `BYTEBUF_FAULT`.
//!
//! The scripts in `ci/` run each fault and require the report, so that a checker that reports nothing is noticed. Without
//! a checker the process ends successfully.
#![allow(unsafe_code, reason = "each of these is wrong, on purpose")]

use bytebuf::{ByteBuf, Pool};
use bytes::BufMut;
use std::hint::black_box;
use std::sync::Barrier;
use std::thread;

fn filled(pool: &Pool, len: usize) -> ByteBuf {
    let mut buf = pool.alloc(len);
    buf.put_bytes(1, len);
    buf
}

/// Of a place that may be read only if the fault was not noticed.
fn read(at: *const u8) -> bool {
    // SAFETY: none: that is what the fault is.
    black_box(unsafe { at.read_volatile() }) == 1
}

fn read_after_release(pool: &Pool) {
    let buf = filled(pool, 100);
    let at = buf.as_ptr();
    drop(buf);
    println!("{}", read(at));
}

fn overrun(pool: &Pool) {
    let buf = filled(pool, 100);
    println!("{}", read(buf.as_ptr().wrapping_add(100)));
}

fn uninitialised(pool: &Pool) {
    drop(filled(pool, 100));
    let mut buf = pool.alloc(100);
    // As it depends on the value, memcheck says so.
    println!("{}", if read(buf.spare_capacity_mut().as_ptr().cast()) { "one" } else { "another" });
}

fn leak(_: &Pool) {
    // Many, so that no register happens to hold the last.
    (1..50).for_each(|len| std::mem::forget(black_box(vec![1_u8; len])));
}

#[derive(Clone, Copy)]
struct Shared(*mut u8);
// SAFETY: none: two threads write through it.
unsafe impl Send for Shared {}

impl Shared {
    fn write(self) {
        for round in 0..1000 {
            // SAFETY: none, as above.
            unsafe { self.0.write(round as u8) };
            black_box(self.0);
        }
    }
}

fn race(pool: &Pool) {
    let mut buf = filled(pool, 100);
    let at = Shared(buf.as_mut_ptr());
    // A thread that has ended before the other begins may be forgotten by then.
    let both_are_there = &Barrier::new(2);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(move || {
                both_are_there.wait();
                at.write();
            });
        }
    });
}

fn main() {
    let pool = Pool::builder().build();
    match std::env::var("BYTEBUF_FAULT").as_deref() {
        Ok("read_after_release") => read_after_release(&pool),
        Ok("overrun") => overrun(&pool),
        Ok("uninitialised") => uninitialised(&pool),
        Ok("leak") => leak(&pool),
        Ok("race") => race(&pool),
        Ok("none") => drop(filled(&pool, 100)),
        other => panic!("no such fault: {other:?}"),
    }
}
