//! The text checkpoints of a log directory and of a partition folder.
//!
//! A file has a version line, a line with the number of entries, and a line for each entry. It is always
//! replaced whole, so a count that disagrees is damage and never a torn write. An empty file has no
//! entries.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::{self, Disk};
use crate::model::{Offset, TopicPartition};

/// For each partition the offset below which everything is on stable storage.
pub const RECOVERY_POINT_FILE: &str = "recovery-point-offset-checkpoint";
/// For each partition the high watermark. It is a hint: after a crash it may be too low.
pub const HIGH_WATERMARK_FILE: &str = "replication-offset-checkpoint";
/// For each partition the log start offset, where it is above the base offset of the first segment.
pub const LOG_START_FILE: &str = "log-start-offset-checkpoint";
/// For each partition the first offset that compaction has not seen.
pub const CLEANER_FILE: &str = "cleaner-offset-checkpoint";

const VERSION: &str = "0";

/// A small file of a log directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateFileError {
    /// The disk failed.
    #[error("cannot access {}: {source}", path.display())]
    Io {
        /// The file's path.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The content is nothing that was ever written.
    #[error("{} is damaged: {found}", path.display())]
    Damaged {
        /// The file's path.
        path: PathBuf,
        /// What is wrong with the content.
        found: String,
    },
}

impl StateFileError {
    /// Whether the disk has failed, so that its whole log directory must go offline.
    pub fn is_disk_failure(&self) -> bool {
        matches!(self, Self::Io { source, .. } if !super::error::is_out_of_room(source))
    }

    /// Whether the disk is full: the file has its old content then.
    pub fn is_full_disk(&self) -> bool {
        matches!(self, Self::Io { source, .. } if super::error::is_full(source))
    }

    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        |source| Self::Io { path, source }
    }

    pub(super) fn damaged(path: &Path, found: impl fmt::Display) -> Self {
        Self::Damaged {
            path: path.to_owned(),
            found: found.to_string(),
        }
    }
}

/// The text of a small file; `None` if the file is missing.
pub(super) fn read_text(disk: &dyn Disk, path: &Path) -> Result<Option<String>, StateFileError> {
    let Some(content) = disk::read_file(disk, path).map_err(StateFileError::io(path))? else {
        return Ok(None);
    };
    match String::from_utf8(content) {
        Ok(text) => Ok(Some(text)),
        Err(_) => Err(StateFileError::damaged(path, "not UTF-8")),
    }
}

/// The entries of a checkpoint, as `parse` reads them; a missing file has none.
pub(super) fn read<T>(
    disk: &dyn Disk,
    path: &Path,
    mut parse: impl FnMut(&str) -> Option<T>,
) -> Result<Vec<T>, StateFileError> {
    let text = read_text(disk, path)?.unwrap_or_default();
    let mut lines = text.lines();
    match lines.next() {
        None => return Ok(Vec::new()),
        Some(VERSION) => {}
        Some(other) => {
            let found = format!("its version is {other:?}, not {VERSION}");
            return Err(StateFileError::damaged(path, found));
        }
    }
    // As in Kafka, a file that ends before its count has no entries.
    let Some(count_line) = lines.next() else {
        return Ok(Vec::new());
    };
    let entries: Vec<T> = lines
        .map(|line| {
            let malformed = || StateFileError::damaged(path, format!("malformed line {line:?}"));
            parse(line).ok_or_else(malformed)
        })
        .collect::<Result<_, _>>()?;
    if count_line.parse() == Ok(entries.len()) {
        Ok(entries)
    } else {
        let found = format!(
            "it announces {count_line:?} entries and has {}",
            entries.len()
        );
        Err(StateFileError::damaged(path, found))
    }
}

/// Replaces a checkpoint, durably.
pub(super) fn write<T: fmt::Display>(
    disk: &dyn Disk,
    path: &Path,
    entries: impl ExactSizeIterator<Item = T>,
) -> Result<(), StateFileError> {
    let text = text_of(entries);
    disk::replace_file(disk, path, text.as_bytes()).map_err(StateFileError::io(path))
}

/// As [`write()`], but not durable: the caller must sync the whole volume afterwards.
pub(super) fn write_unsynced<T: fmt::Display>(
    disk: &dyn Disk,
    path: &Path,
    entries: impl ExactSizeIterator<Item = T>,
) -> Result<(), StateFileError> {
    let text = text_of(entries);
    disk::replace_file_unsynced(disk, path, text.as_bytes()).map_err(StateFileError::io(path))
}

fn text_of<T: fmt::Display>(entries: impl ExactSizeIterator<Item = T>) -> String {
    let mut text = format!("{VERSION}\n{}\n", entries.len());
    for entry in entries {
        writeln!(text, "{entry}").expect("a string takes any text");
    }
    text
}

/// An offset for each partition of a log directory.
pub type Offsets = BTreeMap<TopicPartition, Offset>;

/// Reads one of the offset checkpoints of a log directory; a missing file has no entries.
pub fn read_offsets(disk: &dyn Disk, path: &Path) -> Result<Offsets, StateFileError> {
    // The lines of a topic follow each other, so the partitions share one copy of its name.
    let mut shared: Arc<str> = Arc::from("");
    let entries = read(disk, path, |line| {
        let mut words = line.split_ascii_whitespace();
        let (topic, partition, offset) = (words.next()?, words.next()?, words.next()?);
        if words.next().is_some() {
            return None;
        }
        if *shared != *topic {
            shared = Arc::from(topic);
        }
        let partition = TopicPartition {
            topic: Arc::clone(&shared),
            partition: partition.parse().ok()?,
        };
        Some((partition, Offset(offset.parse().ok()?)))
    })?;
    Ok(entries.into_iter().collect())
}

/// Replaces one of the offset checkpoints of a log directory.
pub fn write_offsets(
    disk: &dyn Disk,
    path: &Path,
    offsets: &Offsets,
) -> Result<(), StateFileError> {
    let entries = offsets
        .iter()
        .map(|(partition, offset)| OffsetLine { partition, offset });
    write(disk, path, entries)
}

struct OffsetLine<'a> {
    partition: &'a TopicPartition,
    offset: &'a Offset,
}

impl fmt::Display for OffsetLine<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TopicPartition { topic, partition } = self.partition;
        write!(formatter, "{topic} {partition} {}", self.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::disk::FileDisk;

    fn read_back(content: &str) -> Result<Offsets, StateFileError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(RECOVERY_POINT_FILE);
        std::fs::write(&path, content).unwrap();
        read_offsets(&FileDisk::new(4), &path)
    }

    fn found(content: &str) -> String {
        read_back(content).unwrap_err().to_string()
    }

    #[test]
    fn an_offset_checkpoint_is_kafkas_text() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(RECOVERY_POINT_FILE);
        let disk = FileDisk::new(4);
        let offsets = Offsets::from([
            (TopicPartition::new("events", 1), Offset(42)),
            (TopicPartition::new("events", 0), Offset(7)),
        ]);

        write_offsets(&disk, &path, &offsets).unwrap();

        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, "0\n2\nevents 0 7\nevents 1 42\n");
        assert_eq!(read_offsets(&disk, &path).unwrap(), offsets);
    }

    #[test]
    fn a_missing_or_empty_file_has_no_entries() {
        assert_eq!(read_back("").unwrap(), Offsets::new());
        assert_eq!(read_back("0\n0\n").unwrap(), Offsets::new());
        let missing = read_offsets(&FileDisk::new(4), Path::new("/nowhere/at-all"));
        assert_eq!(missing.unwrap(), Offsets::new());
    }

    #[test]
    fn a_count_that_disagrees_is_damage() {
        assert!(found("0\n2\nt 0 1\n").contains("announces \"2\" entries and has 1"));
        assert!(found("0\n0\nt 0 1\n").contains("announces \"0\" entries and has 1"));
        assert!(found("0\nmany\nt 0 1\n").contains("\"many\""));
    }

    #[test]
    fn a_malformed_line_or_another_version_is_damage() {
        assert!(found("1\n0\n").contains("version is \"1\""));
        for line in ["t 0", "t 0 1 2", "t x 1", "t 0 x"] {
            assert!(found(&format!("0\n1\n{line}\n")).contains(&format!("{line:?}")));
        }
    }
}
