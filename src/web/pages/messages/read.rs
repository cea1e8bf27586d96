//! Reads messages as any consumer does: it asks the leaders by Kafka's protocol, for itself and in no group. What
//! one page looks at is bounded, in records, bytes and time, and so is how many read at once.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::asked::{Cursor, From, MOST_PARTITIONS, Reading};
use super::lanes::{Came, Lanes, Want};
use super::look::{LARGEST_BATCH, Make, Seen, look_through};
use crate::client::{Cluster, ClusterError, ClusterOptions, Entry, PartitionKey, To, offsets_at};
use crate::metadata::image::{MetadataImage, TopicImage};
use crate::protocol::messages::fetch::{FetchPartition, FetchRequest, FetchTopic, PartitionData};
use crate::protocol::{ErrorCode, Str};
use crate::records::Scratch;

/// What the brokers see in their logs and quotas.
const CLIENT: &str = "broker-admin";
/// How many read at the same time, and how long another waits for its turn.
const AT_ONCE: usize = 4;
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// How long one answer may take, and all attempts at one.
const ONE: Duration = Duration::from_millis(1_500);
/// What one page looks at: how long, how many records, how many bytes of them, decompressed.
const TIME: Duration = Duration::from_millis(1_500);
const RECORDS: u64 = 200_000;
const BYTES: u64 = 64 << 20;
/// The bytes of one Fetch, and those that are looked at of each partition in it.
const FETCHED: i32 = 1 << 20;
const CHUNK: usize = 1 << 20;
/// The versions of Fetch that name topics.
const VERSIONS: std::ops::RangeInclusive<i16> = 4..=12;
const LATEST: i64 = -1;
const EARLIEST: i64 = -2;

/// The most that a page looks at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) bytes: u64,
    /// How many messages are wanted.
    pub(super) messages: usize,
}

impl Bounds {
    /// Those of a page with so many messages.
    pub(super) fn of_page(messages: usize) -> Self {
        Self {
            bytes: BYTES,
            messages,
        }
    }
}

/// Lets few read at once.
pub(in crate::web::pages) struct Turns(Semaphore);

impl Default for Turns {
    fn default() -> Self {
        Self(Semaphore::new(AT_ONCE))
    }
}

impl Turns {
    /// The turn to read.
    ///
    /// # Errors
    /// Others take too long.
    pub(super) async fn take(&self) -> Result<SemaphorePermit<'_>, Trouble> {
        match timeout(LONGEST_WAIT, self.0.acquire()).await {
            Ok(Ok(turn)) => Ok(turn),
            _ => Err(Trouble::Busy),
        }
    }
}

/// Why nothing is read.
#[derive(Debug)]
pub(super) enum Trouble {
    /// What is asked for makes no sense.
    Asked(String),
    /// Others read.
    Busy,
    /// Too many streams are open.
    Streams,
    /// The cluster does not answer.
    Cluster(String),
}

impl std::convert::From<ClusterError> for Trouble {
    fn from(error: ClusterError) -> Self {
        Self::Cluster(error.to_string())
    }
}

/// How much was looked at.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Looked {
    pub(super) records: u64,
    /// The bytes of these records, decompressed.
    pub(super) bytes: u64,
    pub(super) milliseconds: u64,
}

/// What was found.
#[derive(Debug)]
pub(super) struct Found<T> {
    pub(super) messages: Vec<(i32, T)>,
    pub(super) looked: Looked,
    /// Whether it ended for having looked at enough.
    pub(super) is_bounded: bool,
    /// Where to go on; `None` at the end.
    pub(super) next: Option<Cursor>,
    /// What could not be read, and why.
    pub(super) troubles: Vec<String>,
}

/// Reads one topic.
pub(super) struct TopicReader<T> {
    cluster: Cluster,
    topic: Arc<TopicImage>,
    is_committed_only: bool,
    bounds: Bounds,
    make: Make<T>,
    scratch: Option<Scratch>,
    pub(super) looked: Looked,
    pub(super) troubles: Vec<String>,
}

impl<T: Send + 'static> TopicReader<T> {
    /// Reads `topic` of the cluster that the node at `address` belongs to.
    pub(super) fn new(
        address: &str,
        topic: &Arc<TopicImage>,
        is_committed_only: bool,
        (bounds, make): (Bounds, Make<T>),
    ) -> Self {
        Self {
            cluster: Cluster::new(ClusterOptions {
                bootstrap: vec![address.to_owned()],
                entry: Entry::Brokers,
                client_id: CLIENT.to_owned(),
                request_timeout: ONE,
                api_timeout: ONE,
            }),
            topic: Arc::clone(topic),
            is_committed_only,
            bounds,
            make,
            scratch: Some(Scratch::with_limit(LARGEST_BATCH)),
            looked: Looked::default(),
            troubles: Vec::new(),
        }
    }

    /// One page.
    ///
    /// # Errors
    /// What is asked for makes no sense, or the cluster does not answer.
    pub(super) async fn page(mut self, reading: &Reading) -> Result<Found<T>, Trouble> {
        let began = Instant::now();
        let (until, most) = (began + TIME, self.bounds.messages);
        let is_backward = match &reading.cursor {
            Some(cursor) => cursor.is_backward,
            None => reading.from == From::End,
        };
        let spans = self.spans(reading, is_backward).await?;
        let mut lanes = Lanes::new(is_backward, spans, most);
        let mut messages = Vec::new();
        let mut is_bounded = false;
        loop {
            let left = most - messages.len();
            let taken = lanes.take(left, is_bounded);
            messages.extend(
                taken
                    .into_iter()
                    .map(|(partition, item)| (partition, item.shown)),
            );
            if messages.len() >= most || lanes.is_done() || is_bounded {
                break;
            }
            let wants = lanes.wanted();
            if !wants.is_empty() {
                self.read(&mut lanes, wants, until).await?;
            }
            is_bounded = Instant::now() >= until
                || self.looked.records >= RECORDS
                || self.looked.bytes >= self.bounds.bytes;
        }
        self.looked.milliseconds = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(Found {
            is_bounded: is_bounded && messages.len() < most && !lanes.is_done(),
            messages,
            looked: self.looked,
            next: lanes.cursor(),
            troubles: self.troubles,
        })
    }

    /// The one message at an offset, if it is there.
    ///
    /// # Errors
    /// The cluster does not answer.
    pub(super) async fn one(mut self, partition: i32, offset: i64) -> Result<Option<T>, Trouble> {
        let spans = BTreeMap::from([(partition, offset..offset.saturating_add(1))]);
        let mut lanes = Lanes::new(false, spans, 1);
        let until = Instant::now() + TIME;
        while !lanes.is_done() && Instant::now() < until {
            let wants = lanes.wanted();
            self.read(&mut lanes, wants, until).await?;
            if let Some((_, item)) = lanes.take(1, true).pop() {
                return Ok(Some(item.shown));
            }
        }
        Ok(None)
    }

    /// What is to be read of each partition.
    async fn spans(
        &mut self,
        reading: &Reading,
        is_backward: bool,
    ) -> Result<BTreeMap<i32, Range<i64>>, Trouble> {
        let asked = match (&reading.cursor, reading.from) {
            (None, From::Offset) => Some(reading.offset().map_err(Trouble::Asked)?),
            (None, From::Time) => Some(reading.time().map_err(Trouble::Asked)?),
            _ => None,
        };
        let partitions = self.partitions(reading)?;
        let begins = self.offsets(&partitions, EARLIEST).await?;
        let ends = self.offsets(&partitions, LATEST).await?;
        let times = match (reading.from, asked) {
            (From::Time, Some(ms)) => self.offsets(&partitions, ms).await?,
            _ => BTreeMap::new(),
        };
        let spans = partitions.into_iter().filter_map(|partition| {
            let (begin, end) = (*begins.get(&partition)?, *ends.get(&partition)?);
            let span = begin..end.max(begin);
            let place = match (&reading.cursor, reading.from) {
                (Some(cursor), _) => cursor.places.get(&partition).copied(),
                (None, From::Offset) => asked,
                // Where nothing is that late there is nothing to show.
                (None, From::Time) => Some(times.get(&partition).copied().unwrap_or(end)),
                (None, From::Beginning | From::End) => None,
            };
            let place = place.map(|place| place.clamp(span.start, span.end));
            let left = match place {
                None => span,
                Some(place) if is_backward => span.start..place,
                Some(place) => place..span.end,
            };
            Some((partition, left))
        });
        Ok(spans.collect())
    }

    /// The partitions that are read.
    fn partitions(&mut self, reading: &Reading) -> Result<BTreeSet<i32>, Trouble> {
        let all = self.topic.partitions.iter().map(|(index, _)| *index);
        let chosen: BTreeSet<i32> = match (&reading.cursor, reading.partition) {
            (Some(cursor), _) => all.filter(|it| cursor.places.contains_key(it)).collect(),
            (None, Some(one)) => all.filter(|it| *it == one).collect(),
            (None, None) => all.take(MOST_PARTITIONS).collect(),
        };
        if chosen.is_empty() {
            return Err(Trouble::Asked("There is no such partition.".to_owned()));
        }
        let count = self.topic.partitions.iter().count();
        if reading.partition.is_none() && reading.cursor.is_none() && count > MOST_PARTITIONS {
            self.troubles.push(format!(
                "Only partitions 0 to {} of {count} are read together. Ask for another by its number.",
                MOST_PARTITIONS - 1
            ));
        }
        Ok(chosen)
    }

    async fn offsets(
        &mut self,
        partitions: &BTreeSet<i32>,
        timestamp: i64,
    ) -> Result<BTreeMap<i32, i64>, Trouble> {
        let name = Str::from(&self.topic.name);
        let key = |partition: &i32| ((name.clone(), *partition), timestamp);
        let wanted: BTreeMap<PartitionKey, i64> = partitions.iter().map(key).collect();
        let only = std::slice::from_ref(&name);
        self.cluster.refresh(Some(only), false).await?;
        let offsets = offsets_at(&mut self.cluster, wanted, self.is_committed_only).await?;
        if timestamp == LATEST {
            self.troubles
                .extend(offsets.refused.into_iter().map(|((_, partition), code)| {
                    format!("Partition {partition} cannot be read: {}", code.message())
                }));
        }
        Ok(offsets
            .found
            .into_iter()
            .map(|((_, partition), it)| (partition, it))
            .collect())
    }

    /// Learns who leads by now.
    pub(super) fn renew(&mut self, image: &MetadataImage) {
        if let Some(topic) = image.topics().by_id(&self.topic.id) {
            self.topic = Arc::clone(topic);
        }
    }

    /// The ends of the partitions that are asked for.
    ///
    /// # Errors
    /// The cluster does not answer.
    pub(super) async fn ends(&mut self, reading: &Reading) -> Result<BTreeMap<i32, i64>, Trouble> {
        let partitions = self.partitions(reading)?;
        self.offsets(&partitions, LATEST).await
    }

    /// Asks the leaders once for what is wanted, and notes what came of it.
    ///
    /// # Errors
    /// The cluster does not answer.
    pub(super) async fn read(
        &mut self,
        lanes: &mut Lanes<T>,
        wants: Vec<Want>,
        until: Instant,
    ) -> Result<(), Trouble> {
        let mut by_leader: BTreeMap<i32, Vec<Want>> = BTreeMap::new();
        for want in wants {
            let state = self.topic.partition(want.partition);
            match state.filter(|it| it.has_leader()) {
                Some(state) => by_leader.entry(state.leader.0).or_default().push(want),
                None => self.stop(lanes, &want, "it has no leader"),
            }
        }
        for (leader, wants) in by_leader {
            let request = self.request(&wants);
            let asking = self
                .cluster
                .ask_within(To::Node(leader), &request, &VERSIONS, |_| ErrorCode::NONE);
            let answer = match asking.await {
                Ok(answer) => answer,
                Err(error) => {
                    for want in &wants {
                        self.stop(lanes, want, &error.to_string());
                    }
                    continue;
                }
            };
            let topic = answer.responses.into_iter().next();
            let mut data: BTreeMap<i32, PartitionData> = topic
                .into_iter()
                .flat_map(|topic| topic.partitions)
                .map(|data| (data.partition_index, data))
                .collect();
            let is_whole = data
                .values()
                .all(|data| data.records.bytes().is_none_or(|it| it.is_empty()));
            let mut filled = Vec::new();
            for want in wants {
                match data.remove(&want.partition) {
                    Some(data) if data.error_code.is_error() => {
                        self.stop(lanes, &want, data.error_code.message());
                    }
                    Some(data) if data.records.bytes().is_some_and(|it| !it.is_empty()) => {
                        filled.push((want, data));
                    }
                    Some(_) if is_whole => lanes.note_empty(want.lane),
                    Some(_) => lanes.note_starved(want.lane),
                    None => self.stop(lanes, &want, "its leader does not tell of it"),
                }
            }
            self.look(lanes, filled, until).await;
        }
        Ok(())
    }

    fn stop(&mut self, lanes: &mut Lanes<T>, want: &Want, why: &str) {
        lanes.stop(want.lane);
        let (partition, from) = (want.partition, want.offsets.start);
        self.troubles.push(format!(
            "Partition {partition} cannot be read from offset {from} on: {why}."
        ));
    }

    fn request(&self, wants: &[Want]) -> FetchRequest {
        let share = FETCHED / i32::try_from(wants.len().max(1)).unwrap_or(FETCHED);
        let partition = |want: &Want| FetchPartition {
            partition: want.partition,
            fetch_offset: want.offsets.start,
            partition_max_bytes: share,
            ..FetchPartition::default()
        };
        FetchRequest {
            max_wait_ms: 0,
            min_bytes: 0,
            max_bytes: FETCHED,
            isolation_level: i8::from(self.is_committed_only),
            topics: vec![FetchTopic {
                topic: Str::from(&self.topic.name),
                partitions: wants.iter().map(partition).collect(),
                ..FetchTopic::default()
            }],
            ..FetchRequest::default()
        }
    }

    /// Looks through what was fetched, on a thread that may take its time.
    async fn look(
        &mut self,
        lanes: &mut Lanes<T>,
        filled: Vec<(Want, PartitionData)>,
        until: Instant,
    ) {
        let mut scratch =
            (self.scratch.take()).unwrap_or_else(|| Scratch::with_limit(LARGEST_BATCH));
        let (make, most) = (Arc::clone(&self.make), self.bounds.messages);
        let chunk = (CHUNK / filled.len().max(1)).max(64 << 10);
        let looking = tokio::task::spawn_blocking(move || {
            let mut seen = Vec::new();
            for (want, data) in filled {
                let came = look_through(&want, data, (chunk, most), (&make, &mut scratch), until);
                seen.push((want, came));
            }
            (seen, scratch)
        });
        // It fails only where its runtime ends, with the process.
        let Ok((seen, scratch)) = looking.await else {
            return;
        };
        self.scratch = Some(scratch);
        for (want, seen) in seen {
            match seen {
                Seen::Records { came, records } => {
                    self.looked.records += records;
                    self.looked.bytes += came.bytes as u64;
                    lanes.note(want.lane, came);
                }
                Seen::Unreadable { next, why } => {
                    let (partition, from) = (want.partition, want.offsets.start);
                    match next.filter(|next| *next > from) {
                        Some(next) => {
                            self.troubles.push(format!(
                                "Offsets {from} to {} of partition {partition} cannot be shown: {why}.",
                                next - 1
                            ));
                            let came = Came {
                                items: Vec::new(),
                                next,
                                bytes: 0,
                            };
                            lanes.note(want.lane, came);
                        }
                        None => self.stop(lanes, &want, &why),
                    }
                }
            }
        }
    }
}
