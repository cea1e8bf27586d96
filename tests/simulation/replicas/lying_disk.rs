//! Which lies a disk tells, for planted faults: it says that it has synced a log, or written a checkpoint,
//! and has not.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use broker::storage::disk::{Disk, DiskFile};

use crate::hooked_disk::{HookedDisk, Hooks};

/// Which lies it tells now.
#[derive(Clone, Debug, Default)]
pub struct Lies(Arc<Told>);

#[derive(Debug, Default)]
struct Told {
    forgets_checkpoints: AtomicBool,
    forgets_syncs: AtomicBool,
}

/// A disk that can be made to lie.
pub type LyingDisk = HookedDisk<Lies>;

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

impl Hooks for Lies {
    fn sync(&self, path: &Path, _file: &Arc<dyn DiskFile>) -> bool {
        let is_log = path.extension().is_some_and(|extension| extension == "log");
        !(is_log && self.0.forgets_syncs.load(Ordering::Relaxed))
    }

    fn rename(&self, _disk: &dyn Disk, to: &Path) -> bool {
        let is_checkpoint = to.ends_with("recovery-point-offset-checkpoint");
        !(is_checkpoint && self.0.forgets_checkpoints.load(Ordering::Relaxed))
    }
}
