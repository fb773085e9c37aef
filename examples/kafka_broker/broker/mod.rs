//! The broker: the state that connections share, and the execution of each request.
//!
//! `produce.rs` and `fetch.rs` execute the two requests that move bytes; the others are here. `memory.rs` has the memory for
//! responses.

mod fetch;
mod memory;
mod produce;

use std::collections::{BTreeMap, BTreeSet};
use std::future::ready;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytebuf::{ByteBuf, Payload};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::coop::consume_budget;

use crate::api::code::Code;
use crate::api::{Header, Request, coordinator, group, list_offsets, metadata, offsets, versions};
use crate::connection::{self, Answer, invalid};
use crate::groups::{Committed, Groups};
use crate::ids::ProducerIds;
use crate::log::partition::{Partition, SyncMode};
use crate::log::topics::{Settings, Topics};
use crate::output::warn;
use crate::shares::{Client, Share};
use crate::stats::{Snapshot, Stats, count};
use crate::sync::Syncer;
use crate::wire;
use memory::Reserved;

pub(crate) use memory::Memory;

/// How batches travel from the log to the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Path {
    /// The kernel sends them from the file.
    Sendfile,
    /// The broker reads them into memory and sends them from there: for comparison.
    Copy,
}

/// What the command line decides.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) topics: Settings,
    pub(crate) path: Path,
    /// Where clients are sent to, if not to the address that they came to.
    pub(crate) advertise: Option<(String, u16)>,
    pub(crate) connections: u64,
    /// Bytes of requests of all connections that are in memory.
    pub(crate) memory: usize,
    /// How long a connection may send no request.
    pub(crate) idle: Duration,
    /// How long a request may take to arrive, and a response may go unread, besides the time for their bytes.
    pub(crate) stalled: Duration,
}

/// The other side of a connection.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    client: Client,
    /// Where it finds the broker.
    address: (String, u16),
}

pub(crate) struct Broker {
    pub(crate) stats: Stats,
    /// Of the requests of all connections.
    pub(crate) requests: Memory,
    /// Of the responses of all connections.
    pub(crate) responses: Memory,
    /// Of the batches that [`Path::Copy`] has read.
    pub(crate) copies: Memory,
    pub(crate) options: Options,
    topics: Arc<Topics>,
    groups: Groups,
    committed: Arc<Committed>,
    /// Of the disk, as it was when the broker started.
    disk: Arc<Share>,
    ids: ProducerIds,
    syncer: Syncer,
}

impl Broker {
    pub(crate) fn open(options: Options) -> io::Result<Arc<Self>> {
        let directory = &options.topics.directory;
        let topics = Arc::new(Topics::open(options.topics.clone())?);
        let has_topics = !topics.all().is_empty();
        Ok(Arc::new(Self {
            stats: Stats::default(),
            requests: Memory::new("requests", options.memory, options.stalled),
            responses: Memory::new("responses", options.memory, options.stalled),
            copies: Memory::new("copies", options.memory, options.stalled),
            committed: Committed::open(directory, has_topics, options.topics.share)?,
            disk: Arc::new(Share::of(
                free_bytes(directory, options.topics.share)?,
                options.topics.share,
            )),
            ids: ProducerIds::open(directory, has_topics)?,
            topics,
            groups: Groups::new(),
            syncer: Syncer::default(),
            options,
        }))
    }

    /// Serves whatever connects, until an error ends it.
    pub(crate) async fn run(self: &Arc<Self>, listener: TcpListener) -> io::Error {
        tokio::select! {
            error = self.syncer.run() => error,
            () = self.groups.keep_time() => unreachable!("groups have no end"),
            () = self.groups.deliver() => unreachable!("groups have no end"),
            error = self.check_files() => error,
            () = self.accept(listener) => unreachable!("accepting has no end"),
        }
    }

    /// Looks every second whether the files are there, and uses at most a hundredth of a processor for it.
    async fn check_files(self: &Arc<Self>) -> io::Error {
        let mut pause = Duration::from_secs(1);
        loop {
            tokio::time::sleep(pause).await;
            let (broker, begun) = (self.clone(), Instant::now());
            let checked = tokio::task::spawn_blocking(move || {
                broker.topics.check_files();
                broker.committed.check_file();
            });
            if let Err(error) = checked.await {
                return error.into();
            }
            pause = Duration::from_secs(1).max(100 * begun.elapsed());
        }
    }

    async fn accept(self: &Arc<Self>, listener: TcpListener) {
        loop {
            let (stream, peer) = match listener.accept().await {
                Ok(accepted) => accepted,
                // Out of descriptors, for example: some connection will end.
                Err(error) => {
                    warn(format_args!("cannot accept: {error}"));
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let broker = self.clone();
            if self.stats.connections_now.load(Ordering::Relaxed) >= self.options.connections {
                count(&self.stats.refused, 1);
                continue;
            }
            count(&self.stats.connections, 1);
            count(&self.stats.connections_now, 1);
            tokio::spawn(async move {
                if let Err(error) = connection::serve(&broker, &stream).await {
                    count(&broker.stats.refused, 1);
                    warn(format_args!("{peer}: {error}"));
                }
                broker.stats.connections_now.fetch_sub(1, Ordering::Relaxed);
            });
        }
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        self.stats.snapshot(self.syncer.files.load(Ordering::Relaxed))
    }

    /// Where the client of a connection finds the broker.
    fn address_for(&self, stream: &TcpStream) -> io::Result<(String, u16)> {
        if let Some(address) = &self.options.advertise {
            return Ok(address.clone());
        }
        let address = stream.local_addr()?;
        Ok((address.ip().to_string(), address.port()))
    }

    pub(crate) fn peer(&self, stream: &TcpStream) -> io::Result<Peer> {
        let client = stream.peer_addr()?.ip().into();
        Ok(Peer { client, address: self.address_for(stream)? })
    }

    /// Executes a request, as far as that needs no waiting; the returned answer is the rest. `None` if the client wants no
    /// answer. An error ends the connection.
    pub(crate) async fn answer(
        self: &Arc<Self>,
        frame: ByteBuf,
        peer: &Peer,
    ) -> io::Result<Option<Answer>> {
        let (header, request) = crate::api::parse(&frame).map_err(invalid)?;
        let (now, broker) = (Instant::now(), self.clone());
        let mut out = wire::response();
        match request {
            Request::Produce(request) => {
                return self.produce(header, request, frame, peer.client).await;
            }
            Request::Fetch(_) => return Ok(Some(Answer::keeping(frame.len(), self.fetch(frame)))),
            Request::OffsetCommit(request) => {
                return self.commit(header, &request, now, peer.client).await.map(Some);
            }
            Request::InitProducerId(request) => {
                let refused = Err(Code::TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
                let id = if request.transactional { refused } else { self.ids.next() };
                coordinator::write_producer_id(&mut out, id);
            }
            Request::Heartbeat(request) => {
                let code = self.groups.heartbeat(&request, now);
                group::write_code(&mut out, header.version, code);
            }
            Request::LeaveGroup(request) => {
                let code = self.groups.leave(&request, now);
                group::write_code(&mut out, header.version, code);
            }
            Request::JoinGroup(request) => {
                let joined = self.groups.join(&request, now);
                return Ok(Some(Answer::new(async move {
                    let gone = |_| group::Joined::refused(Code::UNKNOWN_MEMBER_ID, "");
                    let joined = joined.await.unwrap_or_else(gone);
                    let build =
                        |out: &mut ByteBuf| group::write_joined(out, header.version, &joined);
                    broker.responses.respond(header, build).await
                })));
            }
            Request::SyncGroup(request) => {
                let assigned = self.groups.sync(&request, now);
                return Ok(Some(Answer::new(async move {
                    let assigned = assigned.await.unwrap_or(Err(Code::REBALANCE_IN_PROGRESS));
                    let build =
                        |out: &mut ByteBuf| group::write_synced(out, header.version, &assigned);
                    broker.responses.respond(header, build).await
                })));
            }
            // The other requests only read. Until it is its turn, such a request is the frame that came, so that
            // what a peer does not read takes no memory.
            _ => {
                let length = frame.len();
                return Ok(Some(Answer::keeping(length, broker.look(frame, peer.clone()))));
            }
        }
        Ok(Some(Answer::new(ready(Ok(complete(out, header, Reserved::NONE))))))
    }

    /// Answers a request that changes nothing, except that it may create topics.
    async fn look(self: Arc<Self>, frame: ByteBuf, peer: Peer) -> io::Result<Vec<Payload>> {
        let (header, request) = crate::api::parse(&frame).expect("it was parsed when it came");
        let mut reserved = Reserved::NONE;
        loop {
            let out = self.look_once(header, &request, &peer).await;
            match reserved.complete(out, header) {
                Ok(response) => return Ok(response),
                Err(length) => reserved = self.responses.reserve(length).await?,
            }
        }
    }

    async fn look_once(
        self: &Arc<Self>,
        header: Header,
        request: &Request<'_>,
        peer: &Peer,
    ) -> ByteBuf {
        let (host, port) = &peer.address;
        let mut out = wire::response();
        match request {
            Request::ApiVersionsUnknown => versions::write(&mut out, 0, Code::UNSUPPORTED_VERSION),
            Request::Metadata(request) => {
                self.metadata(&mut out, header, request, peer).await;
            }
            Request::ListOffsets(request) => self.list_offsets(&mut out, header, request).await,
            Request::FindCoordinator(request) => {
                let none = (Code::INVALID_REQUEST, "there are no transactions");
                let found = if request.transactional { Err(none) } else { Ok((&host[..], *port)) };
                coordinator::write_found(&mut out, header.version, found);
            }
            Request::OffsetFetch(request) => {
                let fetched = self.committed.fetch(request.group, request.topics.as_deref());
                offsets::write_fetched(&mut out, header.version, &fetched);
            }
            _ => versions::write(&mut out, header.version, Code::NONE),
        }
        out
    }

    async fn metadata(
        &self,
        out: &mut ByteBuf,
        header: Header,
        request: &metadata::Request<'_>,
        Peer { client, address: (host, port) }: &Peer,
    ) {
        let topics: Vec<_> = match &request.topics {
            None => {
                let topic = |(name, count)| metadata::Topic { name, partitions: Ok(count) };
                self.topics.all().into_iter().map(topic).collect()
            }
            Some(names) => {
                // Each once, so that the response is bounded by the topics and the request.
                let names: BTreeSet<_> = names.iter().copied().collect();
                let refused = match request.create {
                    true => self.topics.create_missing(names.iter().copied(), *client).await,
                    false => BTreeMap::new(),
                };
                let topic = |name: &str| metadata::Topic {
                    name: name.to_owned(),
                    partitions: match refused.get(name) {
                        Some(code) => Err(*code),
                        None => self.topics.describe(name),
                    },
                };
                names.into_iter().map(topic).collect()
            }
        };
        metadata::write(out, header.version, (host, *port), &topics);
    }

    async fn list_offsets(
        &self,
        out: &mut ByteBuf,
        header: Header,
        request: &list_offsets::Request<'_>,
    ) {
        let mut topics = Vec::with_capacity(request.topics.len());
        for (topic, partitions) in &request.topics {
            let mut listed = Vec::with_capacity(partitions.len());
            for &(partition, timestamp) in partitions {
                let found = match self.topics.partition(topic, partition) {
                    Ok(log) => offset_at(&log, timestamp).await,
                    Err(code) => Err(code),
                };
                listed.push(list_offsets::Listed { partition, found });
            }
            topics.push((*topic, listed));
        }
        list_offsets::write(out, header.version, &topics);
    }

    async fn commit(
        &self,
        header: Header,
        request: &offsets::Commit<'_>,
        now: Instant,
        client: Client,
    ) -> io::Result<Answer> {
        let who = request.who;
        let items = request
            .topics
            .iter()
            .map(|(topic, partitions)| topic.len() + KEPT * (1 + partitions.len()));
        let reserved = self.responses.reserve(items.sum()).await?;
        let allowed = self.groups.may_commit(who, now);
        let (mut last, mut topics) = (0, Vec::with_capacity(request.topics.len()));
        for (topic, partitions) in &request.topics {
            let mut codes = Vec::with_capacity(partitions.len());
            for &committed in partitions {
                consume_budget().await;
                let done = allowed
                    .and_then(|()| self.topics.partition(topic, committed.partition).map(drop))
                    .and_then(|()| self.committed.commit(who.group, topic, committed, client));
                last = last.max(done.unwrap_or(0));
                codes.push((committed.partition, done.err().unwrap_or(Code::NONE)));
            }
            topics.push(((*topic).to_owned(), codes));
        }
        let durable = last > 0 && self.options.topics.sync == SyncMode::Batch;
        if durable {
            self.syncer.ask(self.committed.clone());
        }
        let committed = self.committed.clone();
        Ok(Answer::new(async move {
            if durable && let Err(code) = committed.synced(last).await {
                let partitions = topics.iter_mut().flat_map(|(_, partitions)| partitions);
                partitions.for_each(|(_, committed)| *committed = code);
            }
            let mut out = wire::response();
            offsets::write_committed(&mut out, header.version, &topics);
            Ok(complete(out, header, reserved))
        }))
    }
}

/// Returns the free bytes of the disk of a directory. A share of 100 % sets no limit besides the disk's own.
fn free_bytes(directory: &std::path::Path, percent: u64) -> io::Result<u64> {
    if percent == 100 {
        return Ok(u64::MAX);
    }
    let disk = rustix::fs::statvfs(directory)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// The time and the offset of what a timestamp asks for, -1 each where there is none.
async fn offset_at(log: &Partition, timestamp: i64) -> Result<(i64, i64), Code> {
    match timestamp {
        list_offsets::LATEST => Ok((-1, log.visible()?)),
        list_offsets::EARLIEST => log.visible().map(|_| (-1, 0)),
        timestamp => {
            let found = log.at_time(timestamp).await?;
            // A request may ask for many, and each reads a batch; other connections are served in between.
            tokio::task::yield_now().await;
            Ok(found.map_or((-1, -1), |(offset, timestamp)| (timestamp, offset)))
        }
    }
}

/// Bytes for each topic and partition of a response that is reserved before the request is executed: those that are sent, and
/// those that the waiting answer holds.
const KEPT: usize = 64;

/// Completes a response whose memory was reserved before it was built.
fn complete(out: ByteBuf, header: Header, mut reserved: Reserved) -> Vec<Payload> {
    reserved.complete(out, header).expect("what is reserved is enough")
}
