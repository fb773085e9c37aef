//! Searching, comparing, dumping, and the resumable searches.

use std::ops::Range;

use serde_json::Value;

use crate::{
    differences::Difference,
    processor::Processor,
    representation::Representation,
    trace::{from_hex, to_hex},
    world::{Answer, Args, Handle, Outcome, Slot, Stop, World, need, value},
};

pub(crate) fn call(
    op: &str,
    args: Args<'_>,
    target: &mut Handle,
    world: &mut World,
) -> Option<Answer> {
    let count = args.0.len();
    Some(match (op, count) {
        ("indexOf", 3) => index_of(args, target),
        ("bytesBefore", 1..=3) => bytes_before(args, target),
        ("forEachByte" | "forEachByteDesc", 1 | 3) => for_each(op, args, target),
        ("find", 1) => find(args, target, world),
        ("equals", 1) => compare(args, target, world, |target, range, other| {
            Value::from(target.subject.content().equals(range, other))
        }),
        ("compare", 1) => compare(args, target, world, |target, range, other| {
            Value::from(target.subject.content().compare(range, other) as i8)
        }),
        ("equalsRange", 4) => equals_range(args, target, world),
        ("hexDump", 0 | 2) => {
            dump(args, target, |target, range| target.subject.content().hex(range))
        }
        ("prettyHexDump", 0 | 2) => {
            dump(args, target, |target, range| target.subject.content().hex_box(range))
        }
        ("isText", 1 | 3) => is_text(args, target),
        ("search", 3) => search(args, target, world),
        _ => return None,
    })
}

/// The calls that have no buffer to work on.
pub(crate) fn call_free(op: &str, args: Args<'_>, world: &World) -> Option<Answer> {
    Some(match (op, args.0.len()) {
        ("utf8Bytes", 1) => value(args.text(0).len()),
        ("decodeHexDump", 1) => decode_hex(args.text(0), world.representation),
        ("bitap", 1) if args.bytes(0).len() > 64 => Err(Stop::Differs(Difference::NeedleLength)),
        ("kmp" | "bitap", 1) => made(world.representation.processor(args.bytes(0))),
        ("ahoCorasick", 1) => {
            let list = args.0[0].as_array().expect("a list of needles").iter();
            let needles = list.map(|needle| from_hex(needle.as_str().expect("hex")));
            made(world.representation.multi_processor(needles.collect()))
        }
        _ => return None,
    })
}

pub(crate) fn call_processor(
    op: &str,
    on: &str,
    args: Args<'_>,
    world: &mut World,
) -> Option<Answer> {
    let processor = world.processor(on);
    Some(match (op, args.0.len()) {
        ("searchReset", 0) => {
            processor.reset();
            Ok(Outcome::Done)
        }
        ("process", 1) => value(processor.feed(&[args.byte(0)]).is_none()),
        ("foundNeedleId", 0) => value(processor.found()),
        _ => return None,
    })
}

fn made(processor: Option<Box<dyn Processor>>) -> Answer {
    processor.ok_or(Stop::Fails).map(|made| Outcome::New(Slot::Processor(made)))
}

fn search(args: Args<'_>, target: &mut Handle, world: &mut World) -> Answer {
    let range = target.range(args.index(1)?, args.index(2)?)?;
    index(target.subject.content().feed(range, world.processor(args.handle(0))))
}

/// Netty's "nothing found" is -1.
fn index(found: Option<usize>) -> Answer {
    Ok(Outcome::Value(found.map_or(Value::from(-1), Value::from)))
}

fn clamped(index: i64) -> usize {
    usize::try_from(index).unwrap_or(0)
}

fn index_of(args: Args<'_>, target: &mut Handle) -> Answer {
    let (from, to, byte) = (args.integer(0), args.integer(1), args.byte(2));
    let capacity = target.subject.capacity();
    if from <= to {
        let (from, to) = (clamped(from), clamped(to));
        if from >= to || capacity == 0 {
            return index(None);
        }
        let range = target.range(from, to - from)?;
        index(target.subject.content().find_byte(range, byte))
    } else {
        let from = clamped(from).min(capacity);
        if from == 0 {
            return index(None);
        }
        let to = args.index(1)?;
        need(to <= from)?;
        index(target.subject.content().rfind_byte(to..from, byte))
    }
}

fn bytes_before(args: Args<'_>, target: &mut Handle) -> Answer {
    let range = match args.0.len() {
        1 => target.readable(),
        2 => target.next_readable(args.index(0)?)?,
        _ => target.range(args.index(0)?, args.index(1)?)?,
    };
    let byte = args.byte(args.0.len() - 1);
    let start = range.start;
    index(target.subject.content().find_byte(range, byte).map(|found| found - start))
}

fn range_or_readable(args: Args<'_>, target: &Handle, ranged: bool) -> Result<Range<usize>, Stop> {
    if ranged { target.range(args.index(0)?, args.index(1)?) } else { Ok(target.readable()) }
}

fn for_each(op: &str, args: Args<'_>, target: &mut Handle) -> Answer {
    let range = range_or_readable(args, target, args.0.len() == 3)?;
    let stop = stop_at(&args.0[args.0.len() - 1]);
    let content = target.subject.content();
    index(match op {
        "forEachByte" => content.position(range, &*stop),
        _ => content.rposition(range, &*stop),
    })
}

/// Where a ready-made processor stops.
fn stop_at(processor: &Value) -> Box<dyn Fn(u8) -> bool> {
    if let Value::Array(named) = processor {
        let byte = named[1].as_u64().and_then(|byte| u8::try_from(byte).ok()).expect("a byte");
        return match named[0].as_str() {
            Some("indexOf") => Box::new(move |this| this == byte),
            Some("indexNotOf") => Box::new(move |this| this != byte),
            _ => panic!("unknown byte processor {processor}"),
        };
    }
    let name =
        processor.as_str().and_then(|name| name.strip_prefix("FIND_")).expect("FIND_ something");
    let (name, wanted) = name.strip_prefix("NON_").map_or((name, true), |name| (name, false));
    let set: &'static [u8] = match name {
        "NUL" => b"\0",
        "CR" => b"\r",
        "LF" => b"\n",
        "CRLF" => b"\r\n",
        "SEMI_COLON" => b";",
        "COMMA" => b",",
        "ASCII_SPACE" => b" ",
        "LINEAR_WHITESPACE" => b" \t",
        _ => panic!("unknown byte processor {processor}"),
    };
    Box::new(move |this| set.contains(&this) == wanted)
}

fn find(args: Args<'_>, target: &mut Handle, world: &mut World) -> Answer {
    let needle = world.buffer(args.handle(0));
    let needle = needle.bytes(needle.readable())?;
    if needle.is_empty() {
        return value(0);
    }
    let readable = target.readable();
    index(target.subject.content().find(readable, &needle))
}

fn compare(
    args: Args<'_>,
    target: &mut Handle,
    world: &mut World,
    how: fn(&mut Handle, Range<usize>, &[u8]) -> Value,
) -> Answer {
    let other = world.buffer(args.handle(0));
    let other = other.bytes(other.readable())?;
    let readable = target.readable();
    Ok(Outcome::Value(how(target, readable, &other)))
}

fn equals_range(args: Args<'_>, target: &mut Handle, world: &mut World) -> Answer {
    let other = world.buffer(args.handle(1));
    let (here, there, n) = (args.index(0)?, args.index(2)?, args.index(3)?);
    let reaches = |start: usize, handle: &Handle| {
        start.checked_add(n).is_some_and(|end| end <= handle.subject.writer())
    };
    if !reaches(here, target) || !reaches(there, other) {
        return value(false);
    }
    let other = other.bytes(there..there + n)?;
    value(target.subject.content().equals(here..here + n, &other))
}

fn dump(
    args: Args<'_>,
    target: &mut Handle,
    how: fn(&mut Handle, Range<usize>) -> String,
) -> Answer {
    let range = range_or_readable(args, target, args.0.len() == 2)?;
    value(how(target, range))
}

fn is_text(args: Args<'_>, target: &mut Handle) -> Answer {
    let range = range_or_readable(args, target, args.0.len() == 3)?;
    need(range.end <= target.subject.writer())?;
    match args.text(args.0.len() - 1) {
        "UTF-8" => value(target.subject.content().holds_utf8(range)),
        "US-ASCII" => value(target.subject.content().holds_ascii(range)),
        other => panic!("unknown charset {other}"),
    }
}

fn decode_hex(text: &str, on: Representation) -> Answer {
    let bytes = if on == Representation::Model {
        need(text.len().is_multiple_of(2) && text.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
        from_hex(text)
    } else {
        bytebuf::decode_hex(text).map_err(|_| Stop::Fails)?
    };
    value(to_hex(&bytes))
}
