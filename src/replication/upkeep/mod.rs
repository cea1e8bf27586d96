//! The maintenance of logs: checkpoints, time-based syncs, retention, forgetting producers, removing what
//! was deleted; compaction; and the scrub, which reads everything again to find damage.
//!
//! Owns: the threads for that, with the flag that ends them, and the list of logs that compaction leaves
//! out. Handed: the table of partitions, the directories, the cleaner (which has the settings, the moves and
//! the metrics). Invariant: either retention or compaction works on a log at a time
//! ([`crate::replication::partition::UpkeepRight`]).

mod cleaner;
mod crew;
mod housekeeping;
mod retention;
mod scrub;

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::Mutex;

use crate::replication::dirs::Dirs;
use crate::replication::hosted::Hosted;
use crate::replication::listener::ReplicaListener;
use crate::replication::settings::ReplicaSettings;
use crate::replication::threads::{StopFlag, join_others};

pub use cleaner::Cleaner;
pub use housekeeping::Chores;
#[cfg(test)]
pub use {retention::apply_to as apply_retention_to, scrub::Progress};

/// Maintains the logs.
pub struct Upkeep {
    hosted: Arc<Hosted>,
    dirs: Arc<Dirs>,
    /// Told which followers lag behind.
    listener: Arc<dyn ReplicaListener>,
    cleaner: Arc<Cleaner>,
    /// Ends housekeeping and the scrub.
    stop_flag: Arc<StopFlag>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Upkeep {
    /// Maintenance without threads yet.
    pub fn new(
        hosted: &Arc<Hosted>,
        dirs: &Arc<Dirs>,
        listener: &Arc<dyn ReplicaListener>,
        cleaner: Arc<Cleaner>,
    ) -> Arc<Self> {
        Arc::new(Self {
            hosted: Arc::clone(hosted),
            dirs: Arc::clone(dirs),
            listener: Arc::clone(listener),
            cleaner,
            stop_flag: Arc::default(),
            threads: Mutex::default(),
        })
    }

    /// Starts the threads, by those of `settings` that hold until the next start.
    ///
    /// # Errors
    /// The system gives no more threads.
    pub fn start_threads(self: &Arc<Self>, settings: &ReplicaSettings) -> io::Result<()> {
        let housekeeping = housekeeping::start(self, &settings.storage)?;
        self.threads.lock().push(housekeeping);
        let settling = housekeeping::start_settling(self, &settings.storage)?;
        self.threads.lock().push(settling);
        let scrub = scrub::start(self, &settings.storage)?;
        self.threads.lock().push(scrub);
        self.cleaner.restart()
    }

    /// The cleaner, which compacts.
    pub fn cleaner(&self) -> &Arc<Cleaner> {
        &self.cleaner
    }

    /// Ends all threads, and waits for them.
    pub fn stop(&self) {
        self.stop_flag.stop();
        self.cleaner.stop();
        join_others(std::mem::take(&mut *self.threads.lock()));
    }
}

impl Drop for Upkeep {
    fn drop(&mut self) {
        // The threads hold no strong reference while they wait.
        self.stop_flag.stop();
    }
}
