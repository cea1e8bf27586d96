//! The real disk: system calls on descriptors that are opened on demand.
//!
//! Invariant: a handle never reads another file than the one it was made for. A file is renamed
//! through [`Disk::rename`] and then [`DiskFile::relocate`]; in between a reopen finds nothing.

use std::fs::{self, File};
use std::io::{self, IoSlice};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use rustix::fs::FlockOperation;
use rustix::io::Errno;

use super::descriptors::{CHANCES_AFTER_READ, CHANCES_AFTER_WRITE, DescriptorCache, FileHandle};
use super::volumes::sync_volume;
use super::waiting::must_not_wait;
use super::{Borrower, DirEntry, Disk, DiskFile, DiskLock, FileStat, OpenMode};
use crate::model::Timestamp;
use crate::protocol::payload::{FileRegion, LentFile, Payload};
use crate::storage::error::is_out_of_descriptors;

/// Where Linux names this run of it.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// The files of this machine, with a bounded number of them open.
///
/// The bound is enforced when a file is opened: the one used least recently (by the second-chance rule) is
/// closed for it. A descriptor that a reader still holds is closed when the reader is done, so the number
/// can exceed the bound by those in use. Answers hold theirs for long: for them there is
/// [`DiskFile::may_lend`].
#[derive(Debug)]
pub struct FileDisk {
    cache: Arc<DescriptorCache>,
}

impl FileDisk {
    /// A disk that keeps at most `max_open_files` descriptors (at least 1) open, beside those in use.
    pub fn new(max_open_files: usize) -> Self {
        assert!(max_open_files > 0, "a disk needs at least one descriptor");
        Self {
            cache: DescriptorCache::new(max_open_files),
        }
    }

    /// How many descriptors are open now.
    pub fn open_files(&self) -> usize {
        self.cache.open_count()
    }
}

impl Disk for FileDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let handle = FileHandle::new(&self.cache, path);
        if mode != OpenMode::Existing {
            let mut options = File::options();
            options.read(true).write(true).create(true);
            options.truncate(mode == OpenMode::Truncate);
            let file = self.cache.with_room(|| options.open(path))?;
            handle.keep(file);
        }
        Ok(handle)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        let mut entries = Vec::new();
        for entry in self.cache.with_room(|| fs::read_dir(dir))? {
            let entry = entry?;
            if let Ok(name) = entry.file_name().into_string() {
                let is_dir = entry.file_type()?.is_dir();
                entries.push(DirEntry { name, is_dir });
            }
        }
        Ok(entries)
    }

    fn stat(&self, path: &Path) -> io::Result<Option<FileStat>> {
        match fs::metadata(path) {
            Ok(metadata) => {
                let age = metadata.modified()?.duration_since(UNIX_EPOCH);
                let millis = age.map_or(0, |age| age.as_millis());
                Ok(Some(FileStat {
                    size: metadata.len(),
                    modified: Timestamp(i64::try_from(millis).unwrap_or(i64::MAX)),
                }))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        fs::create_dir_all(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let removed = match fs::symlink_metadata(path) {
            Ok(metadata) if metadata.is_dir() => self.cache.with_room(|| fs::remove_dir_all(path)),
            Ok(_) => fs::remove_file(path),
            Err(error) => Err(error),
        };
        match removed {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        // For a bare file name the path of its directory is empty.
        let dir = if dir.as_os_str().is_empty() {
            Path::new(".")
        } else {
            dir
        };
        match self.cache.with_room(|| File::open(dir)) {
            Err(error) if is_out_of_descriptors(&error) => self.cache.sync_volume_of(dir, error),
            opened => opened?.sync_all(),
        }
    }

    fn boot_id(&self) -> Option<String> {
        let id = self.cache.with_room(|| fs::read_to_string(BOOT_ID));
        id.ok().map(|id| id.trim().to_owned())
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn DiskLock>>> {
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false);
        let file = self.cache.with_room(|| options.open(path))?;
        // Apache Kafka takes the other kind of lock, which this kind does not see, so both are taken.
        let exclusive = FlockOperation::NonBlockingLockExclusive;
        let locked = rustix::fs::flock(&file, exclusive)
            .and_then(|()| rustix::fs::fcntl_lock(&file, exclusive));
        match locked {
            Ok(()) => {
                let file = Arc::new(file);
                self.cache.note_locked(path, &file);
                Ok(Some(Box::new(FileLock { file })))
            }
            Err(Errno::WOULDBLOCK | Errno::ACCESS) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// Two locks, which the kernel drops with the descriptor.
#[derive(Debug)]
struct FileLock {
    file: Arc<File>,
}

impl DiskLock for FileLock {
    fn sync_volume(&self) -> io::Result<()> {
        // The kernel tells a descriptor of write-backs that failed since it was opened: this one is as old
        // as the lock.
        sync_volume(&self.file)
    }
}

impl DiskFile for FileHandle {
    fn size(&self) -> io::Result<u64> {
        Ok(self.descriptor(CHANCES_AFTER_READ)?.file.metadata()?.len())
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let open = self.descriptor(CHANCES_AFTER_READ)?;
        let mut filled = 0;
        while filled < buffer.len() {
            match read_once(&open.file, &mut buffer[filled..], position + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn write_at(&self, parts: &[IoSlice<'_>], position: u64) -> io::Result<()> {
        let open = self.descriptor(CHANCES_AFTER_WRITE)?;
        let total: usize = parts.iter().map(|part| part.len()).sum();
        let written = loop {
            match rustix::io::pwritev(&*open, parts, position) {
                Err(Errno::INTR) => {}
                other => break other?,
            }
        };
        if written < total {
            write_rest(&open.file, parts, written, position)?;
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.descriptor(CHANCES_AFTER_WRITE)?.file.set_len(len)
    }

    #[cfg(target_os = "linux")]
    fn reserve(&self, position: u64, length: u64) -> io::Result<()> {
        use rustix::fs::{FallocateFlags, fallocate};

        let open = self.descriptor(CHANCES_AFTER_WRITE)?;
        Ok(fallocate(
            &*open,
            FallocateFlags::KEEP_SIZE,
            position,
            length,
        )?)
    }

    #[cfg(not(target_os = "linux"))]
    fn reserve(&self, _position: u64, _length: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn sync(&self) -> io::Result<()> {
        let synced = match self.descriptor(CHANCES_AFTER_READ) {
            // A sync that is not made counts as one that failed, and takes the log directory offline.
            Err(error) if is_out_of_descriptors(&error) => {
                let path = self.path.lock().clone();
                self.cache.sync_volume_of(&path, error)
            }
            opened => opened?.file.sync_data(),
        };
        self.synced();
        synced
    }

    fn region(&self, position: u64, length: u32) -> io::Result<Payload> {
        Ok(Payload::File(FileRegion {
            file: LentFile::new(self.descriptor(CHANCES_AFTER_READ)?),
            position,
            length,
        }))
    }

    fn may_lend(&self, to: Borrower) -> bool {
        Self::may_lend(self, to)
    }

    fn set_modified(&self, at: Timestamp) -> io::Result<()> {
        let millis = Duration::from_millis(u64::try_from(at.0).unwrap_or(0));
        let open = self.descriptor(CHANCES_AFTER_READ)?;
        open.file.set_modified(UNIX_EPOCH + millis)
    }

    fn relocate(&self, path: &Path) {
        *self.path.lock() = path.into();
    }
}

/// Reads once. A thread that must not wait gets only what is in memory.
fn read_once(file: &File, buffer: &mut [u8], position: u64) -> io::Result<usize> {
    if must_not_wait() {
        read_from_memory(file, buffer, position)
    } else {
        file.read_at(buffer, position)
    }
}

#[cfg(target_os = "linux")]
fn read_from_memory(file: &File, buffer: &mut [u8], position: u64) -> io::Result<usize> {
    use rustix::io::{ReadWriteFlags, preadv2};

    let mut buffers = [io::IoSliceMut::new(buffer)];
    match preadv2(file, &mut buffers, position, ReadWriteFlags::NOWAIT) {
        // This file system cannot tell what is in memory.
        Err(Errno::OPNOTSUPP) => Err(io::ErrorKind::WouldBlock.into()),
        read => Ok(read?),
    }
}

/// On other systems nothing tells what is in memory.
#[cfg(not(target_os = "linux"))]
fn read_from_memory(_file: &File, _buffer: &mut [u8], _position: u64) -> io::Result<usize> {
    Err(io::ErrorKind::WouldBlock.into())
}

/// Writes what a short vectored write has left over. That is rare: a nearly full disk, or a signal.
fn write_rest(
    file: &File,
    parts: &[IoSlice<'_>],
    mut skip: usize,
    mut position: u64,
) -> io::Result<()> {
    position += skip as u64;
    for part in parts {
        let done = skip.min(part.len());
        skip -= done;
        file.write_all_at(&part[done..], position)?;
        position += (part.len() - done) as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::without_waiting;
    use super::*;

    fn write(file: &dyn DiskFile, bytes: &[u8], position: u64) {
        file.write_at(&[IoSlice::new(bytes)], position).unwrap();
    }

    fn read(file: &dyn DiskFile, position: u64, length: usize) -> Vec<u8> {
        let mut buffer = vec![0; length];
        let read = file.read_at(&mut buffer, position).unwrap();
        buffer.truncate(read);
        buffer
    }

    #[test]
    fn more_files_than_descriptors_are_all_usable() {
        let dir = tempfile::tempdir().unwrap();
        let disk = FileDisk::new(8);
        let files: Vec<_> = (0..100_u8)
            .map(|number| {
                let path = dir.path().join(number.to_string());
                let file = disk.open(&path, OpenMode::Create).unwrap();
                write(&*file, &[number; 3], 0);
                assert!(disk.open_files() <= 8, "{} are open", disk.open_files());
                file
            })
            .collect();

        for (file, number) in files.iter().zip(0_u8..) {
            assert_eq!(read(&**file, 0, 10), vec![number; 3]);
            assert!(disk.open_files() <= 8, "{} are open", disk.open_files());
        }

        drop(files);
        assert_eq!(disk.open_files(), 0);
    }

    #[test]
    fn files_lent_to_answers_take_half_of_the_descriptors_and_the_rest_works_with_the_others() {
        let dir = tempfile::tempdir().unwrap();
        let disk = FileDisk::new(8);
        let files: Vec<_> = (0..100_u8)
            .map(|number| {
                let path = dir.path().join(number.to_string());
                let file = disk.open(&path, OpenMode::Create).unwrap();
                write(&*file, &[number; 3], 0);
                file
            })
            .collect();

        let mut lent = Vec::new();
        for file in files.iter().filter(|file| file.may_lend(Borrower::Client)) {
            lent.push(file.region(0, 3).unwrap());
        }
        assert_eq!(lent.len(), 3);
        let for_replicas = &files[40];
        assert!(
            for_replicas.may_lend(Borrower::Replica),
            "the last is theirs"
        );
        let replicas = for_replicas.region(0, 3).unwrap();
        assert!(!files[41].may_lend(Borrower::Replica), "half is lent");
        drop(replicas);
        assert!(
            files[0].may_lend(Borrower::Client),
            "who reads the same file needs no other"
        );
        let again = files[0].region(0, 3).unwrap();
        for (file, number) in files.iter().zip(0_u8..) {
            assert_eq!(read(&**file, 0, 10), vec![number; 3]);
            file.sync().unwrap();
            assert!(disk.open_files() <= 8, "{} are open", disk.open_files());
        }
        assert!(!files[50].may_lend(Borrower::Client));

        lent.remove(0);
        assert!(
            !files[50].may_lend(Borrower::Client),
            "the first is still lent to another"
        );
        drop(again);
        assert!(files[50].may_lend(Borrower::Client));
        let Payload::File(region) = lent.remove(0) else {
            panic!("a region is in a file");
        };
        assert!(!region.file.is_wanted());
        drop((region, lent, files));
        assert_eq!(disk.open_files(), 0);
    }

    #[test]
    fn a_relocated_file_is_found_again_after_it_was_closed() {
        let dir = tempfile::tempdir().unwrap();
        let disk = FileDisk::new(1);
        let (old, new) = (dir.path().join("old"), dir.path().join("new"));
        let file = disk.open(&old, OpenMode::Create).unwrap();
        write(&*file, b"content", 0);

        disk.rename(&old, &new).unwrap();
        file.relocate(&new);
        disk.open(&dir.path().join("other"), OpenMode::Create)
            .unwrap();

        assert_eq!(read(&*file, 0, 100), b"content");
    }

    #[test]
    fn parts_of_a_write_follow_each_other() {
        let dir = tempfile::tempdir().unwrap();
        let disk = FileDisk::new(1);
        let file = disk
            .open(&dir.path().join("file"), OpenMode::Create)
            .unwrap();

        let parts = [IoSlice::new(b"ab"), IoSlice::new(b""), IoSlice::new(b"cde")];
        file.write_at(&parts, 2).unwrap();

        assert_eq!(read(&*file, 0, 100), b"\0\0abcde");
        assert_eq!(file.size().unwrap(), 7);
    }

    #[test]
    fn a_thread_that_must_not_wait_reads_what_is_in_memory_or_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let disk = FileDisk::new(1);
        let file = disk
            .open(&dir.path().join("file"), OpenMode::Create)
            .unwrap();
        write(&*file, b"content", 0);
        let mut buffer = [0; 100];

        let read = without_waiting(|| file.read_at(&mut buffer, 0));

        match read {
            Ok(read) => assert_eq!(&buffer[..read], b"content"),
            // A file system that cannot tell.
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
        }
    }

    #[test]
    fn the_rest_of_a_short_write_lands_where_it_belongs() {
        let file = tempfile::tempfile().unwrap();
        let parts = [
            IoSlice::new(b"ab"),
            IoSlice::new(b"cde"),
            IoSlice::new(b"f"),
        ];
        for written in 0..6 {
            file.set_len(0).unwrap();

            write_rest(&file, &parts, written, 10).unwrap();

            let mut content = vec![0; 6 - written];
            file.read_exact_at(&mut content, 10 + written as u64)
                .unwrap();
            assert_eq!(content, b"abcdef"[written..]);
        }
    }

    #[test]
    fn a_lock_excludes_a_second_holder_until_it_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".lock");
        let disk = FileDisk::new(4);

        let held = disk.lock(&path).unwrap();

        assert!(held.is_some());
        assert!(disk.lock(&path).unwrap().is_none());
        drop(held);
        assert!(disk.lock(&path).unwrap().is_some());
    }

    #[test]
    fn what_is_not_there_can_be_asked_for_and_removed() {
        let dir = tempfile::tempdir().unwrap();
        let disk = FileDisk::new(4);
        let path = dir.path().join("missing");

        assert_eq!(disk.stat(&path).unwrap(), None);
        disk.remove(&path).unwrap();
        let file = disk.open(&path, OpenMode::Existing).unwrap();
        assert_eq!(file.size().unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
