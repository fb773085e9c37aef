//! Indexes, marks, capacity, and typed values.

use crate::{
    typed::type_of,
    world::{Answer, Args, Handle, Outcome, Stop, need, value},
};

pub(crate) fn call(op: &str, args: Args<'_>, target: &mut Handle) -> Option<Answer> {
    typed(op, args, target).or_else(|| indexes(op, args, target).transpose())
}

fn typed(op: &str, args: Args<'_>, target: &mut Handle) -> Option<Answer> {
    let subject = &mut target.subject;
    let given = |found: Option<_>| found.ok_or(Stop::Fails).map(Outcome::Value);
    let done = |written: bool| need(written).map(|()| Outcome::Done);
    Some(if let Some(kind) = type_of(op, "get") {
        args.index(0).and_then(|index| given(subject.content().get(kind, index)))
    } else if let Some(kind) = type_of(op, "set") {
        args.index(0).and_then(|index| done(subject.content().set(kind, index, &args.0[1])))
    } else if let Some(kind) = type_of(op, "read") {
        given(subject.read(kind))
    } else {
        let kind = type_of(op, "write")?;
        done(subject.write(kind, &args.0[0]))
    })
}

fn indexes(op: &str, args: Args<'_>, target: &mut Handle) -> Result<Option<Outcome>, Stop> {
    let subject = &mut target.subject;
    let (reader, writer, capacity) = (subject.reader(), subject.writer(), subject.capacity());
    let answer = match (op, args.0.len()) {
        ("readerIndex", 0) => value(reader),
        ("writerIndex", 0) => value(writer),
        ("capacity", 0) => value(capacity),
        ("maxCapacity", 0) => value(subject.max_capacity()),
        ("readableBytes", 0) => value(writer - reader),
        ("writableBytes", 0) => value(capacity - writer),
        ("maxWritableBytes", 0) => value(subject.max_capacity() - writer),
        ("isReadable", 0) => value(writer > reader),
        ("isReadable", 1) => value(writer - reader >= args.index(0)?),
        ("isWritable", 0) => value(capacity > writer),
        ("isWritable", 1) => value(capacity - writer >= args.index(0)?),
        ("ensureWritable", 2) => {
            let (n, force) = (args.index(0)?, args.flag(1));
            value(ensure_writable(target, n, force))
        }
        _ => return change(op, args, target),
    };
    answer.map(Some)
}

fn change(op: &str, args: Args<'_>, target: &mut Handle) -> Result<Option<Outcome>, Stop> {
    let subject = &mut target.subject;
    match (op, args.0.len()) {
        ("readerIndex", 1) => need(subject.set_reader(args.index(0)?))?,
        ("writerIndex", 1) => need(subject.set_writer(args.index(0)?))?,
        ("setIndex", 2) => target.set_index(args.index(0)?, args.index(1)?)?,
        ("clear", 0) => target.set_index(0, 0)?,
        ("skipBytes", 1) => need(subject.skip(args.index(0)?))?,
        ("markReaderIndex", 0) => target.reader_mark = subject.reader(),
        ("markWriterIndex", 0) => target.writer_mark = mark(subject.writer()),
        ("resetReaderIndex", 0) => need(subject.set_reader(target.reader_mark))?,
        ("resetWriterIndex", 0) => {
            let index = usize::try_from(target.writer_mark).map_err(|_| Stop::Fails)?;
            need(subject.set_writer(index))?;
        }
        ("ensureWritable", 1) => need(subject.reserve(args.index(0)?))?,
        ("capacity", 1) if target.composite.is_none() => {
            let capacity = args.index(0)?;
            need(capacity <= subject.max_capacity())?;
            let (reader, writer) = (subject.reader(), subject.writer());
            target.set_index(reader.min(capacity), writer.min(capacity))?;
            target.subject.set_capacity(capacity);
        }
        ("discardReadBytes", 0) if target.composite.is_none() => {
            let gone = subject.reader();
            subject.discard_read();
            forget_marks(target, gone);
        }
        _ => return Ok(None),
    }
    Ok(Some(Outcome::Done))
}

/// Netty's code: 0 space was there, 1 can't be had, 2 made, 3 can't be had but grown as far as it
/// goes.
fn ensure_writable(target: &mut Handle, n: usize, force: bool) -> u8 {
    let max = target.subject.max_capacity();
    if n <= target.writable() {
        0
    } else if target.subject.reserve(n) {
        2
    } else if !force || target.subject.capacity() == max {
        1
    } else {
        assert!(target.subject.reserve(max - target.subject.writer()));
        3
    }
}

/// The marks after the first `gone` bytes were discarded.
pub(crate) fn forget_marks(target: &mut Handle, gone: usize) {
    if gone == 0 {
        return;
    }
    target.writer_mark -= mark(gone);
    if target.reader_mark <= gone {
        target.reader_mark = 0;
        target.writer_mark = target.writer_mark.max(0);
    } else {
        target.reader_mark -= gone;
    }
}

fn mark(index: usize) -> isize {
    isize::try_from(index).expect("no buffer is that long")
}
