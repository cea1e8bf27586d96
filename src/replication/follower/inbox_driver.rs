//! What a fetcher's thread is told: which partitions it fetches from now on, and when to end.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::model::{LeaderEpoch, TopicIdPartition};

/// For each partition the epoch in which it is fetched from now on; `None` if it is not.
pub type Changes = BTreeMap<TopicIdPartition, Option<LeaderEpoch>>;

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
    pub fn push(&self, id: TopicIdPartition, epoch: Option<LeaderEpoch>) {
        self.state.lock().changes.insert(id, epoch);
        self.changed.notify_one();
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
