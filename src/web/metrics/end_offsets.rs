//! The ends of partitions that other brokers lead, for the lag of groups that are coordinated here. Their leaders
//! are asked by Kafka's protocol, at most every few seconds, and only while somebody wants to know.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::client::{Cluster, ClusterOptions, Entry, PartitionKey, offsets_at};

/// How old an end may be.
const FRESH: Duration = Duration::from_secs(5);
/// How old an end may be where its leader does not answer: then it is no longer told.
const STALE: Duration = Duration::from_secs(60);
/// How long all leaders together may take.
const LONGEST: Duration = Duration::from_secs(2);
/// How long one of them may take.
const ONE: Duration = Duration::from_millis(500);
/// Asks for the end.
const LATEST: i64 = -1;

/// The ends that are known.
#[derive(Default)]
pub(super) struct EndOffsets {
    known: Mutex<Known>,
    /// The cluster as its clients see it; whoever holds it asks.
    cluster: Mutex<Option<Cluster>>,
}

#[derive(Default)]
struct Known {
    ends: BTreeMap<PartitionKey, (i64, Instant)>,
}

impl EndOffsets {
    /// Lets the cluster be found by the node at `address`.
    pub(super) fn meet(&self, address: &str) {
        let Some(mut cluster) = self.cluster.try_lock() else {
            return;
        };
        let is_known = cluster
            .as_ref()
            .is_some_and(|cluster| cluster.options().bootstrap.iter().any(|it| it == address));
        if !is_known {
            *cluster = Some(Cluster::new(ClusterOptions {
                entry: Entry::Brokers,
                bootstrap: vec![address.to_owned()],
                client_id: "broker-metrics".to_owned(),
                request_timeout: ONE,
                api_timeout: LONGEST,
            }));
        }
    }

    /// The ends of these partitions, of those that are known. It waits for leaders, on a thread that may.
    pub(super) fn of(&self, wanted: &BTreeSet<PartitionKey>) -> BTreeMap<PartitionKey, i64> {
        let old: BTreeMap<PartitionKey, i64> = {
            let known = self.known.lock();
            let is_fresh = |key: &PartitionKey| {
                let known = known.ends.get(key);
                known.is_some_and(|(_, at)| at.elapsed() < FRESH)
            };
            let old = wanted.iter().filter(|key| !is_fresh(key));
            old.map(|key| (key.clone(), LATEST)).collect()
        };
        if !old.is_empty() {
            self.ask(old);
        }
        let mut known = self.known.lock();
        // What nobody wants any more is forgotten.
        known
            .ends
            .retain(|key, (_, at)| at.elapsed() < STALE && wanted.contains(key));
        known
            .ends
            .iter()
            .map(|(key, (end, _))| (key.clone(), *end))
            .collect()
    }

    /// Asks the leaders, unless another scrape does: then what is known has to do.
    fn ask(&self, wanted: BTreeMap<PartitionKey, i64>) {
        let Some(mut cluster) = self.cluster.try_lock() else {
            return;
        };
        let Some(cluster) = cluster.as_mut() else {
            return;
        };
        let asking = timeout(LONGEST, offsets_at(cluster, wanted, false));
        match Handle::current().block_on(asking) {
            Ok(Ok(offsets)) => {
                let now = Instant::now();
                let found = offsets.found.into_iter();
                let mut known = self.known.lock();
                known.ends.extend(found.map(|(key, end)| (key, (end, now))));
            }
            Ok(Err(error)) => {
                tracing::debug!(%error, "the ends of partitions elsewhere are not known");
            }
            Err(_) => tracing::debug!("the leaders of partitions elsewhere do not answer in time"),
        }
    }
}
