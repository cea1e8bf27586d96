//! What a fetcher's thread is told: which partitions it fetches from now on, and when to end.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::lane::LaneChange;
use crate::model::{LeaderEpoch, TopicIdPartition};

/// What a fetcher is told of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is fetched in this epoch from now on, by whatever its log has.
    Follow(LeaderEpoch),
    /// The fetcher of the other lane has fetched it so far, and does so no more.
    TakeOver(LaneChange),
    /// It is fetched no more.
    Unfollow,
}

/// Changes by partition.
pub type Changes = BTreeMap<TopicIdPartition, Change>;

/// Changes for a fetcher. Of several for one partition the last counts, so there are never more than
/// partitions.
#[derive(Debug, Default)]
pub struct Inbox {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    changes: Changes,
    is_stopped: bool,
}

impl Inbox {
    /// Tells of a change.
    pub fn push(&self, id: TopicIdPartition, change: Change) {
        self.state.lock().changes.insert(id, change);
        self.changed.notify_one();
    }

    /// Takes back what was told of a partition and not read yet.
    pub fn forget(&self, id: &TopicIdPartition) {
        self.state.lock().changes.remove(id);
    }

    /// Has the fetcher look again, though nothing changed for its partitions.
    pub fn wake(&self) {
        self.changed.notify_one();
    }

    /// Lets the fetcher end.
    pub fn stop(&self) {
        self.state.lock().is_stopped = true;
        self.changed.notify_one();
    }

    /// The changes so far; `None` if the fetcher should end.
    pub fn take(&self) -> Option<Changes> {
        let mut state = self.state.lock();
        (!state.is_stopped).then(|| std::mem::take(&mut state.changes))
    }

    /// Waits for a change. Only one may wait.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }
}
