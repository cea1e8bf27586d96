//! Asks one broker, by Kafka's protocol. Each answer has its time; what does not come in time is missing, and
//! why is told.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;
use tokio::time::timeout;

use super::Peer;
use crate::client::{AskError, NodeConnection, PartitionKey};
use crate::metadata::image::MetadataImage;
use crate::model::BrokerId;
use crate::protocol::messages::consumer_protocol::{ConsumerProtocolAssignment, decode};
use crate::protocol::messages::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource,
};
use crate::protocol::messages::describe_groups::{
    DescribeGroupsRequest, DescribedGroup, DescribedGroupMember,
};
use crate::protocol::messages::describe_log_dirs::{DescribeLogDirsRequest, DescribeLogDirsResult};
use crate::protocol::messages::describe_quorum::{
    DescribeQuorumRequest, ReplicaState, RequestPartitionData, RequestTopicData,
};
use crate::protocol::messages::list_groups::ListGroupsRequest;
use crate::protocol::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic,
};
use crate::protocol::messages::offset_fetch::{OffsetFetchRequest, OffsetFetchRequestGroup};
use crate::protocol::{ErrorCode, Request, Str};

/// What the brokers see in their logs and quotas.
const CLIENT: &str = "broker-admin";
/// How long one answer may take, and all of one broker.
const ONE: Duration = Duration::from_millis(1_500);
const ALL: Duration = Duration::from_secs(2);
/// How many groups of one coordinator are told of.
const MOST_GROUPS: usize = 2_000;
const METADATA_TOPIC: &str = "__cluster_metadata";
const LATEST: i64 = -1;
const EARLIEST: i64 = -2;

/// Offsets, by topic and partition.
pub(in crate::web::pages) type Ends = BTreeMap<Str, BTreeMap<i32, i64>>;

/// What one broker has told.
#[derive(Debug, Default)]
pub(in crate::web::pages) struct Told {
    /// Why something is missing.
    pub(in crate::web::pages) trouble: Option<String>,
    pub(in crate::web::pages) directories: Vec<Directory>,
    /// Its logs, by topic and partition.
    pub(in crate::web::pages) logs: BTreeMap<Str, BTreeMap<i32, Log>>,
    /// The groups that it coordinates.
    pub(in crate::web::pages) groups: Vec<Group>,
    /// How many groups more there are.
    pub(in crate::web::pages) groups_left_out: usize,
    /// The ends of what it leads.
    pub(in crate::web::pages) ends: Ends,
}

/// A log directory.
#[derive(Clone, Debug)]
pub(in crate::web::pages) struct Directory {
    pub(in crate::web::pages) path: String,
    pub(in crate::web::pages) error: Option<String>,
    pub(in crate::web::pages) replicas: usize,
    /// Bytes of its logs.
    pub(in crate::web::pages) logs: u64,
    /// Bytes of its disk, and of those that are free.
    pub(in crate::web::pages) total: Option<u64>,
    pub(in crate::web::pages) free: Option<u64>,
    pub(in crate::web::pages) is_cordoned: bool,
}

/// A replica's log.
#[derive(Clone, Copy, Debug)]
pub(in crate::web::pages) struct Log {
    /// In bytes.
    pub(in crate::web::pages) size: u64,
}

/// A group.
#[derive(Clone, Debug, Default)]
pub(in crate::web::pages) struct Group {
    pub(in crate::web::pages) id: Str,
    pub(in crate::web::pages) state: Str,
    pub(in crate::web::pages) protocol: Str,
    pub(in crate::web::pages) assignor: Str,
    pub(in crate::web::pages) members: Vec<Member>,
    pub(in crate::web::pages) committed: BTreeMap<PartitionKey, Committed>,
}

/// An offset that a group has committed.
#[derive(Clone, Copy, Debug)]
pub(in crate::web::pages) struct Committed {
    pub(in crate::web::pages) offset: i64,
}

/// A member of a group.
#[derive(Clone, Debug, Default)]
pub(in crate::web::pages) struct Member {
    pub(in crate::web::pages) id: Str,
    pub(in crate::web::pages) instance: Option<Str>,
    pub(in crate::web::pages) client: Str,
    pub(in crate::web::pages) host: Str,
    pub(in crate::web::pages) assigned: BTreeSet<PartitionKey>,
}

/// The metadata quorum, as its leader has it.
#[derive(Clone, Debug, Default)]
pub(in crate::web::pages) struct Quorum {
    pub(in crate::web::pages) leader: Option<i32>,
    pub(in crate::web::pages) epoch: i32,
    pub(in crate::web::pages) high_watermark: i64,
    pub(in crate::web::pages) voters: Vec<Voter>,
    pub(in crate::web::pages) observers: Vec<Voter>,
}

/// A replica of the metadata log.
#[derive(Clone, Copy, Debug)]
pub(in crate::web::pages) struct Voter {
    pub(in crate::web::pages) id: i32,
    pub(in crate::web::pages) end: i64,
    /// Milliseconds of the wall clock; -1 where it is not known.
    pub(in crate::web::pages) last_fetch_ms: i64,
    pub(in crate::web::pages) last_caught_up_ms: i64,
}

/// A config, and where its value comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(in crate::web::pages) struct Config {
    pub(in crate::web::pages) name: String,
    /// `None` where it has none, or is a secret.
    pub(in crate::web::pages) value: Option<String>,
    pub(in crate::web::pages) is_secret: bool,
    /// Whether it can't be changed while the cluster runs.
    pub(in crate::web::pages) is_read_only: bool,
    pub(in crate::web::pages) source: ConfigSource,
    pub(in crate::web::pages) documentation: Option<String>,
}

/// Where a value comes from. What somebody has set comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::web::pages) enum ConfigSource {
    Topic,
    Broker,
    Cluster,
    File,
    Default,
}

impl ConfigSource {
    fn of(number: i8) -> Self {
        match number {
            1 => Self::Topic,
            2 => Self::Broker,
            3 => Self::Cluster,
            4 => Self::File,
            _ => Self::Default,
        }
    }
}

/// Asks a broker for all that it tells of itself, in good time.
pub(super) async fn broker(image: &MetadataImage, peer: &Peer) -> Told {
    let mut told = Told::default();
    let address = match &peer.address {
        Ok(address) => address,
        Err(why) => {
            told.trouble = Some(why.clone());
            return told;
        }
    };
    match timeout(ALL, gather(image, (peer.id, address.as_str()), &mut told)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => told.trouble = Some(error.to_string()),
        Err(_) => told.trouble = Some(format!("no whole answer within {ALL:?}")),
    }
    told
}

async fn gather(
    image: &MetadataImage,
    (id, address): (i32, &str),
    told: &mut Told,
) -> Result<(), AskError> {
    let mut connection = NodeConnection::open(address, CLIENT, ONE).await?;
    let all = DescribeLogDirsRequest { topics: None };
    for result in connection.ask(&all).await?.results {
        add_directory(told, result);
    }
    let led = led_by(image, id);
    told.ends = offsets(&mut connection, &led, LATEST).await?;
    let listed = connection.ask(&ListGroupsRequest::default()).await?.groups;
    let mut ids: Vec<Str> = listed.into_iter().map(|it| it.group_id).collect();
    ids.sort();
    told.groups_left_out = ids.len().saturating_sub(MOST_GROUPS);
    ids.truncate(MOST_GROUPS);
    if ids.is_empty() {
        return Ok(());
    }
    let described = DescribeGroupsRequest {
        groups: ids.clone(),
        include_authorized_operations: false,
    };
    let described = connection.ask(&described).await?.groups;
    let mut groups: BTreeMap<Str, Group> = described
        .into_iter()
        .map(|it| (it.group_id.clone(), group(it)))
        .collect();
    add_committed(image, &mut connection, ids, &mut groups).await?;
    told.groups = groups.into_values().collect();
    Ok(())
}

fn add_directory(told: &mut Told, result: DescribeLogDirsResult) {
    let bytes = |number: i64| u64::try_from(number).ok();
    let mut directory = Directory {
        path: result.log_dir.to_string(),
        error: shown_error(result.error_code),
        replicas: 0,
        logs: 0,
        total: bytes(result.total_bytes),
        free: bytes(result.usable_bytes),
        is_cordoned: result.is_cordoned,
    };
    for topic in result.topics {
        let logs = told.logs.entry(topic.name).or_default();
        for partition in topic.partitions {
            let size = bytes(partition.partition_size).unwrap_or_default();
            directory.logs += size;
            directory.replicas += 1;
            if !partition.is_future_key {
                logs.insert(partition.partition_index, Log { size });
            }
        }
    }
    told.directories.push(directory);
}

fn shown_error(code: ErrorCode) -> Option<String> {
    code.is_error().then(|| code.message().to_owned())
}

/// The partitions that a broker leads, by topic.
fn led_by(image: &MetadataImage, id: i32) -> Vec<(Str, Vec<i32>)> {
    let topics = image.topics().iter().map(|topic| {
        let led = topic.partitions.iter();
        let led = led.filter(|(_, it)| it.leader == BrokerId(id));
        (
            Str::from(&topic.name),
            led.map(|(index, _)| *index).collect(),
        )
    });
    topics
        .filter(|(_, partitions): &(Str, Vec<i32>)| !partitions.is_empty())
        .collect()
}

async fn offsets(
    connection: &mut NodeConnection,
    partitions: &[(Str, Vec<i32>)],
    timestamp: i64,
) -> Result<Ends, AskError> {
    let topic = |(name, partitions): &(Str, Vec<i32>)| ListOffsetsTopic {
        name: name.clone(),
        partitions: partitions
            .iter()
            .map(|index| ListOffsetsPartition {
                partition_index: *index,
                current_leader_epoch: -1,
                timestamp,
            })
            .collect(),
    };
    let request = ListOffsetsRequest {
        replica_id: -1,
        topics: partitions.iter().map(topic).collect(),
        timeout_ms: i32::try_from(ONE.as_millis()).unwrap_or(i32::MAX),
        ..ListOffsetsRequest::default()
    };
    let answer = connection.ask(&request).await?;
    let topics = answer.topics.into_iter().map(|topic| {
        let known = topic.partitions.iter();
        let known = known.filter(|it| !it.error_code.is_error() && it.offset >= 0);
        let offsets = known.map(|it| (it.partition_index, it.offset)).collect();
        (topic.name, offsets)
    });
    Ok(topics.collect())
}

fn group(it: DescribedGroup) -> Group {
    Group {
        id: it.group_id,
        state: it.group_state,
        protocol: it.protocol_type,
        assignor: it.protocol_data,
        members: it.members.into_iter().map(member).collect(),
        committed: BTreeMap::new(),
    }
}

fn member(it: DescribedGroupMember) -> Member {
    let mut assigned = BTreeSet::new();
    // What other kinds of members are assigned is theirs to read.
    if let Ok(said) = decode::<ConsumerProtocolAssignment>(it.member_assignment) {
        for topic in said.assigned_partitions {
            let partitions = topic.partitions.into_iter();
            assigned.extend(partitions.map(|partition| (topic.topic.clone(), partition)));
        }
    }
    Member {
        id: it.member_id,
        instance: it.group_instance_id,
        client: it.client_id,
        host: it.client_host,
        assigned,
    }
}

async fn add_committed(
    image: &MetadataImage,
    connection: &mut NodeConnection,
    ids: Vec<Str>,
    groups: &mut BTreeMap<Str, Group>,
) -> Result<(), AskError> {
    let all = |group_id: Str| OffsetFetchRequestGroup {
        group_id,
        member_id: None,
        member_epoch: -1,
        topics: None,
    };
    let request = OffsetFetchRequest {
        groups: ids.into_iter().map(all).collect(),
        ..OffsetFetchRequest::default()
    };
    for answered in connection.ask(&request).await?.groups {
        let Some(group) = groups.get_mut(&*answered.group_id) else {
            continue;
        };
        for topic in answered.topics {
            // Later versions name topics by their ids.
            let by_id = image.topics().by_id(&topic.topic_id);
            let name = by_id.map_or(topic.name, |topic| Str::from(&topic.name));
            for it in topic.partitions {
                if it.committed_offset >= 0 && !it.error_code.is_error() {
                    let offset = it.committed_offset;
                    let key = (name.clone(), it.partition_index);
                    group.committed.insert(key, Committed { offset });
                }
            }
        }
    }
    Ok(())
}

/// Asks any broker for the metadata quorum; it asks the quorum's leader.
pub(in crate::web::pages) async fn quorum(address: &str) -> Result<Quorum, String> {
    let request = DescribeQuorumRequest {
        topics: vec![RequestTopicData {
            topic_name: METADATA_TOPIC.into(),
            partitions: vec![RequestPartitionData { partition_index: 0 }],
        }],
    };
    let mut answer = ask_once(address, &request).await?;
    if answer.error_code.is_error() {
        return Err(answer.error_code.message().to_owned());
    }
    let partition = answer.topics.pop().and_then(|mut it| it.partitions.pop());
    let partition = partition.ok_or("the answer names no partition")?;
    if partition.error_code.is_error() {
        return Err(partition.error_code.message().to_owned());
    }
    let replicas = |states: Vec<ReplicaState>| {
        let mut replicas: Vec<Voter> = states.iter().map(voter).collect();
        replicas.sort_by_key(|it| it.id);
        replicas
    };
    Ok(Quorum {
        leader: Some(partition.leader_id).filter(|id| *id >= 0),
        epoch: partition.leader_epoch,
        high_watermark: partition.high_watermark,
        voters: replicas(partition.current_voters),
        observers: replicas(partition.observers),
    })
}

fn voter(state: &ReplicaState) -> Voter {
    Voter {
        id: state.replica_id,
        end: state.log_end_offset,
        last_fetch_ms: state.last_fetch_timestamp,
        last_caught_up_ms: state.last_caught_up_timestamp,
    }
}

/// Asks for the configs of a topic (2) or broker (4): those that somebody has set first.
pub(in crate::web::pages) async fn configs(
    address: &str,
    resource_type: i8,
    name: &str,
) -> Result<Vec<Config>, String> {
    let request = DescribeConfigsRequest {
        resources: vec![DescribeConfigsResource {
            resource_type,
            resource_name: Str::copy_from(name),
            configuration_keys: None,
        }],
        include_synonyms: false,
        include_documentation: true,
    };
    let mut answer = ask_once(address, &request).await?;
    let found = answer.results.pop().ok_or("the answer is empty")?;
    if found.error_code.is_error() {
        return Err(found.error_code.message().to_owned());
    }
    let config = found.configs.into_iter().map(|it| Config {
        name: it.name.to_string(),
        value: it
            .value
            .filter(|_| !it.is_sensitive)
            .map(|it| it.to_string()),
        is_secret: it.is_sensitive,
        is_read_only: it.read_only,
        source: ConfigSource::of(it.config_source),
        documentation: it.documentation.map(|it| it.to_string()),
    });
    let mut configs: Vec<Config> = config.collect();
    configs.sort_by(|a, b| (a.source, &a.name).cmp(&(b.source, &b.name)));
    Ok(configs)
}

/// The first offsets of partitions that one broker leads.
pub(in crate::web::pages) async fn starts(
    address: &str,
    topic: &Str,
    partitions: Vec<i32>,
) -> Result<BTreeMap<i32, i64>, String> {
    let asking = async {
        let mut connection = NodeConnection::open(address, CLIENT, ONE).await?;
        offsets(&mut connection, &[(topic.clone(), partitions)], EARLIEST).await
    };
    let answer = timeout(ONE, asking).await;
    let answer = answer.map_err(|_| format!("no answer within {ONE:?}"))?;
    let mut ends = answer.map_err(|error| error.to_string())?;
    Ok(ends.remove(topic).unwrap_or_default())
}

async fn ask_once<R: Request>(address: &str, request: &R) -> Result<R::Response, String> {
    let asking = async {
        let mut connection = NodeConnection::open(address, CLIENT, ONE).await?;
        connection.ask(request).await
    };
    let answer = timeout(ONE, asking).await;
    let answer = answer.map_err(|_| format!("no answer within {ONE:?}"))?;
    answer.map_err(|error: AskError| error.to_string())
}
