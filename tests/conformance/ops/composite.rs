//! Netty's list of components over one run of bytes.
//!
//! What counts as a component differs (see the table of differences), so the list of lengths is
//! kept here and the library is asked to put bytes in, take bytes out and say what is there.

use std::ops::Range;

use serde_json::Value;

use super::indexes::forget_marks;
use crate::{
    differences::Difference,
    representation::Representation,
    subject::Part,
    trace::{from_hex, to_hex},
    world::{Answer, Args, Components, Handle, Outcome, Slot, Stop, World, need, value},
};

pub(crate) fn call(
    op: &str,
    args: Args<'_>,
    target: &mut Handle,
    world: &mut World,
) -> Option<Answer> {
    target.composite.as_ref()?;
    ask(op, args, target, world.representation)
        .or_else(|| change(op, args, target, world).transpose())
}

/// A composite that was written beyond its end has one component more.
pub(crate) fn note_growth(target: &mut Handle) {
    let capacity = target.subject.capacity();
    if let Some(composite) = &mut target.composite {
        let known: usize = composite.lengths.iter().sum();
        if known < capacity {
            composite.lengths.push(capacity - known);
        }
    }
}

fn list(target: &mut Handle) -> &mut Components {
    target.composite.as_mut().expect("a composite")
}

impl Components {
    fn start(&self, i: usize) -> usize {
        self.lengths[..i].iter().sum()
    }

    fn component(&self, i: usize) -> Result<Range<usize>, Stop> {
        need(i < self.lengths.len())?;
        let start = self.start(i);
        Ok(start..start + self.lengths[i])
    }

    fn ranges(&self) -> Vec<Range<usize>> {
        (0..self.lengths.len()).map(|i| self.start(i)..self.start(i + 1)).collect()
    }
}

fn merge(target: &mut Handle, range: Range<usize>) {
    if range.len() > 1 {
        let composite = list(target);
        let bytes = composite.start(range.start)..composite.start(range.end);
        composite.lengths.splice(range, [bytes.len()]);
        target.subject.content().merge(bytes);
    }
}

/// More components than Netty was told to keep: all become one.
fn keep_to_max(target: &mut Handle) {
    let count = list(target).lengths.len();
    if count > list(target).max {
        merge(target, 0..count);
    }
}

fn ask(op: &str, args: Args<'_>, target: &mut Handle, on: Representation) -> Option<Answer> {
    let composite = list(target).clone();
    Some(match (op, args.0.len()) {
        ("numComponents" | "maxNumComponents" | "nioBufferCount", 0)
            if on != Representation::Model =>
        {
            Err(Stop::Differs(Difference::Boundaries))
        }
        ("numComponents", 0) => value(composite.lengths.len()),
        ("nioBufferCount", 0) => value(composite.lengths.len().max(1)),
        ("maxNumComponents", 0) => value(composite.max),
        ("toComponentIndex", 1) => args.index(0).and_then(|offset| {
            let start = target.subject.content().component_start(offset).ok_or(Stop::Fails)?;
            let mut ranges = composite.ranges().into_iter();
            value(ranges.position(|range| range.contains(&start)).expect("all bytes are in one"))
        }),
        ("toByteIndex", 1) => args.index(0).and_then(|i| {
            let range = composite.component(i)?;
            let ours = target.subject.content().component_start(range.start);
            assert!(range.is_empty() || ours == Some(range.start), "a component begins elsewhere");
            value(range.start)
        }),
        ("componentSlice", 1) => args.index(0).and_then(|i| {
            let range = composite.component(i)?;
            value(to_hex(&target.bytes(range)?))
        }),
        ("components", 0) => hex_list(target, composite.ranges()),
        ("decompose", 2) => args.index(0).and_then(|offset| {
            let wanted = target.range(offset, args.index(1)?)?;
            let cut =
                |range: Range<usize>| range.start.max(wanted.start)..range.end.min(wanted.end);
            let ranges = composite.ranges().into_iter().map(cut);
            hex_list(target, ranges.filter(|range| !range.is_empty()).collect())
        }),
        ("nioBuffers", 2) => args.index(0).and_then(|index| {
            let range = target.range(index, args.index(1)?)?;
            let pieces = target.subject.content().pieces(range);
            Ok(Outcome::Value(pieces.iter().map(|piece| to_hex(piece)).collect()))
        }),
        _ => return None,
    })
}

fn hex_list(target: &mut Handle, ranges: Vec<Range<usize>>) -> Answer {
    let bytes = ranges.into_iter().map(|range| target.bytes(range).map(|bytes| to_hex(&bytes)));
    Ok(Outcome::Value(bytes.collect::<Result<Value, Stop>>()?))
}

fn change(
    op: &str,
    args: Args<'_>,
    target: &mut Handle,
    world: &mut World,
) -> Result<Option<Outcome>, Stop> {
    let end = list(target).lengths.len();
    match (op, args.0.len()) {
        ("addComponent", 2) => add(target, world, end, args.flag(0), &args.0[1..])?,
        ("addComponent", 3) => add(target, world, args.index(1)?, args.flag(0), &args.0[2..])?,
        ("addComponents", 2) => add(target, world, end, args.flag(0), array(&args.0[1]))?,
        ("addComponentsAt", 2) => add(target, world, args.index(0)?, false, array(&args.0[1]))?,
        ("addFlattenedComponents", 2) => flatten(target, world, args.flag(0), &args.0[1]),
        ("removeComponent", 1) => remove(target, args.index(0)?, 1)?,
        ("removeComponents", 2) => remove(target, args.index(0)?, args.index(1)?)?,
        ("consolidate", 0) => merge(target, 0..end),
        ("consolidate", 2) => {
            let range = some_of(target, args.index(0)?, args.index(1)?)?;
            merge(target, range);
        }
        ("discardReadComponents", 0) => {
            let reader = target.subject.reader();
            let mut gone = 0;
            for range in list(target).ranges() {
                if range.end <= reader {
                    gone = range.end;
                }
            }
            discard(target, gone);
        }
        ("discardReadBytes", 0) => discard(target, target.subject.reader()),
        ("capacity", 1) => shrink(target, args.index(0)?)?,
        _ => return Ok(None),
    }
    Ok(Some(Outcome::Done))
}

fn array(value: &Value) -> &[Value] {
    value.as_array().expect("a list of components")
}

/// What becomes a component, and the lengths of what it is made of.
fn component(world: &mut World, value: &Value) -> (Part, Vec<usize>) {
    if let Value::String(name) = value {
        let name = name.strip_prefix('@').expect("a handle");
        let Slot::Buffer(mut handle) = world.take(name) else { panic!("{name} is no buffer") };
        let readable = handle.readable();
        let clip = |range: Range<usize>| {
            range.end.min(readable.end).saturating_sub(range.start.max(readable.start))
        };
        let lengths = match &handle.composite {
            Some(list) => list.ranges().into_iter().map(clip).filter(|len| *len > 0).collect(),
            None => vec![readable.len()],
        };
        (handle.subject.content().part(readable), lengths)
    } else {
        let number = |key: &str| {
            let number = value[key].as_u64().unwrap_or_else(|| panic!("a component has its {key}"));
            usize::try_from(number).expect("a length")
        };
        let data = from_hex(value["data"].as_str().expect("a component has its data"));
        let range = number("reader")..number("writer");
        let lengths = vec![range.len()];
        (world.representation.part(&data, range), lengths)
    }
}

fn add(
    target: &mut Handle,
    world: &mut World,
    at: usize,
    move_writer: bool,
    values: &[Value],
) -> Result<(), Stop> {
    need(at <= list(target).lengths.len())?;
    let mut added = 0;
    for (i, value) in values.iter().enumerate() {
        let (part, _) = component(world, value);
        let offset = list(target).start(at + i);
        list(target).lengths.insert(at + i, part.len());
        added += part.len();
        target.subject.content().insert(offset, part);
    }
    keep_to_max(target);
    advance_writer(target, if move_writer { added } else { 0 });
    Ok(())
}

fn flatten(target: &mut Handle, world: &mut World, move_writer: bool, value: &Value) {
    let (part, lengths) = component(world, value);
    if part.len() == 0 {
        return;
    }
    let (end, added) = (target.subject.capacity(), part.len());
    target.subject.content().insert(end, part);
    list(target).lengths.extend(lengths);
    keep_to_max(target);
    advance_writer(target, if move_writer { added } else { 0 });
}

fn advance_writer(target: &mut Handle, n: usize) {
    let writer = target.subject.writer();
    assert!(target.subject.set_writer(writer + n), "as many bytes were added");
}

fn some_of(target: &mut Handle, i: usize, n: usize) -> Result<Range<usize>, Stop> {
    let end = i.checked_add(n).ok_or(Stop::Fails)?;
    need(end <= list(target).lengths.len())?;
    Ok(i..end)
}

fn remove(target: &mut Handle, i: usize, n: usize) -> Result<(), Stop> {
    let range = some_of(target, i, n)?;
    let bytes = list(target).start(range.start)..list(target).start(range.end);
    list(target).lengths.drain(range);
    target.subject.content().cut(bytes);
    Ok(())
}

/// The first `gone` bytes leave, or all where nothing is left to read or write.
fn discard(target: &mut Handle, gone: usize) {
    let (reader, writer) = (target.subject.reader(), target.subject.writer());
    if reader == 0 {
        return;
    }
    if reader == writer && writer == target.subject.capacity() {
        list(target).lengths.clear();
        move_down(target, reader);
        target.subject.content().cut(0..reader);
    } else {
        let mut left = gone;
        let composite = list(target);
        let whole = composite.lengths.iter().take_while(|len| {
            let fits = **len <= left;
            left -= if fits { **len } else { 0 };
            fits
        });
        let whole = whole.count();
        composite.lengths.drain(..whole);
        if left > 0 {
            composite.lengths[0] -= left;
        }
        move_down(target, gone);
        target.subject.content().cut(0..gone);
    }
}

fn move_down(target: &mut Handle, gone: usize) {
    let (reader, writer) = (target.subject.reader() - gone, target.subject.writer() - gone);
    target.set_index(reader, writer).expect("lower indexes");
    forget_marks(target, gone);
}

fn shrink(target: &mut Handle, capacity: usize) -> Result<(), Stop> {
    let old = target.subject.capacity();
    need(capacity <= old)?;
    if capacity == old {
        return Ok(());
    }
    let (reader, writer) = (target.subject.reader(), target.subject.writer());
    target.set_index(reader.min(capacity), writer.min(capacity))?;
    let lengths = &mut list(target).lengths;
    let mut surplus = old - capacity;
    while let Some(last) = lengths.last_mut() {
        if surplus < *last {
            *last -= surplus;
            break;
        }
        surplus -= *last;
        lengths.pop();
    }
    target.subject.content().cut(capacity..old);
    Ok(())
}
