//! What retention no longer keeps, what was deleted long enough ago, and the slow search for damage.
//!
//! Chores of the housekeeping thread: each looks at a log outside its partition's lock, and takes the
//! lock to act. A damaged log goes offline, alone: the others of its directory are not touched.

use std::sync::Arc;

use super::driver::{Shared, now};
use super::error::ReplicaError;
use super::hosted::HostedPartition;
use super::partition::{Partition, Stopped};
use crate::model::{Offset, Timestamp, TopicIdPartition};
use crate::storage::error::StorageError;
use crate::storage::scrub::ScrubPace;

/// How far the search for damage has come.
#[derive(Debug)]
pub(super) struct Scrub {
    pace: ScrubPace,
    max_bytes_per_second: u64,
    last: Timestamp,
    /// The partition that is read, and the offset to go on at.
    place: Option<(TopicIdPartition, Offset)>,
}

impl Scrub {
    /// A search that reads each byte once in `interval_ms`; `None` for never.
    pub(super) fn new(interval_ms: i64, max_bytes_per_second: i64) -> Option<Self> {
        let started = now().wall;
        (interval_ms > 0).then(|| Self {
            pace: ScrubPace::new(interval_ms, started),
            max_bytes_per_second: u64::try_from(max_bytes_per_second).unwrap_or(0).max(1),
            last: started,
            place: None,
        })
    }

    /// How many of all bytes to read now.
    fn bytes_due(&mut self, total: u64, now: Timestamp) -> u64 {
        let passed_ms = u64::try_from((now.0 - self.last.0).clamp(0, 60_000)).unwrap_or(0);
        self.last = now;
        let most = self.max_bytes_per_second.saturating_mul(passed_ms) / 1_000;
        self.pace.bytes_due(total, now).min(most)
    }
}

impl Shared {
    /// Deletes the segments that retention no longer keeps.
    pub(super) fn delete_expired(&self) {
        for partition in self.hosted.online() {
            if self.is_closed() {
                return;
            }
            let deleted = delete_expired(&partition);
            self.note_upkeep(&partition, deleted);
        }
    }

    /// Removes the files of segments that were deleted long enough ago.
    pub(super) fn remove_deleted_segments(&self) {
        for partition in self.hosted.online() {
            let removed = remove_deleted(&partition);
            self.note_upkeep(&partition, removed);
        }
    }

    /// Reads on where the search for damage left off, as much as is due.
    pub(super) fn search_damage(&self) {
        let mut scrub = self.scrub.lock();
        let Some(scrub) = &mut *scrub else { return };
        let mut partitions = self.hosted.online();
        partitions.sort_unstable_by_key(|partition| partition.id());
        let total = partitions.iter().map(|partition| partition.size()).sum();
        let mut due = scrub.bytes_due(total, now().wall);
        let begin = scrub
            .place
            .map_or(0, |(id, _)| partitions.partition_point(|it| it.id() < id));
        for partition in &partitions[begin..] {
            if due == 0 || self.is_closed() {
                return;
            }
            let from = scrub.place.filter(|(id, _)| *id == partition.id());
            let from = from.map_or(Offset::ZERO, |(_, offset)| offset);
            match scrub_one(partition, from, due) {
                Ok((read, next)) => {
                    due = due.saturating_sub(read);
                    scrub.place = Some((partition.id(), next.unwrap_or(partition.end_offset())));
                }
                Err(error) => self.note_upkeep(partition, Err(error)),
            }
        }
        scrub.place = None;
    }

    fn note_upkeep(&self, partition: &Partition, outcome: Result<(), ReplicaError>) {
        let Err(error) = outcome else { return };
        if partition.is_running() {
            tracing::warn!(partition = %partition.name(), %error, "upkeep of a log failed");
        }
        self.check_partition_failure(partition, &error);
    }

    /// Takes a partition offline whose log is damaged below what was durable: nothing of it is
    /// served any more, and nothing is cut off.
    pub(super) fn fail_partition(&self, partition: &Partition, reason: &StorageError) {
        tracing::error!(partition = %partition.name(), %reason, "partition is offline");
        self.hosted.insert(partition.id(), HostedPartition::Offline);
        partition.stop(Stopped::Offline);
    }
}

fn delete_expired(partition: &Arc<Partition>) -> Result<(), ReplicaError> {
    let now = now().wall;
    let config = partition.config();
    let below = partition
        .view()?
        .expired_below(&config.log, partition.high_watermark(), now)?;
    let Some(below) = below else { return Ok(()) };
    let count = partition.with_log(|log| log.delete_below(below, now))?;
    if count > 0 {
        tracing::info!(partition = %partition.name(), segments = count, %below, "retention deletes");
    }
    Ok(())
}

fn remove_deleted(partition: &Arc<Partition>) -> Result<(), ReplicaError> {
    let now = now().wall;
    let due = partition.with_log(|log| Ok(log.take_due_deletions(now)))?;
    for files in due {
        files.remove()?;
    }
    Ok(())
}

/// Bytes read, and where to go on; `None` at the end of the log.
fn scrub_one(
    partition: &Partition,
    from: Offset,
    max_bytes: u64,
) -> Result<(u64, Option<Offset>), ReplicaError> {
    let scrubbed = partition.view()?.scrub(from, max_bytes)?;
    Ok((scrubbed.bytes, scrubbed.next))
}
