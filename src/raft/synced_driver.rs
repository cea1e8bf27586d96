//! The file `synced-offset` in the metadata log's folder: up to where the log was durable when it
//! was synced last.
//!
//! ```text
//! offset i64 | crc u32: CRC-32C of the offset's eight bytes
//! ```
//! It is overwritten in place right after each sync of the log, and before anything that was synced
//! is acknowledged. That does not wait until it is durable itself, so that a commit costs no more for
//! it: a killed process leaves it exact, a power cut may leave the offset of a moment ago, or nothing.
//! Then the recovery point tells, which is never above it on stable storage. Apache leaves the file
//! alone.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::model::Offset;
use crate::storage::checkpoint::StateFileError;
use crate::storage::disk::{self, Disk, DiskFile, OpenMode};

/// The file's name, in the directory of the metadata log.
pub(super) const FILE_NAME: &str = "synced-offset";

const SIZE: usize = 12;

/// What is remembered of the log's last sync.
#[derive(Debug)]
pub(super) struct SyncedMark {
    file: Arc<dyn DiskFile>,
    path: PathBuf,
    /// The offset in the file; `None` if it holds nothing usable.
    offset: Option<Offset>,
    /// It may not be on stable storage.
    is_unsynced: bool,
}

impl SyncedMark {
    /// Reads the file in `dir`, or makes it.
    ///
    /// # Errors
    /// The disk failed.
    pub(super) fn open(disk: &dyn Disk, dir: &Path) -> Result<Self, StateFileError> {
        let path = dir.join(FILE_NAME);
        let failed = |source| StateFileError::Io {
            path: path.clone(),
            source,
        };
        let content = disk::read_file(disk, &path).map_err(failed)?;
        let offset = content.as_deref().and_then(decode);
        if content.is_some() && offset.is_none() {
            tracing::warn!(file = %path.display(), "not readable: going by the recovery point alone");
        }
        let file = disk.open(&path, OpenMode::Create).map_err(failed)?;
        Ok(Self {
            file,
            path,
            offset,
            is_unsynced: false,
        })
    }

    /// The offset below which everything was durable once; `None` if that is not known.
    pub(super) fn offset(&self) -> Option<Offset> {
        self.offset
    }

    /// Remembers that everything below `offset` is durable.
    pub(super) fn set(&mut self, offset: Offset) -> Result<(), StateFileError> {
        if self.offset != Some(offset) {
            let content = encode(offset);
            self.access(|file| file.write_at(&[IoSlice::new(&content)], 0))?;
            self.offset = Some(offset);
            self.is_unsynced = true;
        }
        Ok(())
    }

    /// Whether what the file says may not be durable.
    pub(super) fn is_unsynced(&self) -> bool {
        self.is_unsynced
    }

    /// Syncs the file.
    pub(super) fn sync(&mut self) -> Result<(), StateFileError> {
        self.access(|file| file.sync())?;
        self.is_unsynced = false;
        Ok(())
    }

    fn access(
        &self,
        access: impl FnOnce(&dyn DiskFile) -> io::Result<()>,
    ) -> Result<(), StateFileError> {
        access(&*self.file).map_err(|source| StateFileError::Io {
            path: self.path.clone(),
            source,
        })
    }
}

fn encode(offset: Offset) -> [u8; SIZE] {
    let mut content = [0; SIZE];
    let (number, crc) = content.split_at_mut(8);
    number.copy_from_slice(&offset.0.to_be_bytes());
    crc.copy_from_slice(&crc32c::crc32c(number).to_be_bytes());
    content
}

fn decode(content: &[u8]) -> Option<Offset> {
    let number = content
        .first_chunk()
        .map(|bytes| i64::from_be_bytes(*bytes))?;
    let offset = Offset(number);
    (number >= 0 && content == encode(offset)).then_some(offset)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doubles::CrashDisk;

    fn mark(disk: &CrashDisk) -> SyncedMark {
        SyncedMark::open(disk, Path::new("log")).unwrap()
    }

    fn folder() -> CrashDisk {
        let disk = CrashDisk::new();
        disk.create_dir(Path::new("log")).unwrap();
        disk
    }

    #[test]
    fn what_was_set_last_is_read_back() {
        let disk = folder();
        let mut first = mark(&disk);
        assert_eq!(first.offset(), None);
        first.set(Offset(5)).unwrap();
        first.set(Offset(1 << 40)).unwrap();

        assert_eq!(mark(&disk).offset(), Some(Offset(1 << 40)));
    }

    #[test]
    fn what_was_set_and_synced_survives_a_power_cut() {
        let disk = folder();
        let mut mark = mark(&disk);
        disk.sync_dir(Path::new("log")).unwrap();
        disk.sync_dir(Path::new("")).unwrap();
        mark.set(Offset(5)).unwrap();
        assert!(mark.is_unsynced());

        mark.sync().unwrap();

        assert!(!mark.is_unsynced());
        mark.set(Offset(5)).unwrap();
        assert!(!mark.is_unsynced(), "nothing has changed");
        let survivor = disk.after_power_cut(crate::doubles::Tear::Lost);
        let found = SyncedMark::open(&survivor, Path::new("log")).unwrap();
        assert_eq!(found.offset(), Some(Offset(5)));
    }

    #[test]
    fn one_flipped_bit_one_lost_byte_and_zeros_are_told_from_an_offset() {
        let whole = encode(Offset(77));
        for bit in 0..8 * SIZE {
            let mut flipped = whole;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(&flipped), None, "bit {bit}");
        }
        assert_eq!(decode(&whole[1..]), None);
        assert_eq!(decode(&whole[..SIZE - 1]), None);
        assert_eq!(decode(&[0; SIZE]), None);
        assert_eq!(decode(&[]), None);
    }
}
