//! `.kafka_cleanshutdown`: says that a log directory was closed in order, and needs no recovery.
//!
//! Taking the mark removes it, durably, before anything else is done with the logs: a crash while they are
//! loaded must not look like a clean stop (KAFKA-10471). The mark is written last of all.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::disk::{self, Disk};

/// The file's name in a log directory.
pub const CLEAN_SHUTDOWN_FILE: &str = ".kafka_cleanshutdown";

/// A mark that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CleanShutdown {
    /// The broker epoch in which the broker stopped, which it tells when it registers again
    /// (KIP-966). Marks from before Kafka 3.7 are empty.
    pub broker_epoch: Option<i64>,
}

#[derive(Serialize, Deserialize)]
struct Content {
    version: i32,
    #[serde(rename = "brokerEpoch")]
    broker_epoch: i64,
}

/// Removes the mark of a log directory and returns what it said; `None` if there was none.
pub fn take(disk: &dyn Disk, log_dir: &Path) -> io::Result<Option<CleanShutdown>> {
    let path = log_dir.join(CLEAN_SHUTDOWN_FILE);
    let Some(bytes) = disk::read_file(disk, &path)? else {
        return Ok(None);
    };
    disk.remove(&path)?;
    disk.sync_dir(log_dir)?;
    let content: Option<Content> = serde_json::from_slice(&bytes).ok();
    let broker_epoch = content.map(|content| content.broker_epoch);
    Ok(Some(CleanShutdown { broker_epoch }))
}

/// Marks a log directory as closed in order, durably.
pub fn mark(disk: &dyn Disk, log_dir: &Path, broker_epoch: i64) -> io::Result<()> {
    let content = Content {
        version: 0,
        broker_epoch,
    };
    let text = serde_json::to_vec(&content).map_err(io::Error::other)?;
    disk::replace_file(disk, &log_dir.join(CLEAN_SHUTDOWN_FILE), &text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::disk::FileDisk;

    #[test]
    fn a_mark_is_kafkas_json_and_can_be_taken_once() {
        let dir = tempfile::tempdir().unwrap();
        let disk = FileDisk::new(4);
        assert_eq!(take(&disk, dir.path()).unwrap(), None);

        mark(&disk, dir.path(), 42).unwrap();

        let text = std::fs::read_to_string(dir.path().join(CLEAN_SHUTDOWN_FILE)).unwrap();
        assert_eq!(text, r#"{"version":0,"brokerEpoch":42}"#);
        let expected = CleanShutdown {
            broker_epoch: Some(42),
        };
        assert_eq!(take(&disk, dir.path()).unwrap(), Some(expected));
        assert_eq!(take(&disk, dir.path()).unwrap(), None);
    }

    #[test]
    fn an_old_empty_mark_counts_without_an_epoch() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(CLEAN_SHUTDOWN_FILE), "").unwrap();

        let found = take(&FileDisk::new(4), dir.path()).unwrap();

        assert_eq!(found, Some(CleanShutdown { broker_epoch: None }));
    }
}
