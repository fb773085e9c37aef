//! A partition, as the connections share it.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use bytebuf::{FileRegion, Segment};
use tokio::sync::{oneshot, watch};

use super::framing::Batches;
use super::presence::Expected;
use super::{Appended, Log};
use crate::api::code::Code;
use crate::output::warn;
use crate::producers::Total;
use crate::shares::Account;
use crate::sync::{Durable, Syncer};

/// When appended batches are acknowledged and seen by consumers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum SyncMode {
    /// After the sync to the disk; one sync serves all batches that wait.
    Batch,
    /// After the write; a crash of the machine may lose batches.
    Never,
}

pub(crate) struct Partition {
    /// An error if the log is damaged or the disk failed: the partition is out of service.
    log: Mutex<Result<Log, Code>>,
    /// The offset up to which consumers see the log. `Err` when it is out of service.
    visible: watch::Sender<Result<i64, Code>>,
    mode: SyncMode,
    /// Segments are read by one caller at a time, so that none is read twice.
    reading: Arc<tokio::sync::Mutex<()>>,
    /// Segments are created by one caller at a time.
    adding: Arc<tokio::sync::Mutex<()>>,
}

impl fmt::Debug for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Partition")
            .field("visible", &*self.visible.borrow())
            .finish_non_exhaustive()
    }
}

impl Partition {
    /// Opens the partition in a directory. One that is damaged is out of service, the others are not.
    pub(crate) fn open(
        directory: &Path,
        capacity: u64,
        mode: SyncMode,
        total: &Total,
    ) -> Arc<Self> {
        let log = Log::open(directory, capacity, mode, total).map_err(|error| {
            warn(format_args!("out of service: {error}"));
            Code::KAFKA_STORAGE_ERROR
        });
        let visible = log.as_ref().map(Log::visible).map_err(|code| *code);
        let (log, visible) = (Mutex::new(log), watch::Sender::new(visible));
        Arc::new(Self { log, visible, mode, reading: Arc::default(), adding: Arc::default() })
    }

    fn lock(&self) -> MutexGuard<'_, Result<Log, Code>> {
        self.log.lock().expect("nothing panics while it has the log")
    }

    /// Appends batches; they are acknowledged when [`reached`](Self::reached) says so. Waits for a further segment if the last one
    /// is full.
    pub(crate) async fn append(
        self: &Arc<Self>,
        batches: &mut [u8],
        syncer: &Syncer,
        disk: &Account,
    ) -> Result<Appended, Code> {
        loop {
            if let Some(appended) = self.append_if_space(batches, syncer)? {
                return Ok(appended);
            }
            self.add_segment(batches.len(), disk).await?;
        }
    }

    fn append_if_space(
        self: &Arc<Self>,
        batches: &mut [u8],
        syncer: &Syncer,
    ) -> Result<Option<Appended>, Code> {
        let mut log = self.lock();
        let log = log.as_mut().map_err(|code| *code)?;
        let before = log.visible();
        let Some(appended) = log.append(batches)? else { return Ok(None) };
        if self.mode == SyncMode::Never {
            log.show_all();
        } else if !appended.duplicate {
            syncer.ask(self.clone());
        }
        if log.visible() != before {
            let _old = self.visible.send_replace(Ok(log.visible()));
        }
        Ok(Some(appended))
    }

    /// Creates a segment with space for so many bytes, unless another caller has done so meanwhile.
    async fn add_segment(self: &Arc<Self>, needed: usize, disk: &Account) -> Result<(), Code> {
        let turn = self.adding.clone().lock_owned().await;
        let next =
            self.lock().as_ref().map(|log| log.next_segment(needed)).map_err(|code| *code)?;
        let Some(next) = next else { return Ok(()) };
        let (partition, disk) = (self.clone(), disk.clone());
        let (report, added) = oneshot::channel();
        // The log gets the segment even if the producer has left by then.
        tokio::task::spawn_blocking(move || {
            let full = next.create(&disk).and_then(|segment| partition.begin(segment));
            drop(turn);
            // If the connection is gone, so is the reason to report.
            let _ = report.send(full.as_ref().map(drop).map_err(|code| *code));
            if let Ok(Some(mut full)) = full
                && let Err(error) = full.trim()
            {
                warn(format_args!("cannot sync a full segment: {error}"));
            }
        });
        added.await.unwrap_or(Err(Code::KAFKA_STORAGE_ERROR))
    }

    /// Appends to a new segment from now on; returns the writer of the one before.
    fn begin(&self, segment: Segment<Batches>) -> Result<Option<Segment<Batches>>, Code> {
        let mut log = self.lock();
        let log = log.as_mut().map_err(|code| *code)?;
        let full = log.begin(segment);
        let _old = self.visible.send_replace(Ok(log.visible()));
        Ok(full)
    }

    /// Waits until consumers see the log up to `end`, which is when it has been synced.
    pub(crate) async fn reached(&self, end: i64) -> Result<(), Code> {
        let mut visible = self.visible.subscribe();
        let reached = visible.wait_for(|visible| !visible.is_ok_and(|visible| visible < end)).await;
        reached.map_or(Err(Code::KAFKA_STORAGE_ERROR), |visible| visible.map(drop))
    }

    /// The offset up to which consumers see the log.
    pub(crate) fn visible(&self) -> Result<i64, Code> {
        *self.visible.borrow()
    }

    /// Tells when [`visible`](Self::visible) changes from what it is now.
    pub(crate) fn watch(&self) -> watch::Receiver<Result<i64, Code>> {
        self.visible.subscribe()
    }

    /// As [`Log::fetch`], of an offset within the log or at its end.
    pub(crate) fn fetch(&self, offset: i64, max: u64) -> Result<Option<FileRegion>, Code> {
        self.read(|log| match (0..=log.end()).contains(&offset) {
            true => log.fetch(offset, max).map(Ok),
            false => Ok(Err(Code::OFFSET_OUT_OF_RANGE)),
        })?
    }

    /// As [`Log::at_time`], once the segments are read that it takes.
    pub(crate) async fn at_time(&self, timestamp: i64) -> Result<Option<(i64, i64)>, Code> {
        loop {
            match self.read(|log| log.at_time(timestamp))? {
                Ok(found) => return Ok(found),
                Err(unread) => self.prepare(unread.base).await?,
            }
        }
    }

    /// Reads the segment that holds an offset, if that was not done yet: after that, it can be
    /// [fetched](Self::fetch). If it is damaged, the partition is out of service from then on.
    pub(crate) async fn prepare(&self, offset: i64) -> Result<(), Code> {
        let unread = || self.read(|log| Ok(log.unread(offset)));
        if unread()?.is_none() {
            return Ok(());
        }
        let turn = self.reading.clone().lock_owned().await;
        let Some(unread) = unread()? else { return Ok(()) };
        let base = unread.base;
        // The turn ends with the reading, even if the consumer has left by then.
        let read = tokio::task::spawn_blocking(move || (unread.read(), turn)).await;
        let (content, _turn) = read.map_err(|_| Code::KAFKA_STORAGE_ERROR)?;
        let mut log = self.lock();
        let log_there = log.as_mut().map_err(|code| *code)?;
        match content {
            Ok(content) => {
                log_there.has_read(base, content);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                Err(self.end_service(&mut log, &error))
            }
            Err(error) => {
                warn(format_args!("cannot read: {error}"));
                Err(Code::KAFKA_STORAGE_ERROR)
            }
        }
    }

    /// Takes the partition out of service if a file of it is gone. Blocks on the disk.
    pub(crate) fn check_files(&self) {
        let find_missing = |files: Vec<Expected>| files.iter().find_map(|file| file.check().err());
        let Ok(files) = self.lock().as_ref().map(Log::files) else { return };
        if find_missing(files).is_none() {
            return;
        }
        // Again with the lock, because a full segment may have been shortened to its end meanwhile.
        let mut log = self.lock();
        let Ok(files) = log.as_ref().map(Log::files) else { return };
        if let Some(error) = find_missing(files) {
            self.end_service(&mut log, &error);
        }
    }

    /// Until the log is opened again, producers and consumers get the error that this returns.
    fn end_service(&self, log: &mut Result<Log, Code>, why: &io::Error) -> Code {
        let code = Code::KAFKA_STORAGE_ERROR;
        warn(format_args!("out of service: {why}"));
        *log = Err(code);
        let _old = self.visible.send_replace(Err(code));
        code
    }

    fn read<T>(&self, read: impl FnOnce(&Log) -> io::Result<T>) -> Result<T, Code> {
        let log = self.lock();
        let log = log.as_ref().map_err(|code| *code)?;
        read(log).map_err(|error| {
            warn(format_args!("cannot read: {error}"));
            Code::KAFKA_STORAGE_ERROR
        })
    }
}

impl Durable for Partition {
    fn sync(&self) {
        let Some((syncer, end)) = self.lock().as_ref().ok().and_then(Log::to_sync) else { return };
        let synced = syncer.sync();
        let mut log = self.lock();
        match (&synced, &mut *log) {
            // The content of the disk is unknown until the log is opened again.
            (Err(error), _) => drop(self.end_service(&mut log, error)),
            (Ok(_), Ok(log)) => {
                log.synced(end);
                let _old = self.visible.send_replace(Ok(log.visible()));
            }
            (Ok(_), Err(_)) => {}
        }
    }
}
