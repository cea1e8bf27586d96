//! Replicas whose log is damaged, or was lost: the controller is told, and the log is fetched anew from the
//! leader if that is another replica.
//!
//! The order makes each step safe, whenever the process ends:
//!
//! 1. The controller is told that the replica is lost (its LOST directory): it leads no more, and leaves the
//!    in-sync set and the eligible leaders. As long as the metadata does not say all that, and names another
//!    leader, nothing is touched: alone, the damaged log is all there is.
//! 2. The folder is set aside, as a stray is: it is kept for the operator, the first few of a partition, as
//!    long as there is room ([`super::kept`]).
//! 3. An empty log is made, and follows the leader. The controller goes on taking the replica for lost, so
//!    nobody elects it, and nobody takes it into the in-sync set.
//! 4. Once the log has all that the leader has committed, the controller is told of its directory, and the
//!    replica joins as any other.
//!
//! After a restart in between, what the metadata still takes for lost is begun anew: a log that opens may be
//! the damaged one.
//!
//! Where nobody leads, the lost replica may have been the last in sync, and its log may open again: an operator
//! has repaired it, or what was found was not on the disk. If it goes as far as the checkpoints say that it
//! did, and every batch in it can be read, the controller is told that it is the log that was lost
//! ([`WHOLE`]), and lets it lead as the last known leader: nobody has led since, so it has all that was
//! committed, as far as it has anything after a crash. That a log lies in a directory is no such word: it may
//! have been made anew, and brokers of Apache Kafka say it then, too.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::Replicas;
use super::topic_configs::TopicConfigs;
use crate::metadata::ReplicaDirectory;
use crate::metadata::delta::LocalPartition;
use crate::metadata::image::{LeaderRecovery, PartitionImage};
use crate::model::{BrokerId, DirectoryId, TopicIdPartition, TopicPartition, Uuid};
use crate::replication::hosted::{HostedPartition, Offline};
use crate::replication::partition::Partition;
use crate::replication::threads::{now, random_bytes};
use crate::storage::error::StorageError;
use crate::storage::partition_folder::{self, FolderMark};

/// Told as the directory of a lost replica, this says that its log is where it was, and whole. Its directory
/// is told once the metadata says the same.
pub const WHOLE: DirectoryId = Uuid::UNASSIGNED_DIRECTORY;

/// Whether nobody leads, and this broker's replica, which is lost, was the last that did. A replica that is
/// alone is told of at once: no other one has more.
pub fn may_be_whole(state: &PartitionImage, broker: BrokerId) -> bool {
    let is_lost = state.directory_of(broker) == Some(Uuid::LOST_DIRECTORY);
    let was_last = !state.has_leader() && *state.last_known_elr == [broker];
    is_lost && was_last && state.replicas.len() > 1
}

/// Whether the records of a lost replica of `broker` are on another replica, and none of its own count: it is
/// neither in sync nor an eligible leader, and another one leads.
pub fn may_heal(state: &PartitionImage, broker: BrokerId) -> bool {
    let counts = state.isr.contains(&broker) || state.elr.contains(&broker);
    let is_led_by_another = state.has_leader() && state.leader != broker;
    let is_lost = state.directory_of(broker) == Some(Uuid::LOST_DIRECTORY);
    is_lost && is_led_by_another && !counts
}

impl Replicas {
    /// Makes the log of a damaged partition anew, if its records are on the leader. `None` if it stays
    /// offline.
    pub fn heal(
        &self,
        id: TopicIdPartition,
        replica: &LocalPartition,
        offline: &Offline,
        configs: &TopicConfigs<'_>,
    ) -> Option<Arc<Partition>> {
        let Offline::Damaged(damaged) = offline else {
            return None;
        };
        if !may_heal(&replica.state, self.node_id) {
            return None;
        }
        self.moves.cancel(&id);
        // The log that follows from now on is another one.
        self.followers.unfollow(&id);
        // A leader that was elected uncleanly may lack what this log has.
        let may_go = replica.state.leader_recovery == LeaderRecovery::Recovered;
        let name = &replica.partition;
        if let Err(error) = self.set_damaged_aside(name, damaged.as_deref(), may_go) {
            tracing::error!(partition = %replica.partition, %error, "cannot set a damaged log aside");
            self.dirs.note_failure_by_path(&error);
            return None;
        }
        self.make_anew(id, replica, configs)
    }

    /// Makes an empty log for a lost replica whose folder is gone or set aside. `None` if the partition stays
    /// offline: what was in the log may be nowhere else.
    pub fn make_anew(
        &self,
        id: TopicIdPartition,
        replica: &LocalPartition,
        configs: &TopicConfigs<'_>,
    ) -> Option<Arc<Partition>> {
        let name = &replica.partition;
        let dir = self.dirs.choose(Uuid::UNASSIGNED_DIRECTORY);
        let Some(dir) = dir.filter(|_| may_heal(&replica.state, self.node_id)) else {
            tracing::warn!(partition = %name, "a lost log is not made anew: no other replica leads");
            let offline = HostedPartition::Offline(Offline::Damaged(None));
            self.hosted.insert(id, offline);
            return None;
        };
        let Some(made) = self.create_or_give_up(dir, id, name, configs) else {
            if !dir.log_dir.is_offline() {
                // There may be room later.
                let offline = HostedPartition::Offline(Offline::Damaged(None));
                self.hosted.insert(id, offline);
            }
            return None;
        };
        made.begin_healing();
        tracing::warn!(partition = %name, leader = %replica.state.leader, dir = %dir.path().display(), "fetching a lost log from its leader");
        Some(made)
    }

    /// What the controller is to be told of a replica that is offline alone; `None` if it knows, or hears of
    /// the whole directory.
    pub fn tell_lost(
        &self,
        id: TopicIdPartition,
        state: &PartitionImage,
    ) -> Option<ReplicaDirectory> {
        let is_lost = match self.hosted.get(&id) {
            Some(HostedPartition::Offline(Offline::Damaged(_))) => true,
            Some(HostedPartition::Offline(Offline::Unusable)) => state.replicas.len() > 1,
            // It may be made later. Until then another one can lead, if there is one.
            Some(HostedPartition::Offline(Offline::NotMade)) => {
                state.isr.iter().any(|id| *id != self.node_id)
            }
            _ => false,
        };
        let is_known = state.directory_of(self.node_id) == Some(Uuid::LOST_DIRECTORY);
        (is_lost && !is_known).then_some(ReplicaDirectory {
            partition: id,
            directory: Uuid::LOST_DIRECTORY,
        })
    }

    /// Whether the controller may hear at once of the directory of a replica that it takes for lost: nothing
    /// rests on what is in its log. If there is another leader it has to have caught up with that before.
    pub fn is_whole(&self, partition: &Partition, state: &PartitionImage) -> bool {
        if may_heal(state, self.node_id) {
            partition.begin_healing();
        }
        !partition.is_healing() && !may_be_whole(state, self.node_id)
    }

    /// Renames the folders of a partition, in all directories. `damaged` has the one that was open; with `may_go`
    /// they may be removed where there is little room.
    fn set_damaged_aside(
        &self,
        name: &TopicPartition,
        damaged: Option<&Partition>,
        may_go: bool,
    ) -> Result<(), StorageError> {
        let folder = partition_folder::folder_name(name);
        for dir in self.dirs.online() {
            let (disk, path) = (&**dir.log_dir.disk(), dir.path().join(&folder));
            let to_error = |source| StorageError::io("set aside", &path, source);
            let holds_records = match partition_folder::holds_records(disk, &path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                found => found.map_err(to_error)?,
            };
            let must_stay = holds_records && !may_go;
            let is_kept =
                must_stay || holds_records && self.may_keep(dir, name).map_err(to_error)?;
            let mark = if is_kept {
                FolderMark::Stray
            } else {
                FolderMark::Delete
            };
            let marked = partition_folder::marked_folder_name(name, mark, random_bytes());
            match damaged.filter(|damaged| damaged.is_in(&dir.log_dir)) {
                // Those that still read it, or work on it, find its files by their other names.
                Some(open) => open.set_aside(&marked)?,
                None => disk
                    .rename(&path, &dir.path().join(&marked))
                    .and_then(|()| disk.sync_dir(dir.path()))
                    .map_err(to_error)?,
            }
            dir.drop_entries(name);
            if is_kept {
                self.tell_of_stray(dir, &marked, name);
                if may_go {
                    self.note_kept(dir, marked, name);
                }
            } else {
                let removed = dir.path().join(&marked);
                dir.remove_later(removed, now().instant, Duration::ZERO);
            }
        }
        Ok(())
    }
}
