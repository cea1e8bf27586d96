//! A disk that can be made to lie, for planted faults: it says that it has synced a log, or written a
//! checkpoint, and has not. Otherwise it is the disk below it.

use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use broker::model::Timestamp;
use broker::protocol::payload::Payload;
use broker::storage::disk::{Borrower, DirEntry, Disk, DiskFile, DiskLock, FileStat, OpenMode};

/// Which lies it tells now.
#[derive(Clone, Debug, Default)]
pub struct Lies(Arc<Told>);

#[derive(Debug, Default)]
struct Told {
    forgets_checkpoints: AtomicBool,
    forgets_syncs: AtomicBool,
}

impl Lies {
    /// Whether recovery points are thrown away that are written.
    pub fn forget_checkpoints(&self, forgets: bool) {
        self.0.forgets_checkpoints.store(forgets, Ordering::Relaxed);
    }

    /// Whether nothing is synced.
    pub fn forget_syncs(&self, forgets: bool) {
        self.0.forgets_syncs.store(forgets, Ordering::Relaxed);
    }
}

#[derive(Debug)]
pub struct LyingDisk {
    pub disk: Arc<dyn Disk>,
    pub lies: Lies,
}

#[derive(Debug)]
struct LyingFile {
    file: Arc<dyn DiskFile>,
    lies: Lies,
}

impl Disk for LyingDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.disk.open(path, mode)?;
        if path.extension().is_none_or(|extension| extension != "log") {
            return Ok(file);
        }
        let lies = self.lies.clone();
        Ok(Arc::new(LyingFile { file, lies }))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        self.disk.list(dir)
    }

    fn stat(&self, path: &Path) -> io::Result<Option<FileStat>> {
        self.disk.stat(path)
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.disk.create_dir(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let is_forgotten = self.lies.0.forgets_checkpoints.load(Ordering::Relaxed)
            && to.ends_with("recovery-point-offset-checkpoint");
        if is_forgotten {
            return Ok(());
        }
        self.disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.disk.sync_dir(dir)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn DiskLock>>> {
        self.disk.lock(path)
    }

    fn boot_id(&self) -> Option<String> {
        self.disk.boot_id()
    }
}

impl DiskFile for LyingFile {
    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.file.read_at(buffer, position)
    }

    fn write_at(&self, parts: &[IoSlice<'_>], position: u64) -> io::Result<()> {
        self.file.write_at(parts, position)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn reserve(&self, position: u64, length: u64) -> io::Result<()> {
        self.file.reserve(position, length)
    }

    fn sync(&self) -> io::Result<()> {
        if self.lies.0.forgets_syncs.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.file.sync()
    }

    fn region(&self, position: u64, length: u32) -> io::Result<Payload> {
        self.file.region(position, length)
    }

    fn may_lend(&self, to: Borrower) -> bool {
        self.file.may_lend(to)
    }

    fn set_modified(&self, at: Timestamp) -> io::Result<()> {
        self.file.set_modified(at)
    }

    fn relocate(&self, path: &Path) {
        self.file.relocate(path);
    }
}
