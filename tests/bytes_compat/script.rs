//! Random scripts, played on any number of handles that share memory.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::{Buf, BufMut};

use super::{Bytes, BytesMut};
use crate::Step;

#[derive(Clone)]
enum Handle {
    Shared(Bytes),
    Unique(BytesMut),
}

use Handle::{Shared, Unique};

impl Handle {
    fn content(&self) -> &[u8] {
        match self {
            Shared(bytes) => bytes,
            Unique(buf) => buf,
        }
    }

    fn into_shared(self) -> Bytes {
        match self {
            Shared(bytes) => bytes,
            Unique(buf) => buf.freeze(),
        }
    }

    fn into_unique(self) -> BytesMut {
        match self {
            Shared(bytes) => bytes.into(),
            Unique(buf) => buf,
        }
    }

    /// Gives up all memory.
    fn let_go(&mut self) {
        *self = match self {
            Shared(_) => empty(),
            Unique(_) => Unique(BytesMut::new()),
        };
    }

    /// Does a step; what it makes besides is a new handle.
    fn step(&mut self, step: &Step) -> Option<Self> {
        match (step, self) {
            (&Step::SplitTo(at), Shared(bytes)) => return Some(Shared(bytes.split_to(at))),
            (&Step::SplitTo(at), Unique(buf)) => return Some(Unique(buf.split_to(at))),
            (&Step::SplitOff(at), Shared(bytes)) => return Some(Shared(bytes.split_off(at))),
            (&Step::SplitOff(at), Unique(buf)) => {
                // Behind the end the capacities decide, which differ.
                return Some(Unique(buf.split_off(at.min(buf.len()))));
            }
            (&Step::Truncate(len), Shared(bytes)) => bytes.truncate(len),
            (&Step::Truncate(len), Unique(buf)) => buf.truncate(len),
            (&Step::Advance(n), Shared(bytes)) => bytes.advance(n),
            (&Step::Advance(n), Unique(buf)) => buf.advance(n),
            (Step::Slice(range), this) => {
                return Some(Shared(match this {
                    Shared(bytes) => bytes.slice(range.clone()),
                    Unique(buf) => Bytes::copy_from_slice(&buf[range.clone()]),
                }));
            }
            (Step::Clone, this) => return Some(this.clone()),
            (Step::Freeze, this) => *this = Shared(mem::replace(this, empty()).into_shared()),
            (Step::Thaw, this) => *this = Unique(mem::replace(this, empty()).into_unique()),
            (Step::TryIntoMut, this) => {
                *this = match mem::replace(this, empty()) {
                    Shared(bytes) => bytes.try_into_mut().map_or_else(Shared, Unique),
                    unique => unique,
                };
            }
            (Step::IntoVec, this) => {
                let vec: Vec<u8> = mem::replace(this, empty()).into_shared().into();
                *this = Shared(vec.into());
            }
            (Step::Put(bytes), Unique(buf)) => buf.put_slice(bytes),
            (&Step::Resize(len), Unique(buf)) => buf.resize(len, b'r'),
            (&Step::Reserve(n), Unique(buf)) => buf.reserve(n),
            (Step::Within(range), Unique(buf)) => buf.extend_from_within(range.clone()),
            (&Step::Unsplit(at), Unique(buf)) => {
                let tail = buf.split_off(at.min(buf.len()));
                buf.unsplit(tail);
            }
            (&Step::CopyToBytes(n), Shared(bytes)) => drop(bytes.copy_to_bytes(n)),
            (&Step::CopyToBytes(n), Unique(buf)) => drop(buf.copy_to_bytes(n)),
            (Step::Overwrite, Unique(buf)) => buf.iter_mut().for_each(|byte| *byte ^= 0xFF),
            (Step::Drop, this) => *this = empty(),
            // Views are not written to.
            (_, Shared(_)) => {}
        }
        None
    }
}

fn empty() -> Handle {
    Shared(Bytes::new())
}

/// After each step: whether it panicked, and what every handle reads.
pub(crate) fn play(start: &[u8], script: &[(usize, Step)]) -> Vec<(bool, Vec<Vec<u8>>)> {
    let mut handles = vec![
        Shared(Bytes::from(start.to_vec())),
        Unique(BytesMut::from(start)),
        Shared(Bytes::from_owner(start.to_vec())),
    ];
    let play_one = |(index, step): &(usize, Step)| {
        let index = index % handles.len();
        let done = catch_unwind(AssertUnwindSafe(|| {
            let made = handles[index].step(step);
            handles.extend(made);
        }));
        // Ours hold no memory when they are empty, theirs may: so others of it would be alone in one world
        // and not in the other.
        handles.iter_mut().filter(|handle| handle.content().is_empty()).for_each(Handle::let_go);
        (done.is_err(), handles.iter().map(|handle| handle.content().to_vec()).collect())
    };
    script.iter().map(play_one).collect()
}
