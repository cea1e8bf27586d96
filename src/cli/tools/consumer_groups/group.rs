//! What is known of one group. It is asked for as a group of the newer protocol first, and as a classic one if it
//! is none, as Kafka's client does.

use std::collections::BTreeSet;
use std::time::Instant;

use super::names::State;
use super::offsets::ask_group;
use crate::cli::tools::exception::Exception;
use crate::client::{Attempts, Cluster, ClusterError, ErrorClass, PartitionKey, To};
use crate::protocol::messages::consumer_group_describe::{
    self, ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse,
};
use crate::protocol::messages::consumer_protocol::{ConsumerProtocolAssignment, decode};
use crate::protocol::messages::describe_groups::{
    DescribeGroupsRequest, DescribedGroup, DescribedGroupMember,
};
use crate::protocol::messages::find_coordinator::FindCoordinatorRequest;
use crate::protocol::{ErrorCode, Str};

/// The type of the groups whose members are consumers, by the classic protocol.
pub(super) const CONSUMER: &str = "consumer";
/// The type of a group's id among the keys of FindCoordinator.
const GROUP: i8 = 0;

/// A group.
#[derive(Debug)]
pub(super) struct Description {
    pub(super) state: State,
    pub(super) assignor: Str,
    /// The epochs of a group of the newer protocol.
    pub(super) epoch: Option<i32>,
    pub(super) target_epoch: Option<i32>,
    pub(super) members: Vec<Member>,
}

/// A member of a group.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) id: Str,
    pub(super) instance: Option<Str>,
    pub(super) client: Str,
    pub(super) host: Str,
    pub(super) assigned: BTreeSet<PartitionKey>,
    /// What it shall have. Nothing by the classic protocol.
    pub(super) target: BTreeSet<PartitionKey>,
    pub(super) epoch: Option<i32>,
    /// Whether the member speaks the newer protocol, if that is told.
    pub(super) is_upgraded: Option<bool>,
}

/// What became of the question for a group of the newer protocol.
enum Answer {
    Found(Description),
    /// It is none, by the cluster's own words if there are some.
    IsNone(Option<Str>),
    /// The node does not know.
    NotServed,
}

/// Describes a group.
///
/// # Errors
/// There is none, or it is of another kind.
pub(super) async fn describe(cluster: &mut Cluster, group: &str) -> Result<Description, Exception> {
    match describe_newer(cluster, group).await? {
        Answer::Found(description) => Ok(description),
        Answer::IsNone(words) => describe_classic(cluster, group, Some(words)).await,
        Answer::NotServed => describe_classic(cluster, group, None).await,
    }
}

async fn describe_newer(cluster: &mut Cluster, group: &str) -> Result<Answer, Exception> {
    let request = ConsumerGroupDescribeRequest {
        group_ids: vec![Str::copy_from(group)],
        include_authorized_operations: false,
    };
    let codes = |answer: &ConsumerGroupDescribeResponse| -> Vec<ErrorCode> {
        let groups = answer.groups.iter();
        groups.map(|group| group.error_code).collect()
    };
    let answer = match ask_group(cluster, group, &request, i16::MAX, codes).await {
        Err(ClusterError::NotServed(_)) => return Ok(Answer::NotServed),
        answer => answer?,
    };
    let found = answer.groups.into_iter().next();
    let found = found.ok_or_else(|| missing_answer(group))?;
    match found.error_code {
        ErrorCode::NONE => Ok(Answer::Found(newer(found))),
        ErrorCode::GROUP_ID_NOT_FOUND => Ok(Answer::IsNone(found.error_message)),
        ErrorCode::UNSUPPORTED_VERSION => Ok(Answer::NotServed),
        code => Err(Exception::refused(code, found.error_message)),
    }
}

fn newer(found: consumer_group_describe::DescribedGroup) -> Description {
    let member = |it: consumer_group_describe::Member| Member {
        id: it.member_id,
        instance: it.instance_id,
        client: it.client_id,
        host: it.client_host,
        assigned: partitions(it.assignment),
        target: partitions(it.target_assignment),
        epoch: Some(it.member_epoch),
        is_upgraded: (it.member_type != -1).then_some(it.member_type == 1),
    };
    Description {
        state: State::parse(&found.group_state),
        assignor: found.assignor_name,
        epoch: Some(found.group_epoch),
        target_epoch: Some(found.assignment_epoch),
        members: found.members.into_iter().map(member).collect(),
    }
}

fn partitions(assignment: consumer_group_describe::Assignment) -> BTreeSet<PartitionKey> {
    let topics = assignment.topic_partitions.into_iter();
    let keys = topics.flat_map(|topic| {
        let name = topic.topic_name;
        let partitions = topic.partitions.into_iter();
        partitions.map(move |partition| (name.clone(), partition))
    });
    keys.collect()
}

/// Describes a classic group. `words` are those that the newer question was refused with; they say more.
async fn describe_classic(
    cluster: &mut Cluster,
    group: &str,
    words: Option<Option<Str>>,
) -> Result<Description, Exception> {
    let request = DescribeGroupsRequest {
        groups: vec![Str::copy_from(group)],
        include_authorized_operations: false,
    };
    let answer = ask_group(cluster, group, &request, i16::MAX, |answer| {
        let groups = answer.groups.iter();
        groups.map(|group| group.error_code).collect()
    })
    .await?;
    let found = answer.groups.into_iter().next();
    let found = found.ok_or_else(|| missing_answer(group))?;
    match found.error_code {
        ErrorCode::NONE => classic(found),
        code @ ErrorCode::GROUP_ID_NOT_FOUND => Err(Exception::refused(
            code,
            words.unwrap_or(found.error_message),
        )),
        code => Err(Exception::refused(code, found.error_message)),
    }
}

fn classic(found: DescribedGroup) -> Result<Description, Exception> {
    if !found.protocol_type.is_empty() && found.protocol_type != CONSUMER {
        return Err(Exception::new(
            "java.lang.IllegalArgumentException",
            format!(
                "GroupId {} is not a consumer group ({}).",
                found.group_id, found.protocol_type
            ),
        ));
    }
    let members: Result<_, _> = found.members.into_iter().map(classic_member).collect();
    Ok(Description {
        state: State::parse(&found.group_state),
        assignor: found.protocol_data,
        epoch: None,
        target_epoch: None,
        members: members?,
    })
}

fn classic_member(it: DescribedGroupMember) -> Result<Member, Exception> {
    let mut assigned = BTreeSet::new();
    if !it.member_assignment.is_empty() {
        let said: ConsumerProtocolAssignment = decode(it.member_assignment).map_err(|error| {
            let class = "org.apache.kafka.common.protocol.types.SchemaException";
            Exception::new(class, error.to_string())
        })?;
        for topic in said.assigned_partitions {
            let partitions = topic.partitions.into_iter();
            assigned.extend(partitions.map(|partition| (topic.topic.clone(), partition)));
        }
    }
    Ok(Member {
        id: it.member_id,
        instance: it.group_instance_id,
        client: it.client_id,
        host: it.client_host,
        assigned,
        target: BTreeSet::new(),
        epoch: None,
        is_upgraded: None,
    })
}

fn missing_answer(group: &str) -> Exception {
    Exception::refused(
        ErrorCode::UNKNOWN_SERVER_ERROR,
        Some(Str::from(format!("The answer has no group {group}"))),
    )
}

/// A broker, as it is shown.
#[derive(Debug)]
pub(super) struct Coordinator {
    pub(super) id: i32,
    pub(super) host: Str,
    pub(super) port: i32,
}

/// The coordinator of a group.
pub(super) async fn coordinator(
    cluster: &mut Cluster,
    group: &str,
) -> Result<Coordinator, Exception> {
    let request = FindCoordinatorRequest {
        key: Str::copy_from(group),
        key_type: GROUP,
        coordinator_keys: vec![Str::copy_from(group)],
    };
    let mut attempts = Attempts::until(cluster.deadline());
    loop {
        let answer = cluster.ask(To::Any, &request).await?;
        let (code, found) = match answer.coordinators.into_iter().next() {
            Some(it) => (it.error_code, (it.node_id, it.host, it.port)),
            None => (
                answer.error_code,
                (answer.node_id, answer.host, answer.port),
            ),
        };
        if !code.is_error() {
            let (id, host, port) = found;
            return Ok(Coordinator { id, host, port });
        }
        let pause = attempts.pause(Instant::now());
        match pause.filter(|_| ErrorClass::of(code) != ErrorClass::Fatal) {
            Some(pause) => tokio::time::sleep(pause).await,
            None => return Err(Exception::refused(code, None)),
        }
    }
}
