//! The volumes that this process has locked a directory on. Each can be synced whole through the descriptor of
//! its lock, which is always open: that is what a sync does which finds no descriptor for its own file. It
//! takes longer, but waits for nobody.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

/// The directories that are locked, each with the file of its lock.
#[derive(Debug, Default)]
pub(super) struct Volumes(Mutex<Vec<(Box<Path>, Weak<File>)>>);

impl Volumes {
    /// Notes that the file at `lock`, which is open as `file`, is locked until `file` is dropped.
    pub(super) fn note(&self, lock: &Path, file: &Arc<File>) {
        let Some(dir) = lock.parent() else {
            return;
        };
        let mut locked = self.0.lock();
        locked.retain(|(_, file)| file.strong_count() > 0);
        locked.push((dir.into(), Arc::downgrade(file)));
    }

    /// The lock of the directory that `path` lies in.
    pub(super) fn lock_above(&self, path: &Path) -> Option<Arc<File>> {
        let locked = self.0.lock();
        let above = locked.iter().filter(|(dir, _)| path.starts_with(dir));
        let mut files = above.filter_map(|(_, file)| file.upgrade());
        files.next()
    }
}

/// Makes everything durable that was written to the volume of `file`.
#[cfg(target_os = "linux")]
pub(super) fn sync_volume(file: &File) -> io::Result<()> {
    Ok(rustix::fs::syncfs(file)?)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn sync_volume(file: &File) -> io::Result<()> {
    rustix::fs::sync();
    file.sync_all()
}
