//! What a pool tells `tracing`.
#![cfg(feature = "tracing")]

#[path = "support/resource_baseline.rs"]
mod resource_baseline;

use bytebuf::{Pool, Purge, Track};
use resource_baseline::ResourceBaseline;
use std::fmt::{Debug, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Writes each event down, and uses a pool while it does so, as a subscriber may.
#[derive(Clone)]
struct Scribe {
    lines: Arc<Mutex<Vec<String>>>,
    pool: Pool,
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {}={value:?}", field.name()).unwrap();
    }
}

impl Subscriber for Scribe {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "bytebuf::pool" && *metadata.level() <= Level::DEBUG
    }

    fn event(&self, event: &Event<'_>) {
        drop(self.pool.alloc(1000));
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        self.lines.lock().unwrap().push(line.0);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[test]
fn a_pool_emits_its_events() {
    let _baseline = ResourceBaseline::take();
    // The purger would emit its events on a thread of its own, without the subscriber.
    let builder = Pool::builder().chunk_size(1 << 20).purge(Purge::Manual);
    let pool = builder.track(Track::All).build();
    let scribe = Scribe { lines: Arc::default(), pool: pool.clone() };
    let told = || scribe.lines.lock().unwrap().join("\n");
    tracing::subscriber::with_default(scribe.clone(), || {
        let budget = pool.budget("tenant", 4096);
        let held = budget.alloc(4096);
        let first = "DEBUG message=chunk mapped bytes=262144 total=262144";
        assert!(told().contains(first), "{}", told());
        // The next chunk has space for a block of 512 KiB; the first lacks it.
        drop(pool.alloc(512 << 10));
        let second = "DEBUG message=chunk mapped bytes=524288 total=786432";
        assert!(told().contains(second), "{}", told());

        assert!(budget.try_alloc(1).is_err());
        let refused = "WARN message=budget exhausted budget=\"tenant\" requested=1 limit=4096";
        assert!(told().contains(refused), "{}", told());

        assert!(catch_unwind(AssertUnwindSafe(|| pool.assert_no_leaks())).is_err());
        assert!(told().contains("ERROR message=leak found buffers=1 bytes=4096"), "{}", told());

        drop(held);
        pool.trim();
        assert!(told().contains("DEBUG message=chunk returned bytes=786432 total=0"), "{}", told());
    });
}
