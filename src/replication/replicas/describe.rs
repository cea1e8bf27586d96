//! Describes what is in the log directories, for DescribeLogDirs and the admin page.

use std::path::PathBuf;
use std::sync::Arc;

use super::Replicas;
use crate::model::{DirectoryId, TopicIdPartition, TopicPartition};
use crate::replication::dirs::{DataDir, absolute};
use crate::replication::moves::Move;
use crate::replication::partition::Partition;

/// A log directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirDescription {
    /// The directory's absolute path.
    pub path: PathBuf,
    /// The directory's id; `None` if it could not be opened.
    pub id: Option<DirectoryId>,
    /// Why the directory is offline, if it is.
    pub failure: Option<String>,
    /// Whether it gets no new replicas.
    pub is_cordoned: bool,
    /// The size of the volume in bytes; -1 if unknown.
    pub total_bytes: i64,
    /// How many bytes of the volume this process may still use; -1 if unknown.
    pub usable_bytes: i64,
    /// The logs in the directory.
    pub logs: Vec<LogDescription>,
}

/// A log in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogDescription {
    /// The topic's id and the partition's index.
    pub id: TopicIdPartition,
    /// The topic's name and the partition's index.
    pub name: TopicPartition,
    /// The size of the batches in bytes.
    pub size: u64,
    /// By how many offsets its end is behind the high watermark: above 0 on a follower that catches up. For
    /// a copy: how far its end is behind that of the log.
    pub offset_lag: i64,
    /// Whether it is a copy that is to take the place of the log in another directory.
    pub is_future: bool,
}

impl Replicas {
    /// Describes all log directories, those that could be opened in the order of the config. It asks the
    /// file system for free space, and blocks shortly.
    pub fn describe_log_dirs(&self) -> Vec<DirDescription> {
        let (partitions, moves) = (self.hosted.online(), self.moves.all());
        let copies = |dir: &DataDir| -> Vec<_> {
            let here = moves
                .iter()
                .filter(|moving| Arc::ptr_eq(&moving.to.log_dir, &dir.log_dir));
            here.map(|moving| self.describe_copy(moving)).collect()
        };
        let opened = self.dirs.all().iter().map(|dir| {
            let mut described = describe(dir, &partitions);
            described.logs.extend(copies(dir));
            described
        });
        let failed = self
            .dirs
            .failed_at_start()
            .iter()
            .map(|path| DirDescription {
                path: absolute(path),
                id: None,
                failure: Some("it could not be opened at the start".to_owned()),
                is_cordoned: self
                    .settings
                    .load()
                    .storage
                    .cordoned_log_dirs
                    .contains(path),
                total_bytes: -1,
                usable_bytes: -1,
                logs: Vec::new(),
            });
        opened.chain(failed).collect()
    }

    fn describe_copy(&self, moving: &Move) -> LogDescription {
        let (end_offset, size) = moving.progress();
        let log = self.hosted.partition(&moving.id);
        let lag = log.map_or(0, |log| log.end_offset().0 - end_offset);
        LogDescription {
            id: moving.id,
            name: moving.name.clone(),
            size,
            offset_lag: lag.max(0),
            is_future: true,
        }
    }
}

fn describe(dir: &DataDir, partitions: &[Arc<Partition>]) -> DirDescription {
    let here = partitions.iter().filter(|it| it.is_in(&dir.log_dir));
    let (total_bytes, usable_bytes) = volume_of(dir);
    DirDescription {
        path: absolute(dir.path()),
        id: Some(dir.log_dir.id()),
        failure: dir.log_dir.failure().map(str::to_owned),
        is_cordoned: dir.is_cordoned(),
        total_bytes,
        usable_bytes,
        logs: here.map(|partition| describe_log(partition)).collect(),
    }
}

fn describe_log(partition: &Partition) -> LogDescription {
    let lag = partition.high_watermark() - partition.end_offset();
    LogDescription {
        id: partition.id(),
        name: partition.name().clone(),
        size: partition.size(),
        offset_lag: lag.max(0),
        is_future: false,
    }
}

fn volume_of(dir: &DataDir) -> (i64, i64) {
    let Ok(volume) = rustix::fs::statvfs(dir.path()) else {
        return (-1, -1);
    };
    let bytes =
        |blocks: u64| i64::try_from(blocks.saturating_mul(volume.f_frsize)).unwrap_or(i64::MAX);
    (bytes(volume.f_blocks), bytes(volume.f_bavail))
}
