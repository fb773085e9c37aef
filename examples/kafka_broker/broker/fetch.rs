//! Fetch: ranges of files behind a head each, once there are enough bytes or the time is over.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytebuf::{ByteBuf, FileRegion, Payload};
use tokio::sync::watch;
use tokio::task::coop::consume_budget;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::memory::Reserved;
use super::{Broker, KEPT, Path};
use crate::api::code::Code;
use crate::api::fetch::{self, PartitionHead};
use crate::api::metadata::LEADER_EPOCH;
use crate::api::{Header, Request};
use crate::limits;
use crate::log::partition::Partition;
use crate::output::warn;
use crate::stats::count;
use crate::wire;

/// The partitions of a request, found once. While it waits for batches, a fetch holds this, and memory reserved for its
/// response, but nothing of its request.
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
struct Found<T> {
    head: PartitionHead,
    batches: Option<T>,
}

impl<T> Found<T> {
    fn map<U>(self, change: impl FnOnce(T) -> U) -> Found<U> {
        Found { head: self.head, batches: self.batches.map(change) }
    }
}

/// A number of bytes of the protocol; a negative one asks for none.
fn bytes(n: i32) -> u64 {
    u64::try_from(n).unwrap_or(0)
}

/// The least time between two looks, for each partition, so that waiting fetches of many partitions take a small part
/// of the processor however often a partition changes.
const LOOK: Duration = Duration::from_micros(100);

/// Bytes for each partition: in the head of the response, in the waiting request and in the queue of the connection.
const HELD: usize = 256;

impl Broker {
    /// Until its turn, a fetch holds only its frame, which a budget counts.
    pub(super) fn fetch(
        self: &Arc<Self>,
        frame: ByteBuf,
    ) -> impl Future<Output = io::Result<Vec<Payload>>> + Send + use<> {
        let (broker, came) = (self.clone(), Instant::now());
        async move {
            let Ok((header, Request::Fetch(request))) = crate::api::parse(&frame) else {
                unreachable!("it was one when it came");
            };
            let items = request
                .topics
                .iter()
                .map(|topic| topic.name.len() + KEPT + HELD * topic.partitions.len());
            let reserved = broker.responses.reserve(items.sum()).await?;
            let wanted = broker.wanted(&request, came);
            drop(frame);
            let found = wanted.wait().await;
            let found = broker.load(found).await?;
            Ok(write(header, &wanted, found, reserved))
        }
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
            max_bytes: bytes(request.max_bytes).min(match self.options.path {
                Path::Sendfile => limits::MAX_FETCH,
                Path::Copy => limits::MAX_COPY,
            }),
            deadline: came + wait,
            code: if no_session { Code::NONE } else { Code::FETCH_SESSION_ID_NOT_FOUND },
        }
    }

    /// Makes the batches ready to be sent.
    async fn load(&self, mut found: Vec<Found<FileRegion>>) -> io::Result<Vec<Found<Payload>>> {
        let lengths = found.iter().filter_map(|found| found.batches.as_ref()).map(FileRegion::len);
        let (sections, length) = (lengths.clone().count(), lengths.sum::<u64>());
        count(&self.stats.fetches, sections as u64);
        if self.options.path == Path::Sendfile || length == 0 {
            return Ok(found.into_iter().map(|found| found.map(Payload::from)).collect());
        }
        let length = usize::try_from(length).map_err(io::Error::other)?;
        let mut copy = self.copies.take(length).await?;
        for Found { head, batches } in &mut found {
            let Some(region) = batches else { continue };
            let start = copy.len();
            if let Err(error) = copy_to(&mut copy, region) {
                warn(format_args!("cannot read a partition: {error}"));
                copy.truncate(start);
                *head = PartitionHead::failed(head.index, Code::KAFKA_STORAGE_ERROR);
                *batches = None;
            }
        }
        let mut copy = copy.freeze();
        let mut cut = |region: FileRegion| Payload::from(copy.split_to(region.len() as usize));
        Ok(found.into_iter().map(|found| found.map(&mut cut)).collect())
    }
}

/// Reads a region behind what a buffer holds, whose capacity is large enough.
fn copy_to(copy: &mut ByteBuf, region: &FileRegion) -> io::Result<()> {
    let mut at = 0;
    while at < region.len() {
        at += region.read_at(at, copy)? as u64;
    }
    Ok(())
}

/// One head and one range of a file for each partition. All heads are slices of one block.
fn write(
    header: Header,
    wanted: &Wanted,
    found: Vec<Found<Payload>>,
    mut reserved: Reserved,
) -> Vec<Payload> {
    let (mut sections, mut out) = (Vec::new(), wire::response());
    fetch::write_head(&mut out, header.version, wanted.code, wanted.topics.len());
    let mut found = found.into_iter();
    for (name, partitions) in &wanted.topics {
        fetch::write_topic(&mut out, name, partitions.len());
        for Found { head, batches } in found.by_ref().take(partitions.len()) {
            head.write(&mut out, header.version);
            sections.extend(batches.map(|batches| (out.len(), batches)));
        }
    }
    let front = out.len();
    let following = sections.iter().map(|(_, batches)| batches.len()).sum();
    wire::complete(&mut out, header.correlation, following);
    let front = out.len() - front;
    let heads = reserved.keep(out).expect("what is reserved is enough").freeze();
    let mut parts = Vec::with_capacity(2 * sections.len() + 1);
    let mut start = 0;
    for (end, batches) in sections {
        let end = front + end;
        parts.extend([heads.slice(start..end).into(), batches]);
        start = end;
    }
    parts.push(heads.slice(start..).into());
    parts
}

impl Wanted {
    fn partitions(&self) -> impl Iterator<Item = &WantedPartition> {
        self.topics.iter().flat_map(|(_, partitions)| partitions)
    }

    /// Waits until there is something to say.
    async fn wait(&self) -> Vec<Found<FileRegion>> {
        for wanted in self.partitions() {
            if let Ok(log) = &wanted.log {
                // A failure is reported by the read that follows.
                let _ = log.prepare(wanted.offset).await;
            }
        }
        loop {
            // Subscribes before it reads, so that no change is missed.
            let mut watched: Vec<_> =
                self.partitions().filter_map(|p| p.log.as_ref().ok()).map(|p| p.watch()).collect();
            let again = Instant::now() + LOOK * watched.len() as u32;
            let found = self.look().await;
            let failed = self.code != Code::NONE || found.iter().any(|f| f.head.code != Code::NONE);
            let bytes: u64 = found.iter().map(|found| u64::from(found.head.bytes)).sum();
            if failed || bytes >= self.min_bytes || Instant::now() >= self.deadline {
                return found;
            }
            drop(found);
            let changed = async {
                any_changed(&mut watched).await;
                if Instant::now() < again {
                    sleep_until(again).await;
                }
            };
            // An error means that the time is over: one last look follows.
            let _ = timeout_at(self.deadline, changed).await;
        }
    }

    /// Returns the available batches within the limits. The first batch is returned whole, because a consumer with smaller
    /// limits would never get it otherwise.
    async fn look(&self) -> Vec<Found<FileRegion>> {
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
        let mut found = Vec::new();
        for wanted in self.partitions() {
            consume_budget().await;
            found.push(look(wanted).unwrap_or_else(|code| failed(wanted, code)));
        }
        found
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
