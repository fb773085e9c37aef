//! Slices, duplicates, and reference counts.

use crate::{
    differences::Difference,
    world::{Answer, Args, Handle, Outcome, Slot, Stop, need},
};

pub(crate) fn call(op: &str, args: Args<'_>, target: &mut Handle) -> Option<Answer> {
    let readable = target.readable();
    Some(match (op, args.0.len()) {
        ("slice" | "retainedSlice", 0) => slice(target, readable.start, readable.len()),
        ("slice" | "retainedSlice", 2) => {
            args.index(0).and_then(|index| slice(target, index, args.index(1)?))
        }
        ("readSlice" | "readRetainedSlice", 1) => args.index(0).and_then(|n| read_slice(target, n)),
        ("duplicate" | "retainedDuplicate" | "asReadOnly", 0) => duplicate(target),
        ("isReadOnly", 0) => Err(Stop::Differs(Difference::ReadOnly)),
        ("refCnt" | "retain" | "release", 0) => Err(Stop::Differs(Difference::Counts)),
        ("drop", 0) => Ok(Outcome::Dropped),
        _ => return None,
    })
}

fn slice(target: &mut Handle, index: usize, n: usize) -> Answer {
    let end = index.checked_add(n).ok_or(Stop::Fails)?;
    let slice = target.subject.content().slice(index..end).ok_or(Stop::Fails)?;
    Ok(Outcome::New(Slot::Buffer(Handle::new(slice))))
}

fn read_slice(target: &mut Handle, n: usize) -> Answer {
    let start = target.next_readable(n)?.start;
    let made = slice(target, start, n)?;
    need(target.subject.skip(n))?;
    Ok(made)
}

fn duplicate(target: &mut Handle) -> Answer {
    let all = 0..target.subject.capacity();
    let view = target.subject.content().slice(all).ok_or(Stop::Fails)?;
    let mut twin = Handle::new(view);
    twin.set_index(target.subject.reader(), target.subject.writer())?;
    Ok(Outcome::New(Slot::Buffer(twin)))
}
