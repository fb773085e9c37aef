//! Bytes from and to arrays and other buffers, zeros, copies, text.

use std::ops::Range;

use serde_json::Value;

use crate::{
    trace::to_hex,
    world::{Answer, Args, Handle, Outcome, Slot, Stop, World, need, value},
};

pub(crate) fn call(
    op: &str,
    args: Args<'_>,
    target: &mut Handle,
    world: &mut World,
) -> Option<Answer> {
    match get(op, args, target, world) {
        Ok(None) => put(op, args, target, world),
        answer => answer,
    }
    .transpose()
}

type Maybe = Result<Option<Outcome>, Stop>;

fn get(op: &str, args: Args<'_>, target: &mut Handle, world: &mut World) -> Maybe {
    let outcome = match (op, args.0.len()) {
        ("getBytes", 2) => hex(&target.bytes(span(args.index(0)?, args.index(1)?)?)?),
        ("readBytes", 1) => hex(&read(target, args.index(0)?)?),
        ("getBytesArray", 4) => {
            let place = within(args.index(2)?, args.index(3)?, args.index(1)?)?;
            let bytes = target.bytes(span(args.index(0)?, place.len())?)?;
            hex(&array(args.index(1)?, place.start, &bytes))
        }
        ("readBytesArray", 3) => {
            let place = within(args.index(1)?, args.index(2)?, args.index(0)?)?;
            let bytes = read(target, place.len())?;
            hex(&array(args.index(0)?, place.start, &bytes))
        }
        ("getBytesBuf", 2 | 3) => {
            let dst = world.buffer(args.handle(1));
            let n = if args.0.len() == 2 { dst.writable() } else { args.index(2)? };
            need(n <= dst.writable())?;
            let bytes = target.bytes(span(args.index(0)?, n)?)?;
            need(dst.subject.write_bytes(&bytes))?;
            Outcome::Done
        }
        ("getBytesBuf", 4) => {
            let bytes = target.bytes(span(args.index(0)?, args.index(3)?)?)?;
            let dst = world.buffer(args.handle(1));
            need(dst.subject.content().set_bytes(args.index(2)?, &bytes))?;
            Outcome::Done
        }
        ("readBytesBuf", 1 | 2) => {
            let dst = world.buffer(args.handle(0));
            let n = if args.0.len() == 1 { dst.writable() } else { args.index(1)? };
            need(n <= dst.writable())?;
            let bytes = read(target, n)?;
            assert!(dst.subject.write_bytes(&bytes), "the space was there");
            Outcome::Done
        }
        ("readBytesBuf", 3) => {
            let bytes = target.bytes(target.next_readable(args.index(2)?)?)?;
            let dst = world.buffer(args.handle(0));
            need(dst.subject.content().set_bytes(args.index(1)?, &bytes))?;
            assert!(target.subject.skip(bytes.len()), "as many were readable");
            Outcome::Done
        }
        ("readBytesNew", 1) => copied(world, &read(target, args.index(0)?)?),
        ("copy", 0) => copied(world, &target.bytes(target.readable())?),
        ("copy", 2) => copied(world, &target.bytes(span(args.index(0)?, args.index(1)?)?)?),
        ("getCharSequence", 2) => {
            let range = target.range(args.index(0)?, args.index(1)?)?;
            text(target, range)
        }
        ("readCharSequence", 1) => {
            let range = target.next_readable(args.index(0)?)?;
            let n = range.len();
            let text = text(target, range);
            need(target.subject.skip(n))?;
            text
        }
        ("toString", 0) => text(target, target.readable()),
        _ => return Ok(None),
    };
    Ok(Some(outcome))
}

fn put(op: &str, args: Args<'_>, target: &mut Handle, world: &mut World) -> Maybe {
    match (op, args.0.len()) {
        ("setBytes", 2) => set(target, args.index(0)?, &args.bytes(1))?,
        ("writeBytes", 1) => write(target, &args.bytes(0))?,
        ("setBytesArray", 4) => {
            let src = args.bytes(1);
            let part = within(args.index(2)?, args.index(3)?, src.len())?;
            set(target, args.index(0)?, &src[part])?;
        }
        ("writeBytesArray", 3) => {
            let src = args.bytes(0);
            let part = within(args.index(1)?, args.index(2)?, src.len())?;
            write(target, &src[part])?;
        }
        ("setBytesBuf", 2 | 3) => {
            let src = world.buffer(args.handle(1));
            let n = if args.0.len() == 2 { src.readable().len() } else { args.index(2)? };
            let bytes = src.bytes(src.next_readable(n)?)?;
            set(target, args.index(0)?, &bytes)?;
            assert!(src.subject.skip(n), "as many were readable");
        }
        ("setBytesBuf", 4) => {
            let src = world.buffer(args.handle(1));
            let bytes = src.bytes(span(args.index(2)?, args.index(3)?)?)?;
            set(target, args.index(0)?, &bytes)?;
        }
        ("writeBytesBuf", 1 | 2) => {
            let src = world.buffer(args.handle(0));
            let n = if args.0.len() == 1 { src.readable().len() } else { args.index(1)? };
            let bytes = src.bytes(src.next_readable(n)?)?;
            write(target, &bytes)?;
            assert!(src.subject.skip(n), "as many were readable");
        }
        ("writeBytesBuf", 3) => {
            let src = world.buffer(args.handle(0));
            let bytes = src.bytes(span(args.index(1)?, args.index(2)?)?)?;
            write(target, &bytes)?;
        }
        ("setZero", 2) => {
            need(target.subject.content().set_zero(args.index(0)?, args.index(1)?))?;
        }
        ("writeZero", 1) => {
            let n = args.index(0)?;
            need(n <= target.subject.max_capacity() - target.subject.writer())?;
            write(target, &vec![0; n])?;
        }
        ("setCharSequence", 2) => {
            set(target, args.index(0)?, args.text(1).as_bytes())?;
            return value(args.text(1).len()).map(Some);
        }
        ("writeCharSequence", 1) => {
            write(target, args.text(0).as_bytes())?;
            return value(args.text(0).len()).map(Some);
        }
        _ => return Ok(None),
    }
    Ok(Some(Outcome::Done))
}

fn read(target: &mut Handle, n: usize) -> Result<Vec<u8>, Stop> {
    target.subject.read_bytes(n).ok_or(Stop::Fails)
}

fn set(target: &mut Handle, index: usize, bytes: &[u8]) -> Result<(), Stop> {
    need(target.subject.content().set_bytes(index, bytes))
}

fn write(target: &mut Handle, bytes: &[u8]) -> Result<(), Stop> {
    need(target.subject.write_bytes(bytes))
}

fn span(index: usize, n: usize) -> Result<Range<usize>, Stop> {
    Ok(index..index.checked_add(n).ok_or(Stop::Fails)?)
}

fn within(index: usize, n: usize, len: usize) -> Result<Range<usize>, Stop> {
    let range = span(index, n)?;
    need(range.end <= len)?;
    Ok(range)
}

fn array(len: usize, at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut array = vec![0; len];
    array[at..at + bytes.len()].copy_from_slice(bytes);
    array
}

fn hex(bytes: &[u8]) -> Outcome {
    Outcome::Value(Value::from(to_hex(bytes)))
}

fn text(target: &mut Handle, range: Range<usize>) -> Outcome {
    Outcome::Value(Value::from(target.subject.content().text(range)))
}

fn copied(world: &World, bytes: &[u8]) -> Outcome {
    Outcome::New(Slot::Buffer(Handle::new(world.representation.independent(bytes))))
}
