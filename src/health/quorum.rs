//! The metadata quorum, as its leader tells it.

use super::Trouble;
use crate::client::NodeConnection;
use crate::metadata::controller::METADATA_TOPIC_NAME;
use crate::protocol::messages::describe_quorum::{
    DescribeQuorumRequest, ReplicaState, RequestPartitionData, RequestTopicData,
    ResponsePartitionData,
};

/// A replica of the metadata log that had everything within this time keeps up with it. Ours and Apache's
/// fetch at least twice a second.
const KEEPS_UP_WITHIN_MS: i64 = 10_000;

/// The quorum: what its leader knows.
pub(super) struct Quorum(ResponsePartitionData);

impl Quorum {
    /// Asks the leader, through the node that `node` leads to.
    pub(super) async fn describe(node: &mut NodeConnection) -> Result<Self, Trouble> {
        let request = DescribeQuorumRequest {
            topics: vec![RequestTopicData {
                topic_name: METADATA_TOPIC_NAME.into(),
                partitions: vec![RequestPartitionData { partition_index: 0 }],
            }],
        };
        let answer = node.ask(&request).await?;
        let mut partitions = answer.topics.into_iter().flat_map(|it| it.partitions);
        match partitions.next() {
            Some(it) if !answer.error_code.is_error() && !it.error_code.is_error() => Ok(Self(it)),
            _ => Err(Trouble::No(
                "the node does not reach the active controller: it may be cut off, or too few \
                 controllers run"
                    .to_owned(),
            )),
        }
    }

    /// The voters that keep up, without `node`.
    pub(super) fn others_that_keep_up(&self, node: i32) -> usize {
        let voters = self.0.current_voters.iter();
        voters
            .filter(|voter| voter.replica_id != node && self.is_current(voter))
            .count()
    }

    /// Whether `node` votes.
    pub(super) fn has_voter(&self, node: i32) -> bool {
        self.0.current_voters.iter().any(|it| it.replica_id == node)
    }

    /// How many voters make a majority.
    pub(super) fn majority(&self) -> usize {
        self.0.current_voters.len() / 2 + 1
    }

    /// Whether `node` has the metadata, or had all of it a moment ago.
    pub(super) fn keeps_up(&self, node: i32) -> bool {
        let mut replicas = self.0.current_voters.iter().chain(&self.0.observers);
        replicas.any(|it| it.replica_id == node && self.is_current(it))
    }

    fn is_current(&self, replica: &ReplicaState) -> bool {
        // All times are of the leader's clock; its own is the time of the answer.
        let mut voters = self.0.current_voters.iter();
        let leader = voters.find(|voter| voter.replica_id == self.0.leader_id);
        let now = leader.map_or(-1, |leader| leader.last_fetch_timestamp);
        let caught_up = replica.last_caught_up_timestamp;
        if now < 0 {
            return replica.log_end_offset >= self.0.high_watermark;
        }
        replica.replica_id == self.0.leader_id
            || (caught_up >= 0 && now.saturating_sub(caught_up) <= KEEPS_UP_WITHIN_MS)
    }
}

#[cfg(test)]
impl Quorum {
    /// A quorum of `voters`, led by the first, each with the age of its last catching up.
    pub(super) fn of(voters: &[(i32, i64)]) -> Self {
        const NOW: i64 = 1_700_000_000_000;
        let state = |(id, age): &(i32, i64)| ReplicaState {
            replica_id: *id,
            last_fetch_timestamp: NOW - age,
            last_caught_up_timestamp: NOW - age,
            ..ReplicaState::default()
        };
        Self(ResponsePartitionData {
            leader_id: voters[0].0,
            current_voters: voters.iter().map(state).collect(),
            ..ResponsePartitionData::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_voter_that_fell_behind_counts_as_if_it_were_down() {
        let quorum = Quorum::of(&[(1, 0), (2, 400), (3, 10_001)]);

        assert_eq!(quorum.others_that_keep_up(9), 2);
        assert_eq!(quorum.others_that_keep_up(1), 1);
        assert!(quorum.keeps_up(2) && !quorum.keeps_up(3) && !quorum.keeps_up(4));
    }

    #[test]
    fn a_leader_that_tells_no_times_is_asked_for_offsets() {
        let mut quorum = Quorum::of(&[(1, 0), (2, 0)]);
        for voter in &mut quorum.0.current_voters {
            (voter.last_fetch_timestamp, voter.last_caught_up_timestamp) = (-1, -1);
            voter.log_end_offset = i64::from(voter.replica_id);
        }
        quorum.0.high_watermark = 2;

        assert!(!quorum.keeps_up(1) && quorum.keeps_up(2));
    }
}
