//! Looks again, every second, at what is not as it should be, and waits for no change of the metadata: that may
//! never come.
//!
//! - Logs that could not be made anew, or at all, as the disk was full or hung: the pauses grow.
//! - Logs that the controller takes for lost, which may be whole ([`super::heal`]): they are read to their ends.
//! - What the controller knows of where replicas lie, now and then. A copy of an earlier request can come late
//!   and undo a later one: the broker epoch tells only processes apart, and Kafka's requests have no order
//!   beyond it.
//! - Fetchers whose thread could not start, or is gone.
//! - Full disks, on which damaged logs are kept ([`super::kept`]).

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::Replicas;
use super::heal::{WHOLE, may_be_whole};
use super::topic_configs::TopicConfigs;
use crate::metadata::ReplicaDirectory;
use crate::metadata::image::{MetadataImage, PartitionImage};
use crate::model::{Offset, TopicIdPartition, Uuid};
use crate::replication::error::ReplicaError;
use crate::replication::hosted::HostedPartition;
use crate::replication::partition::Partition;
use crate::replication::threads::{StopFlag, now};
use crate::telemetry::LogGate;

static CUT_OFF: LogGate = LogGate::of_many(100);

/// How often the thread looks. Nothing is done as long as nothing waits.
const INTERVAL: Duration = Duration::from_secs(1);
/// The pause after a log could not be made the second time. Each further pause is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
/// The longest of these pauses.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// So many logs are made while the metadata waits.
const AT_ONCE: usize = 16;
/// How often what the controller knows is compared with what is here. 20,000 replicas take about 20 ms.
const PLACES_INTERVAL: Duration = Duration::from_secs(30);
/// How much of a lost log is read before others have their turn.
const READ_AT_ONCE: u64 = 64 << 20;

/// What ends the thread, and what it is to look at.
#[derive(Default)]
pub struct SecondLook {
    stop_flag: Arc<StopFlag>,
    in_doubt: Mutex<BTreeSet<TopicIdPartition>>,
}

impl SecondLook {
    /// Ends the thread, without waiting for it.
    pub fn end(&self) {
        self.stop_flag.stop();
    }

    /// Has the log of a lost replica read that may be whole, see [`may_be_whole`].
    pub fn look_at(&self, partition: &Partition) {
        if partition.is_complete() {
            self.in_doubt.lock().insert(partition.id());
        } else if let Some(suppressed) = CUT_OFF.pass() {
            tracing::error!(partition = %partition.name(), suppressed, "the log was lost, and opens again, but may lack what was committed: nobody leads the partition. Put the whole log in its place and start again, or have a replica elected uncleanly");
        }
    }
}

impl Drop for SecondLook {
    fn drop(&mut self) {
        self.end();
    }
}

/// What the thread remembers.
#[derive(Default)]
struct Memory {
    /// When logs are to be made again that could not be, and how often that has failed.
    unmade: BTreeMap<TopicIdPartition, (Instant, u32)>,
    /// How far lost logs were read; `None` if to the end.
    read: BTreeMap<TopicIdPartition, Option<Offset>>,
    places_due: Option<Instant>,
}

/// Starts the thread.
pub fn start(replicas: &Arc<Replicas>) -> io::Result<()> {
    let stop_flag = Arc::clone(&replicas.second_look.stop_flag);
    let weak = Arc::downgrade(replicas);
    let builder = thread::Builder::new().name("second-look".to_owned());
    // Nobody waits for it: it ends with the step that it is at.
    builder.spawn(move || run(&stop_flag, &weak)).map(|_| ())
}

fn run(stop_flag: &StopFlag, replicas: &Weak<Replicas>) {
    let mut memory = Memory::default();
    let mut pause = INTERVAL;
    while !stop_flag.wait_until(now().instant + pause) {
        let Some(replicas) = replicas.upgrade() else {
            return;
        };
        let is_more = replicas
            .dirs
            .outlive_bugs("a second look", &"all partitions", || {
                replicas.look_again(&mut memory, now().instant)
            });
        pause = match is_more {
            Some(true) => Duration::ZERO,
            Some(false) | None => INTERVAL,
        };
    }
}

impl Replicas {
    /// Returns whether there is more to do at once.
    fn look_again(self: &Arc<Self>, memory: &mut Memory, now: Instant) -> bool {
        self.followers.replace_dead(now);
        self.make_again(memory, now);
        let full = self.dirs.online().filter(|dir| dir.log_dir.is_full());
        full.filter(|dir| !dir.hangs())
            .for_each(|dir| self.give_up_kept(dir));
        if memory.places_due.is_none_or(|due| due <= now) {
            memory.places_due = Some(now + PLACES_INTERVAL);
            self.compare_places();
        }
        self.read_lost(memory)
    }

    fn make_again(self: &Arc<Self>, memory: &mut Memory, now: Instant) {
        let image = self.hosted.image().clone();
        let offline = self.hosted.offline().into_iter();
        let waiting = offline.filter(|id| self.local_that_waits(&image, *id).is_some());
        let waiting: BTreeSet<_> = waiting.collect();
        memory.unmade.retain(|id, _| waiting.contains(id));
        let is_due = |id: &TopicIdPartition| {
            let unmade = memory.unmade.get(id);
            unmade.is_none_or(|(next, _)| *next <= now)
        };
        let due: Vec<_> = waiting.into_iter().filter(is_due).collect();
        for ids in due.chunks(AT_ONCE) {
            for id in self.make_some(ids) {
                let failures = memory.unmade.get(&id).map_or(0, |(_, failures)| *failures);
                let pause = FIRST_PAUSE.saturating_mul(1 << failures.min(16));
                let next = now + pause.min(LONGEST_PAUSE);
                memory.unmade.insert(id, (next, failures + 1));
            }
        }
    }

    /// Makes logs that wait for it. Returns those that could not be made.
    fn make_some(self: &Arc<Self>, ids: &[TopicIdPartition]) -> Vec<TopicIdPartition> {
        let is_closed = self.is_closed.lock();
        if *is_closed {
            return Vec::new();
        }
        let image = self.hosted.image().clone();
        self.dirs.remember_metadata(image.provenance().offset);
        if self.dirs.online().any(|dir| dir.lags()) {
            // Folders are looked for in all directories. This thread must not hang while metadata waits.
            return Vec::new();
        }
        let configs = TopicConfigs::new(&image, &self.settings.load());
        let waiting = ids
            .iter()
            .filter_map(|id| self.local_that_waits(&image, *id));
        let waiting: Vec<_> = waiting.collect();
        let (new, lost): (Vec<_>, Vec<_>) = waiting.iter().partition(|it| self.is_new(it));
        let mut placed = self.make_new(&new, &configs);
        placed.extend(self.take_roles(&lost, &configs));
        placed.into_iter().for_each(|it| self.dirs.tell_placed(it));
        let still_waits = |id: &&TopicIdPartition| self.local_that_waits(&image, **id).is_some();
        ids.iter().filter(still_waits).copied().collect()
    }

    /// Tells the controller where replicas lie, where it knows otherwise.
    fn compare_places(&self) {
        let image = self.hosted.image().clone();
        if !image.metadata_version().assigns_directories() {
            return;
        }
        let mut told = 0;
        for partition in self.hosted.online() {
            let state = state_in(&image, &partition.id());
            // What is fetched anew may be newer than the image.
            let Some(state) = state.filter(|_| !partition.is_healing()) else {
                continue;
            };
            if state.directory_of(self.node_id) == Some(Uuid::LOST_DIRECTORY) {
                if may_be_whole(state, self.node_id) && partition.is_complete() {
                    self.second_look.look_at(&partition);
                }
                // It is told once it has what it lacks.
                continue;
            }
            if let Some(placed) = self.tell_place(&partition, state) {
                told += 1;
                self.dirs.tell_placed(placed);
            }
        }
        for id in self.hosted.offline() {
            let state = state_in(&image, &id);
            if let Some(lost) = state.and_then(|state| self.tell_lost(id, state)) {
                told += 1;
                self.dirs.tell_placed(lost);
            }
        }
        if told > 0 {
            tracing::info!(told, "the controller knows other directories of replicas");
        }
    }

    /// Reads on in the logs of lost replicas that may be whole. Returns whether there is more to read.
    fn read_lost(&self, memory: &mut Memory) -> bool {
        let told = std::mem::take(&mut *self.second_look.in_doubt.lock());
        // A log that was read to its end is told again, and not read again.
        let again: BTreeSet<_> = told.iter().copied().collect();
        for id in told {
            memory.read.entry(id).or_insert(Some(Offset::ZERO));
        }
        if memory.read.is_empty() {
            return false;
        }
        let image = self.hosted.image().clone();
        let mut is_more = false;
        memory.read.retain(|id, from| {
            let state = state_in(&image, id).filter(|state| may_be_whole(state, self.node_id));
            let (Some(HostedPartition::Online(partition)), Some(_)) = (self.hosted.get(id), state)
            else {
                return false;
            };
            let was_read = from.is_none();
            if let Some(offset) = *from {
                match read_some(&partition, offset) {
                    Ok(next) => *from = next,
                    Err(error) => {
                        self.dirs.note_failed_chore(&partition, &error);
                        return false;
                    }
                }
            }
            is_more |= from.is_some();
            if from.is_none() && (!was_read || again.contains(id)) {
                tracing::warn!(partition = %partition.name(), "a lost log is whole: telling the controller");
                self.dirs.tell_placed(ReplicaDirectory {
                    partition: *id,
                    directory: WHOLE,
                });
            }
            true
        });
        is_more
    }
}

/// Reads and checks a part of a log. Returns where to go on; `None` at its end.
fn read_some(partition: &Partition, from: Offset) -> Result<Option<Offset>, ReplicaError> {
    let view = partition.view()?;
    let read = if partition.is_compacted() {
        view.scrub(from, READ_AT_ONCE)
    } else {
        view.scrub_without_holes(from, READ_AT_ONCE)
    };
    Ok(read?.next)
}

fn state_in<'a>(image: &'a MetadataImage, id: &TopicIdPartition) -> Option<&'a PartitionImage> {
    let state = image.topics().partition(&id.topic_id, id.partition);
    state.map(|state| &**state)
}
