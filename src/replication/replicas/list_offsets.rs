//! Answers ListOffsets: at once if the offset is known, else by a search on a thread that may block.

use std::sync::Arc;

use super::Replicas;
use crate::records::Scratch;
use crate::replication::error::ReplicaError;
use crate::replication::partition::{ListedOffset, OffsetQuery, OffsetSearch, Partition};

impl Replicas {
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
            self.dirs.note_failure(partition, error);
        }
        found
    }
}
