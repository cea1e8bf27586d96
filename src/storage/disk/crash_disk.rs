//! A disk in memory for tests, with a live image (what a process sees) and a durable one (what a
//! power cut leaves). Any operation can be made to fail; a power cut can tear what was not synced.
//!
//! It is as strict as POSIX allows: a new file whose directory was not synced is gone.

use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::path::{Component, Path};
use std::sync::Arc;

use parking_lot::Mutex;
use rustix::io::Errno;

use super::{DirEntry, Disk, DiskFile, DiskLock, FileStat, OpenMode};
use crate::model::Timestamp;

/// What goes wrong at an operation. Operations are those that change something: making, writing,
/// cutting, syncing, renaming and removing, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The machine stops: this operation and all later ones fail.
    PowerCut,
    /// One operation fails with EIO. Of a write the first half is done; a failed sync forgets what
    /// it should have written, as Linux does.
    Io,
    /// From here on nothing can grow: a write does its first half and fails with ENOSPC.
    NoSpace,
}

/// What a power cut does to that which was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tear {
    /// All of it is lost.
    Lost,
    /// All of it had reached the disk.
    Kept,
    /// Each sector and each name on its own is old, new, zero or garbage, drawn from this seed.
    Torn(u64),
}

/// A disk in memory. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct CrashDisk {
    state: Arc<Mutex<State>>,
}

impl CrashDisk {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many operations were begun.
    pub fn operations(&self) -> u64 {
        self.state.lock().operations
    }

    /// Lets the operation with this number (from 0), or the first after it that can, go wrong.
    pub fn inject(&self, operation: u64, fault: Fault) {
        self.state.lock().fault = Some((operation, fault));
    }

    /// Takes back what [`Self::inject`] set up: space was freed, the disk is well.
    pub fn heal(&self) {
        self.state.lock().fault = None;
    }

    /// What the machine finds after the power came back: another disk, all of it durable.
    pub fn after_power_cut(&self, tear: Tear) -> Self {
        let mut random = Random(match tear {
            Tear::Torn(seed) => seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            Tear::Lost | Tear::Kept => 1,
        });
        let state = self.state.lock();
        let mut inodes = BTreeMap::new();
        for (&id, inode) in &state.inodes {
            inodes.insert(id, inode.after_power_cut(tear, &mut random));
        }
        let survivor = State {
            inodes,
            next_inode: state.next_inode,
            clock: state.clock,
            ..State::default()
        };
        Self {
            state: Arc::new(Mutex::new(survivor)),
        }
    }

    fn change<T>(
        &self,
        change: impl FnOnce(&mut State, Option<Fault>) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut state = self.state.lock();
        let fault = state.next_fault();
        change(&mut state, fault)
    }
}

impl Disk for CrashDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.state.lock();
        let inode = match (state.find(path), mode) {
            (Some(inode), OpenMode::Existing | OpenMode::Create) => inode,
            (None, OpenMode::Existing) => return Err(Errno::NOENT.into()),
            (Some(inode), OpenMode::Truncate) => {
                fail(state.next_fault())?;
                state.file(inode)?.set_len(0);
                inode
            }
            (None, _) => {
                fail(state.next_fault())?;
                state.make(path, Inode::File(FileImage::default()))?
            }
        };
        state.file(inode)?;
        Ok(Arc::new(CrashFile {
            disk: self.clone(),
            inode,
        }))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        let mut state = self.state.lock();
        let inode = state.find(dir).ok_or(Errno::NOENT)?;
        let names = state.dir(inode)?.live.clone();
        let entries = names.into_iter().map(|(name, inode)| DirEntry {
            name,
            is_dir: matches!(state.inodes[&inode], Inode::Dir(_)),
        });
        Ok(entries.collect())
    }

    fn stat(&self, path: &Path) -> io::Result<Option<FileStat>> {
        let mut state = self.state.lock();
        let Some(inode) = state.find(path) else {
            return Ok(None);
        };
        let stat = match state.inodes.get_mut(&inode) {
            Some(Inode::File(file)) => FileStat {
                size: file.live.len() as u64,
                modified: file.modified,
            },
            _ => FileStat {
                size: 0,
                modified: Timestamp(0),
            },
        };
        Ok(Some(stat))
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        let mut path = Path::new("").to_owned();
        for component in dir.components() {
            path.push(component);
            if self.state.lock().find(&path).is_none() {
                self.change(|state, fault| {
                    fail(fault)?;
                    state.make(&path, Inode::Dir(DirImage::default()))
                })?;
            }
        }
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.change(|state, fault| {
            fail(fault)?;
            let inode = state.find(from).ok_or(Errno::NOENT)?;
            let (dir, name) = state.parent(from)?;
            state.dir(dir)?.live.remove(&name);
            let (dir, name) = state.parent(to)?;
            state.dir(dir)?.live.insert(name, inode);
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        if self.state.lock().find(path).is_none() {
            return Ok(());
        }
        self.change(|state, fault| {
            fail(fault)?;
            let (dir, name) = state.parent(path)?;
            state.dir(dir)?.live.remove(&name);
            Ok(())
        })
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.change(|state, fault| {
            fail(fault)?;
            let inode = state.find(dir).ok_or(Errno::NOENT)?;
            let image = state.dir(inode)?;
            image.durable.clone_from(&image.live);
            Ok(())
        })
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn DiskLock>>> {
        self.open(path, OpenMode::Create)?;
        let inode = self.state.lock().find(path).ok_or(Errno::NOENT)?;
        let mut state = self.state.lock();
        if state.locked.contains(&inode) {
            return Ok(None);
        }
        state.locked.push(inode);
        drop(state);
        Ok(Some(Box::new(CrashLock {
            disk: self.clone(),
            inode,
        })))
    }
}

/// A lock, held until it is dropped.
#[derive(Debug)]
struct CrashLock {
    disk: CrashDisk,
    inode: InodeId,
}

impl DiskLock for CrashLock {}

impl Drop for CrashLock {
    fn drop(&mut self) {
        let mut state = self.disk.state.lock();
        state.locked.retain(|inode| *inode != self.inode);
    }
}

/// A handle keeps its file through renames, as a descriptor does.
#[derive(Debug)]
struct CrashFile {
    disk: CrashDisk,
    inode: InodeId,
}

impl DiskFile for CrashFile {
    fn size(&self) -> io::Result<u64> {
        let mut state = self.disk.state.lock();
        state.powered()?;
        Ok(state.file(self.inode)?.live.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let mut state = self.disk.state.lock();
        state.powered()?;
        let live = &state.file(self.inode)?.live;
        let start = index(position).min(live.len());
        let read = buffer.len().min(live.len() - start);
        buffer[..read].copy_from_slice(&live[start..start + read]);
        Ok(read)
    }

    fn write_at(&self, parts: &[IoSlice<'_>], position: u64) -> io::Result<()> {
        let bytes: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).collect();
        self.disk.change(|state, fault| {
            let now = state.tick();
            let file = state.file(self.inode)?;
            file.modified = now;
            let done = if fault.is_some() {
                bytes.len() / 2
            } else {
                bytes.len()
            };
            file.write(position, bytes[..done].to_vec());
            fail(fault)
        })
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.change(|state, fault| {
            let now = state.tick();
            let file = state.file(self.inode)?;
            // A file can be cut on a full disk.
            if fault == Some(Fault::NoSpace) && index(len) <= file.live.len() {
                file.set_len(len);
                return Ok(());
            }
            fail(fault)?;
            file.modified = now;
            file.set_len(len);
            Ok(())
        })
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.change(|state, fault| {
            let file = state.file(self.inode)?;
            match fault {
                None | Some(Fault::NoSpace) => {
                    file.durable.clone_from(&file.live);
                    file.pending.clear();
                    Ok(())
                }
                Some(Fault::Io) => {
                    file.pending.clear();
                    fail(fault)
                }
                Some(Fault::PowerCut) => fail(fault),
            }
        })
    }

    fn relocate(&self, _path: &Path) {}
}

type InodeId = u64;

const ROOT: InodeId = 0;

#[derive(Debug)]
struct State {
    inodes: BTreeMap<InodeId, Inode>,
    next_inode: InodeId,
    locked: Vec<InodeId>,
    operations: u64,
    fault: Option<(u64, Fault)>,
    /// Milliseconds; each write takes one.
    clock: Timestamp,
}

impl Default for State {
    fn default() -> Self {
        Self {
            inodes: BTreeMap::from([(ROOT, Inode::Dir(DirImage::default()))]),
            next_inode: ROOT + 1,
            locked: Vec::new(),
            operations: 0,
            fault: None,
            clock: Timestamp(1_000_000_000_000),
        }
    }
}

impl State {
    /// What goes wrong at the operation that begins now.
    fn next_fault(&mut self) -> Option<Fault> {
        let operation = self.operations;
        self.operations += 1;
        match self.fault {
            Some((at, fault)) if operation >= at => {
                if fault == Fault::Io {
                    self.fault = None;
                }
                Some(fault)
            }
            _ => None,
        }
    }

    fn powered(&self) -> io::Result<()> {
        match self.fault {
            Some((at, Fault::PowerCut)) if self.operations > at => fail(Some(Fault::PowerCut)),
            _ => Ok(()),
        }
    }

    fn tick(&mut self) -> Timestamp {
        self.clock.0 += 1;
        self.clock
    }

    fn find(&self, path: &Path) -> Option<InodeId> {
        let mut at = ROOT;
        for name in names(path) {
            let Inode::Dir(dir) = &self.inodes[&at] else {
                return None;
            };
            at = *dir.live.get(name)?;
        }
        Some(at)
    }

    /// The directory that holds the path's last name, and that name.
    fn parent(&self, path: &Path) -> io::Result<(InodeId, String)> {
        let name = names(path).last().ok_or(Errno::INVAL)?.to_owned();
        let dir = self.find(path.parent().unwrap_or(Path::new("")));
        Ok((dir.ok_or(Errno::NOENT)?, name))
    }

    fn make(&mut self, path: &Path, inode: Inode) -> io::Result<InodeId> {
        let (dir, name) = self.parent(path)?;
        let id = self.next_inode;
        self.next_inode += 1;
        self.inodes.insert(id, inode);
        self.dir(dir)?.live.insert(name, id);
        Ok(id)
    }

    fn dir(&mut self, inode: InodeId) -> io::Result<&mut DirImage> {
        match self.inodes.get_mut(&inode) {
            Some(Inode::Dir(dir)) => Ok(dir),
            _ => Err(Errno::NOTDIR.into()),
        }
    }

    fn file(&mut self, inode: InodeId) -> io::Result<&mut FileImage> {
        match self.inodes.get_mut(&inode) {
            Some(Inode::File(file)) => Ok(file),
            _ => Err(Errno::ISDIR.into()),
        }
    }
}

fn names(path: &Path) -> impl Iterator<Item = &str> {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => name.to_str(),
        _ => None,
    })
}

fn fail(fault: Option<Fault>) -> io::Result<()> {
    match fault {
        None => Ok(()),
        Some(Fault::NoSpace) => Err(Errno::NOSPC.into()),
        Some(Fault::Io | Fault::PowerCut) => Err(Errno::IO.into()),
    }
}

fn index(position: u64) -> usize {
    usize::try_from(position).expect("a file in memory fits it")
}

#[derive(Debug)]
enum Inode {
    Dir(DirImage),
    File(FileImage),
}

#[derive(Clone, Debug, Default)]
struct DirImage {
    live: BTreeMap<String, InodeId>,
    durable: BTreeMap<String, InodeId>,
}

#[derive(Clone, Debug, Default)]
struct FileImage {
    live: Vec<u8>,
    durable: Vec<u8>,
    /// What was done since the last sync, in order.
    pending: Vec<Change>,
    modified: Timestamp,
}

#[derive(Clone, Debug)]
enum Change {
    Write { position: u64, bytes: Vec<u8> },
    SetLen(u64),
}

impl FileImage {
    fn write(&mut self, position: u64, bytes: Vec<u8>) {
        put(&mut self.live, position, &bytes);
        self.pending.push(Change::Write { position, bytes });
    }

    fn set_len(&mut self, len: u64) {
        self.live.resize(index(len), 0);
        self.pending.push(Change::SetLen(len));
    }

    /// The durable bytes with some of the pending changes: sector by sector, in any order.
    fn torn(&self, random: &mut Random) -> Vec<u8> {
        const SECTOR: usize = 512;
        let mut content = self.durable.clone();
        for change in &self.pending {
            match change {
                Change::SetLen(len) if random.below(2) == 0 => content.resize(index(*len), 0),
                Change::SetLen(_) => {}
                Change::Write { position, bytes } => {
                    for (number, sector) in bytes.chunks(SECTOR).enumerate() {
                        let position = position + (number * SECTOR) as u64;
                        let kept = random.below(sector.len() + 1);
                        match random.below(6) {
                            0 => {}
                            1 => put(&mut content, position, &sector[..kept]),
                            2 => put(&mut content, position, &vec![0; sector.len()]),
                            3 => put(&mut content, position, &random.bytes(sector.len())),
                            _ => put(&mut content, position, sector),
                        }
                    }
                }
            }
        }
        content
    }
}

fn put(content: &mut Vec<u8>, position: u64, bytes: &[u8]) {
    let start = index(position);
    let end = start + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[start..end].copy_from_slice(bytes);
}

impl Inode {
    fn after_power_cut(&self, tear: Tear, random: &mut Random) -> Self {
        match self {
            Self::Dir(dir) => {
                let names = match tear {
                    Tear::Lost => dir.durable.clone(),
                    Tear::Kept => dir.live.clone(),
                    Tear::Torn(_) => dir.torn(random),
                };
                Self::Dir(DirImage {
                    live: names.clone(),
                    durable: names,
                })
            }
            Self::File(file) => {
                let content = match tear {
                    Tear::Lost => file.durable.clone(),
                    Tear::Kept => file.live.clone(),
                    Tear::Torn(_) => file.torn(random),
                };
                Self::File(FileImage {
                    live: content.clone(),
                    durable: content,
                    pending: Vec::new(),
                    modified: file.modified,
                })
            }
        }
    }
}

impl DirImage {
    /// Each name that changed is as it was or as it is.
    fn torn(&self, random: &mut Random) -> BTreeMap<String, InodeId> {
        let mut names = self.durable.clone();
        for name in self.durable.keys().chain(self.live.keys()) {
            if self.live.get(name) != self.durable.get(name) && random.below(2) == 0 {
                match self.live.get(name) {
                    Some(inode) => names.insert(name.clone(), *inode),
                    None => names.remove(name),
                };
            }
        }
        names
    }
}

/// A small generator (xorshift): the same seed tears the same way for ever.
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).expect("it is below a usize")
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| (self.next() >> 32) as u8).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{read_file, replace_file};
    use super::*;

    fn write(disk: &CrashDisk, path: &str, bytes: &[u8]) -> Arc<dyn DiskFile> {
        let file = disk.open(Path::new(path), OpenMode::Create).unwrap();
        file.write_at(&[IoSlice::new(bytes)], 0).unwrap();
        file
    }

    fn content(disk: &CrashDisk, path: &str) -> Option<Vec<u8>> {
        read_file(disk, Path::new(path)).unwrap()
    }

    #[test]
    fn only_what_was_synced_survives_a_power_cut() {
        let disk = CrashDisk::new();
        let file = write(&disk, "/synced", b"old");
        file.sync().unwrap();
        disk.sync_dir(Path::new("/")).unwrap();
        file.write_at(&[IoSlice::new(b"new")], 3).unwrap();
        write(&disk, "/nameless", b"content").sync().unwrap();

        let lost = disk.after_power_cut(Tear::Lost);
        let kept = disk.after_power_cut(Tear::Kept);

        assert_eq!(content(&lost, "/synced").unwrap(), b"old");
        assert_eq!(content(&lost, "/nameless"), None);
        assert_eq!(content(&kept, "/synced").unwrap(), b"oldnew");
        assert_eq!(content(&kept, "/nameless").unwrap(), b"content");
    }

    #[test]
    fn a_torn_write_leaves_the_synced_bytes_alone() {
        let disk = CrashDisk::new();
        let file = write(&disk, "/file", &[7; 1000]);
        file.sync().unwrap();
        disk.sync_dir(Path::new("/")).unwrap();
        file.write_at(&[IoSlice::new(&[8; 3000])], 1000).unwrap();

        let images: Vec<_> = (0..20)
            .map(|seed| {
                let after = disk.after_power_cut(Tear::Torn(seed));
                content(&after, "/file").unwrap()
            })
            .collect();

        assert!(images.iter().all(|image| image[..1000] == [7; 1000]));
        assert!(images.iter().any(|image| image.len() < 4000));
        assert!(images.iter().any(|image| image[1000..].contains(&0)));
    }

    #[test]
    fn a_replaced_file_is_old_or_new_wherever_the_power_is_cut() {
        let path = Path::new("/dir/file");
        for operation in 0.. {
            let disk = CrashDisk::new();
            disk.create_dir(Path::new("/dir")).unwrap();
            disk.sync_dir(Path::new("/")).unwrap();
            replace_file(&disk, path, b"old").unwrap();
            disk.inject(disk.operations() + operation, Fault::PowerCut);

            let replaced = replace_file(&disk, path, b"new");

            for tear in [Tear::Lost, Tear::Kept, Tear::Torn(operation)] {
                let found = content(&disk.after_power_cut(tear), "/dir/file").unwrap();
                assert!(
                    found == b"old" || found == b"new",
                    "{found:?} after {tear:?}"
                );
                assert!(replaced.is_err() || found == b"new");
            }
            if replaced.is_ok() {
                break;
            }
        }
    }

    #[test]
    fn a_failed_sync_loses_what_it_should_have_written() {
        let disk = CrashDisk::new();
        let file = write(&disk, "/file", b"content");
        disk.sync_dir(Path::new("/")).unwrap();

        disk.inject(disk.operations(), Fault::Io);

        assert!(file.sync().is_err());
        assert_eq!(
            content(&disk.after_power_cut(Tear::Torn(1)), "/file").unwrap(),
            b""
        );
    }

    #[test]
    fn a_full_disk_refuses_to_grow_until_space_is_freed() {
        let disk = CrashDisk::new();
        let file = write(&disk, "/file", b"1234");
        disk.inject(disk.operations(), Fault::NoSpace);

        let refused = file.write_at(&[IoSlice::new(b"abcd")], 4).unwrap_err();

        assert_eq!(refused.kind(), io::ErrorKind::StorageFull);
        assert_eq!(content(&disk, "/file").unwrap(), b"1234ab");
        file.set_len(4).unwrap();
        disk.heal();
        file.write_at(&[IoSlice::new(b"abcd")], 4).unwrap();
        assert_eq!(content(&disk, "/file").unwrap(), b"1234abcd");
    }

    #[test]
    fn a_renamed_directory_takes_its_files_along() {
        let disk = CrashDisk::new();
        disk.create_dir(Path::new("/a/b")).unwrap();
        write(&disk, "/a/b/file", b"content");

        disk.rename(Path::new("/a/b"), Path::new("/a/c")).unwrap();

        assert_eq!(content(&disk, "/a/c/file").unwrap(), b"content");
        assert_eq!(content(&disk, "/a/b/file"), None);
        disk.remove(Path::new("/a")).unwrap();
        assert_eq!(disk.list(Path::new("/")).unwrap(), []);
    }
}
