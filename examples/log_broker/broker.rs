//! The connections, all on one thread, and the one sync that serves them all.
//!
//! Appends are answered when they are durable. While the disk syncs nothing else runs, and the
//! sockets collect what the next sync takes along: the busier the producers, the more records per
//! sync. Consumers see durable records alone, so no crash takes back what somebody has read.

use std::convert::Infallible;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytebuf::{ByteBuf, FileRegion, RecvSizer, WriteQueue};
use tokio::io::Interest;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};

use crate::log::{self, Log};
use crate::protocol::{self, Request};

#[derive(Debug)]
pub(crate) struct Broker {
    log: Mutex<Log>,
    /// Something was appended.
    dirty: Notify,
    /// The end of what has been synced.
    durable: watch::Sender<u64>,
    connections: AtomicU64,
    records: AtomicU64,
    fetched: AtomicU64,
}

/// How the answering of a batch of requests ended.
enum Next {
    Receive,
    Close,
}

impl Broker {
    pub(crate) fn new(log: Log) -> Arc<Broker> {
        Arc::new(Broker {
            durable: watch::Sender::new(log.end()),
            log: Mutex::new(log),
            dirty: Notify::new(),
            connections: AtomicU64::new(0),
            records: AtomicU64::new(0),
            fetched: AtomicU64::new(0),
        })
    }

    /// Serves whoever connects. It ends only by an error: after a failed sync nobody knows what
    /// the disk holds, and to open the log again is the way to find out.
    pub(crate) async fn run(self: Arc<Broker>, listener: TcpListener) -> io::Result<()> {
        tokio::select! {
            error = self.sync() => Err(error),
            never = self.accept(listener) => match never {},
            never = self.report() => match never {},
        }
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().expect("nothing panics while it has the log")
    }

    async fn sync(&self) -> io::Error {
        loop {
            self.dirty.notified().await;
            // Whoever else is ready to append comes first.
            tokio::task::yield_now().await;
            let synced = self.log().flush();
            match synced {
                Ok(end) => drop(self.durable.send_replace(end)),
                Err(error) => return error,
            }
        }
    }

    async fn accept(self: &Arc<Broker>, listener: TcpListener) -> Infallible {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    let broker = self.clone();
                    tokio::spawn(async move {
                        broker.connections.fetch_add(1, Ordering::Relaxed);
                        if let Err(error) = broker.connection(&stream).await {
                            eprintln!("log_broker: {peer}: {error}");
                        }
                        broker.connections.fetch_sub(1, Ordering::Relaxed);
                    });
                }
                // Out of descriptors, say: some connection will end.
                Err(error) => {
                    eprintln!("log_broker: cannot accept: {error}");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    async fn connection(&self, stream: &TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let (mut inbox, mut sizer) = (ByteBuf::new(), RecvSizer::new());
        let mut out = WriteQueue::new();
        loop {
            stream.readable().await?;
            match stream.try_io(Interest::READABLE, || sizer.receive(stream, &mut inbox)) {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error),
            }
            let next = self.answer(stream, &mut inbox, &mut out).await?;
            out.flush_all(stream).await?;
            if let Next::Close = next {
                return Ok(());
            }
        }
    }

    /// Answers the requests that are whole.
    async fn answer(
        &self,
        stream: &TcpStream,
        inbox: &mut ByteBuf,
        out: &mut WriteQueue,
    ) -> io::Result<Next> {
        let mut appended = 0;
        let next = loop {
            match protocol::parse(inbox) {
                Ok(None) => break Next::Receive,
                Ok(Some(Request::Append(record))) => match self.append(&record) {
                    Ok((offset, end)) => {
                        appended = end;
                        protocol::appended(out, offset);
                    }
                    Err(error) => {
                        protocol::refused(out, &error.to_string());
                        break Next::Close;
                    }
                },
                Ok(Some(Request::Fetch { offset, most })) => {
                    self.synced(appended).await;
                    out.flush_all(stream).await?;
                    let end = self.log().end();
                    if offset > end {
                        let why = format!("offset {offset} of a log that ends at {end}");
                        protocol::refused(out, &why);
                        break Next::Close;
                    }
                    let Some((start, records)) = self.fetch(stream, offset, most).await? else {
                        return Ok(Next::Close);
                    };
                    protocol::fetched(out, start, records);
                    out.flush_all(stream).await?;
                }
                Err(why) => {
                    protocol::refused(out, &why);
                    break Next::Close;
                }
            }
        };
        self.synced(appended).await;
        Ok(next)
    }

    /// Appends a record, and gives its offset and the end of it.
    fn append(&self, record: &[u8]) -> io::Result<(u64, u64)> {
        let mut log = self.log();
        let offset = log.append(record).map_err(|error| {
            if log::is_full(&error) {
                let message = format!("{} bytes are too long for a segment", record.len());
                return io::Error::new(io::ErrorKind::InvalidInput, message);
            }
            error
        })?;
        self.records.fetch_add(1, Ordering::Relaxed);
        self.dirty.notify_one();
        Ok((offset, log.end()))
    }

    /// Durable records from `offset` on, once there are any; `None` if the consumer hangs up.
    async fn fetch(
        &self,
        stream: &TcpStream,
        offset: u64,
        most: u32,
    ) -> io::Result<Option<(u64, FileRegion)>> {
        let mut byte = [0];
        loop {
            let durable = *self.durable.borrow();
            let (start, records) = self.log().fetch(offset, most.into(), durable)?;
            if !records.is_empty() || most == 0 {
                self.fetched.fetch_add(records.len(), Ordering::Relaxed);
                return Ok(Some((start, records)));
            }
            tokio::select! {
                () = self.synced(durable + 1) => {}
                // Anything else that it says is the next request, and waits.
                Ok(0) = stream.peek(&mut byte) => return Ok(None),
            }
        }
    }

    /// Waits until everything before `end` is durable.
    async fn synced(&self, end: u64) {
        let reached = self.durable.subscribe().wait_for(|durable| *durable >= end).await.map(drop);
        reached.expect("the broker keeps the sender");
    }

    /// A line per second in which something went on.
    async fn report(&self) -> Infallible {
        let figures = || {
            let records = self.records.load(Ordering::Relaxed);
            (records, self.log().end(), self.fetched.load(Ordering::Relaxed))
        };
        let mut before = figures();
        let mut ticks = tokio::time::interval(Duration::from_secs(1));
        ticks.tick().await;
        loop {
            ticks.tick().await;
            let now = figures();
            if now != before {
                // Nobody may be reading; that is no reason to stop.
                let _ = writeln!(
                    io::stdout(),
                    "{:>4} connections  {:>8} records/s  {:>7.1} MiB/s in  {:>7.1} MiB/s out  \
                     {:>9.1} MiB in {} segments",
                    self.connections.load(Ordering::Relaxed),
                    now.0 - before.0,
                    mib(now.1 - before.1),
                    mib(now.2 - before.2),
                    mib(now.1),
                    self.log().segments(),
                );
                before = now;
            }
        }
    }
}

pub(crate) fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
