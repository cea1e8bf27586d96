//! Takes what fails out of use: a failed disk with everything on it, a damaged log alone. A bug is told of, and
//! keeps what it has hit from nobody else.

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{DataDir, Dirs};
use crate::metadata::ReplicaDirectory;
use crate::model::Uuid;
use crate::replication::error::ReplicaError;
use crate::replication::hosted::Offline;
use crate::replication::partition::{Partition, Stopped};
use crate::replication::threads::is_simulated;
use crate::storage::error::StorageError;
use crate::telemetry::LogGate;

static BUGS: LogGate = LogGate::of_many(100);

impl Dirs {
    /// Takes the directory offline if this error means that its disk failed.
    pub fn check_failure(&self, dir: &DataDir, error: &ReplicaError) {
        if error.is_disk_failure() {
            self.fail(dir, &error.to_string());
        }
    }

    /// As [`Self::check_failure`], for the directory of a partition. Damage takes only the partition
    /// offline.
    pub fn note_failure(&self, partition: &Partition, error: &ReplicaError) {
        if let ReplicaError::Storage(damage @ StorageError::Corrupt { .. }) = error {
            self.fail_partition(partition, damage);
        }
        if error.is_disk_failure()
            && let Some(dir) = self.of(partition)
        {
            self.fail(dir, &error.to_string());
        }
    }

    /// As [`Self::note_failure`], for periodic work.
    pub fn note_failed_chore(&self, partition: &Partition, error: &ReplicaError) {
        // Partitions come and go while that work runs.
        if !matches!(error, ReplicaError::NotLeader) {
            tracing::warn!(partition = %partition.name(), %error, "housekeeping failed");
        }
        self.note_failure(partition, error);
    }

    /// Does a piece of what one thread does for all: a bug in it must not end the thread, and with it what is
    /// due for the others. `None` if there was one: whose turn it was has it again with the next round.
    pub fn outlive_bugs<T>(
        &self,
        what: &'static str,
        at: &dyn Display,
        act: impl FnOnce() -> T,
    ) -> Option<T> {
        if is_simulated() {
            return Some(act());
        }
        // What it leaves is what any other thread would find: a log that was left half changed knows.
        let done = catch_unwind(AssertUnwindSafe(act));
        if done.is_err() {
            self.metrics.replication.upkeep_panics.inc();
            if let Some(suppressed) = BUGS.pass() {
                tracing::error!(%at, suppressed, "a bug has ended {what}: the rest goes on, and this is tried again");
            }
        }
        done.ok()
    }

    /// Takes the directory offline that an error of a disk names.
    pub fn note_failure_by_path(&self, error: &StorageError) {
        if let StorageError::Io { path, .. } = error {
            let dirs = self.all.iter().filter(|dir| path.starts_with(dir.path()));
            // One directory may lie in another: the inner one counts.
            if let Some(dir) = dirs.max_by_key(|dir| dir.path().components().count()) {
                self.fail(dir, &error.to_string());
            }
        }
    }

    /// Takes a partition offline whose log is damaged below what was durable. It is not served any more,
    /// and nothing of it is cut off.
    fn fail_partition(&self, partition: &Partition, damage: &StorageError) {
        if let Some(dir) = self.of(partition)
            && self.hosted.holds(partition)
        {
            dir.keep_entries_of(partition);
        }
        // Several readers may find the same damage: it counts once. A reader may have begun before the log
        // was made anew, and then what it found is not here any more.
        if let Some(known) = self.hosted.take_offline(partition, Offline::Damaged) {
            tracing::error!(partition = %partition.name(), %damage, "partition is offline");
            self.count_damage(damage);
            if let Some(dir) = self.of(partition) {
                dir.partition_removed();
            }
            // The controller gives the partition another leader, and takes the replica out of the in-sync set.
            self.tell_placed(ReplicaDirectory {
                partition: known.id(),
                directory: Uuid::LOST_DIRECTORY,
            });
        }
        partition.stop(Stopped::Offline);
    }

    /// Tells the controller where a replica lies that it took for lost.
    pub fn tell_found(&self, partition: &Partition) {
        self.tell_placed(ReplicaDirectory {
            partition: partition.id(),
            directory: partition.dir().id(),
        });
    }

    /// Counts the error in the metric of damage, if it is damage.
    pub fn count_damage(&self, error: &StorageError) {
        if matches!(error, StorageError::Corrupt { .. }) {
            self.metrics.corrupt_batches.inc();
        }
    }

    /// Takes a log directory offline with all its partitions. Nothing on it is tried again.
    pub fn fail(&self, dir: &DataDir, reason: &str) {
        if !dir.log_dir.take_offline(reason.to_owned()) {
            return;
        }
        tracing::error!(dir = %dir.path().display(), reason, "log directory is offline");
        self.metrics.offline_log_dirs.inc();
        if let Some(tell) = self.on_failure.get() {
            tell(dir);
        }
        for partition in self.hosted.online() {
            if partition.is_in(&dir.log_dir) {
                self.hosted.take_offline(&partition, |_| Offline::Directory);
                partition.stop(Stopped::Offline);
            }
        }
        let is_last = self.online().next().is_none();
        self.listener.log_dir_failed(dir.log_dir.id(), is_last);
    }
}
