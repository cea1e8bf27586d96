//! A partition's folder: its path, and the names of its files.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::disk::{Disk, DiskFile, OpenMode};
use crate::model::Offset;

/// What a file of a segment holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum FileKind {
    /// Batches.
    Log,
    /// Positions of batches, by offset.
    OffsetIndex,
    /// Positions of batches, by time.
    TimeIndex,
    /// Aborted transactions.
    TransactionIndex,
    /// The state of producers as of the offset in the name.
    ProducerSnapshot,
}

impl FileKind {
    /// The files that make up a segment.
    pub(super) const SEGMENT: [Self; 4] = [
        Self::Log,
        Self::OffsetIndex,
        Self::TimeIndex,
        Self::TransactionIndex,
    ];

    fn suffix(self) -> &'static str {
        match self {
            Self::Log => ".log",
            Self::OffsetIndex => ".index",
            Self::TimeIndex => ".timeindex",
            Self::TransactionIndex => ".txnindex",
            Self::ProducerSnapshot => ".snapshot",
        }
    }
}

/// The state of a file in the life of its segment, which is the end of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Stage {
    /// The file is part of the log.
    Live,
    /// Incomplete output of the cleaner.
    Cleaned,
    /// Complete output of the cleaner, about to replace the segments it was made from.
    Swap,
    /// The file is deleted once nobody can be reading it any more.
    Deleted,
}

impl Stage {
    /// The stage with this number.
    pub(super) fn from_number(number: u8) -> Self {
        [Self::Live, Self::Cleaned, Self::Swap, Self::Deleted]
            .into_iter()
            .find(|stage| *stage as u8 == number)
            .expect("the number is that of a stage")
    }

    pub(super) fn suffix(self) -> &'static str {
        match self {
            Self::Live => "",
            Self::Cleaned => ".cleaned",
            Self::Swap => ".swap",
            Self::Deleted => ".deleted",
        }
    }
}

/// A file's name, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileName {
    pub(super) offset: Offset,
    pub(super) kind: FileKind,
    pub(super) stage: Stage,
}

impl FileName {
    /// Takes a name apart; `None` if it is neither that of a segment's file nor of a producer snapshot.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let (digits, suffixes) = name.split_once('.')?;
        // Kafka pads offsets to 20 digits. A shorter name would be written again under another one.
        if digits.len() != 20 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        let offset = Offset(digits.parse().ok()?);
        let (kind, stage) = match suffixes.split_once('.') {
            Some((kind, "cleaned")) => (kind, Stage::Cleaned),
            Some((kind, "swap")) => (kind, Stage::Swap),
            Some((kind, "deleted")) => (kind, Stage::Deleted),
            Some(_) => return None,
            None => (suffixes, Stage::Live),
        };
        let kind = match kind {
            "log" => FileKind::Log,
            "index" => FileKind::OffsetIndex,
            "timeindex" => FileKind::TimeIndex,
            "txnindex" => FileKind::TransactionIndex,
            "snapshot" => FileKind::ProducerSnapshot,
            _ => return None,
        };
        Some(Self {
            offset,
            kind,
            stage,
        })
    }
}

/// The folder of one partition on its disk. It can be renamed while its log is in use.
#[derive(Debug)]
pub(super) struct Folder {
    disk: Arc<dyn Disk>,
    path: Mutex<Arc<Path>>,
}

impl Folder {
    pub(super) fn new(disk: Arc<dyn Disk>, path: &Path) -> Self {
        Self {
            disk,
            path: Mutex::new(path.into()),
        }
    }

    pub(super) fn disk(&self) -> &dyn Disk {
        &*self.disk
    }

    pub(super) fn path(&self) -> Arc<Path> {
        Arc::clone(&self.path.lock())
    }

    /// Tells the folder that it has another path now.
    pub(super) fn relocate(&self, path: &Path) {
        *self.path.lock() = path.into();
    }

    pub(super) fn file(&self, offset: Offset, kind: FileKind) -> PathBuf {
        self.staged(offset, kind, Stage::Live)
    }

    pub(super) fn staged(&self, offset: Offset, kind: FileKind, stage: Stage) -> PathBuf {
        let name = format!("{:020}{}{}", offset.0, kind.suffix(), stage.suffix());
        self.path().join(name)
    }

    pub(super) fn open(
        &self,
        offset: Offset,
        kind: FileKind,
        mode: OpenMode,
    ) -> io::Result<Arc<dyn DiskFile>> {
        self.disk.open(&self.file(offset, kind), mode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doubles::CrashDisk;

    #[test]
    fn a_name_is_taken_apart_as_it_was_put_together() {
        let folder = Folder::new(Arc::new(CrashDisk::new()), Path::new("/t-0"));
        for kind in [
            FileKind::Log,
            FileKind::OffsetIndex,
            FileKind::TimeIndex,
            FileKind::TransactionIndex,
            FileKind::ProducerSnapshot,
        ] {
            for stage in [Stage::Live, Stage::Cleaned, Stage::Swap, Stage::Deleted] {
                let offset = Offset(1_234_567_890_123);
                let path = folder.staged(offset, kind, stage);
                let name = path.file_name().unwrap().to_str().unwrap();

                let expected = FileName {
                    offset,
                    kind,
                    stage,
                };
                assert_eq!(FileName::parse(name), Some(expected), "{name}");
            }
        }
    }

    #[test]
    fn other_names_are_left_alone() {
        for name in [
            "leader-epoch-checkpoint",
            "partition.metadata",
            "0.log",
            "00000000000000000000.log.tmp",
            "00000000000000000000-0000000000.checkpoint",
            "99999999999999999999.log",
            "+0000000000000000000.log",
        ] {
            assert_eq!(FileName::parse(name), None, "{name}");
        }
    }
}
