use super::*;

fn purge_all(chunks: &mut Chunks) -> (usize, usize) {
    let (dirty, mapped) = (chunks.dirty(), chunks.mapped());
    while let Some(purge) = chunks.begin_purge(usize::MAX) {
        if let Some((span, discarded)) = purge.run() {
            chunks.end_purge(span, discarded);
            if !discarded {
                break;
            }
        }
    }
    (dirty - chunks.dirty(), mapped - chunks.mapped())
}

fn with_chunk(units: usize) -> Chunks {
    let mut chunks = Chunks::new(16);
    assert!(chunks.add(Mapping::map(units * UNIT).unwrap()).is_ok());
    chunks
}

#[test]
fn spans_are_disjoint_and_return() {
    let mut chunks = Chunks::new(16);
    assert!(chunks.take(1).is_none());
    let mut chunks = with_chunk(16);
    let a = chunks.take(10).unwrap();
    let b = chunks.take(6).unwrap();
    assert!(chunks.take(1).is_none());
    assert_eq!(b.base.addr().get() - a.base.addr().get(), 10 * UNIT);
    assert!(a.clean && b.clean);
    chunks.put(a);
    assert_eq!(chunks.dirty(), 10 * UNIT);
    let c = chunks.take(4).unwrap();
    assert!(!c.clean);
    chunks.put(b);
    chunks.put(c);
    assert_eq!(purge_all(&mut chunks), (16 * UNIT, 16 * UNIT));
    assert_eq!((chunks.dirty(), chunks.mapped()), (0, 0));
}

/// Compares with a model: the ranges of the spans in use.
#[test]
fn any_sequence_of_spans_and_purges_keeps_them_apart() {
    let mut chunks = Chunks::new(16);
    let mut spans: Vec<Span> = Vec::new();
    let mut x = 1_u64;
    let steps = if cfg!(miri) {
        60
    } else if cfg!(valgrind) {
        2_000
    } else {
        20_000
    };
    for _ in 0..steps {
        x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (what, units) = ((x >> 60) % 16, 1 + (x >> 33) as u32 % MAX_SPAN);
        match what {
            0..8 => spans.push(chunks.take(units).unwrap_or_else(|| {
                let size = chunks.next_chunk_size(units);
                assert!(chunks.add(Mapping::map(size).unwrap()).is_ok());
                chunks.take(units).unwrap()
            })),
            8..15 if !spans.is_empty() => {
                let span = spans.swap_remove((x >> 40) as usize % spans.len());
                chunks.put(span);
            }
            15 => {
                if let Some((span, done)) =
                    chunks.begin_purge(units as usize * UNIT).and_then(Purge::run)
                {
                    chunks.end_purge(span, done);
                }
            }
            _ => {}
        }
        let mut ranges: Vec<_> = spans.iter().map(|s| (s.base.addr().get(), s.len())).collect();
        ranges.sort_unstable();
        assert!(ranges.windows(2).all(|pair| pair[0].0 + pair[0].1 <= pair[1].0));
        let used: usize = ranges.iter().map(|range| range.1).sum();
        assert!(used + chunks.dirty() <= chunks.mapped());
    }
    spans.into_iter().for_each(|span| chunks.put(span));
    purge_all(&mut chunks);
    assert_eq!((chunks.dirty(), chunks.mapped()), (0, 0));
}

/// The system refuses to discard units, as in a process that locks its memory: the units stay dirty, and count as
/// dirty.
#[test]
#[cfg(all(target_os = "linux", not(miri), not(bytebuf_portable)))]
fn units_that_are_not_discarded_stay_dirty() {
    use crate::sys::{Call, Outcome, with_plan};
    let mut chunks = with_chunk(16);
    let (a, b) = (chunks.take(3).unwrap(), chunks.take(1).unwrap());
    chunks.put(a);
    let refuse = |call, _| match call {
        Call::AdviseMemory => Outcome::Fail(22),
        _ => Outcome::Pass,
    };
    assert_eq!(with_plan(refuse, || purge_all(&mut chunks)), (0, 0));
    assert_eq!(chunks.dirty(), 3 * UNIT);
    let a = chunks.take(3).unwrap();
    assert!(!a.clean, "its pages are as they were");
    chunks.put(a);
    chunks.put(b);
    assert_eq!(purge_all(&mut chunks), (4 * UNIT, 16 * UNIT));
}
