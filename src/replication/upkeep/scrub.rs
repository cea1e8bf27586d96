//! Reads all logs again, slowly and on a thread of its own, to find damage before a reader does.
//!
//! A damaged log goes offline alone, and is left as it is.

use std::io;
use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::Upkeep;
use crate::config::StorageConfig;
use crate::model::{Offset, Timestamp, TopicIdPartition};
use crate::replication::dirs::DataDir;
use crate::replication::error::ReplicaError;
use crate::replication::partition::{Moment, Partition};
use crate::replication::threads::{StopFlag, now};
use crate::storage::scrub::ScrubPace;

/// How often a part is read.
const STEP: Duration = Duration::from_secs(1);
/// After how many bytes the thread looks whether it should stop.
const SLICE_BYTES: u64 = 1 << 20;

/// How often the list of logs is made again.
const REFRESH_INTERVAL: Duration = Duration::from_secs(60);

/// How far the scrub of a log directory is.
pub struct Progress {
    pace: ScrubPace,
    /// The partition to go on with, and the offset in it.
    next: Option<(TopicIdPartition, Offset)>,
    /// The logs by ascending id, as of `listed_at`.
    partitions: Vec<Arc<Partition>>,
    total_bytes: u64,
    listed_at: Option<Instant>,
}

impl Progress {
    pub fn new(period_ms: i64, now: Timestamp) -> Self {
        Self {
            pace: ScrubPace::new(period_ms, now),
            next: None,
            partitions: Vec::new(),
            total_bytes: 0,
            listed_at: None,
        }
    }

    fn refresh(
        &mut self,
        online: impl FnOnce() -> Vec<Arc<Partition>>,
        dir: &DataDir,
        now: Instant,
    ) {
        let is_fresh = |at| now.saturating_duration_since(at) < REFRESH_INTERVAL;
        if self.listed_at.is_some_and(is_fresh) {
            return;
        }
        self.listed_at = Some(now);
        self.partitions = online();
        self.partitions.retain(|it| it.is_in(&dir.log_dir));
        self.partitions
            .sort_unstable_by_key(|partition| partition.id());
        self.total_bytes = self
            .partitions
            .iter()
            .map(|partition| partition.size())
            .sum();
    }
}

/// Starts the thread. It ends at once if `scrub.interval.ms` is 0.
pub fn start(upkeep: &Arc<Upkeep>, storage: &StorageConfig) -> io::Result<JoinHandle<()>> {
    let (stop_flag, weak) = (Arc::clone(&upkeep.stop_flag), Arc::downgrade(upkeep));
    let period_ms = storage.scrub_interval_ms;
    let limit = u64::try_from(storage.scrub_max_bytes_per_second).unwrap_or(0);
    let builder = thread::Builder::new().name("scrub".to_owned());
    builder.spawn(move || {
        if period_ms > 0 {
            run(&stop_flag, &weak, period_ms, limit);
        }
    })
}

fn run(stop_flag: &StopFlag, upkeep: &Weak<Upkeep>, period_ms: i64, bytes_per_second: u64) {
    let mut progress: Vec<Progress> = Vec::new();
    while !stop_flag.wait_until(now().instant + STEP) {
        let Some(upkeep) = upkeep.upgrade() else {
            return;
        };
        let dirs = upkeep.dirs.all();
        progress.resize_with(dirs.len(), || Progress::new(period_ms, now().wall));
        for (dir, progress) in dirs.iter().zip(&mut progress) {
            if !dir.log_dir.is_offline() && !dir.hangs() {
                let path = dir.path().display();
                upkeep.dirs.outlive_bugs("a scrub", &path, || {
                    upkeep.scrub_part(dir, progress, bytes_per_second, now())
                });
            }
        }
    }
}

impl Upkeep {
    /// Reads what is due by now, but at most `limit` bytes. Returns how many.
    pub fn scrub_part(
        &self,
        dir: &DataDir,
        progress: &mut Progress,
        limit: u64,
        now: Moment,
    ) -> u64 {
        progress.refresh(|| self.hosted.online(), dir, now.instant);
        let due = progress
            .pace
            .bytes_due(progress.total_bytes, now.wall)
            .min(limit);
        let (mut read, mut finished) = (0, 0);
        while read < due && finished <= progress.partitions.len() {
            let Some((partition, from)) = next_of(&progress.partitions, progress.next) else {
                break;
            };
            let id = partition.id();
            let slice = self.dirs.outlive_bugs("a scrub", &partition.name(), || {
                scrub_slice(partition, from, (due - read).min(SLICE_BYTES))
            });
            let (bytes, next) = slice.unwrap_or(Ok((0, None))).unwrap_or_else(|error| {
                self.dirs.note_failed_chore(partition, &error);
                // The rest of a damaged log waits for the next round: the other logs must not wait for it.
                (0, None)
            });
            read += bytes;
            finished += usize::from(next.is_none());
            progress.next = Some(match next {
                Some(offset) => (id, offset),
                None => (after(id), Offset::ZERO),
            });
        }
        read
    }
}

fn scrub_slice(
    partition: &Partition,
    from: Offset,
    max_bytes: u64,
) -> Result<(u64, Option<Offset>), ReplicaError> {
    let scrubbed = partition.view()?.scrub(from, max_bytes)?;
    Ok((scrubbed.bytes, scrubbed.next))
}

/// The partition to go on with: the first one at or after `next`, or the very first behind the last.
fn next_of(
    sorted: &[Arc<Partition>],
    next: Option<(TopicIdPartition, Offset)>,
) -> Option<(&Arc<Partition>, Offset)> {
    let Some((id, offset)) = next else {
        return sorted.first().map(|first| (first, Offset::ZERO));
    };
    let place = sorted.partition_point(|partition| partition.id() < id);
    match sorted.get(place) {
        Some(partition) if partition.id() == id => Some((partition, offset)),
        Some(partition) => Some((partition, Offset::ZERO)),
        None => sorted.first().map(|first| (first, Offset::ZERO)),
    }
}

/// The id right after this one.
fn after(id: TopicIdPartition) -> TopicIdPartition {
    TopicIdPartition {
        partition: id.partition.saturating_add(1),
        ..id
    }
}
