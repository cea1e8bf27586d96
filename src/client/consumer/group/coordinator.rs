//! The requests of a member to its group's coordinator.

use std::collections::BTreeMap;

use super::protocol::subscription;
use super::{GroupSettings, Offsets};
use crate::client::cluster::{Cluster, ClusterError, To};
use crate::client::consumer::PartitionKey;
use crate::protocol::messages::heartbeat::HeartbeatRequest;
use crate::protocol::messages::join_group::{
    JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse,
};
use crate::protocol::messages::leave_group::{LeaveGroupRequest, MemberIdentity};
use crate::protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use crate::protocol::messages::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use crate::protocol::messages::sync_group::{SyncGroupRequest, SyncGroupRequestAssignment};
use crate::protocol::{ApiKey, ErrorCode, Request, Str};

use super::membership::Membership;

const PROTOCOL_TYPE: &str = "consumer";
/// The last version of OffsetCommit and of OffsetFetch that names topics; later ones have ids.
const LAST_WITH_NAMES: i16 = 9;

impl Membership {
    /// Asks to be in the group, once. The answer comes when all members have asked.
    pub(super) async fn ask_to_join(&mut self) -> Result<JoinGroupResponse, ClusterError> {
        let settings = &self.settings;
        let protocols = settings
            .assignors
            .iter()
            .map(|assignor| JoinGroupRequestProtocol {
                name: Str::from_static(assignor.name()),
                metadata: subscription(&self.topics, &self.owned, self.generation),
            });
        let request = JoinGroupRequest {
            group_id: Str::copy_from(&settings.group),
            session_timeout_ms: ms(settings.session_timeout),
            rebalance_timeout_ms: ms(settings.rebalance_timeout),
            member_id: self.member_id.clone(),
            group_instance_id: instance(settings),
            protocol_type: Str::from_static(PROTOCOL_TYPE),
            protocols: protocols.collect(),
            reason: None,
        };
        ask(
            &mut self.joining,
            &self.settings.group,
            &request,
            |answer| answer.error_code,
        )
        .await
    }

    /// Tells the coordinator the assignment, as the leader, and hears this member's share of it.
    pub(super) async fn sync(
        &mut self,
        joined: &JoinGroupResponse,
        assignments: Vec<SyncGroupRequestAssignment>,
    ) -> Result<(ErrorCode, bytes::Bytes), ClusterError> {
        let request = SyncGroupRequest {
            group_id: Str::copy_from(&self.settings.group),
            generation_id: self.generation,
            member_id: self.member_id.clone(),
            group_instance_id: instance(&self.settings),
            protocol_type: Some(Str::from_static(PROTOCOL_TYPE)),
            protocol_name: joined.protocol_name.clone(),
            assignments,
        };
        let group = &self.settings.group;
        let answer = ask(&mut self.joining, group, &request, |answer| {
            answer.error_code
        })
        .await?;
        Ok((answer.error_code, answer.assignment))
    }

    /// Says that the member is there.
    pub(super) async fn heartbeat(&mut self) -> Result<ErrorCode, ClusterError> {
        let request = HeartbeatRequest {
            group_id: Str::copy_from(&self.settings.group),
            generation_id: self.generation,
            member_id: self.member_id.clone(),
            group_instance_id: instance(&self.settings),
        };
        let group = &self.settings.group;
        let answer = ask(&mut self.cluster, group, &request, |answer| {
            answer.error_code
        })
        .await?;
        Ok(answer.error_code)
    }

    /// Commits how far was read. What is refused is read again by who reads the partition next.
    pub(super) async fn commit(&mut self, offsets: Offsets) -> Result<(), ClusterError> {
        if offsets.is_empty() {
            return Ok(());
        }
        let mut topics: BTreeMap<Str, Vec<OffsetCommitRequestPartition>> = BTreeMap::new();
        for ((topic, partition_index), committed_offset) in offsets {
            let partition = OffsetCommitRequestPartition {
                partition_index,
                committed_offset,
                committed_metadata: Some(Str::default()),
                ..OffsetCommitRequestPartition::default()
            };
            topics.entry(topic).or_default().push(partition);
        }
        let topic = |(name, partitions)| OffsetCommitRequestTopic {
            name,
            partitions,
            ..OffsetCommitRequestTopic::default()
        };
        let request = OffsetCommitRequest {
            group_id: Str::copy_from(&self.settings.group),
            generation_id_or_member_epoch: self.generation,
            member_id: self.member_id.clone(),
            group_instance_id: instance(&self.settings),
            topics: topics.into_iter().map(topic).collect(),
            ..OffsetCommitRequest::default()
        };
        let group = &self.settings.group;
        ask(&mut self.cluster, group, &request, |answer| {
            let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
            first_error(partitions.map(|it| it.error_code))
        })
        .await?;
        Ok(())
    }

    /// What the group has committed of these partitions.
    pub(super) async fn committed(
        &mut self,
        keys: impl Iterator<Item = PartitionKey>,
    ) -> Result<BTreeMap<PartitionKey, Option<i64>>, ClusterError> {
        let mut committed: BTreeMap<PartitionKey, Option<i64>> =
            keys.map(|key| (key, None)).collect();
        if committed.is_empty() {
            return Ok(committed);
        }
        let mut topics: BTreeMap<Str, Vec<i32>> = BTreeMap::new();
        for (topic, partition) in committed.keys() {
            topics.entry(topic.clone()).or_default().push(*partition);
        }
        let group_id = Str::copy_from(&self.settings.group);
        let old = topics
            .iter()
            .map(|(name, indexes)| OffsetFetchRequestTopic {
                name: name.clone(),
                partition_indexes: indexes.clone(),
            });
        let new = topics
            .iter()
            .map(|(name, indexes)| OffsetFetchRequestTopics {
                name: name.clone(),
                partition_indexes: indexes.clone(),
                ..OffsetFetchRequestTopics::default()
            });
        let request = OffsetFetchRequest {
            group_id: group_id.clone(),
            topics: Some(old.collect()),
            groups: vec![OffsetFetchRequestGroup {
                group_id,
                topics: Some(new.collect()),
                ..OffsetFetchRequestGroup::default()
            }],
            require_stable: true,
        };
        let (cluster, group) = (&mut self.cluster, &self.settings.group);
        let answer = ask(cluster, group, &request, |answer| {
            let of_groups = answer.groups.iter().map(|group| group.error_code);
            let partitions = answer.groups.iter().flat_map(|group| &group.topics);
            let partitions = partitions.flat_map(|topic| &topic.partitions);
            let unstable = partitions.map(|it| it.error_code);
            first_error(
                std::iter::once(answer.error_code)
                    .chain(of_groups)
                    .chain(unstable),
            )
        })
        .await?;
        for topic in answer.topics {
            for it in topic.partitions {
                let key = (topic.name.clone(), it.partition_index);
                committed.insert(key, Some(it.committed_offset).filter(|at| *at >= 0));
            }
        }
        for topic in answer.groups.into_iter().flat_map(|group| group.topics) {
            for it in topic.partitions {
                let key = (topic.name.clone(), it.partition_index);
                committed.insert(key, Some(it.committed_offset).filter(|at| *at >= 0));
            }
        }
        Ok(committed)
    }

    /// Leaves the group, so that others need not wait until they miss this member. A static member stays, as
    /// in Kafka: it may come back.
    pub(super) async fn leave_group(&mut self) -> Result<(), ClusterError> {
        if self.member_id.is_empty() || self.settings.instance.is_some() {
            return Ok(());
        }
        let request = LeaveGroupRequest {
            group_id: Str::copy_from(&self.settings.group),
            member_id: self.member_id.clone(),
            members: vec![MemberIdentity {
                member_id: self.member_id.clone(),
                ..MemberIdentity::default()
            }],
        };
        let group = &self.settings.group;
        ask(&mut self.cluster, group, &request, |answer| {
            answer.error_code
        })
        .await?;
        Ok(())
    }
}

async fn ask<R: Request>(
    cluster: &mut Cluster,
    group: &str,
    request: &R,
    outcome: impl Fn(&R::Response) -> ErrorCode,
) -> Result<R::Response, ClusterError> {
    // A rebalance is no error that passes while the same request is sent again.
    let passing = |answer: &R::Response| match outcome(answer) {
        ErrorCode::REBALANCE_IN_PROGRESS => ErrorCode::NONE,
        code => code,
    };
    let versions = R::KEY.valid_versions();
    let last = match R::KEY {
        ApiKey::OffsetCommit | ApiKey::OffsetFetch => LAST_WITH_NAMES,
        _ => *versions.end(),
    };
    let versions = *versions.start()..=last;
    cluster
        .ask_within(To::Group(group), request, &versions, passing)
        .await
}

fn first_error(mut codes: impl Iterator<Item = ErrorCode>) -> ErrorCode {
    codes
        .find(|code| code.is_error())
        .unwrap_or(ErrorCode::NONE)
}

fn instance(settings: &GroupSettings) -> Option<Str> {
    settings.instance.as_deref().map(Str::copy_from)
}

fn ms(duration: std::time::Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}
