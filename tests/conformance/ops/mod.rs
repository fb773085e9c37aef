//! What each op of the traces does.

mod bulk;
mod composite;
mod indexes;
mod search;
mod views;

use crate::{
    trace::Step,
    world::{Answer, Args, Components, Handle, Outcome, Slot, World, need},
};

/// Makes the call of a step. `None`: there is no such op.
pub(crate) fn call(world: &mut World, step: &Step) -> Option<Answer> {
    let (op, args) = (&step.op[..], Args(&step.args));
    if let Some(answer) = make(op, args, world).or_else(|| search::call_free(op, args, world)) {
        return Some(answer);
    }
    let mut target = match world.take(&step.on) {
        Slot::Buffer(target) => target,
        processor @ Slot::Processor(_) => {
            world.put(&step.on, processor);
            return search::call_processor(op, &step.on, args, world);
        }
    };
    let answer = composite::call(op, args, &mut target, world)
        .or_else(|| indexes::call(op, args, &mut target))
        .or_else(|| bulk::call(op, args, &mut target, world))
        .or_else(|| views::call(op, args, &mut target))
        .or_else(|| search::call(op, args, &mut target, world));
    if !matches!(answer, Some(Ok(Outcome::Dropped))) {
        composite::note_growth(&mut target);
        world.put(&step.on, Slot::Buffer(target));
    }
    answer
}

/// Whether an op works on no handle.
pub(crate) fn is_free(op: &str) -> bool {
    ["alloc", "newComposite", "utf8Bytes", "decodeHexDump", "kmp", "bitap", "ahoCorasick"]
        .contains(&op)
}

fn make(op: &str, args: Args<'_>, world: &World) -> Option<Answer> {
    let made = |handle| Ok(Outcome::New(Slot::Buffer(handle)));
    Some(match (op, args.0.len()) {
        ("alloc", 2) => args.index(0).and_then(|capacity| {
            let max = args.index(1)?;
            need(capacity <= max)?;
            made(Handle::new(world.representation.subject(&vec![0; capacity], max, None, false)))
        }),
        ("newComposite", 1) => args.index(0).and_then(|max| {
            need(max > 0)?;
            made(new_composite(world, max))
        }),
        _ => return None,
    })
}

pub(crate) fn new_composite(world: &World, max: usize) -> Handle {
    let mut handle = Handle::new(world.representation.composite());
    handle.composite = Some(Components { lengths: Vec::new(), max });
    handle
}
