//! Appending for the API: on the caller's thread, with what must follow an append.

use std::sync::Arc;
use std::time::Duration;

use super::delayed::{AckOutcome, AckWait};
use super::driver::{ReplicaManager, now};
use super::error::ReplicaError;
use super::partition::{Appended, LeaderWrite, ListedOffset, OffsetQuery, OffsetSearch, Partition};
use super::stall_driver;
use crate::records::Scratch;
use crate::records::validate::ValidatedBatch;

impl ReplicaManager {
    /// Writes a batch as the leader, on this thread; its ticket, if it has one, is then to be waited
    /// for by [`Self::wait_for_acks`]. A disk that fails goes offline.
    pub fn append(
        &self,
        partition: &Arc<Partition>,
        write: LeaderWrite<'_>,
    ) -> Result<Appended, ReplicaError> {
        let batch = write.batch;
        let dir = partition.dir_address();
        let appended = stall_driver::marked(dir, || partition.append_as_leader(write, now()));
        match &appended {
            Ok(appended) => {
                if !appended.info.duplicate {
                    self.count_append(batch);
                }
                if appended.needs_flush
                    && let Some(dir) = self.shared.dir_of(partition)
                {
                    dir.flushes.push_log(partition);
                }
            }
            Err(error) => self.shared.check_partition_failure(partition, error),
        }
        appended
    }

    fn count_append(&self, batch: &ValidatedBatch) {
        let metrics = &self.shared.metrics;
        let records = batch.header().record_count();
        metrics.appended_batches.inc();
        metrics
            .appended_records
            .inc_by(u64::from(records.unsigned_abs()));
        metrics.appended_bytes.inc_by(batch.size() as u64);
    }

    /// Waits until all that a Produce has written is committed, or `timeout` is over: those still
    /// [`AckOutcome::Waiting`] then have timed out.
    pub async fn wait_for_acks(&self, wait: AckWait, timeout: Duration) -> Vec<AckOutcome> {
        if !wait.is_done() {
            // What became of each partition is in the outcomes, whichever came first.
            let _ = tokio::time::timeout(timeout, &wait).await;
        }
        wait.outcomes()
    }

    /// Answers a ListOffsets question. Searches by time run on a thread that may block.
    pub async fn list_offset(
        &self,
        partition: &Arc<Partition>,
        query: &OffsetQuery,
    ) -> Result<ListedOffset, ReplicaError> {
        let search = match partition.list_offset(query)? {
            OffsetSearch::Known(listed) => return Ok(listed),
            OffsetSearch::Search(search) => search,
        };
        let run = move || search.run(&mut Scratch::default());
        let found = tokio::task::spawn_blocking(run).await;
        let found = found.expect("a search does not panic, and is not cancelled");
        if let Err(error) = &found {
            self.shared.check_partition_failure(partition, error);
        }
        found
    }
}
