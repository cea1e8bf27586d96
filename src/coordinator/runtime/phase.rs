//! What a shard is doing, and how many shards do it.

use super::shard_runner::{ShardRunner, State};
use crate::coordinator::shard::{Shard, ShardCommon as _};

/// What a shard is doing.
pub(super) enum Phase<S> {
    /// The shard is being read from its log.
    Loading,
    /// The shard decides.
    Running(Box<S>),
    /// The shard does nothing, because it could not be loaded. Requests get NOT_COORDINATOR, as in Kafka.
    Failed,
    /// The shard does nothing, because this broker is not the coordinator, or stops. Requests get
    /// NOT_COORDINATOR.
    Over,
}

impl<S: Shard> ShardRunner<S> {
    /// Enters another phase, counts it, and returns the one before.
    pub(super) fn enter(&self, state: &mut State<S>, phase: Phase<S>) -> Phase<S> {
        let shards = &self.services.common.metrics().shards;
        if let Some(place) = state.phase.place() {
            shards.at(place).dec();
        }
        if let Some(place) = phase.place() {
            shards.at(place).inc();
        }
        std::mem::replace(&mut state.phase, phase)
    }
}

impl<S> Phase<S> {
    /// The index of the phase among the states that the metrics know; `None` if this broker is not the
    /// coordinator.
    fn place(&self) -> Option<usize> {
        match self {
            Self::Loading => Some(0),
            Self::Running(_) => Some(1),
            Self::Failed => Some(2),
            Self::Over => None,
        }
    }
}
