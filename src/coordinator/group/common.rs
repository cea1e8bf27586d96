//! What all shards of groups share: the config, the memory of members, the newest image of the
//! metadata, and the metrics.

use std::ops::RangeInclusive;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::memory::{MAX_MEMBER_BYTES, MemberMemory};
use super::settings::GroupSettings;
use super::tally::Tally;
use crate::config::GroupCoordinatorConfig;
use crate::coordinator::shard::ShardCommon;
use crate::metadata::image::MetadataImage;
use crate::telemetry::{CoordinatorMetrics, Gauge, LogGate, Metrics};

/// What all shards of groups share.
pub struct GroupCommon {
    config: GroupCoordinatorConfig,
    /// What members of all shards take.
    member_memory: MemberMemory,
    /// For those who are refused because that leaves no room.
    no_room_gate: LogGate,
    metrics: Arc<Metrics>,
    /// The newest that the coordinator was told of.
    image: ArcSwap<MetadataImage>,
}

impl GroupCommon {
    /// Nothing is held yet.
    pub(in crate::coordinator) fn new(
        config: &GroupCoordinatorConfig,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            config: config.clone(),
            member_memory: MemberMemory::new(MAX_MEMBER_BYTES),
            no_room_gate: LogGate::default(),
            metrics,
            image: ArcSwap::default(),
        }
    }

    /// There is a newer image: shards that are loaded from now on look at it.
    pub(in crate::coordinator) fn set_image(&self, image: &Arc<MetadataImage>) {
        self.image.store(Arc::clone(image));
    }

    pub(super) fn image(&self) -> Arc<MetadataImage> {
        self.image.load_full()
    }

    /// What a shard acts on, for a log whose batches hold values of `max_record_bytes`.
    pub(super) fn settings(&self, max_record_bytes: usize) -> Arc<GroupSettings> {
        Arc::new(GroupSettings::new(&self.config, max_record_bytes))
    }

    /// The session timeouts that members may ask for, in milliseconds.
    pub(super) fn session_timeouts(&self) -> RangeInclusive<i32> {
        self.config.group_min_session_timeout_ms..=self.config.group_max_session_timeout_ms
    }

    /// How many more bytes the members of all shards may take.
    pub(super) fn spare_bytes(&self) -> usize {
        self.member_memory.left()
    }

    /// Clients that are refused for want of memory wait without a word: somebody has to be told.
    fn tell_of_no_room(&self) {
        if let Some(not_told) = self.no_room_gate.pass() {
            let taken = self.metrics.groups.member_bytes.get();
            tracing::warn!(taken, not_told, "no memory for more members of groups");
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
        let metrics = &self.metrics.groups;
        for (place, count) in now.groups.into_iter().enumerate() {
            shift(metrics.groups.at(place), before.groups[place], count);
        }
        shift(&metrics.offsets, before.offsets, now.offsets);
        shift(&metrics.member_bytes, before.member_bytes, now.member_bytes);
        // Another shard in the place of this one begins to count anew.
        let more = |before: u64, now: u64| now.saturating_sub(before);
        let expired = more(before.expired_offsets, now.expired_offsets);
        let deleted = more(before.deleted_offsets, now.deleted_offsets);
        metrics.commits.inc_by(more(before.commits, now.commits));
        metrics.expired_offsets.inc_by(expired);
        metrics.deleted_offsets.inc_by(deleted);
        if now.no_room > before.no_room {
            self.tell_of_no_room();
        }
        let rebalances = more(before.rebalances, now.rebalances);
        metrics.rebalances.inc_by(rebalances);
    }
}

/// Moves a gauge that all shards share, unless it stays where it is: that would cost as much.
fn shift(gauge: &Gauge, before: usize, now: usize) {
    if before != now {
        gauge.inc_by(now as i64 - before as i64);
    }
}
