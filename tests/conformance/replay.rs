//! Replays one trace on one representation.

use std::{cell::Cell, collections::BTreeMap};

use serde_json::Value;

use crate::{
    differences::Difference,
    ops,
    panics::caught,
    representation::Representation,
    trace::{Start, Step, Trace, from_hex, to_hex},
    world::{Handle, Outcome, Slot, Stop, World, handles_in},
};

/// How many traces and steps ran, and how many steps were left out.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) traces: usize,
    pub(crate) steps: usize,
    pub(crate) left_out: BTreeMap<Difference, usize>,
}

impl Tally {
    pub(crate) fn leave_out(&mut self, why: Difference, steps: usize) {
        *self.left_out.entry(why).or_default() += steps;
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.traces += other.traces;
        self.steps += other.steps;
        for (why, steps) in &other.left_out {
            self.leave_out(*why, *steps);
        }
    }
}

/// Replays a trace. `Err` says where it went another way than Netty.
pub(crate) fn replay(trace: &Trace, on: Representation, tally: &mut Tally) -> Result<(), String> {
    let whole = match () {
        () if trace.aliasing => Some(Difference::Aliasing),
        () if trace.family == "quirks" => Some(Difference::Quirks),
        () => None,
    };
    if let Some(why) = whole {
        tally.leave_out(why, trace.steps.len());
        return Ok(());
    }
    tally.traces += 1;
    let at = Cell::new(0);
    let run = caught(|| run(trace, on, tally, &at));
    run.unwrap_or_else(Err).map_err(|what| {
        let step = trace.steps.get(at.get()).map_or("at the end".into(), |step| {
            format!("step {} ({} {:?} on {})", at.get(), step.op, step.args, step.on)
        });
        format!("{} on {on:?}, {step}: {what}", trace.id)
    })
}

fn run(
    trace: &Trace,
    on: Representation,
    tally: &mut Tally,
    at: &Cell<usize>,
) -> Result<(), String> {
    let mut world = World::new(on);
    let shared = trace.steps.iter().any(|step| VIEWS.contains(&&step.op[..]));
    for (name, start) in trace.starts() {
        let handle = begin(&world, start, shared);
        world.put(name, Slot::Buffer(handle));
    }
    for (i, step) in trace.steps.iter().enumerate() {
        at.set(i);
        match replay_step(&mut world, step)? {
            Some(why) => tally.leave_out(why, 1),
            None => tally.steps += 1,
        }
    }
    at.set(trace.steps.len());
    finish(trace, &mut world)
}

/// The ops after which two handles see the same memory.
const VIEWS: &[&str] = &[
    "slice",
    "duplicate",
    "asReadOnly",
    "readSlice",
    "retainedSlice",
    "readRetainedSlice",
    "retainedDuplicate",
];

/// The handle with which a trace begins.
pub(crate) fn begin(world: &World, start: &Start, shared: bool) -> Handle {
    match start {
        Start::Composite(start) => {
            assert_eq!(start.kind, "composite");
            ops::new_composite(world, start.max_num_components)
        }
        Start::Plain(start) => {
            let data = from_hex(&start.data);
            assert_eq!(data.len(), start.capacity, "the data is of the capacity");
            let pieces = start.pieces.as_deref();
            let subject = world.representation.subject(&data, start.max_capacity, pieces, shared);
            let mut handle = Handle::new(subject);
            handle.set_index(start.reader, start.writer).expect("a start state is sound");
            handle
        }
    }
}

fn replay_step(world: &mut World, step: &Step) -> Result<Option<Difference>, String> {
    if step.aliasing {
        return Ok(Some(Difference::Aliasing));
    }
    let before = if step.err.is_some() { states(world, step) } else { Vec::new() };
    let answer = ops::call(world, step).ok_or("there is no such op")?;
    let left_out = match (answer, &step.err) {
        (Err(Stop::Differs(why)), _) => {
            let unwritable = why == Difference::Negative;
            let harmless = step.err.is_some() || step.ret == Some(Value::Bool(true));
            if unwritable && !harmless {
                return Err("a negative argument that Netty takes".into());
            }
            Some(why)
        }
        (Err(Stop::Fails), None) => return Err(format!("failed, where Netty gave {:?}", step.ret)),
        (Err(Stop::Fails), Some(_)) => None,
        (Ok(_), Some(error)) => return Err(format!("went well, where Netty gave {error}")),
        (Ok(outcome), None) => {
            accept(world, step, outcome)?;
            None
        }
    };
    if step.err.is_some() && states(world, step) != before {
        return Err("a call that failed has changed something".into());
    }
    check_indexes(world, step)?;
    Ok(left_out)
}

fn accept(world: &mut World, step: &Step, outcome: Outcome) -> Result<(), String> {
    let given = match outcome {
        Outcome::New(slot) => {
            let name = step.new.as_deref().ok_or("made a handle, where Netty did not")?;
            world.put(name, slot);
            return Ok(());
        }
        Outcome::Value(value) => Some(value),
        Outcome::Done | Outcome::Dropped => None,
    };
    if let Some(name) = &step.new {
        return Err(format!("did not make {name}"));
    }
    let same = match (&given, &step.ret) {
        (Some(ours), Some(theirs)) if step.op == "nioBuffers" => joined(ours) == joined(theirs),
        (ours, theirs) => ours == theirs,
    };
    if same { Ok(()) } else { Err(format!("gave {given:?}, Netty {:?}", step.ret)) }
}

fn joined(pieces: &Value) -> String {
    let pieces = pieces.as_array().expect("a list of pieces");
    pieces.iter().map(|piece| piece.as_str().expect("hex")).collect()
}

/// All that a failing step could reach: its target and the buffers it names.
fn states(world: &mut World, step: &Step) -> Vec<(usize, usize, Vec<usize>, Vec<u8>)> {
    let mut names = handles_in(&step.args);
    names.push(&step.on);
    let reachable = world.buffers().filter(|(name, _)| names.contains(name));
    reachable.map(|(_, handle)| handle.state()).collect()
}

fn check_indexes(world: &mut World, step: &Step) -> Result<(), String> {
    let target = step.reader.zip(step.writer).map(|(reader, writer)| (&step.on, [reader, writer]));
    let others = step.others.iter().map(|(name, indexes)| (name, *indexes));
    for (name, theirs) in target.into_iter().chain(others) {
        let subject = &world.buffer(name).subject;
        let ours = [subject.reader(), subject.writer()];
        if ours != theirs {
            return Err(format!("{name} has indexes {ours:?}, Netty {theirs:?}"));
        }
    }
    Ok(())
}

fn finish(trace: &Trace, world: &mut World) -> Result<(), String> {
    let first = trace.r#final.iter().map(|readable| ("b0", readable));
    let others = trace.finals.iter().map(|(name, theirs)| (&name[..], &theirs.readable));
    for (name, theirs) in first.chain(others) {
        let handle = world.buffer(name);
        let readable = handle.readable();
        let ours = to_hex(&handle.bytes(readable).expect("readable bytes"));
        if ours != *theirs {
            return Err(format!("{name} has {ours}, Netty {theirs}"));
        }
    }
    for (name, theirs) in &trace.finals {
        let subject = &world.buffer(name).subject;
        if (subject.reader(), subject.writer()) != (theirs.reader, theirs.writer) {
            return Err(format!("{name} ends with other indexes"));
        }
    }
    Ok(())
}
