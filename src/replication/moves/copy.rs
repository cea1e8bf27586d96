//! Fills a copy: reads a part of the log, and appends it to the copy.

use bytes::Bytes;

use crate::replication::error::ReplicaError;
use crate::replication::partition::{Partition, append_copy};
use crate::replication::threads::now;
use crate::storage::disk;
use crate::storage::error::StorageError;
use crate::storage::log::{Log, ReadPlan};

/// How many bytes are copied at a time.
const CHUNK_BYTES: u32 = 1 << 20;
/// If no more than this is left to copy, one step tries to catch up with a log that is written to.
const NEARLY_ALL_BYTES: u64 = 1 << 20;
/// The most parts of such a step.
const CHUNKS_TO_CATCH_UP: usize = 16;

/// Copies a part of the log, or everything that is left if it is not much. Returns how many bytes, and
/// whether the copy had everything in the end.
pub fn copy_some(partition: &Partition, copy: &mut Log) -> Result<(u64, bool), ReplicaError> {
    let mut copied = 0;
    for _ in 0..CHUNKS_TO_CATCH_UP {
        let Some(plan) = partition.plan_copy(copy, now().wall)? else {
            return Ok((copied, true));
        };
        let is_near = plan.bytes_behind() <= NEARLY_ALL_BYTES;
        let records = read_for_copy(&plan)?;
        append_copy(copy, &records, now().wall)?;
        copied += records.len() as u64;
        if !is_near {
            break;
        }
    }
    Ok((copied, false))
}

/// Reads the next part of a log into memory.
pub fn read_for_copy(plan: &ReadPlan) -> Result<Bytes, StorageError> {
    let outcome = plan.read(CHUNK_BYTES, true)?;
    disk::read_payload(outcome.payload)
        .map_err(|error| StorageError::io("read", &plan.path(), error))
}
