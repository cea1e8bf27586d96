//! The reserves of a node: one for each volume with log directories, and the thread that takes them again
//! when a full disk has room.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Context as _;
use parking_lot::{Condvar, Mutex};

use crate::storage::disk::Disk;
use crate::storage::log_dir::LogDir;
use crate::storage::reserve::Reserve;

/// How often a full disk is looked at for room.
const INTERVAL: Duration = Duration::from_secs(1);

/// All reserves of the node.
#[derive(Default)]
pub(super) struct Reserves {
    all: Vec<Arc<Reserve>>,
    keeper: Mutex<Option<JoinHandle<()>>>,
    stop: Arc<(Mutex<bool>, Condvar)>,
}

impl Reserves {
    /// Gives each directory the reserve of its volume, of `bytes`; the file lies in the volume's first
    /// directory.
    pub(super) fn of<'d>(
        disk: &Arc<dyn Disk>,
        dirs: impl Iterator<Item = &'d Arc<LogDir>>,
        bytes: u64,
    ) -> Self {
        let mut by_volume: BTreeMap<Option<u64>, Arc<Reserve>> = BTreeMap::new();
        for dir in dirs {
            let reserve = by_volume.entry(volume_of(dir.path())).or_insert_with(|| {
                Arc::new(Reserve::for_start(Arc::clone(disk), dir.path(), bytes))
            });
            dir.keep_reserve(Arc::clone(reserve));
        }
        Self {
            all: by_volume.into_values().collect(),
            ..Self::default()
        }
    }

    /// Takes the room, because the start has what it needs by now, and takes it again whenever it was given
    /// back.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(super) fn keep(&self) -> anyhow::Result<()> {
        self.retake();
        let (all, stop) = (self.all.clone(), Arc::clone(&self.stop));
        let look_after = move || {
            let (is_stopped, changed) = &*stop;
            let mut is_stopped = is_stopped.lock();
            while !*is_stopped {
                if changed.wait_for(&mut is_stopped, INTERVAL).timed_out() {
                    let lent = all.iter().filter(|reserve| reserve.is_lent());
                    lent.for_each(|reserve| reserve.retake());
                }
            }
        };
        let builder = thread::Builder::new().name("disk-reserve".to_owned());
        let keeper = builder.spawn(look_after).context("cannot start a thread")?;
        *self.keeper.lock() = Some(keeper);
        Ok(())
    }

    /// Ends the thread, and gives the room back for what the stop writes, until [`Self::retake`].
    pub(super) fn stop(&self) {
        *self.stop.0.lock() = true;
        self.stop.1.notify_all();
        if let Some(keeper) = self.keeper.lock().take() {
            // A panic of the thread was logged by the thread.
            let _ = keeper.join();
        }
        self.all.iter().for_each(|reserve| reserve.give_way());
    }

    /// Takes the room again, where there is enough.
    pub(super) fn retake(&self) {
        self.all.iter().for_each(|reserve| reserve.retake());
    }
}

/// The number of the volume that a path is on; `None` if the system does not tell.
fn volume_of(path: &Path) -> Option<u64> {
    path.metadata().ok().map(|metadata| metadata.dev())
}
