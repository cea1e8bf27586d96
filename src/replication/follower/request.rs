//! The requests of a follower to its leader, and what their answers say.

use super::fetcher::FetcherSettings;
use super::session::{Ask, Changes};
use super::work::{Found, LeaderLog, Search};
use crate::model::{BrokerId, Offset, TopicIdPartition};
use crate::protocol::messages::fetch::{
    FetchPartition, FetchRequest, FetchTopic, ForgottenTopic, ReplicaState,
};
use crate::protocol::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopic,
};
use crate::protocol::{ErrorCode, Str};

/// The versions of Fetch in which a follower tells its broker epoch (KIP-903), and names topics by id.
pub const FETCH_VERSIONS: std::ops::RangeInclusive<i16> = 15..=18;
/// The versions of ListOffsets in which a follower names the leader epoch.
pub const LIST_OFFSETS_VERSIONS: std::ops::RangeInclusive<i16> = 4..=11;

/// Asks for the end of a log. A broker is told the log end, where a consumer is told what is committed.
const LATEST: i64 = -1;
/// Asks for the start of a log.
const EARLIEST: i64 = -2;

/// The request of a session for what has changed in it.
pub fn fetch_request(
    settings: &FetcherSettings,
    broker_epoch: i64,
    changes: Changes,
) -> FetchRequest {
    let mut topics: Vec<FetchTopic> = Vec::new();
    for (id, ask) in changes.asked {
        let partition = fetch_partition(id.partition, &ask, settings.partition_max_bytes);
        match topics.last_mut() {
            Some(topic) if topic.topic_id == id.topic_id => topic.partitions.push(partition),
            _ => topics.push(FetchTopic {
                topic_id: id.topic_id,
                partitions: vec![partition],
                ..FetchTopic::default()
            }),
        }
    }
    let mut forgotten: Vec<ForgottenTopic> = Vec::new();
    for id in changes.forgotten {
        match forgotten.last_mut() {
            Some(topic) if topic.topic_id == id.topic_id => topic.partitions.push(id.partition),
            _ => forgotten.push(ForgottenTopic {
                topic_id: id.topic_id,
                partitions: vec![id.partition],
                ..ForgottenTopic::default()
            }),
        }
    }
    FetchRequest {
        replica_state: ReplicaState {
            replica_id: settings.replica.0,
            replica_epoch: broker_epoch,
        },
        max_wait_ms: settings.max_wait_ms,
        min_bytes: settings.min_bytes,
        max_bytes: settings.response_max_bytes,
        // A follower copies what is not committed yet.
        isolation_level: 0,
        session_id: changes.session_id,
        session_epoch: changes.session_epoch,
        topics,
        forgotten_topics_data: forgotten,
        ..FetchRequest::default()
    }
}

fn fetch_partition(partition: i32, ask: &Ask, partition_max_bytes: i32) -> FetchPartition {
    FetchPartition {
        partition,
        current_leader_epoch: ask.leader_epoch.0,
        fetch_offset: ask.fetch_offset.0,
        last_fetched_epoch: ask.last_epoch.0,
        log_start_offset: ask.log_start_offset.0,
        partition_max_bytes,
        ..FetchPartition::default()
    }
}

/// One end of a log, which ListOffsets tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogEdge {
    /// The log start offset.
    Start,
    /// The log end offset.
    End,
}

/// Asks for the edge of some logs. The API knows topics by name alone.
pub fn list_offsets_request<'a>(
    replica: BrokerId,
    edge: LogEdge,
    searches: impl Iterator<Item = (&'a str, &'a Search)>,
) -> ListOffsetsRequest {
    let timestamp = match edge {
        LogEdge::Start => EARLIEST,
        LogEdge::End => LATEST,
    };
    let mut topics: Vec<ListOffsetsTopic> = Vec::new();
    for (name, search) in searches {
        let partition = ListOffsetsPartition {
            partition_index: search.id.partition,
            current_leader_epoch: search.leader_epoch.0,
            timestamp,
        };
        match topics.last_mut() {
            Some(topic) if *topic.name == *name => topic.partitions.push(partition),
            _ => topics.push(ListOffsetsTopic {
                name: Str::copy_from(name),
                partitions: vec![partition],
            }),
        }
    }
    ListOffsetsRequest {
        replica_id: replica.0,
        topics,
        ..ListOffsetsRequest::default()
    }
}

/// What two answers, about the starts and the ends of logs, say of one of them.
pub fn found(
    topic: &str,
    id: &TopicIdPartition,
    starts: &ListOffsetsResponse,
    ends: &ListOffsetsResponse,
) -> Found {
    Ok(LeaderLog {
        log_start_offset: listed(topic, id.partition, starts)?,
        end_offset: listed(topic, id.partition, ends)?,
    })
}

fn listed(topic: &str, index: i32, answer: &ListOffsetsResponse) -> Result<Offset, ErrorCode> {
    let topics = answer.topics.iter().filter(|it| *it.name == *topic);
    let mut partitions = topics.flat_map(|topic| &topic.partitions);
    let partition = partitions.find(|it| it.partition_index == index);
    let partition = partition.ok_or(ErrorCode::UNKNOWN_SERVER_ERROR)?;
    match partition.error_code {
        ErrorCode::NONE if partition.offset >= 0 => Ok(Offset(partition.offset)),
        ErrorCode::NONE => Err(ErrorCode::UNKNOWN_SERVER_ERROR),
        error => Err(error),
    }
}
