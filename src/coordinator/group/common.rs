//! What all shards of groups share: the config, the memory of members, the newest image of the
//! metadata, and the metrics.

use std::ops::RangeInclusive;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::memory::{SharedMemory, SpareBytes};
use super::settings::GroupSettings;
use super::tally::Tally;
use crate::config::GroupCoordinatorConfig;
use crate::coordinator::shard::ShardCommon;
use crate::metadata::image::MetadataImage;
use crate::telemetry::{CoordinatorMetrics, Gauge, LogGate, Metrics};

/// What all shards of groups share.
pub struct GroupCommon {
    config: GroupCoordinatorConfig,
    /// The memory of the members of all shards.
    member_memory: SharedMemory,
    /// The memory of all shards' offsets, and of groups without members.
    offset_memory: SharedMemory,
    /// Gates the log line about members that are refused for want of memory.
    members_gate: LogGate,
    /// Gates the log line about offsets, and new groups, that are refused for want of memory.
    offsets_gate: LogGate,
    metrics: Arc<Metrics>,
    /// The newest image that the coordinator was told of.
    image: ArcSwap<MetadataImage>,
}

impl GroupCommon {
    /// The shared state before any shard is loaded.
    pub(in crate::coordinator) fn new(
        config: &GroupCoordinatorConfig,
        metrics: Arc<Metrics>,
    ) -> Self {
        let limit = |bytes: i64| usize::try_from(bytes).unwrap_or(usize::MAX);
        Self {
            member_memory: SharedMemory::new(limit(config.group_members_max_bytes)),
            offset_memory: SharedMemory::new(limit(config.group_offsets_max_bytes)),
            config: config.clone(),
            members_gate: LogGate::default(),
            offsets_gate: LogGate::default(),
            metrics,
            image: ArcSwap::default(),
        }
    }

    /// Takes over a newer image: shards that are loaded from now on look at it.
    pub(in crate::coordinator) fn set_image(&self, image: &Arc<MetadataImage>) {
        self.image.store(Arc::clone(image));
    }

    pub(super) fn image(&self) -> Arc<MetadataImage> {
        self.image.load_full()
    }

    /// The settings of a shard whose log has batches for values of `max_record_bytes`.
    pub(super) fn settings(&self, max_record_bytes: usize) -> Arc<GroupSettings> {
        Arc::new(GroupSettings::new(&self.config, max_record_bytes))
    }

    /// The session timeouts that members may ask for, in milliseconds.
    pub(super) fn session_timeouts(&self) -> RangeInclusive<i32> {
        self.config.group_min_session_timeout_ms..=self.config.group_max_session_timeout_ms
    }

    /// How many more bytes all shards may take.
    pub(super) fn spare_bytes(&self) -> SpareBytes {
        SpareBytes {
            members: self.member_memory.left(),
            offsets: self.offset_memory.left(),
        }
    }

    /// Logs that there is no room: clients that are refused for that wait without a word, so somebody has
    /// to be told.
    fn tell_of_no_room(&self, before: &Tally, now: &Tally) {
        let metrics = &self.metrics.groups;
        if now.refused_members > before.refused_members
            && let Some(not_told) = self.members_gate.pass()
        {
            let taken = metrics.member_bytes.get();
            tracing::warn!(taken, not_told, "no memory for more members of groups");
        }
        if now.refused_offsets > before.refused_offsets
            && let Some(not_told) = self.offsets_gate.pass()
        {
            let taken = metrics.offset_bytes.get();
            tracing::warn!(taken, not_told, "no memory for more groups and offsets");
        }
    }
}

impl ShardCommon for GroupCommon {
    type Tally = Tally;

    fn metrics(&self) -> &CoordinatorMetrics {
        &self.metrics.groups.coordinator
    }

    fn count(&self, before: &Tally, now: &Tally) {
        self.member_memory
            .change(before.member_bytes, now.member_bytes);
        self.offset_memory
            .change(before.offset_bytes, now.offset_bytes);
        let metrics = &self.metrics.groups;
        for (place, count) in now.groups.into_iter().enumerate() {
            shift(metrics.groups.at(place), before.groups[place], count);
        }
        shift(&metrics.offsets, before.offsets, now.offsets);
        shift(&metrics.member_bytes, before.member_bytes, now.member_bytes);
        shift(&metrics.offset_bytes, before.offset_bytes, now.offset_bytes);
        // A new shard in the place of this one counts from 0 again.
        let more = |before: u64, now: u64| now.saturating_sub(before);
        let expired = more(before.expired_offsets, now.expired_offsets);
        let deleted = more(before.deleted_offsets, now.deleted_offsets);
        metrics.commits.inc_by(more(before.commits, now.commits));
        metrics.expired_offsets.inc_by(expired);
        metrics.deleted_offsets.inc_by(deleted);
        self.tell_of_no_room(before, now);
        let rebalances = more(before.rebalances, now.rebalances);
        metrics.rebalances.inc_by(rebalances);
    }
}

/// Moves a gauge that all shards share; not if it stays where it is, which would cost as much.
fn shift(gauge: &Gauge, before: usize, now: usize) {
    if before != now {
        gauge.inc_by(now as i64 - before as i64);
    }
}
