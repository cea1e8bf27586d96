//! A consumer: reads partitions from a position on, up to what is committed.
//!
//! This file drives: it finds positions and leaders, keeps one Fetch on the way to each leader that has
//! partitions to be read, also while what came before is made use of, and moves the positions. `fetched` reads what
//! comes; `group` decides which partitions are read where members share them; `assignor` shares them out.

mod assignor;
mod fetched;
mod group;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::client::cluster::{Cluster, ClusterError, PartitionKey};
use crate::client::line::{Answered, Line, LineOptions};
use crate::client::retry::{Attempts, ErrorClass};
use crate::protocol::messages::fetch::{
    FetchPartition, FetchRequest, FetchResponse, FetchTopic, PartitionData,
};
use crate::protocol::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopic,
};
use crate::protocol::{ErrorCode, Str};
use crate::records::{RecordsError, Scratch};

pub use assignor::Assignor;
pub use fetched::{Consumed, Wanted, read_fetched};
pub use group::{GroupConsumer, GroupSettings, Subscription};

/// The versions that name topics; later ones have ids, which a topic of the same name made anew does not keep.
const VERSIONS: RangeInclusive<i16> = 4..=12;
/// The pause after an error that may pass.
const PAUSE: Duration = Duration::from_millis(100);
/// The timestamps that stand for the ends of a partition.
const LATEST: i64 = -1;
const EARLIEST: i64 = -2;

/// Where reading begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the first record.
    Earliest,
    /// After the last record that is there.
    Latest,
    /// At an offset.
    At(i64),
}

/// How a consumer works, by the names of Kafka's configs.
#[derive(Clone, Debug)]
pub struct ConsumerSettings {
    /// `isolation.level` is `read_committed`.
    pub is_committed_only: bool,
    /// `auto.offset.reset`, also for a position that is not there any more; `None` is an error then.
    pub reset: Option<Start>,
    /// `fetch.max.wait.ms`.
    pub max_wait: Duration,
    /// `fetch.min.bytes`.
    pub min_bytes: i32,
    /// `fetch.max.bytes`.
    pub max_bytes: i32,
    /// `max.partition.fetch.bytes`.
    pub partition_max_bytes: i32,
}

/// Records of one partition.
#[derive(Debug)]
pub struct Polled {
    /// The partition.
    pub key: PartitionKey,
    /// Its next records, in order.
    pub records: Vec<Consumed>,
}

/// A partition that is read.
#[derive(Clone, Copy, Debug)]
enum Position {
    /// Where this is has to be asked for.
    Unknown(Start),
    /// The next offset to be read.
    Known(i64),
}

/// Which partitions a Fetch asks for, and from where.
type Tag = Vec<(PartitionKey, i64)>;

/// A consumer.
pub struct Consumer {
    cluster: Cluster,
    settings: ConsumerSettings,
    positions: BTreeMap<PartitionKey, Position>,
    lines: BTreeMap<(i32, String), Line<FetchRequest, Tag>>,
    /// Nodes that have not answered their Fetch yet.
    busy: BTreeSet<i32>,
    answers: mpsc::UnboundedReceiver<Answered<FetchRequest, Tag>>,
    answers_in: mpsc::UnboundedSender<Answered<FetchRequest, Tag>>,
    stale: BTreeSet<Str>,
    refresh_at: Instant,
    scratch: Scratch,
}

impl Consumer {
    /// A consumer that reads nothing yet.
    pub fn new(cluster: Cluster, settings: ConsumerSettings) -> Self {
        let (answers_in, answers) = mpsc::unbounded_channel();
        Self {
            cluster,
            settings,
            positions: BTreeMap::new(),
            lines: BTreeMap::new(),
            busy: BTreeSet::new(),
            answers,
            answers_in,
            stale: BTreeSet::new(),
            refresh_at: Instant::now(),
            scratch: Scratch::default(),
        }
    }

    /// The cluster that is read.
    pub fn cluster(&mut self) -> &mut Cluster {
        &mut self.cluster
    }

    /// Reads a partition as well, or from another place.
    pub fn assign(&mut self, key: PartitionKey, start: Start) {
        let position = match start {
            Start::At(offset) => Position::Known(offset),
            start => Position::Unknown(start),
        };
        self.positions.insert(key, position);
    }

    /// Reads a partition no more.
    fn unassign(&mut self, key: &PartitionKey) {
        self.positions.remove(key);
    }

    /// Whether a partition is read.
    pub fn is_assigned(&self, key: &PartitionKey) -> bool {
        self.positions.contains_key(key)
    }

    /// The next offset of each partition that is read, where it is known.
    fn offsets(&self) -> BTreeMap<PartitionKey, i64> {
        let known = self.positions.iter().filter_map(|(key, position)| {
            let Position::Known(offset) = position else {
                return None;
            };
            Some((key.clone(), *offset))
        });
        known.collect()
    }

    /// The next records, or none if none came within `patience`.
    ///
    /// # Errors
    /// A partition is refused for good, its position is not there and nothing says where else to begin, or a
    /// batch is damaged.
    pub async fn poll(&mut self, patience: Duration) -> Result<Vec<Polled>, ClusterError> {
        let deadline = Instant::now() + patience;
        loop {
            self.find_positions().await?;
            self.fetch().await?;
            let refresh = (!self.stale.is_empty()).then_some(self.refresh_at);
            let until = refresh.map_or(deadline, |refresh| refresh.min(deadline));
            tokio::select! {
                answered = self.answers.recv() => {
                    let polled = self.settle(answered.expect("a sender is kept here"))?;
                    if !polled.is_empty() {
                        return Ok(polled);
                    }
                }
                () = tokio::time::sleep_until(until.into()) => {
                    if Instant::now() >= deadline {
                        return Ok(Vec::new());
                    }
                }
            }
        }
    }

    /// Asks the leaders for positions that are not known.
    async fn find_positions(&mut self) -> Result<(), ClusterError> {
        let unknown: Vec<(PartitionKey, Start)> = self
            .positions
            .iter()
            .filter_map(|(key, position)| match position {
                Position::Unknown(start) => Some((key.clone(), *start)),
                Position::Known(_) => None,
            })
            .collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let wanted = unknown.iter().map(|(key, start)| {
            let timestamp = if *start == Start::Earliest {
                EARLIEST
            } else {
                LATEST
            };
            (key.clone(), timestamp)
        });
        let is_committed_only = self.settings.is_committed_only;
        let wanted = wanted.collect();
        let offsets = offsets_at(&mut self.cluster, wanted, is_committed_only).await?;
        if let Some(code) = offsets.refused.into_values().next() {
            return Err(ClusterError::of(code));
        }
        for (key, offset) in offsets.found {
            self.positions.insert(key, Position::Known(offset));
        }
        Ok(())
    }

    /// Sends a Fetch to each leader that has none to answer.
    async fn fetch(&mut self) -> Result<(), ClusterError> {
        if !self.stale.is_empty() && Instant::now() >= self.refresh_at {
            let topics: Vec<Str> = self.stale.iter().cloned().collect();
            self.cluster.refresh(Some(&topics), false).await?;
            self.stale.clear();
            self.refresh_at = Instant::now() + PAUSE;
        }
        self.send_fetches();
        Ok(())
    }

    fn send_fetches(&mut self) {
        let mut by_leader: BTreeMap<i32, Tag> = BTreeMap::new();
        for (key, offset) in self.offsets() {
            match self.cluster.leader(&key.0, key.1) {
                Some(leader) if self.busy.contains(&leader) => {}
                Some(leader) => by_leader.entry(leader).or_default().push((key, offset)),
                None => {
                    self.stale.insert(key.0);
                }
            }
        }
        for (leader, tag) in by_leader {
            let Some(address) = self.cluster.address(leader).map(str::to_owned) else {
                self.stale.extend(tag.into_iter().map(|(key, _)| key.0));
                continue;
            };
            let request = self.request(&tag);
            self.busy.insert(leader);
            self.line(leader, address).send(request, tag, true);
        }
    }

    fn line(&mut self, node: i32, address: String) -> &Line<FetchRequest, Tag> {
        let options = self.cluster.options();
        let timeout = options.request_timeout + self.settings.max_wait;
        let (client_id, answers) = (&options.client_id, &self.answers_in);
        self.lines.entry((node, address)).or_insert_with_key(|at| {
            let options = LineOptions {
                node: at.0,
                address: at.1.clone(),
                client_id: client_id.clone(),
                timeout,
                versions: VERSIONS,
            };
            Line::open(options, answers.clone())
        })
    }

    fn request(&self, tag: &Tag) -> FetchRequest {
        let settings = &self.settings;
        let mut topics: BTreeMap<Str, Vec<FetchPartition>> = BTreeMap::new();
        for ((topic, partition), offset) in tag {
            let partition = FetchPartition {
                partition: *partition,
                fetch_offset: *offset,
                partition_max_bytes: settings.partition_max_bytes,
                ..FetchPartition::default()
            };
            topics.entry(topic.clone()).or_default().push(partition);
        }
        let topic = |(topic, partitions)| FetchTopic {
            topic,
            partitions,
            ..FetchTopic::default()
        };
        FetchRequest {
            max_wait_ms: i32::try_from(settings.max_wait.as_millis()).unwrap_or(i32::MAX),
            min_bytes: settings.min_bytes,
            max_bytes: settings.max_bytes,
            isolation_level: i8::from(settings.is_committed_only),
            topics: topics.into_iter().map(topic).collect(),
            ..FetchRequest::default()
        }
    }

    /// Moves the positions by an answer, and returns its records.
    fn settle(
        &mut self,
        answered: Answered<FetchRequest, Tag>,
    ) -> Result<Vec<Polled>, ClusterError> {
        let Answered { node, tag, outcome } = answered;
        self.busy.remove(&node);
        let Ok(answer) = outcome else {
            // The line connects again, or another node leads by now.
            self.refuse(tag);
            return Ok(Vec::new());
        };
        if answer.error_code.is_error() {
            self.refuse(tag);
            return Ok(Vec::new());
        }
        let mut arrived = Vec::new();
        let FetchResponse { responses, .. } = answer;
        for topic in responses {
            for data in topic.partitions {
                let key = (topic.topic.clone(), data.partition_index);
                let asked = tag.iter().find(|(asked, _)| *asked == key);
                let Some((_, from)) = asked else { continue };
                // What was assigned anew meanwhile is read from its new place.
                let is_current =
                    matches!(self.positions.get(&key), Some(Position::Known(at)) if at == from);
                if is_current && let Some(bytes) = self.advance(&key, *from, &data)? {
                    let aborted = data.aborted_transactions.unwrap_or_default();
                    arrived.push((key, *from, bytes, aborted));
                }
            }
        }
        // The next records are on their way while these are read.
        self.send_fetches();
        let mut polled = Vec::new();
        for (key, from, bytes, aborted) in arrived {
            let records = fetched::read(&bytes, from, aborted, &mut self.scratch);
            let records = records.map_err(|error| damaged(&key, from, &error))?;
            if !records.is_empty() {
                polled.push(Polled { key, records });
            }
        }
        Ok(polled)
    }

    /// Moves the position of a partition behind what has come of it, and returns that.
    fn advance(
        &mut self,
        key: &PartitionKey,
        from: i64,
        data: &PartitionData,
    ) -> Result<Option<Bytes>, ClusterError> {
        match data.error_code {
            ErrorCode::NONE => {}
            ErrorCode::OFFSET_OUT_OF_RANGE => {
                let reset = self.settings.reset;
                let start = reset.ok_or_else(|| ClusterError::of(data.error_code))?;
                self.positions.insert(key.clone(), Position::Unknown(start));
                return Ok(None);
            }
            code if ErrorClass::of(code) == ErrorClass::Fatal => {
                return Err(ClusterError::of(code));
            }
            _ => {
                self.refuse(vec![(key.clone(), from)]);
                return Ok(None);
            }
        }
        let Some(bytes) = data.records.bytes() else {
            return Ok(None);
        };
        let end = fetched::end(bytes, from).map_err(|error| damaged(key, from, &error))?;
        self.positions.insert(key.clone(), Position::Known(end));
        Ok(Some(bytes.clone()))
    }

    /// Asks anew who leads these partitions, after a pause.
    fn refuse(&mut self, tag: Tag) {
        self.refresh_at = Instant::now() + PAUSE;
        for ((topic, _), _) in tag {
            // Until then nobody is asked: what is known may be wrong.
            self.cluster.forget_topic(&topic);
            self.stale.insert(topic);
        }
    }
}

fn damaged(key: &PartitionKey, from: i64, error: &RecordsError) -> ClusterError {
    ClusterError::Refused {
        code: ErrorCode::CORRUPT_MESSAGE,
        message: Some(Str::from(format!(
            "{}-{} at offset {from}: {error}",
            key.0, key.1
        ))),
    }
}

/// What came of a question for offsets.
#[derive(Debug, Default)]
pub struct FoundOffsets {
    /// The offsets of partitions that have one.
    pub found: BTreeMap<PartitionKey, i64>,
    /// The partitions that were refused.
    pub refused: BTreeMap<PartitionKey, ErrorCode>,
}

/// The offsets that belong to timestamps: -1 is the end, -2 the beginning, lower ones as ListOffsets has them. It
/// asks again for partitions that have no leader, until the time is over.
///
/// # Errors
/// The cluster does not answer.
pub async fn offsets_at(
    cluster: &mut Cluster,
    mut wanted: BTreeMap<PartitionKey, i64>,
    is_committed_only: bool,
) -> Result<FoundOffsets, ClusterError> {
    let mut attempts = Attempts::until(cluster.deadline());
    let mut offsets = FoundOffsets::default();
    loop {
        for (leader, keys) in cluster.by_leader(wanted.keys()) {
            let request = list_offsets(&keys, &wanted, is_committed_only);
            if let Some(answer) = cluster.ask_leader(leader, &request).await? {
                note_offsets(answer, &mut wanted, &mut offsets);
            }
        }
        let pause = attempts
            .pause(Instant::now())
            .filter(|_| !wanted.is_empty());
        let Some(pause) = pause else {
            let rest = wanted.into_keys();
            let rest = rest.map(|key| (key, ErrorCode::LEADER_NOT_AVAILABLE));
            offsets.refused.extend(rest);
            return Ok(offsets);
        };
        tokio::time::sleep(pause).await;
        let topics: BTreeSet<Str> = wanted.keys().map(|key| key.0.clone()).collect();
        let topics: Vec<Str> = topics.into_iter().collect();
        cluster.refresh(Some(&topics), false).await?;
    }
}

/// Takes what is answered for good out of what is wanted.
fn note_offsets(
    answer: ListOffsetsResponse,
    wanted: &mut BTreeMap<PartitionKey, i64>,
    offsets: &mut FoundOffsets,
) {
    for topic in answer.topics {
        for partition in topic.partitions {
            let key = (topic.name.clone(), partition.partition_index);
            let code = partition.error_code;
            if code.is_error() && ErrorClass::of(code) != ErrorClass::Fatal {
                continue;
            }
            wanted.remove(&key);
            if code.is_error() {
                offsets.refused.insert(key, code);
            } else if partition.offset >= 0 {
                offsets.found.insert(key, partition.offset);
            }
        }
    }
}

fn list_offsets(
    keys: &[PartitionKey],
    wanted: &BTreeMap<PartitionKey, i64>,
    is_committed_only: bool,
) -> ListOffsetsRequest {
    let mut topics: BTreeMap<Str, Vec<ListOffsetsPartition>> = BTreeMap::new();
    for key in keys {
        let partition = ListOffsetsPartition {
            partition_index: key.1,
            timestamp: wanted.get(key).copied().unwrap_or(LATEST),
            ..ListOffsetsPartition::default()
        };
        topics.entry(key.0.clone()).or_default().push(partition);
    }
    let topic = |(name, partitions)| ListOffsetsTopic { name, partitions };
    ListOffsetsRequest {
        replica_id: -1,
        isolation_level: i8::from(is_committed_only),
        topics: topics.into_iter().map(topic).collect(),
        ..ListOffsetsRequest::default()
    }
}
