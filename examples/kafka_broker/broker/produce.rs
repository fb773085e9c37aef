//! Produce: from the block that a request was received into to the file.

use std::io;
use std::sync::Arc;

use bytebuf::ByteBuf;
use tokio::task::coop::consume_budget;

use super::{Broker, KEPT, complete};
use crate::api::Header;
use crate::api::code::Code;
use crate::api::produce::{self, Produced, Request};
use crate::connection::Answer;
use crate::log::partition::Partition;
use crate::shares::{Account, Client};
use crate::stats::count;
use crate::wire;

/// `acks=all`: the response waits for the sync. For other values it waits for the write.
const ALL: i16 = -1;

impl Broker {
    /// Appends the batches of a request, each where it is in the frame.
    pub(super) async fn produce(
        self: &Arc<Self>,
        header: Header,
        request: Request,
        mut frame: ByteBuf,
        client: Client,
    ) -> io::Result<Option<Answer>> {
        let items = request.topics.iter().map(|t| t.name.len() + KEPT * (1 + t.partitions.len()));
        let reserved = self.responses.reserve(items.sum()).await?;
        let mut waits = Vec::<(usize, usize, Arc<Partition>, i64)>::new();
        let mut topics = Vec::with_capacity(request.topics.len());
        for topic in request.topics {
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for (partition, range) in topic.partitions {
                // A request may have thousands; other connections are served in between.
                consume_budget().await;
                let appended = match (request.transactional, request.acks) {
                    (true, _) => Err(Code::TRANSACTIONAL_ID_AUTHORIZATION_FAILED),
                    (false, -1..=1) => {
                        self.append(&topic.name, partition, &mut frame[range], client).await
                    }
                    (false, _) => Err(Code::INVALID_REQUEST),
                };
                let appended = appended.map(|(log, base, end)| {
                    waits.push((topics.len(), partitions.len(), log, end));
                    (base, 0)
                });
                partitions.push(Produced { partition, appended });
            }
            topics.push((topic.name, partitions));
        }
        // The batches are in the log, so the block returns to the pool before the response waits.
        drop(frame);
        if request.acks == 0 {
            return Ok(None);
        }
        Ok(Some(Answer::new(async move {
            if request.acks == ALL {
                for (topic, partition, log, end) in waits {
                    if let Err(code) = log.reached(end).await {
                        topics[topic].1[partition].appended = Err(code);
                    }
                }
            }
            let mut out = wire::response();
            produce::write(&mut out, header.version, &topics);
            Ok(complete(out, header, reserved))
        })))
    }

    async fn append(
        &self,
        topic: &str,
        partition: i32,
        batches: &mut [u8],
        client: Client,
    ) -> Result<(Arc<Partition>, i64, i64), Code> {
        let log = self.topics.partition(topic, partition)?;
        let disk = Account { share: self.disk.clone(), client };
        let appended = log.append(batches, &self.syncer, &disk).await?;
        if appended.duplicate {
            count(&self.stats.duplicates, 1);
        } else {
            count(&self.stats.batches, appended.batches);
            count(&self.stats.records, (appended.end - appended.base).unsigned_abs());
            count(&self.stats.appended, batches.len() as u64);
            count(&self.stats.appends, 1);
        }
        Ok((log, appended.base, appended.end))
    }
}
