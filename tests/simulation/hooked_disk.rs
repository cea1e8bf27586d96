//! A disk that is asked before it changes something: where it is slow, and where planted faults let it lie.
//! Otherwise it is the disk below it.

use std::fmt::Debug;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use broker::model::Timestamp;
use broker::protocol::payload::Payload;
use broker::storage::disk::{Borrower, DirEntry, Disk, DiskFile, DiskLock, FileStat, OpenMode};

/// What becomes of a change. Whoever asks for it is told that it is done.
pub trait Hooks: Clone + Debug + Send + Sync + 'static {
    /// What is written in the place of these bytes, if anything is.
    fn write(&self, _path: &Path, bytes: Vec<u8>) -> Option<Vec<u8>> {
        Some(bytes)
    }

    /// Whether a file is cut.
    fn cut(&self, _path: &Path) -> bool {
        true
    }

    /// Whether a file is synced.
    fn sync(&self, _path: &Path, _file: &Arc<dyn DiskFile>) -> bool {
        true
    }

    /// Whether the names in a directory are synced.
    fn sync_dir(&self, _dir: &Path) -> bool {
        true
    }

    /// Whether a file gets this name.
    fn rename(&self, _disk: &dyn Disk, _to: &Path) -> bool {
        true
    }
}

#[derive(Debug)]
pub struct HookedDisk<H> {
    pub disk: Arc<dyn Disk>,
    pub hooks: H,
}

#[derive(Debug)]
struct HookedFile<H> {
    file: Arc<dyn DiskFile>,
    path: Mutex<PathBuf>,
    hooks: H,
}

impl<H: Hooks> Disk for HookedDisk<H> {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(HookedFile {
            file: self.disk.open(path, mode)?,
            path: Mutex::new(path.to_owned()),
            hooks: self.hooks.clone(),
        }))
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
        if self.hooks.rename(&*self.disk, to) {
            self.disk.rename(from, to)?;
        }
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        if self.hooks.sync_dir(dir) {
            self.disk.sync_dir(dir)?;
        }
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn DiskLock>>> {
        self.disk.lock(path)
    }

    fn boot_id(&self) -> Option<String> {
        self.disk.boot_id()
    }
}

impl<H: Hooks> HookedFile<H> {
    fn path(&self) -> PathBuf {
        self.path.lock().expect("nobody panics").clone()
    }
}

impl<H: Hooks> DiskFile for HookedFile<H> {
    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.file.read_at(buffer, position)
    }

    fn write_at(&self, parts: &[IoSlice<'_>], position: u64) -> io::Result<()> {
        let bytes = parts.iter().flat_map(|part| part.iter().copied()).collect();
        match self.hooks.write(&self.path(), bytes) {
            Some(bytes) => self.file.write_at(&[IoSlice::new(&bytes)], position),
            None => Ok(()),
        }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        if self.hooks.cut(&self.path()) {
            self.file.set_len(len)?;
        }
        Ok(())
    }

    fn reserve(&self, position: u64, length: u64) -> io::Result<()> {
        self.file.reserve(position, length)
    }

    fn sync(&self) -> io::Result<()> {
        if self.hooks.sync(&self.path(), &self.file) {
            self.file.sync()?;
        }
        Ok(())
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
        path.clone_into(&mut self.path.lock().expect("nobody panics"));
        self.file.relocate(path);
    }
}
