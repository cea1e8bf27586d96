//! The lock on a file of a [`CrashDisk`].

use std::io;

use super::image::Inode;
use super::{CrashDisk, Fault, InodeId, fail};
use crate::storage::disk::DiskLock;

/// A lock, held until it is dropped.
#[derive(Debug)]
pub(super) struct CrashLock {
    pub(super) disk: CrashDisk,
    pub(super) inode: InodeId,
}

impl DiskLock for CrashLock {
    fn sync_volume(&self) -> io::Result<()> {
        self.disk.change(|state, fault| match fault {
            None | Some(Fault::NoSpace) => {
                state.inodes.values_mut().for_each(Inode::sync);
                Ok(())
            }
            Some(Fault::Io | Fault::PowerCut) => fail(fault),
        })
    }
}

impl Drop for CrashLock {
    fn drop(&mut self) {
        let mut state = self.disk.state.lock();
        state.locked.retain(|inode| *inode != self.inode);
    }
}
