//! The seam between the log and its disk: what the storage folder asks of a file system.
//!
//! [`FileDisk`] is the real disk. In tests `doubles::CrashDisk` keeps a live and a durable image in memory,
//! so that the power can be cut at any write. A write is durable only after [`DiskFile::sync`], and a
//! created, renamed or removed name only after [`Disk::sync_dir`].

mod descriptors;
mod file_disk;
mod region_reads;
mod volumes;
mod waiting;

use std::fmt;
use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Arc;

use crate::model::Timestamp;
use crate::protocol::payload::Payload;

pub use file_disk::FileDisk;
pub use region_reads::{read_payload, read_region};
pub use waiting::{about_to_take_long, without_waiting};

/// What opening does when the file is there, and when it is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// The file must be there. The disk need not look before the first use: a missing file may show itself
    /// as `NotFound` only at the first read or write.
    Existing,
    /// The file is made when it is missing.
    Create,
    /// The file is made; if it is there, it is emptied.
    Truncate,
}

/// A name in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirEntry {
    /// The name alone, without the directory. Names that are not UTF-8 are left out: Kafka has none.
    pub name: String,
    /// Whether the name is that of a directory.
    pub is_dir: bool,
}

/// What the file system knows of a file without opening it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileStat {
    /// The file's size in bytes.
    pub size: u64,
    /// When the file's content last changed.
    pub modified: Timestamp,
}

/// A file system. Paths are absolute, or relative to the directory that the process was started in.
pub trait Disk: fmt::Debug + Send + Sync {
    /// Opens a handle on a file. Its directory must exist.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>>;

    /// The names in a directory, in no particular order.
    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>>;

    /// Size and time of a file; `None` if the file is missing.
    fn stat(&self, path: &Path) -> io::Result<Option<FileStat>>;

    /// Makes a directory and its missing parents. A directory that exists is left as it is.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;

    /// Renames a file or directory; whatever had the new name is replaced. Open handles must be told
    /// ([`DiskFile::relocate`]).
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file, or a directory with everything in it. A missing one counts as removed.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a directory durable: those that were made, renamed and removed.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Takes the exclusive lock on a file, which is made if it is missing; the lock lasts until it is
    /// dropped. `None` if another process holds it.
    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn DiskLock>>>;

    /// Names this run of the machine: what was written in it is there, in order, for all its processes.
    /// `None`: the system does not say.
    fn boot_id(&self) -> Option<String>;
}

/// An exclusive lock, held until it is dropped.
pub trait DiskLock: fmt::Debug + Send + Sync {
    /// Makes everything that was written to the volume of the locked file durable, names included. An error
    /// may come from any write to the volume since the lock was taken.
    fn sync_volume(&self) -> io::Result<()>;
}

/// For whom an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Borrower {
    /// A client.
    Client,
    /// A replica on another broker, which falls out of sync if it gets nothing.
    Replica,
}

/// A handle on one file, shared by all that use it. Positions count bytes from the file's beginning.
pub trait DiskFile: fmt::Debug + Send + Sync {
    /// The file's size in bytes.
    fn size(&self) -> io::Result<u64>;

    /// Reads from a position until the buffer is full or the file ends. Returns how many bytes were read.
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize>;

    /// Writes all parts, one after the other, from a position on. After an error any part of them may have
    /// been written.
    fn write_at(&self, parts: &[IoSlice<'_>], position: u64) -> io::Result<()>;

    /// Cuts the file, or extends it with zeros.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Asks the file system to find room for these bytes, which may lie beyond the file's end: the file's
    /// size stays. [`Self::set_len`] gives back what is beyond its end.
    ///
    /// # Errors
    /// There is no room, or the file system cannot do it. Nothing has changed then.
    fn reserve(&self, position: u64, length: u64) -> io::Result<()>;

    /// Makes all writes durable (fdatasync). After an error they may be lost, and a second call would not
    /// say so: never retry.
    fn sync(&self) -> io::Result<()>;

    /// A part of the file, to be sent to a socket. If the file is cut, it may end before the part does. Before
    /// a part is made for an answer that a peer may be slow to read, [`Self::may_lend`] must be asked.
    fn region(&self, position: u64, length: u32) -> io::Result<Payload>;

    /// Whether an answer may have a part of the file now. Else too many files are lent to answers, whose
    /// descriptors the broker, or replicas, need themselves.
    fn may_lend(&self, _to: Borrower) -> bool {
        true
    }

    /// Sets when the content last changed: a copy takes over its original's time.
    fn set_modified(&self, at: Timestamp) -> io::Result<()>;

    /// Tells the handle that its file has another path now.
    fn relocate(&self, path: &Path);
}

/// All bytes of a file; `None` if it is missing.
pub fn read_file(disk: &dyn Disk, path: &Path) -> io::Result<Option<Vec<u8>>> {
    let Some(stat) = disk.stat(path)? else {
        return Ok(None);
    };
    let length = usize::try_from(stat.size).map_err(io::Error::other)?;
    let mut content = vec![0; length];
    let file = disk.open(path, OpenMode::Existing)?;
    let read = file.read_at(&mut content, 0)?;
    content.truncate(read);
    Ok(Some(content))
}

/// Replaces a file whole: after a crash it has the old content or the new, never a part.
///
/// Writes `<name>.tmp`, syncs it, renames it and syncs the directory.
pub fn replace_file(disk: &dyn Disk, path: &Path, content: &[u8]) -> io::Result<()> {
    replace(disk, path, content, |file| file.sync())?;
    match path.parent() {
        Some(dir) => disk.sync_dir(dir),
        None => Ok(()),
    }
}

/// As [`replace_file`], but not durable: after a power cut the file may have any content, until its volume
/// is synced ([`DiskLock::sync_volume`]).
pub fn replace_file_unsynced(disk: &dyn Disk, path: &Path, content: &[u8]) -> io::Result<()> {
    replace(disk, path, content, |_| Ok(()))
}

fn replace(
    disk: &dyn Disk,
    path: &Path,
    content: &[u8],
    sync: impl Fn(&dyn DiskFile) -> io::Result<()>,
) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    let temporary = Path::new(&temporary);
    let file = disk.open(temporary, OpenMode::Truncate)?;
    file.write_at(&[IoSlice::new(content)], 0)?;
    sync(&*file)?;
    disk.rename(temporary, path)?;
    file.relocate(path);
    Ok(())
}
