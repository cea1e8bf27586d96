//! Telling the metrics, and the memory that members of all shards share, what a shard holds and does:
//! after each input the difference to what was told before.

use super::group::Tally;
use super::shard_driver::{Phase, ShardDriver, State};
use crate::telemetry::Gauge;

impl ShardDriver {
    /// Tells what has changed in the shard since the last time.
    pub(super) fn tell(&self, state: &mut State) {
        let now = match &state.phase {
            Phase::Running(shard) => *shard.tally(),
            Phase::Loading | Phase::Failed | Phase::Over => Tally::default(),
        };
        if now == state.told {
            return;
        }
        let before = std::mem::replace(&mut state.told, now);
        let memory = &self.services.member_memory;
        memory.change(before.member_bytes, now.member_bytes);
        let metrics = &self.services.metrics.groups;
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

    /// Clients that are refused for want of memory wait without a word: somebody has to be told.
    fn tell_of_no_room(&self) {
        if let Some(not_told) = self.services.no_room_gate.pass() {
            let taken = self.services.metrics.groups.member_bytes.get();
            tracing::warn!(taken, not_told, "no memory for more members of groups");
        }
    }

    /// Takes up another phase, and counts it; returns the one before.
    pub(super) fn enter(&self, state: &mut State, phase: Phase) -> Phase {
        let shards = &self.services.metrics.groups.shards;
        if let Some(place) = state.phase.place() {
            shards.at(place).dec();
        }
        if let Some(place) = phase.place() {
            shards.at(place).inc();
        }
        std::mem::replace(&mut state.phase, phase)
    }
}

impl Phase {
    /// Its place among the states that the metrics know; `None` where this broker is no coordinator.
    fn place(&self) -> Option<usize> {
        match self {
            Self::Loading => Some(0),
            Self::Running(_) => Some(1),
            Self::Failed => Some(2),
            Self::Over => None,
        }
    }
}

/// Moves a gauge that all shards share, unless it stays where it is: that would cost as much.
fn shift(gauge: &Gauge, before: usize, now: usize) {
    if before != now {
        gauge.inc_by(now as i64 - before as i64);
    }
}
