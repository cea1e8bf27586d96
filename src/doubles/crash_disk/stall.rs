//! What of a disk hangs for now.

use std::path::{Path, PathBuf};

use parking_lot::{Condvar, Mutex};

use super::InodeId;

/// A file that cannot be written, or a folder in which nothing can be made.
#[derive(Debug, Default)]
pub(super) struct Stalled {
    what: Mutex<Hanging>,
    ended: Condvar,
}

#[derive(Debug, Default)]
struct Hanging {
    file: Option<InodeId>,
    folder: Option<PathBuf>,
}

impl Stalled {
    pub(super) fn begin_for_file(&self, file: Option<InodeId>) {
        self.what.lock().file = file;
    }

    pub(super) fn begin_for_folder(&self, folder: &Path) {
        self.what.lock().folder = Some(folder.to_owned());
    }

    pub(super) fn end(&self) {
        *self.what.lock() = Hanging::default();
        self.ended.notify_all();
    }

    pub(super) fn wait_for_file(&self, file: InodeId) {
        let mut what = self.what.lock();
        while what.file == Some(file) {
            self.ended.wait(&mut what);
        }
    }

    /// Waits if the path is that of the folder, or lies in it.
    pub(super) fn wait_for_path(&self, path: &Path) {
        let mut what = self.what.lock();
        while what.folder.as_ref().is_some_and(|it| path.starts_with(it)) {
            self.ended.wait(&mut what);
        }
    }
}
