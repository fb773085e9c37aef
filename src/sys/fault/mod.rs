//! Fault plans: a test replaces the answers of the kernel.
//!
//! Before each call a plan decides whether the call is made, is made with a shorter length, or fails with
//! an errno. A call that is made is a real call, so a plan can make the kernel only slower or stricter. There
//! is one exception: a plan may invent the completions of zero-copy sends, since a test cannot wait for
//! each order of them. Such a test may also receive the sent bytes in place of the kernel.

mod call;

pub(crate) use call::Call;
#[cfg(not(test))]
pub(super) use inert::*;
#[cfg(test)]
pub(crate) use planned::*;

#[cfg(not(test))]
mod inert {
    use std::io;
    #[cfg(unix)]
    use std::io::IoSlice;

    use crate::sys::Call;

    #[inline(always)]
    pub(in crate::sys) fn inject(_: Call, len: usize) -> io::Result<usize> {
        Ok(len)
    }

    #[cfg(unix)]
    #[inline(always)]
    pub(in crate::sys) fn completion(_: Call) -> io::Result<Option<crate::sys::Completion>> {
        Ok(None)
    }

    #[cfg(unix)]
    #[inline(always)]
    pub(in crate::sys) fn clipped(
        _: Call,
        bufs: &[IoSlice<'_>],
        call: impl FnOnce(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        call(bufs)
    }
}

#[cfg(test)]
mod planned {
    use std::cell::RefCell;
    use std::io;
    #[cfg(unix)]
    use std::io::IoSlice;

    use crate::sys::Call;

    /// The result of one call.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Outcome {
        /// The kernel decides.
        Pass,
        /// The kernel is offered at most this many bytes (at least one).
        Short(usize),
        /// The kernel is offered no bytes, so it moves none and returns no error.
        Nothing,
        /// The call fails with this errno and moves nothing.
        Fail(i32),
        /// The error queue is not read; this completion replaces its contents.
        #[cfg(unix)]
        #[allow(dead_code, reason = "the tests of zero-copy sends use it, which Linux alone has")]
        Completed(crate::sys::Completion),
    }

    type Plan = Box<dyn FnMut(Call, usize) -> Outcome>;
    #[cfg(unix)]
    type Sink = Box<dyn FnMut(Call, &[IoSlice<'_>])>;

    thread_local! {
        static PLAN: RefCell<Option<Plan>> = const { RefCell::new(None) };
        #[cfg(unix)]
        static SINK: RefCell<Option<Sink>> = const { RefCell::new(None) };
    }

    /// Runs `body` while `plan` decides about the calls of this thread. The plan ends with `body`, also after
    /// a panic.
    pub(crate) fn with_plan<R>(
        plan: impl FnMut(Call, usize) -> Outcome + 'static,
        body: impl FnOnce() -> R,
    ) -> R {
        struct ClearPlan;
        impl Drop for ClearPlan {
            fn drop(&mut self) {
                PLAN.take();
            }
        }
        PLAN.set(Some(Box::new(plan)));
        let _clear = ClearPlan;
        body()
    }

    /// Runs `body` as [`with_plan`] does. `take` receives all bytes that this thread sends and that the plan
    /// lets pass; the kernel does not.
    #[cfg(unix)]
    #[allow(dead_code, reason = "the tests of zero-copy sends use it, which Linux alone has")]
    pub(crate) fn with_sink<R>(
        plan: impl FnMut(Call, usize) -> Outcome + 'static,
        take: impl FnMut(Call, &[IoSlice<'_>]) + 'static,
        body: impl FnOnce() -> R,
    ) -> R {
        struct ClearSink;
        impl Drop for ClearSink {
            fn drop(&mut self) {
                SINK.take();
            }
        }
        SINK.set(Some(Box::new(take)));
        let _clear = ClearSink;
        with_plan(plan, body)
    }

    /// Applies the plan to a call that offers `len` bytes. Returns the number of bytes to offer, or the planned error.
    pub(in crate::sys) fn inject(call: Call, len: usize) -> io::Result<usize> {
        match outcome(call, len) {
            Some(Outcome::Short(most)) => Ok(len.min(most.max(1))),
            Some(Outcome::Nothing) => Ok(0),
            Some(Outcome::Fail(errno)) => Err(io::Error::from_raw_os_error(errno)),
            _ => Ok(len),
        }
    }

    /// Returns the completion of the plan, in place of the error queue.
    #[cfg(unix)]
    pub(in crate::sys) fn completion(call: Call) -> io::Result<Option<crate::sys::Completion>> {
        match outcome(call, 0) {
            Some(Outcome::Completed(completion)) => Ok(Some(completion)),
            Some(Outcome::Fail(errno)) => Err(io::Error::from_raw_os_error(errno)),
            _ => Ok(None),
        }
    }

    fn outcome(call: Call, len: usize) -> Option<Outcome> {
        let decide = |plan: &RefCell<Option<Plan>>| Some(plan.borrow_mut().as_mut()?(call, len));
        // The plan of an ending thread may already be dropped.
        PLAN.try_with(decide).ok().flatten()
    }

    #[cfg(unix)]
    pub(in crate::sys) fn clipped(
        call: Call,
        bufs: &[IoSlice<'_>],
        run: impl FnOnce(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let offered = bufs.iter().map(|buf| buf.len()).sum();
        let mut left = inject(call, offered)?;
        let run = |bufs: &[IoSlice<'_>]| match SINK.take() {
            None => run(bufs),
            Some(mut take) => {
                take(call, bufs);
                SINK.set(Some(take));
                Ok(bufs.iter().map(|buf| buf.len()).sum())
            }
        };
        if left == offered {
            return run(bufs);
        }
        let mut clipped = Vec::new();
        for buf in bufs {
            let take = left.min(buf.len());
            clipped.push(IoSlice::new(&buf[..take]));
            left -= take;
            if left == 0 {
                break;
            }
        }
        run(&clipped)
    }
}
