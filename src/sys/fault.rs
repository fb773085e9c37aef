//! Where a test can stand between the crate and the kernel.
//!
//! A plan is asked before each call and may let it pass, shorten it, or have it fail with an
//! errno. The call that passes is a real one, so a plan can only make the kernel slower or more
//! hostile, never more lenient. The one thing that it may make up is what the kernel tells of
//! zero-copy sends, since that comes in orders which no test can wait for; and where it does, a
//! test may also take what is sent in the kernel's place.

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
    pub(in crate::sys) fn admit(_: Call, len: usize) -> io::Result<usize> {
        Ok(len)
    }

    #[cfg(unix)]
    #[inline(always)]
    pub(in crate::sys) fn notice(_: Call) -> io::Result<Option<crate::sys::Notice>> {
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

    /// What is to happen to one call.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Outcome {
        /// The kernel decides.
        Pass,
        /// The kernel is offered at most this many bytes (at least one).
        Short(usize),
        /// The call fails with this errno and moves nothing.
        Fail(i32),
        /// The error queue is not read, and is said to have held this.
        #[cfg(unix)]
        #[allow(dead_code, reason = "there are tests where memory is lent")]
        Told(crate::sys::Notice),
    }

    type Plan = Box<dyn FnMut(Call, usize) -> Outcome>;
    #[cfg(unix)]
    type Taker = Box<dyn FnMut(Call, &[IoSlice<'_>])>;

    thread_local! {
        static PLAN: RefCell<Option<Plan>> = const { RefCell::new(None) };
        #[cfg(unix)]
        static TAKER: RefCell<Option<Taker>> = const { RefCell::new(None) };
    }

    /// Runs `body` with `plan` between this thread and the kernel; the plan ends with it, by panic
    /// too.
    pub(crate) fn with_plan<R>(
        plan: impl FnMut(Call, usize) -> Outcome + 'static,
        body: impl FnOnce() -> R,
    ) -> R {
        struct End;
        impl Drop for End {
            fn drop(&mut self) {
                PLAN.take();
            }
        }
        PLAN.set(Some(Box::new(plan)));
        let _end = End;
        body()
    }

    /// As [`with_plan`]; and what this thread sends and the plan admits is `take`n, all of it, and the
    /// kernel sees nothing.
    #[cfg(unix)]
    #[cfg_attr(
        not(all(target_os = "linux", not(bytebuf_portable))),
        allow(dead_code, reason = "memory is lent on Linux only")
    )]
    pub(crate) fn with_taker<R>(
        plan: impl FnMut(Call, usize) -> Outcome + 'static,
        take: impl FnMut(Call, &[IoSlice<'_>]) + 'static,
        body: impl FnOnce() -> R,
    ) -> R {
        struct End;
        impl Drop for End {
            fn drop(&mut self) {
                TAKER.take();
            }
        }
        TAKER.set(Some(Box::new(take)));
        let _end = End;
        with_plan(plan, body)
    }

    pub(in crate::sys) fn admit(call: Call, len: usize) -> io::Result<usize> {
        match asked(call, len) {
            Some(Outcome::Short(most)) => Ok(len.min(most.max(1))),
            Some(Outcome::Fail(errno)) => Err(io::Error::from_raw_os_error(errno)),
            _ => Ok(len),
        }
    }

    /// What the plan says instead of the error queue.
    #[cfg(unix)]
    pub(in crate::sys) fn notice(call: Call) -> io::Result<Option<crate::sys::Notice>> {
        match asked(call, 0) {
            Some(Outcome::Told(notice)) => Ok(Some(notice)),
            Some(Outcome::Fail(errno)) => Err(io::Error::from_raw_os_error(errno)),
            _ => Ok(None),
        }
    }

    fn asked(call: Call, len: usize) -> Option<Outcome> {
        let ask = |plan: &RefCell<Option<Plan>>| Some(plan.borrow_mut().as_mut()?(call, len));
        // A thread at its end has no plan any more.
        PLAN.try_with(ask).ok().flatten()
    }

    #[cfg(unix)]
    pub(in crate::sys) fn clipped(
        call: Call,
        bufs: &[IoSlice<'_>],
        run: impl FnOnce(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let offered = bufs.iter().map(|buf| buf.len()).sum();
        let mut left = admit(call, offered)?;
        let run = |bufs: &[IoSlice<'_>]| match TAKER.take() {
            None => run(bufs),
            Some(mut take) => {
                take(call, bufs);
                TAKER.set(Some(take));
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
