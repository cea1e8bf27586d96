//! A producer: records go to the leaders of their partitions, in batches, in order, and once each if it is
//! idempotent.
//!
//! This file drives: it asks the cluster who leads, hands ready batches to the leaders' lines, and decides by
//! Kafka's classes of errors what becomes of each answer. `settings` says how, `partitioner` chooses partitions,
//! `accumulator` owns what is on its way, `outcome` is what is told of the rest.

mod accumulator;
mod outcome;
mod partitioner;
mod settings;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::client::cluster::{Cluster, ClusterError, To};
use crate::client::line::{Answered, Line, LineOptions};
use crate::client::retry::ErrorClass;
use crate::model::ProducerId;
use crate::protocol::messages::init_producer_id::InitProducerIdRequest;
use crate::protocol::messages::metadata::MetadataResponseTopic;
use crate::protocol::messages::produce::{
    PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData,
};
use crate::protocol::{ErrorCode, Str};
use crate::records::NewRecord;

use accumulator::{Accumulator, Identity, record_size};
pub use accumulator::{BatchLimits, RecordSizes};
pub use outcome::{Lost, ProducerCounts};
use partitioner::StickyPartitions;
pub use partitioner::of_key as partition_of_key;
pub use settings::ProducerSettings;

type PartitionKey = accumulator::PartitionKey;

/// The versions that name topics; later ones have ids, which a topic of the same name made anew does not keep.
const VERSIONS: RangeInclusive<i16> = 3..=12;

/// How often batches that have become old enough are looked for while records come.
const BETWEEN_LOOKS: Duration = Duration::from_millis(1);

/// Which batches a request has.
type Tag = Vec<(PartitionKey, u64)>;

/// A producer.
pub struct Producer {
    cluster: Cluster,
    settings: ProducerSettings,
    accumulator: Accumulator,
    sticky: StickyPartitions,
    lines: BTreeMap<(i32, String), Line<ProduceRequest, Tag>>,
    answers: mpsc::UnboundedReceiver<Answered<ProduceRequest, Tag>>,
    answers_in: mpsc::UnboundedSender<Answered<ProduceRequest, Tag>>,
    identity: Option<Identity>,
    /// The sequence numbers have a hole: another identity is needed.
    needs_identity: bool,
    /// Topics whose metadata is out of date, and when it may be asked for.
    stale: BTreeSet<Str>,
    refresh_at: Instant,
    is_flushing: bool,
    /// When batches that have become old enough are looked for.
    look_at: Instant,
    lost: Vec<Lost>,
    arrived: Vec<Vec<RecordSizes>>,
    counts: ProducerCounts,
}

impl Producer {
    /// A producer that has sent nothing yet.
    pub fn new(cluster: Cluster, settings: ProducerSettings) -> Self {
        let (answers_in, answers) = mpsc::unbounded_channel();
        Self {
            cluster,
            accumulator: Accumulator::new(settings.limits),
            sticky: StickyPartitions::default(),
            lines: BTreeMap::new(),
            answers,
            answers_in,
            identity: None,
            needs_identity: settings.is_idempotent,
            stale: BTreeSet::new(),
            refresh_at: Instant::now(),
            is_flushing: false,
            look_at: Instant::now(),
            lost: Vec::new(),
            arrived: Vec::new(),
            counts: ProducerCounts::default(),
            settings,
        }
    }

    /// Takes a record, and sends what is ready. It waits as long as the records on their way take too much
    /// memory.
    ///
    /// # Errors
    /// The record is too large, the topic is not there in `max.block.ms`, or the cluster refuses. The producer
    /// can be used further.
    pub async fn send(&mut self, topic: &Str, record: NewRecord<'_>) -> Result<(), ClusterError> {
        let size = record_size(&record);
        if size > self.settings.max_request_size {
            return Err(ClusterError::Refused {
                code: ErrorCode::MESSAGE_TOO_LARGE,
                message: Some(Str::from(format!(
                    "The message is {size} bytes when serialized which is larger than {}, which is the value of \
                     the max.request.size configuration.",
                    self.settings.max_request_size
                ))),
            });
        }
        let now = Instant::now();
        while self.accumulator.bytes() + size > self.settings.buffer_memory
            && !self.accumulator.is_empty()
        {
            self.is_flushing = true;
            let moved = self.turn().await;
            self.is_flushing = false;
            moved?;
        }
        let chosen = match self.partition_at_once(topic, &record, size) {
            Some(partition) => partition,
            None => {
                let deadline = now + self.settings.max_block;
                self.partition(topic, &record, size, deadline).await?
            }
        };
        let key = (topic.clone(), chosen);
        let is_ready = self.accumulator.append(now, key, record);
        // Records come by millions: what need not be looked at for each is looked at once in a while.
        if is_ready || now >= self.look_at {
            self.look_at = now + BETWEEN_LOOKS;
            self.dispatch_ready().await?;
        }
        Ok(())
    }

    /// Waits until something has arrived, or has to be sent, and does what follows.
    ///
    /// # Errors
    /// The cluster gives no producer id.
    pub async fn turn(&mut self) -> Result<(), ClusterError> {
        self.dispatch_ready().await?;
        let refresh = (!self.stale.is_empty()).then_some(self.refresh_at);
        let ready = self
            .accumulator
            .next_deadline(Instant::now(), self.is_flushing);
        let deadline = ready.into_iter().chain(refresh).min();
        tokio::select! {
            answered = self.answers.recv() => {
                self.settle(answered.expect("a sender is kept here"));
            }
            () = at(deadline) => {}
        }
        self.dispatch_ready().await
    }

    /// Sends all, and waits until it has arrived or is lost.
    ///
    /// # Errors
    /// As [`Self::turn`].
    pub async fn flush(&mut self) -> Result<(), ClusterError> {
        while self.flush_some().await? {}
        Ok(())
    }

    /// As [`Self::flush`], but for one turn only. Whether something is left.
    ///
    /// # Errors
    /// As [`Self::turn`].
    pub async fn flush_some(&mut self) -> Result<bool, ClusterError> {
        self.is_flushing = true;
        let turned = if self.accumulator.is_empty() {
            Ok(())
        } else {
            self.turn().await
        };
        self.is_flushing = false;
        turned.map(|()| !self.accumulator.is_empty())
    }

    /// What was lost since this was asked last.
    pub fn take_lost(&mut self) -> Vec<Lost> {
        std::mem::take(&mut self.lost)
    }

    /// The records of each batch that has arrived since this was asked last.
    pub fn take_arrived(&mut self) -> Vec<Vec<RecordSizes>> {
        std::mem::take(&mut self.arrived)
    }

    /// What was done so far.
    pub fn counts(&self) -> ProducerCounts {
        self.counts
    }

    /// The partition of a record, where it takes no more than a look.
    fn partition_at_once(
        &mut self,
        topic: &Str,
        record: &NewRecord<'_>,
        size: usize,
    ) -> Option<i32> {
        if record.key.is_some() {
            return None;
        }
        let batch_size = self.settings.limits.batch_size;
        let kept = self.sticky.kept(topic, size, batch_size)?;
        self.cluster.leader(topic, kept).map(|_| kept)
    }

    async fn partition(
        &mut self,
        topic: &Str,
        record: &NewRecord<'_>,
        size: usize,
        deadline: Instant,
    ) -> Result<i32, ClusterError> {
        let max_block = self.settings.max_block.as_millis();
        let learned = self.cluster.learn(topic, true, deadline).await;
        let known = learned.map_err(|error| match error.code() {
            Some(code @ ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) => ClusterError::Refused {
                code,
                message: Some(Str::from(format!(
                    "Topic {topic} not present in metadata after {max_block} ms."
                ))),
            },
            _ => error,
        })?;
        if known.partitions.is_empty() {
            return Err(ClusterError::of(ErrorCode::LEADER_NOT_AVAILABLE));
        }
        if let Some(key) = record.key {
            let index = partitioner::of_key(key, known.partitions.len());
            return Ok(i32::try_from(index).expect("partitions are counted as i32"));
        }
        let available = with_leaders(known);
        let batch_size = self.settings.limits.batch_size;
        Ok(self
            .sticky
            .choose(topic, &available, size, batch_size, random))
    }

    /// Sends the batches that are ready to who leads their partitions.
    async fn dispatch_ready(&mut self) -> Result<(), ClusterError> {
        while let Ok(answered) = self.answers.try_recv() {
            self.settle(answered);
        }
        let now = Instant::now();
        if !self.stale.is_empty() && now >= self.refresh_at {
            let topics: Vec<Str> = self.stale.iter().cloned().collect();
            self.cluster.refresh(Some(&topics), false).await?;
            self.stale.clear();
            self.refresh_at = Instant::now() + self.settings.retry_backoff;
        }
        if self.needs_identity && !self.accumulator.ready(now, self.is_flushing).is_empty() {
            if self.accumulator.in_flight_count() > 0 {
                return Ok(());
            }
            self.identity = Some(init_producer_id(&mut self.cluster).await?);
            self.accumulator.renumber();
            self.needs_identity = false;
        }
        while !self.needs_identity && self.dispatch_some(now) {}
        Ok(())
    }

    /// Sends one request to each leader of batches that are ready. Whether there was one.
    fn dispatch_some(&mut self, now: Instant) -> bool {
        let mut by_leader: BTreeMap<i32, Vec<PartitionKey>> = BTreeMap::new();
        for key in self.accumulator.ready(now, self.is_flushing) {
            match self.cluster.leader(&key.0, key.1) {
                Some(leader) if self.cluster.address(leader).is_some() => {
                    by_leader.entry(leader).or_default().push(key);
                }
                _ => {
                    self.stale.insert(key.0);
                }
            }
        }
        let has_sent = !by_leader.is_empty();
        for (leader, keys) in by_leader {
            self.dispatch(leader, &keys);
        }
        has_sent
    }

    fn dispatch(&mut self, leader: i32, keys: &[PartitionKey]) {
        let address = self.cluster.address(leader).unwrap_or_default().to_owned();
        let mut tag = Tag::new();
        let mut topics: BTreeMap<Str, Vec<PartitionProduceData>> = BTreeMap::new();
        for key in keys {
            let Some((id, batch)) = self.accumulator.take(key, self.identity) else {
                continue;
            };
            tag.push((key.clone(), id));
            let data = data(key.1, batch);
            topics.entry(key.0.clone()).or_default().push(data);
        }
        let topic = |(name, partition_data)| TopicProduceData {
            name,
            partition_data,
            ..TopicProduceData::default()
        };
        let timeout = self.cluster.options().request_timeout;
        let request = ProduceRequest {
            acks: self.settings.acks,
            timeout_ms: i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX),
            topic_data: topics.into_iter().map(topic).collect(),
            ..ProduceRequest::default()
        };
        self.counts.requests += 1;
        let client_id = &self.cluster.options().client_id;
        let answers = &self.answers_in;
        let line = self
            .lines
            .entry((leader, address))
            .or_insert_with_key(|at| {
                let options = LineOptions {
                    node: at.0,
                    address: at.1.clone(),
                    client_id: client_id.clone(),
                    timeout,
                    versions: VERSIONS,
                };
                Line::open(options, answers.clone())
            });
        line.send(request, tag, self.settings.acks != 0);
    }

    /// Decides what becomes of the batches of a request.
    fn settle(&mut self, answered: Answered<ProduceRequest, Tag>) {
        let Answered { tag, outcome, .. } = answered;
        match outcome {
            Ok(answer) => {
                for (key, id) in tag {
                    let (code, message) = self.verdict(&answer, &key);
                    self.settle_batch(&key, id, code, &message);
                }
            }
            Err(error) => {
                let reason = error.to_string();
                for (key, id) in tag {
                    self.settle_batch(&key, id, ErrorCode::NETWORK_EXCEPTION, &reason);
                }
            }
        }
    }

    fn verdict(&self, answer: &ProduceResponse, key: &PartitionKey) -> (ErrorCode, String) {
        if self.settings.acks == 0 {
            return (ErrorCode::NONE, String::new());
        }
        let topics = answer.responses.iter().filter(|topic| topic.name == key.0);
        let mut partitions = topics.flat_map(|topic| &topic.partition_responses);
        match partitions.find(|partition| partition.index == key.1) {
            Some(found) => {
                let own = found.error_message.as_deref();
                let words = own.unwrap_or(found.error_code.message());
                (found.error_code, words.to_owned())
            }
            None => (
                ErrorCode::UNKNOWN_SERVER_ERROR,
                "the answer says nothing of the batch".to_owned(),
            ),
        }
    }

    fn settle_batch(&mut self, key: &PartitionKey, id: u64, code: ErrorCode, reason: &str) {
        let arrived = [ErrorCode::NONE, ErrorCode::DUPLICATE_SEQUENCE_NUMBER];
        if arrived.contains(&code) {
            if let Some(batch) = self.accumulator.remove(key, id) {
                self.counts.note_arrival(&batch);
                if self.settings.tells_arrivals {
                    self.arrived.push(batch.records);
                }
            }
            return;
        }
        let now = Instant::now();
        let may_come_again = self.accumulator.in_flight(key, id).is_some_and(|batch| {
            let is_in_time = now < batch.created + self.settings.delivery_timeout;
            is_in_time && batch.attempts <= self.settings.retries
        });
        let is_of_numbers = matches!(
            code,
            ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER
                | ErrorCode::UNKNOWN_PRODUCER_ID
                | ErrorCode::INVALID_PRODUCER_EPOCH
        );
        if is_of_numbers && self.identity.is_some() {
            // Behind a batch that failed this is what is to be expected; else the broker knows other numbers.
            self.needs_identity |= !self.accumulator.has_earlier(key, id);
        }
        let class = ErrorClass::of(code);
        if class == ErrorClass::NewMetadata {
            self.stale.insert(key.0.clone());
        }
        let is_worth_it = class != ErrorClass::Fatal || is_of_numbers && self.identity.is_some();
        if may_come_again && is_worth_it {
            let batch = self.accumulator.in_flight(key, id);
            self.counts.retried_records += batch.map_or(0, |batch| batch.records.len() as u64);
            let rest_until = now + self.settings.retry_backoff;
            self.accumulator.put_back(key, id, rest_until);
            return;
        }
        if let Some(batch) = self.accumulator.remove(key, id) {
            // What follows it in order would be refused: its numbers come after a hole.
            self.needs_identity |= self.identity.is_some();
            self.counts.lost_records += batch.records.len() as u64;
            self.lost.push(Lost {
                topic: key.0.clone(),
                records: batch.records,
                reason: reason.to_owned(),
            });
        }
    }
}

fn data(index: i32, batch: Bytes) -> PartitionProduceData {
    PartitionProduceData {
        index,
        records: Some(batch),
    }
}

/// The partitions that have a leader, or all if none has.
fn with_leaders(topic: &MetadataResponseTopic) -> Vec<i32> {
    let led = topic.partitions.iter().filter(|it| it.leader_id >= 0);
    let led: Vec<i32> = led.map(|it| it.partition_index).collect();
    if led.is_empty() {
        let all = topic.partitions.iter();
        return all.map(|it| it.partition_index).collect();
    }
    led
}

async fn init_producer_id(cluster: &mut Cluster) -> Result<Identity, ClusterError> {
    let request = InitProducerIdRequest {
        transaction_timeout_ms: i32::MAX,
        ..InitProducerIdRequest::default()
    };
    let answer = cluster
        .ask_until(To::Any, &request, |answer| answer.error_code)
        .await?;
    if answer.error_code.is_error() {
        return Err(ClusterError::of(answer.error_code));
    }
    Ok((ProducerId(answer.producer_id), answer.producer_epoch))
}

/// A number that nobody foresees; where the system has none, always the same.
fn random() -> u32 {
    getrandom::u32().unwrap_or_default()
}

async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}
