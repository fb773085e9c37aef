//! Chapter 4: budgets that refuse and wait.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use bytebuf::Pool;

use crate::output::print_line;
use crate::say;

pub(crate) fn show() {
    print_line("4. Budgets refuse and wait");
    let server = Pool::global().budget("server", 1 << 20);
    let greedy = server.budget("greedy tenant", 256 * 1024);
    let modest = server.budget("modest tenant", 256 * 1024);

    let mut held = Vec::new();
    let refused = loop {
        match greedy.try_alloc(30_000) {
            Ok(buffer) => held.push(buffer),
            Err(error) => break error,
        }
    };
    say(format!("the greedy tenant holds {} buffers and is refused: {refused}", held.len()));
    let served = if modest.try_alloc(30_000).is_ok() { "yes" } else { "no" };
    say(format!("the modest tenant is served: {served}"));

    let mut wait = pin!(greedy.alloc_wait(30_000));
    let waker = Waker::from(Arc::new(Announce));
    let mut context = Context::from_waker(&waker);
    let state = if wait.as_mut().poll(&mut context).is_pending() { "pending" } else { "ready" };
    say(format!("the greedy tenant waits: {state}"));
    drop(held.pop());
    match wait.poll(&mut context) {
        Poll::Ready(Ok(buffer)) => {
            say(format!("and gets {} bytes", buffer.capacity()));
        }
        other => say(format!("it still waits: {other:?}")),
    }
    say(greedy.budget_stats().expect("it is a budget"));
    print_line("");
}

struct Announce;

impl Wake for Announce {
    fn wake(self: Arc<Self>) {
        say("one of its buffers is dropped: the waiter is woken");
    }
}
