//! A consumer as the Java client is one: it joins, syncs, reads its offsets, and then sends heartbeats
//! and commits, until it is told to join again.

use std::collections::BTreeMap;

use broker::coordinator::group::{Answer, Request};
use broker::model::Uuid;
use broker::protocol::messages::heartbeat::HeartbeatRequest;
use broker::protocol::messages::join_group::{JoinGroupRequest, JoinGroupRequestProtocol};
use broker::protocol::messages::leave_group::{LeaveGroupRequest, MemberIdentity};
use broker::protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use broker::protocol::messages::offset_fetch::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use broker::protocol::messages::sync_group::{SyncGroupRequest, SyncGroupRequestAssignment};
use broker::protocol::{ErrorCode, Str};
use bytes::Bytes;

use crate::random::Random;

/// Partitions of the topic that every group reads.
pub const PARTITIONS: u8 = 7;
pub const TOPIC_ID: Uuid = Uuid::from_bytes([3; 16]);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Join,
    Sync,
    Fetch,
    Work,
}

#[derive(Debug)]
pub struct Consumer {
    pub group: Str,
    pub instance_id: Option<Str>,
    pub member_id: Str,
    pub generation: i32,
    pub phase: Phase,
    /// The partitions it owns, and where it stands in them.
    pub positions: BTreeMap<u8, i64>,
    subscription: u8,
    /// As the leader: the members it has to assign to.
    members: Vec<Str>,
}

impl Consumer {
    pub fn new(group: Str, instance_id: Option<Str>) -> Self {
        Self {
            group,
            instance_id,
            member_id: Str::EMPTY,
            generation: -1,
            phase: Phase::Join,
            positions: BTreeMap::new(),
            subscription: 0,
            members: Vec::new(),
        }
    }

    /// The process dies and starts again: it knows nothing.
    pub fn restart(&mut self) {
        *self = Self::new(self.group.clone(), self.instance_id.clone());
    }

    /// What stays the same of it through restarts that keep its assignment.
    pub fn identity(&self) -> Str {
        self.instance_id
            .clone()
            .unwrap_or_else(|| self.member_id.clone())
    }

    /// Its next request and the version of that.
    pub fn next(&mut self, random: &mut Random, with_faults: bool) -> (i16, Request) {
        if self.phase == Phase::Work && with_faults && random.one_in(25) {
            // It subscribes to something else.
            self.subscription = self.subscription.wrapping_add(1);
            self.phase = Phase::Join;
        }
        match self.phase {
            Phase::Join => self.join(random),
            Phase::Sync => (3, self.sync()),
            Phase::Fetch => (8, self.fetch()),
            Phase::Work if with_faults && self.instance_id.is_none() && random.one_in(40) => {
                (3, self.leave())
            }
            Phase::Work if random.one_in(2) => (4, self.heartbeat()),
            Phase::Work => (8, self.commit(random)),
        }
    }

    fn join(&mut self, random: &mut Random) -> (i16, Request) {
        let versions: &[i16] = match self.instance_id {
            Some(_) => &[5, 9],
            None => &[0, 3, 4, 9],
        };
        let mut entropy = [0; 16];
        entropy[..8].copy_from_slice(&random.next().to_be_bytes());
        entropy[8..].copy_from_slice(&random.next().to_be_bytes());
        let protocols = ["range", "sticky"].map(|name| JoinGroupRequestProtocol {
            name: name.into(),
            metadata: Bytes::copy_from_slice(&[self.subscription]),
        });
        let request = JoinGroupRequest {
            group_id: self.group.clone(),
            session_timeout_ms: 3_000,
            rebalance_timeout_ms: 4_000,
            member_id: self.member_id.clone(),
            group_instance_id: self.instance_id.clone(),
            protocol_type: "consumer".into(),
            protocols: protocols.to_vec(),
            reason: None,
        };
        let version = versions[random.below(versions.len())];
        (version, Request::JoinGroup { request, entropy })
    }

    fn sync(&self) -> Request {
        let assignments = self.members.iter().enumerate().map(|(index, member)| {
            let own = (0..PARTITIONS)
                .filter(|partition| usize::from(*partition) % self.members.len() == index);
            SyncGroupRequestAssignment {
                member_id: member.clone(),
                assignment: own.collect::<Vec<u8>>().into(),
            }
        });
        Request::SyncGroup(SyncGroupRequest {
            group_id: self.group.clone(),
            generation_id: self.generation,
            member_id: self.member_id.clone(),
            group_instance_id: self.instance_id.clone(),
            assignments: assignments.collect(),
            ..SyncGroupRequest::default()
        })
    }

    fn fetch(&self) -> Request {
        let topic = OffsetFetchRequestTopics {
            name: "topic".into(),
            topic_id: TOPIC_ID,
            partition_indexes: self.positions.keys().copied().map(i32::from).collect(),
        };
        Request::OffsetFetch {
            group: OffsetFetchRequestGroup {
                group_id: self.group.clone(),
                topics: Some(vec![topic]),
                ..OffsetFetchRequestGroup::default()
            },
            require_stable: true,
        }
    }

    fn heartbeat(&self) -> Request {
        Request::Heartbeat(HeartbeatRequest {
            group_id: self.group.clone(),
            generation_id: self.generation,
            member_id: self.member_id.clone(),
            group_instance_id: self.instance_id.clone(),
        })
    }

    fn commit(&mut self, random: &mut Random) -> Request {
        for position in self.positions.values_mut() {
            *position += i64::from(random.one_in(2));
        }
        let partitions =
            self.positions
                .iter()
                .map(|(&partition, &offset)| OffsetCommitRequestPartition {
                    partition_index: partition.into(),
                    committed_offset: offset,
                    ..OffsetCommitRequestPartition::default()
                });
        let topic = OffsetCommitRequestTopic {
            name: "topic".into(),
            topic_id: TOPIC_ID,
            partitions: partitions.collect(),
        };
        Request::OffsetCommit(OffsetCommitRequest {
            group_id: self.group.clone(),
            generation_id_or_member_epoch: self.generation,
            member_id: self.member_id.clone(),
            group_instance_id: self.instance_id.clone(),
            topics: vec![topic],
            ..OffsetCommitRequest::default()
        })
    }

    fn leave(&self) -> Request {
        Request::LeaveGroup(LeaveGroupRequest {
            group_id: self.group.clone(),
            members: vec![MemberIdentity {
                member_id: self.member_id.clone(),
                ..MemberIdentity::default()
            }],
            ..LeaveGroupRequest::default()
        })
    }

    /// Takes an answer.
    pub fn on_answer(&mut self, answer: &Answer) {
        match answer {
            Answer::JoinGroup(joined) => match joined.error_code {
                ErrorCode::NONE => {
                    self.member_id = joined.member_id.clone();
                    self.generation = joined.generation_id;
                    let members = joined.members.iter();
                    let members = members.filter(|_| !joined.skip_assignment);
                    self.members = members.map(|member| member.member_id.clone()).collect();
                    self.phase = Phase::Sync;
                }
                ErrorCode::MEMBER_ID_REQUIRED => self.member_id = joined.member_id.clone(),
                other => self.on_error(other),
            },
            Answer::SyncGroup(synced) if !synced.error_code.is_error() => {
                self.positions = synced
                    .assignment
                    .iter()
                    .map(|&partition| (partition, -1))
                    .collect();
                self.phase = Phase::Fetch;
            }
            Answer::SyncGroup(synced) => self.on_error(synced.error_code),
            Answer::OffsetFetch(fetched) if !fetched.error_code.is_error() => {
                for partition in fetched.topics.iter().flat_map(|topic| &topic.partitions) {
                    let index = u8::try_from(partition.partition_index).expect("a small index");
                    self.positions
                        .insert(index, partition.committed_offset.max(0));
                }
                self.phase = Phase::Work;
            }
            Answer::Heartbeat(beat) => self.on_error(beat.error_code),
            Answer::OffsetCommit(committed) => {
                let mut partitions = committed.topics.iter().flat_map(|topic| &topic.partitions);
                self.on_error(
                    partitions
                        .next()
                        .map_or(ErrorCode::NONE, |first| first.error_code),
                );
            }
            Answer::LeaveGroup(_) => self.restart(),
            _ => {}
        }
    }

    fn on_error(&mut self, error: ErrorCode) {
        match error {
            ErrorCode::NONE => return,
            ErrorCode::UNKNOWN_MEMBER_ID | ErrorCode::FENCED_INSTANCE_ID => {
                self.member_id = Str::EMPTY;
            }
            ErrorCode::GROUP_MAX_SIZE_REACHED => self.restart(),
            ErrorCode::ILLEGAL_GENERATION
            | ErrorCode::REBALANCE_IN_PROGRESS
            | ErrorCode::NOT_COORDINATOR => {}
            other => panic!("a consumer never gets {other}"),
        }
        self.phase = Phase::Join;
    }

    /// No answer has come.
    pub fn on_silence(&mut self) {
        if self.phase == Phase::Sync {
            self.phase = Phase::Join;
        }
    }
}
