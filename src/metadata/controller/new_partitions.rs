//! New partitions: from replicas that a request names, or that are placed here, to the state that the
//! partition begins with.

use super::Controller;
use super::decision::Refusal;
use super::placement::{self, Brokers, Entropy};
use crate::metadata::image::{LeaderRecovery, PartitionImage};
use crate::model::{BrokerId, DirectoryId, LeaderEpoch, Uuid};
use crate::protocol::error_code::ErrorCode;

impl Controller {
    /// New partitions on replicas that the controller chooses.
    ///
    /// # Errors
    /// INVALID_REPLICATION_FACTOR: there are too few brokers, or none is active.
    pub(super) fn placed_partitions(
        &self,
        count: usize,
        replication_factor: i16,
        entropy: Entropy<'_>,
    ) -> Result<Vec<PartitionImage>, Refusal> {
        let brokers = Brokers {
            registered: self.image.brokers(),
            drained: self.drains.brokers(),
        };
        let placed = placement::place(&brokers, count, replication_factor, entropy)?;
        placed
            .into_iter()
            .map(|replicas| {
                self.new_partition(&replicas).ok_or_else(|| {
                    Refusal::new(
                        ErrorCode::INVALID_REPLICATION_FACTOR,
                        format!(
                            "Unable to replicate the partition {replication_factor} time(s): All \
                             brokers are currently fenced or in controlled shutdown."
                        ),
                    )
                })
            })
            .collect()
    }

    /// A new partition on replicas that the request names. `expected` is how many replicas the topic's
    /// other partitions have.
    ///
    /// # Errors
    /// INVALID_REPLICA_ASSIGNMENT.
    pub(super) fn assigned_partition(
        &self,
        index: i32,
        replicas: &[i32],
        expected: Option<usize>,
    ) -> Result<PartitionImage, Refusal> {
        self.check_assignment(replicas, expected)?;
        let replicas: Vec<BrokerId> = replicas.iter().copied().map(BrokerId).collect();
        self.new_partition(&replicas).ok_or_else(|| {
            refused(format!(
                "All brokers specified in the manual partition assignment for partition {index} \
                 are fenced or in controlled shutdown."
            ))
        })
    }

    /// Checks replicas that a request names.
    ///
    /// # Errors
    /// INVALID_REPLICA_ASSIGNMENT.
    pub(super) fn check_assignment(
        &self,
        replicas: &[i32],
        expected: Option<usize>,
    ) -> Result<(), Refusal> {
        const START: &str = "The manual partition assignment includes";
        if replicas.is_empty() {
            return Err(refused(format!("{START} an empty replica list.")));
        }
        // Sorted, so that duplicates are adjacent.
        let mut sorted = replicas.to_vec();
        sorted.sort_unstable();
        let mut previous = None;
        for id in sorted {
            let Some(broker) = self.image.brokers().get(BrokerId(id)) else {
                return Err(refused(format!(
                    "{START} broker {id}, but no such broker is registered."
                )));
            };
            if !broker.takes_new_replicas() {
                return Err(refused(format!(
                    "{START} broker {id}, but all its log directories are cordoned."
                )));
            }
            if previous == Some(id) {
                return Err(refused(format!("{START} the broker {id} more than once.")));
            }
            previous = Some(id);
        }
        match expected {
            Some(expected) if expected != replicas.len() => Err(refused(format!(
                "{START} a partition with {} replica(s), but this is not consistent with previous \
                 partitions, which have {expected} replica(s).",
                replicas.len()
            ))),
            _ => Ok(()),
        }
    }

    /// A partition led by the first active replica that is not drained, or the first active one; `None` if none
    /// is active.
    fn new_partition(&self, replicas: &[BrokerId]) -> Option<PartitionImage> {
        let brokers = self.image.brokers();
        let isr: Box<[BrokerId]> = replicas
            .iter()
            .copied()
            .filter(|broker| brokers.is_active(*broker))
            .collect();
        let mut undrained = isr.iter().filter(|id| !self.drains.contains(**id));
        Some(PartitionImage {
            leader: *undrained.next().or(isr.first())?,
            replicas: replicas.into(),
            directories: replicas.iter().map(|id| self.new_directory(*id)).collect(),
            isr,
            removing: Box::default(),
            adding: Box::default(),
            elr: Box::default(),
            last_known_elr: Box::default(),
            leader_recovery: LeaderRecovery::Recovered,
            leader_epoch: LeaderEpoch(0),
            partition_epoch: 0,
        })
    }

    /// The directory that a new replica on a broker begins with.
    pub(super) fn new_directory(&self, broker: BrokerId) -> DirectoryId {
        if !self.image.metadata_version().assigns_directories() {
            return Uuid::ZERO;
        }
        let registered = self.image.brokers().get(broker);
        registered.map_or(Uuid::UNASSIGNED_DIRECTORY, |broker| {
            broker.default_directory()
        })
    }
}

fn refused(message: String) -> Refusal {
    Refusal::new(ErrorCode::INVALID_REPLICA_ASSIGNMENT, message)
}
