//! Fetch: ranges of files behind a head each, once there are enough bytes or the time is over.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytebuf::{ByteBuf, FileRegion, Payload};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::{Broker, Path};
use crate::api::code::Code;
use crate::api::fetch::{self, PartitionHead};
use crate::api::metadata::LEADER_EPOCH;
use crate::api::{Header, Request};
use crate::connection::Answer;
use crate::limits;
use crate::log::partition::Partition;
use crate::output::warn;
use crate::stats::count;
use crate::wire;

/// What is asked for, found once: while it waits for batches, a fetch holds nothing of its request.
struct Wanted {
    topics: Vec<(String, Vec<WantedPartition>)>,
    min_bytes: u64,
    max_bytes: u64,
    deadline: Instant,
    code: Code,
}

struct WantedPartition {
    index: i32,
    offset: i64,
    max_bytes: u64,
    log: Result<Arc<Partition>, Code>,
}

/// What a partition has to send.
struct Found {
    head: PartitionHead,
    batches: Option<FileRegion>,
}

/// A number of bytes of the protocol; a negative one asks for none.
fn bytes(n: i32) -> u64 {
    u64::try_from(n).unwrap_or(0)
}

impl Broker {
    /// Until it is its turn, a fetch is the frame that came, whose memory is accounted for.
    pub(super) fn fetch(self: &Arc<Self>, frame: ByteBuf) -> Answer {
        let (broker, came) = (self.clone(), Instant::now());
        Box::pin(async move {
            let Ok((header, Request::Fetch(request))) = crate::api::parse(&frame) else {
                unreachable!("it was one when it came");
            };
            let wanted = broker.wanted(&request, came);
            drop(frame);
            let found = wanted.wait().await;
            broker.write(header, &wanted, found)
        })
    }

    fn wanted(&self, request: &fetch::Request<'_>, came: Instant) -> Wanted {
        let wait = Duration::from_millis(bytes(request.max_wait_ms)).min(limits::MAX_WAIT);
        let partition = |topic: &str, wanted: &fetch::Partition| WantedPartition {
            index: wanted.index,
            offset: wanted.offset,
            max_bytes: bytes(wanted.max_bytes),
            log: match wanted.leader_epoch <= LEADER_EPOCH {
                true => self.topics.partition(topic, wanted.index),
                false => Err(Code::UNKNOWN_LEADER_EPOCH),
            },
        };
        let topics = request.topics.iter().map(|topic| {
            let partitions = topic.partitions.iter().map(|wanted| partition(topic.name, wanted));
            (topic.name.to_owned(), partitions.collect())
        });
        let no_session = request.session == 0;
        Wanted {
            topics: if no_session { topics.collect() } else { Vec::new() },
            min_bytes: bytes(request.min_bytes),
            max_bytes: bytes(request.max_bytes).min(limits::MAX_FETCH),
            deadline: came + wait,
            code: if no_session { Code::NONE } else { Code::FETCH_SESSION_ID_NOT_FOUND },
        }
    }

    /// One head and one range of a file for each partition.
    fn write(&self, header: Header, wanted: &Wanted, found: Vec<Found>) -> Vec<Payload> {
        let (mut sections, mut out) = (Vec::new(), wire::response());
        fetch::write_head(&mut out, header.version, wanted.code, wanted.topics.len());
        let mut found = found.into_iter();
        for (name, partitions) in &wanted.topics {
            fetch::write_topic(&mut out, name, partitions.len());
            for Found { head, batches } in found.by_ref().take(partitions.len()) {
                match batches.map(|region| self.load(region)) {
                    None => head.write(&mut out, header.version),
                    Some(Ok(batches)) => {
                        count(&self.stats.fetches, 1);
                        head.write(&mut out, header.version);
                        sections.push((std::mem::take(&mut out), batches));
                    }
                    Some(Err(error)) => {
                        warn(format_args!("cannot read {name}: {error}"));
                        PartitionHead::failed(head.index, Code::KAFKA_STORAGE_ERROR)
                            .write(&mut out, header.version);
                    }
                }
            }
        }
        let length = |(head, batches): &(ByteBuf, Payload)| head.len() as u64 + batches.len();
        let total: u64 = sections.iter().map(length).sum::<u64>() + out.len() as u64;
        // The first head has the room for what stands in front of all.
        let first = sections.first_mut().map_or(&mut out, |(head, _)| head);
        let following = total - first.len() as u64;
        wire::complete(first, header.correlation, following);
        let sections = sections.into_iter().flat_map(|(head, batches)| [head.into(), batches]);
        sections.chain([out.into()]).collect()
    }

    /// The batches as they are to travel.
    fn load(&self, batches: FileRegion) -> io::Result<Payload> {
        match self.options.path {
            Path::Sendfile => Ok(batches.into()),
            Path::Copy => batches.read_all().map(Payload::from),
        }
    }
}

impl Wanted {
    fn partitions(&self) -> impl Iterator<Item = &WantedPartition> {
        self.topics.iter().flat_map(|(_, partitions)| partitions)
    }

    /// Waits until there is something to say.
    async fn wait(&self) -> Vec<Found> {
        for wanted in self.partitions() {
            if let Ok(log) = &wanted.log {
                // A failure is reported by the read that follows.
                let _ = log.prepare(wanted.offset).await;
            }
        }
        loop {
            // Watched before it is looked at, so that no change is missed.
            let mut watched: Vec<_> =
                self.partitions().filter_map(|p| p.log.as_ref().ok()).map(|p| p.watch()).collect();
            let found = self.look();
            let failed = self.code != Code::NONE || found.iter().any(|f| f.head.code != Code::NONE);
            let bytes: u64 = found.iter().map(|found| u64::from(found.head.bytes)).sum();
            if failed || bytes >= self.min_bytes || Instant::now() >= self.deadline {
                return found;
            }
            drop(found);
            // An error is that the time is over: then this looks for the last time.
            let _ = timeout_at(self.deadline, any_changed(&mut watched)).await;
        }
    }

    /// What there is now, within the limits; but the first batch of all goes out whole, or a
    /// consumer with smaller limits would never get it.
    fn look(&self) -> Vec<Found> {
        let mut left = self.max_bytes;
        let mut is_first = true;
        let mut look = |wanted: &WantedPartition| {
            let log = wanted.log.as_ref().map_err(|code| *code)?;
            let (end, max) = (log.visible()?, wanted.max_bytes.min(left));
            let batches = log.fetch(wanted.offset, max)?;
            let batches = batches.filter(|batches| is_first || batches.len() <= max);
            let length = batches.as_ref().map_or(0, FileRegion::len);
            is_first &= batches.is_none();
            left = left.saturating_sub(length);
            let length = u32::try_from(length).unwrap_or(u32::MAX);
            let head = PartitionHead {
                index: wanted.index,
                code: Code::NONE,
                end,
                start: 0,
                bytes: length,
            };
            Ok(Found { head, batches })
        };
        let failed = |wanted: &WantedPartition, code| Found {
            head: PartitionHead::failed(wanted.index, code),
            batches: None,
        };
        self.partitions()
            .map(|wanted| look(wanted).unwrap_or_else(|code| failed(wanted, code)))
            .collect()
    }
}

/// Waits until any of these changes.
async fn any_changed<T>(watched: &mut [watch::Receiver<T>]) {
    let mut changes: Vec<_> = watched.iter_mut().map(|one| Box::pin(one.changed())).collect();
    poll_fn(|cx| match changes.iter_mut().any(|change| change.as_mut().poll(cx).is_ready()) {
        true => Poll::Ready(()),
        false => Poll::Pending,
    })
    .await;
}
