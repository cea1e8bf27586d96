//! Appends as the leader, on the caller's thread, and does what must follow an append.

use std::sync::Arc;
use std::time::Duration;

use super::Replicas;
use crate::records::validate::ValidatedBatch;
use crate::replication::delayed::{AckOutcome, AckWait};
use crate::replication::dirs;
use crate::replication::error::ReplicaError;
use crate::replication::partition::{Appended, LeaderWrite, Partition};
use crate::replication::threads::now;

impl Replicas {
    /// Writes a batch as the leader, on this thread. Its ticket, if it has one, must be waited for by
    /// [`wait_for_acks`] afterwards. A directory whose disk fails goes offline.
    pub fn append(
        &self,
        partition: &Arc<Partition>,
        write: LeaderWrite<'_>,
    ) -> Result<Appended, ReplicaError> {
        let batch = write.batch;
        let dir = partition.dir_address();
        let appended = dirs::marked(dir, || partition.append_as_leader(write, now()));
        match &appended {
            Ok(appended) => {
                if appended.info.duplicate {
                    self.count_repeated(partition);
                } else {
                    self.count_append(partition, batch);
                }
                if appended.needs_flush {
                    self.dirs.queue_sync(partition);
                }
            }
            Err(error) => self.dirs.note_failure(partition, error),
        }
        appended
    }

    fn count_append(&self, partition: &Partition, batch: &ValidatedBatch) {
        let metrics = &self.metrics;
        let records = u64::from(batch.header().record_count().unsigned_abs());
        let bytes = batch.size() as u64;
        metrics.traffic.appended_batches.inc();
        metrics.traffic.appended_records.inc_by(records);
        metrics.traffic.appended_bytes.inc_by(bytes);
        if let Some(traffic) = partition.traffic() {
            traffic.appended(records, bytes);
        }
    }

    fn count_repeated(&self, partition: &Partition) {
        self.metrics.traffic.repeated_batches.inc();
        if let Some(traffic) = partition.traffic() {
            traffic.repeated();
        }
    }
}

/// Waits until everything that a Produce has written is committed, or `timeout` is over: partitions that
/// are still [`AckOutcome::Waiting`] have timed out.
pub async fn wait_for_acks(wait: AckWait, timeout: Duration) -> Vec<AckOutcome> {
    if !wait.is_done() {
        // The outcomes say what became of each partition, whichever came first.
        let _ = tokio::time::timeout(timeout, &wait).await;
    }
    wait.outcomes()
}
