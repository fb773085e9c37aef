//! Traces that Netty was never asked: recorded ones with other numbers in another order, and the
//! answers of the model, which gave all of Netty's.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    ops,
    panics::caught,
    replay::begin,
    representation::Representation,
    trace::{Final, Step, Trace, to_hex},
    world::{Outcome, Slot, Stop, World, handles_in},
};

/// Numbers that are the same in every run.
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) as usize % end
    }

    fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

/// A trace of other calls than those of `trace`, with the model's answers.
pub(crate) fn perturbed(trace: &Trace, numbers: &mut Numbers) -> Trace {
    let mut world = World::new(Representation::Model);
    for (name, start) in trace.starts() {
        let handle = begin(&world, start, false);
        world.put(name, Slot::Buffer(handle));
    }
    let mut steps = Vec::new();
    for step in shuffled(&trace.steps, numbers) {
        let mut step = step.clone();
        step.args.iter_mut().for_each(|arg| perturb(arg, numbers));
        let before = capacity(&mut world, &step.on);
        steps.extend(answered(&mut world, step.clone()));
        if !world.buffers().all(|(_, handle)| handle.subject.writer() <= handle.subject.capacity())
        {
            // The removal of a component can leave Netty's indexes beyond its end.
            steps.pop();
            return Trace { steps, r#final: None, finals: BTreeMap::new(), ..trace.clone() };
        }
        // What comes with growth is undefined, until it is written.
        if let (Some(before), Some(after)) = (before, capacity(&mut world, &step.on))
            && before < after
        {
            let args = vec![json!(before), json!(after - before)];
            steps.extend(answered(&mut world, Step { op: "setZero".into(), args, ..step }));
        }
    }
    let ends = world.buffers().map(|(name, handle)| {
        let (reader, writer) = (handle.subject.reader(), handle.subject.writer());
        let readable = to_hex(&handle.bytes(reader..writer).expect("readable bytes"));
        (name.to_owned(), Final { reader, writer, readable })
    });
    let finals = ends.collect();
    Trace { steps, r#final: None, finals, ..trace.clone() }
}

/// The steps, some of them elsewhere.
fn shuffled<'t>(steps: &'t [Step], numbers: &mut Numbers) -> Vec<&'t Step> {
    let mut steps: Vec<&Step> = steps.iter().filter(|step| !step.aliasing).collect();
    for _ in 0..steps.len() / 4 {
        let (here, there) = (numbers.below(steps.len()), numbers.below(steps.len()));
        if steps[here].new.is_none() && steps[there].new.is_none() {
            steps.swap(here, there);
        }
    }
    steps
}

/// Another number near by, now and then; no huge ones, and none below 0.
fn perturb(arg: &mut Value, numbers: &mut Numbers) {
    let small = arg.as_u64().filter(|number| *number < 1 << 16);
    if let (Some(number), true) = (small, numbers.once_in(4)) {
        let number = usize::try_from(number).expect("a small number");
        *arg = match numbers.below(3) {
            0 => json!(numbers.below(64)),
            1 => json!(number + 1),
            _ => json!(number.saturating_sub(numbers.below(8))),
        };
    }
}

fn capacity(world: &mut World, name: &str) -> Option<usize> {
    let mut buffers = world.buffers();
    buffers.find(|(this, _)| *this == name).map(|(_, handle)| handle.subject.capacity())
}

/// The step with what the model makes of it; none where it makes nothing of it.
fn answered(world: &mut World, mut step: Step) -> Option<Step> {
    let needed = if ops::is_free(&step.op) { None } else { Some(&step.on[..]) };
    if !handles_in(&step.args).into_iter().chain(needed).all(|name| world.has(name)) {
        return None;
    }
    let answer = caught(|| ops::call(world, &step)).ok()?.expect("a recorded op");
    (step.ret, step.err) = (None, None);
    match answer {
        Ok(Outcome::New(slot)) => world.put(step.new.as_deref()?, slot),
        Ok(Outcome::Value(value)) => step.ret = Some(value),
        Ok(Outcome::Done | Outcome::Dropped) => {}
        Err(Stop::Fails) => step.err = Some("failed".into()),
        Err(Stop::Differs(_)) => return None,
    }
    let named: Vec<String> = handles_in(&step.args).into_iter().map(String::from).collect();
    (step.reader, step.writer) = (None, None);
    step.others.clear();
    for (name, handle) in world.buffers() {
        let indexes = [handle.subject.reader(), handle.subject.writer()];
        if name == step.on {
            (step.reader, step.writer) = (Some(indexes[0]), Some(indexes[1]));
        } else if named.iter().any(|this| this == name) {
            step.others.insert(name.into(), indexes);
        }
    }
    Some(step)
}
