//! One task that wakes all shards at their deadlines.
//!
//! A shard has one alarm, which is moved only when its next deadline gets nearer: a heartbeat, which moves
//! a deadline away, costs nothing here.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::shard_runner::ShardRunner;
use crate::coordinator::shard::Shard;

/// When a shard must be woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Alarm {
    at: Instant,
    /// Tells alarms of one moment apart.
    number: u64,
}

impl Alarm {
    /// The time at which the alarm rings.
    pub(super) fn at(self) -> Instant {
        self.at
    }
}

/// The alarms of all shards.
pub(super) struct Alarms<S: Shard> {
    set: Mutex<Set<S>>,
    /// Notified when the first alarm is a nearer one.
    changed: Notify,
}

struct Set<S: Shard> {
    alarms: BTreeMap<Alarm, Weak<ShardRunner<S>>>,
    count: u64,
}

impl<S: Shard> Default for Alarms<S> {
    fn default() -> Self {
        let set = Set {
            alarms: BTreeMap::new(),
            count: 0,
        };
        Self {
            set: Mutex::new(set),
            changed: Notify::new(),
        }
    }
}

impl<S: Shard> Alarms<S> {
    /// Sets a shard's alarm, in place of its `previous` one.
    pub(super) fn set(
        &self,
        previous: Option<Alarm>,
        at: Instant,
        shard: &Arc<ShardRunner<S>>,
    ) -> Alarm {
        let mut set = self.set.lock();
        if let Some(previous) = previous {
            set.alarms.remove(&previous);
        }
        set.count += 1;
        let alarm = Alarm {
            at,
            number: set.count,
        };
        set.alarms.insert(alarm, Arc::downgrade(shard));
        let is_first = set.alarms.first_key_value().map(|(first, _)| *first) == Some(alarm);
        drop(set);
        if is_first {
            self.changed.notify_one();
        }
        alarm
    }

    /// Wakes shards at their alarms, for ever.
    pub(super) async fn ring(self: Arc<Self>) {
        loop {
            for shard in self.take_due(Instant::now()) {
                shard.on_deadline();
                // A shard may be due again at once, so others get a turn.
                tokio::task::yield_now().await;
            }
            let changed = self.changed.notified();
            match self.next() {
                None => changed.await,
                Some(at) => {
                    tokio::select! {
                        () = changed => {}
                        () = tokio::time::sleep_until(at.into()) => {}
                    }
                }
            }
        }
    }

    fn next(&self) -> Option<Instant> {
        let set = self.set.lock();
        set.alarms.first_key_value().map(|(alarm, _)| alarm.at)
    }

    fn take_due(&self, now: Instant) -> Vec<Arc<ShardRunner<S>>> {
        let mut set = self.set.lock();
        let mut due = Vec::new();
        while let Some(first) = set.alarms.first_entry() {
            if first.key().at > now {
                break;
            }
            due.extend(first.remove().upgrade());
        }
        due
    }
}
