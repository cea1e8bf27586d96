//! A disk in memory for tests, with a live image (what a process sees) and a durable one (what a
//! power cut leaves). Any operation can be made to fail; a power cut can tear what was not synced.
//!
//! It is as strict as POSIX allows: a new file whose directory was not synced is gone. But a rename
//! is one change, as on every journalling file system: the file has one of the two names.

mod image;
mod lock;
mod stall;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::path::{Component, Path};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use rustix::io::Errno;

use crate::model::Timestamp;
use crate::protocol::payload::Payload;
use crate::storage::disk::{
    Borrower, DirEntry, Disk, DiskFile, DiskLock, FileStat, OpenMode, about_to_take_long,
};

use image::{DirImage, FileImage, Inode, Random, index};
use lock::CrashLock;
use stall::Stalled;

/// What goes wrong at an operation. Operations are those that change something: making, writing,
/// cutting, syncing, renaming and removing, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The machine stops: this operation and all later ones fail.
    PowerCut,
    /// One operation fails with EIO. Of a write the first half is done; a failed sync forgets what
    /// it should have written, as Linux does.
    Io,
    /// From here on nothing can grow: a write does its first half and fails with ENOSPC. What is
    /// there can be cut, synced and removed.
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
    stalled: Arc<Stalled>,
    lends_nothing: Arc<AtomicBool>,
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

    /// Lets whoever begins the operation with this number panic.
    pub fn inject_panic(&self, operation: u64) {
        self.state.lock().panics_at = Some(operation);
    }

    /// Takes back what [`Self::inject`] set up: space was freed, the disk is well.
    pub fn heal(&self) {
        self.state.lock().fault = None;
    }

    /// Lets writes to this file wait until [`Self::end_stall`], as a disk does that hangs.
    pub fn stall(&self, file: &Path) {
        let inode = self.state.lock().find(file);
        self.stalled.begin_for_file(inode);
    }

    /// Lets whoever makes this folder, or something in it, wait until [`Self::end_stall`].
    pub fn stall_folder(&self, folder: &Path) {
        self.stalled.begin_for_folder(folder);
    }

    /// Lets those who wait go on.
    pub fn end_stall(&self) {
        self.stalled.end();
    }

    /// Says whether answers may have parts of files: others may have all that can be lent.
    pub fn lend(&self, may_lend: bool) {
        self.lends_nothing.store(!may_lend, Ordering::Relaxed);
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
            // With all that was written it may as well have been the process that was killed.
            boots: state.boots + u32::from(tear != Tear::Kept),
            ..State::default()
        };
        Self {
            state: Arc::new(Mutex::new(survivor)),
            stalled: Arc::default(),
            lends_nothing: Arc::default(),
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
        self.stalled.wait_for_path(dir);
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
            // Neither needs space.
            fail(fault.filter(|fault| *fault != Fault::NoSpace))?;
            let (dir, name) = state.parent(path)?;
            state.dir(dir)?.live.remove(&name);
            Ok(())
        })
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.change(|state, fault| {
            fail(fault.filter(|fault| *fault != Fault::NoSpace))?;
            let inode = state.find(dir).ok_or(Errno::NOENT)?;
            let image = state.dir(inode)?;
            image.durable.clone_from(&image.live);
            Ok(())
        })
    }

    fn boot_id(&self) -> Option<String> {
        Some(format!("boot-{}", self.state.lock().boots))
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
        // Nothing is cached here, so every read counts as one that waits for the disk.
        about_to_take_long()?;
        let mut state = self.disk.state.lock();
        state.powered()?;
        let live = &state.file(self.inode)?.live;
        let start = index(position).min(live.len());
        let read = buffer.len().min(live.len() - start);
        buffer[..read].copy_from_slice(&live[start..start + read]);
        Ok(read)
    }

    fn write_at(&self, parts: &[IoSlice<'_>], position: u64) -> io::Result<()> {
        self.disk.stalled.wait_for_file(self.inode);
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

    fn reserve(&self, _position: u64, _length: u64) -> io::Result<()> {
        // Images do not know where bytes lie, so a hint about them does nothing.
        self.disk.state.lock().powered()
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

    fn region(&self, position: u64, length: u32) -> io::Result<Payload> {
        let mut bytes = vec![0; length as usize];
        let read = self.read_at(&mut bytes, position)?;
        bytes.truncate(read);
        Ok(Payload::Bytes(bytes.into()))
    }

    fn may_lend(&self, _to: Borrower) -> bool {
        !self.disk.lends_nothing.load(Ordering::Relaxed)
    }

    fn set_modified(&self, at: Timestamp) -> io::Result<()> {
        self.disk.change(|state, fault| {
            fail(fault)?;
            state.file(self.inode)?.modified = at;
            Ok(())
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
    panics_at: Option<u64>,
    /// The time of files in milliseconds; each write moves it by one.
    clock: Timestamp,
    /// How often the power came back.
    boots: u32,
}

impl Default for State {
    fn default() -> Self {
        Self {
            inodes: BTreeMap::from([(ROOT, Inode::Dir(DirImage::default()))]),
            next_inode: ROOT + 1,
            locked: Vec::new(),
            operations: 0,
            fault: None,
            panics_at: None,
            clock: Timestamp(1_000_000_000_000),
            boots: 0,
        }
    }
}

impl State {
    /// The fault of the operation that begins now, if it has one.
    fn next_fault(&mut self) -> Option<Fault> {
        let operation = self.operations;
        self.operations += 1;
        assert_ne!(self.panics_at, Some(operation), "a planted bug");
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
