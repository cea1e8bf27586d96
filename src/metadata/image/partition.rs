//! One partition as the metadata log has it: who holds it, who leads it, and in which epoch.

use crate::metadata::image::{MetadataVersion, ReplayError};
use crate::model::{BrokerId, DirectoryId, LeaderEpoch, TopicId, Uuid};
use crate::protocol::messages::metadata_records::{PartitionChangeRecord, PartitionRecord};

/// The value of a leader that stays, in a [`PartitionChangeRecord`].
pub const LEADER_UNCHANGED: i32 = -2;

/// The value of a recovery state that stays, in a [`PartitionChangeRecord`].
const RECOVERY_UNCHANGED: i8 = -1;

/// Whether the leader was elected from outside the in-sync replicas and has yet to recover.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LeaderRecovery {
    /// The leader has all that was committed.
    #[default]
    Recovered,
    /// The leader was elected uncleanly (KIP-704).
    Recovering,
}

impl LeaderRecovery {
    fn from_wire(record: &'static str, value: i8) -> Result<Self, ReplayError> {
        match value {
            0 => Ok(Self::Recovered),
            1 => Ok(Self::Recovering),
            other => Err(ReplayError::InvalidField {
                record,
                field: "LeaderRecoveryState",
                value: other.to_string(),
            }),
        }
    }

    /// The value in records and requests.
    pub fn to_wire(self) -> i8 {
        match self {
            Self::Recovered => 0,
            Self::Recovering => 1,
        }
    }
}

/// The state of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionImage {
    /// The brokers that hold a replica, the preferred leader first.
    pub replicas: Box<[BrokerId]>,
    /// The log directory of each replica, in the same order (KIP-858).
    pub directories: Box<[DirectoryId]>,
    /// The replicas that have everything the leader has committed.
    pub isr: Box<[BrokerId]>,
    /// Replicas that a reassignment takes away.
    pub removing: Box<[BrokerId]>,
    /// Replicas that a reassignment adds.
    pub adding: Box<[BrokerId]>,
    /// Replicas outside the in-sync set that may lead without loss (KIP-966).
    pub elr: Box<[BrokerId]>,
    /// The last leader of a partition that has none now (KIP-966).
    pub last_known_elr: Box<[BrokerId]>,
    /// The leader, or [`BrokerId::NONE`].
    pub leader: BrokerId,
    /// Whether the leader has yet to recover from an unclean election.
    pub leader_recovery: LeaderRecovery,
    /// Rises with each new leader.
    pub leader_epoch: LeaderEpoch,
    /// Rises with each change.
    pub partition_epoch: i32,
}

impl PartitionImage {
    /// The partition that a record creates, or states whole.
    pub(in crate::metadata) fn from_record(record: &PartitionRecord) -> Result<Self, ReplayError> {
        let replicas = brokers(&record.replicas);
        Ok(Self {
            directories: directories("PartitionRecord", &record.directories, replicas.len())?,
            isr: brokers(&record.isr),
            removing: brokers(&record.removing_replicas),
            adding: brokers(&record.adding_replicas),
            elr: brokers(
                record
                    .eligible_leader_replicas
                    .as_deref()
                    .unwrap_or_default(),
            ),
            last_known_elr: brokers(record.last_known_elr.as_deref().unwrap_or_default()),
            leader: BrokerId(record.leader),
            leader_recovery: LeaderRecovery::from_wire(
                "PartitionRecord",
                record.leader_recovery_state,
            )?,
            leader_epoch: LeaderEpoch(record.leader_epoch),
            partition_epoch: record.partition_epoch,
            replicas,
        })
    }

    /// The partition after a change. A leader in the record raises the leader epoch, even if the leader
    /// stays.
    pub(in crate::metadata) fn merge(
        &self,
        change: &PartitionChangeRecord,
    ) -> Result<Self, ReplayError> {
        let replicas = changed(&self.replicas, change.replicas.as_deref());
        let directories = match &change.directories {
            Some(ids) => directories("PartitionChangeRecord", ids, replicas.len())?,
            None if self.directories.len() == replicas.len() => self.directories.clone(),
            // The record is from before directories were assigned (metadata.version below 3.7-IV2).
            None => directories("PartitionChangeRecord", &[], replicas.len())?,
        };
        let leader_changes = change.leader != LEADER_UNCHANGED;
        Ok(Self {
            directories,
            isr: changed(&self.isr, change.isr.as_deref()),
            removing: changed(&self.removing, change.removing_replicas.as_deref()),
            adding: changed(&self.adding, change.adding_replicas.as_deref()),
            elr: changed(&self.elr, change.eligible_leader_replicas.as_deref()),
            last_known_elr: changed(&self.last_known_elr, change.last_known_elr.as_deref()),
            leader: if leader_changes {
                BrokerId(change.leader)
            } else {
                self.leader
            },
            leader_recovery: if change.leader_recovery_state == RECOVERY_UNCHANGED {
                self.leader_recovery
            } else {
                LeaderRecovery::from_wire("PartitionChangeRecord", change.leader_recovery_state)?
            },
            leader_epoch: LeaderEpoch(self.leader_epoch.0 + i32::from(leader_changes)),
            partition_epoch: self.partition_epoch + 1,
            replicas,
        })
    }

    /// The partition without eligible leaders outside the in-sync replicas; `None` if it has none already.
    pub(in crate::metadata) fn without_elr(&self) -> Option<Self> {
        if self.elr.is_empty() && self.last_known_elr.is_empty() {
            return None;
        }
        Some(Self {
            elr: Box::default(),
            last_known_elr: Box::default(),
            partition_epoch: self.partition_epoch + 1,
            ..self.clone()
        })
    }

    /// The record that states this whole partition.
    pub fn to_record(
        &self,
        topic_id: TopicId,
        partition_id: i32,
        version: MetadataVersion,
    ) -> PartitionRecord {
        PartitionRecord {
            partition_id,
            topic_id,
            replicas: raw(&self.replicas),
            isr: raw(&self.isr),
            removing_replicas: raw(&self.removing),
            adding_replicas: raw(&self.adding),
            leader: self.leader.0,
            leader_recovery_state: self.leader_recovery.to_wire(),
            leader_epoch: self.leader_epoch.0,
            partition_epoch: self.partition_epoch,
            directories: if version.assigns_directories() {
                self.directories.to_vec()
            } else {
                Vec::new()
            },
            eligible_leader_replicas: (!self.elr.is_empty()).then(|| raw(&self.elr)),
            last_known_elr: (!self.last_known_elr.is_empty()).then(|| raw(&self.last_known_elr)),
        }
    }

    /// The preferred leader: the first replica.
    pub fn preferred_leader(&self) -> BrokerId {
        self.replicas.first().copied().unwrap_or(BrokerId::NONE)
    }

    /// Whether the partition has a leader.
    pub fn has_leader(&self) -> bool {
        self.leader != BrokerId::NONE
    }

    /// Whether a reassignment is under way.
    pub fn is_reassigning(&self) -> bool {
        !self.removing.is_empty() || !self.adding.is_empty()
    }

    /// The log directory of the replica on `broker`; `None` if it holds no replica.
    pub fn directory_of(&self, broker: BrokerId) -> Option<DirectoryId> {
        let index = self
            .replicas
            .iter()
            .position(|replica| *replica == broker)?;
        self.directories.get(index).copied()
    }
}

fn changed(current: &[BrokerId], change: Option<&[i32]>) -> Box<[BrokerId]> {
    match change {
        Some(ids) => brokers(ids),
        None => current.into(),
    }
}

fn brokers(ids: &[i32]) -> Box<[BrokerId]> {
    ids.iter().copied().map(BrokerId).collect()
}

fn raw(ids: &[BrokerId]) -> Vec<i32> {
    ids.iter().map(|id| id.0).collect()
}

/// Gives each replica its directory. An empty list, or one of zeros only, means "not assigned yet".
fn directories(
    record: &'static str,
    ids: &[Uuid],
    replicas: usize,
) -> Result<Box<[DirectoryId]>, ReplayError> {
    if ids.iter().all(Uuid::is_zero) {
        return Ok(vec![Uuid::ZERO; replicas].into());
    }
    if ids.len() != replicas {
        return Err(ReplayError::InvalidField {
            record,
            field: "Directories",
            value: format!("{} entries for {replicas} replicas", ids.len()),
        });
    }
    Ok(ids.into())
}
