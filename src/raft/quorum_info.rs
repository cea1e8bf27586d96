//! The quorum as one node knows it at a moment: for DescribeQuorum, metrics and the publishing of metadata.

use std::time::Instant;

use super::newcomer::NewcomerInfo;
use super::node::RaftNode;
use super::progress::ReplicaProgress;
use super::voters::ReplicaKey;
use crate::model::{BrokerId, LeaderEpoch, Offset, Timestamp};

/// The state of the quorum, as one node knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuorumInfo {
    /// The leader, if it is known.
    pub leader: Option<BrokerId>,
    /// The epoch.
    pub epoch: LeaderEpoch,
    /// Whether this node leads. One that has resigned, or starts again after it led, is still the leader that
    /// it knows of.
    pub leads: bool,
    /// The role of this node, by Kafka's name.
    pub role: &'static str,
    /// The offset below which everything is committed; `None` until that is known.
    pub high_watermark: Option<Offset>,
    /// Up to where the log is committed, by the word of a leader in this run; see
    /// [`RaftNode::learned_high_watermark`].
    pub learned_high_watermark: Option<Offset>,
    /// Why this voter does not vote yet; `None` if it does, or has no vote.
    pub newcomer: Option<NewcomerInfo>,
    /// The first offset of this node's log.
    pub log_start_offset: Offset,
    /// The end of this node's log.
    pub log_end_offset: Offset,
    /// The voters, by ascending id. Only the leader knows how far the others have come.
    pub voters: Vec<ReplicaInfo>,
    /// Replicas that fetch without a vote; only the leader knows them.
    pub observers: Vec<ReplicaInfo>,
}

/// How far one replica has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplicaInfo {
    /// The replica's key.
    pub key: ReplicaKey,
    /// The offset below which everything is flushed on the replica, as far as the leader knows.
    pub log_end_offset: Option<Offset>,
    /// When the replica last fetched; for the leader itself: now.
    pub last_fetch: Option<Timestamp>,
    /// When the replica last had everything that the leader had; for the leader itself: now.
    pub last_caught_up: Option<Timestamp>,
}

impl QuorumInfo {
    /// The state at this moment, which is `now` by the monotonic clock and `wall` by the other.
    pub fn of(node: &RaftNode, now: Instant, wall: Timestamp) -> Self {
        let local = node.local().id;
        let date = |at: Instant| {
            let age = now.saturating_duration_since(at).as_millis();
            Timestamp(wall.0 - i64::try_from(age).unwrap_or(wall.0))
        };
        let picture = |replica: &ReplicaProgress| {
            let is_leader = replica.key.id == local;
            ReplicaInfo {
                key: if is_leader { node.local() } else { replica.key },
                log_end_offset: replica.end_offset,
                last_fetch: replica.last_fetch.map(date).or(is_leader.then_some(wall)),
                last_caught_up: replica
                    .last_caught_up
                    .map(date)
                    .or(is_leader.then_some(wall)),
            }
        };
        let (voters, observers) = match node.progress() {
            Some(progress) => (
                progress.voters().map(picture).collect(),
                progress.observers().map(picture).collect(),
            ),
            None => (
                node.voters().ids().iter().map(|id| unknown(*id)).collect(),
                Vec::new(),
            ),
        };
        let election = node.election();
        Self {
            leader: election.leader,
            epoch: election.epoch,
            leads: node.is_leader(),
            role: node.role().name(),
            high_watermark: node.high_watermark(),
            learned_high_watermark: node.learned_high_watermark(),
            newcomer: node.newcomer_info(),
            log_start_offset: node.log().start_offset(),
            log_end_offset: node.log().end_offset(),
            voters,
            observers,
        }
    }
}

fn unknown(id: BrokerId) -> ReplicaInfo {
    ReplicaInfo {
        key: ReplicaKey {
            id,
            directory_id: None,
        },
        log_end_offset: None,
        last_fetch: None,
        last_caught_up: None,
    }
}
