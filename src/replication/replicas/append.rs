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
                if !appended.info.duplicate {
                    self.count_append(batch);
                }
                if appended.needs_flush {
                    self.dirs.queue_sync(partition);
                }
            }
            Err(error) => self.dirs.note_failure(partition, error),
        }
        appended
    }

    fn count_append(&self, batch: &ValidatedBatch) {
        let metrics = &self.metrics;
        let records = batch.header().record_count();
        metrics.appended_batches.inc();
        metrics
            .appended_records
            .inc_by(u64::from(records.unsigned_abs()));
        metrics.appended_bytes.inc_by(batch.size() as u64);
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
