//! Fetch (key 1), versions 4-18: records of several partitions, waiting for enough of them.
//!
//! Version 5 adds the log start offset, 7 sessions (KIP-227), 9 leader epochs, 11 racks, 12 diverging
//! epochs, 13 topic ids, 15 the follower's state (KIP-903), 16 names the leader (KIP-951). Records
//! are handed on as regions of their files.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::context::RequestContext;
use super::route::answer;
use super::throttle::Meter;
use super::{Api, followers, nodes};
use crate::metadata::image::MetadataImage;
use crate::model::{BrokerId, LeaderEpoch, Offset, Uuid};
use crate::network::{Handling, Outcome};
use crate::protocol::messages::fetch::{
    AbortedTransaction, EpochEndOffset, FetchPartition, FetchRequest, FetchResponse, FetchTopic,
    FetchableTopicResponse, LeaderIdAndEpoch, NodeEndpoint, PartitionData,
};
use crate::protocol::{DecodeError, Encode as _, ErrorCode, Str};
use crate::quota::QuotaKind;
use crate::replication::delayed::Interest;
use crate::replication::manager::{
    FetchAnswer, FetchParams, FollowerIdentity, PartitionAnswer, SessionRequest,
};

use crate::replication::fetch_session::{PartitionRequest, SessionError, TopicKey, TopicRef};

/// The first version whose consumers tell their rack, and may be sent to other replicas.
const FIRST_WITH_RACK: i16 = 11;
/// The first version that names topics by id.
const FIRST_BY_ID: i16 = 13;
/// The first version whose followers tell their state in a structure of its own.
const FIRST_WITH_STATE: i16 = 15;
/// The first version that names the leader to one who asked the wrong broker.
const FIRST_WITH_LEADER: i16 = 16;
/// The first version that knows KAFKA_STORAGE_ERROR.
const FIRST_WITH_STORAGE_ERROR: i16 = 6;
/// The replica id of a tool that may ask any replica.
const DEBUGGING: i32 = -2;

/// Begins to serve, and answers when there is enough, or when the request has waited long enough.
///
/// # Errors
/// The body is malformed.
pub fn handle(
    api: &Arc<Api>,
    mut context: RequestContext,
    body: Bytes,
) -> Result<Handling, DecodeError> {
    let version = context.version();
    let request = context.decode::<FetchRequest>(body)?;
    let follower = follower(version, &request);
    let checked = follower.map(|it| followers::check_fetch(api, &context, it));
    let follower = match checked.transpose() {
        Ok(follower) => follower,
        Err(code) => {
            let response = refused(&request, code);
            let answer = answer::<FetchRequest>(&context, &response);
            return Ok(Handling::Answer(answer));
        }
    };
    let session = session(version, &request, follower);
    let by_id = session.uses_topic_ids;
    let partitions = request
        .topics
        .iter()
        .flat_map(|topic| partitions(topic, by_id));
    let forgotten = request.forgotten_topics_data.iter().flat_map(|topic| {
        let key = topic_ref(by_id, topic.topic_id, &topic.topic);
        topic.partitions.iter().map(move |index| (key, *index))
    });
    let params = params(api, &context, &request, follower);
    let is_follower = follower.is_some();
    let mut meter = Meter::new(api);
    let begun = meter.work(|| {
        let replicas = api.replicas();
        replicas.begin_fetch(params, session, partitions, forgotten)
    });
    // A Fetch may wait long, and must not hold memory of the budget meanwhile: what it needs was copied.
    drop(request);
    context.release_memory();
    match begun {
        Err(error) => {
            let response = FetchResponse {
                error_code: code(error),
                throttle_time_ms: api.settle(&context, &meter, Duration::ZERO),
                ..FetchResponse::default()
            };
            Ok(Handling::Answer(answer::<FetchRequest>(
                &context, &response,
            )))
        }
        Ok(fetch) => {
            let api = Arc::clone(api);
            Ok(Handling::Later(Box::pin(async move {
                let fetched = meter.drive(fetch.run()).await;
                count(&api, &fetched, is_follower);
                let mut response = response(&api, &context, fetched, is_follower);
                // The quotas of clients do not hold for followers.
                if !is_follower {
                    throttle(&api, &context, &meter, &mut response);
                }
                Outcome::Answer(answer::<FetchRequest>(&context, &response))
            })))
        }
    }
}

fn count(api: &Api, fetched: &FetchAnswer, is_follower: bool) {
    let (metrics, partitions) = (api.metrics(), &fetched.partitions);
    if partitions.is_empty() {
        return;
    }
    let bytes = partitions.iter().map(|it| it.records.len() as u64).sum();
    if is_follower {
        metrics.replication.sent_bytes.inc_by(bytes);
    } else {
        metrics.traffic.fetched_bytes.inc_by(bytes);
    }
    metrics
        .traffic
        .fetched_partitions
        .inc_by(partitions.len() as u64);
    let refused = partitions.iter().filter(|it| it.error.is_error()).count();
    if refused > 0 {
        metrics.traffic.refused_fetches.inc_by(refused as u64);
    }
}

/// Charges the answer to the client's quota. The answer is sent even if it exceeds the quota, and the
/// client waits before its next request. (Kafka sends none of it,
/// and reads it once more then.)
fn throttle(api: &Api, context: &RequestContext, meter: &Meter, response: &mut FetchResponse) {
    let wait = if api.quotas().is_active(QuotaKind::Fetch) {
        let size = response.size(context.version());
        api.charge(context, QuotaKind::Fetch, size as f64)
    } else {
        Duration::ZERO
    };
    response.throttle_time_ms = api.settle(context, meter, wait);
}

fn code(error: SessionError) -> ErrorCode {
    match error {
        SessionError::NotFound => ErrorCode::FETCH_SESSION_ID_NOT_FOUND,
        SessionError::InvalidEpoch => ErrorCode::INVALID_FETCH_SESSION_EPOCH,
        SessionError::TopicIds => ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR,
    }
}

fn partitions(
    topic: &FetchTopic,
    by_id: bool,
) -> impl Iterator<Item = (TopicRef<'_>, i32, PartitionRequest)> {
    let key = topic_ref(by_id, topic.topic_id, &topic.topic);
    topic
        .partitions
        .iter()
        .map(move |asked| (key, asked.partition, partition_request(asked)))
}

fn topic_ref(by_id: bool, id: Uuid, name: &str) -> TopicRef<'_> {
    if by_id {
        TopicRef::Id(id)
    } else {
        TopicRef::Name(name)
    }
}

fn partition_request(asked: &FetchPartition) -> PartitionRequest {
    PartitionRequest {
        fetch_offset: Offset(asked.fetch_offset),
        max_bytes: asked.partition_max_bytes,
        current_leader_epoch: stated(asked.current_leader_epoch),
        last_fetched_epoch: stated(asked.last_fetched_epoch),
        log_start_offset: Offset(asked.log_start_offset),
    }
}

/// The leader epoch that the client states: any negative one means that it states none.
fn stated(epoch: i32) -> LeaderEpoch {
    LeaderEpoch(epoch).max(LeaderEpoch::NONE)
}

/// The replica id and the broker epoch that a request gives.
fn replica(version: i16, request: &FetchRequest) -> (i32, i64) {
    if version >= FIRST_WITH_STATE {
        let state = &request.replica_state;
        (state.replica_id, state.replica_epoch)
    } else {
        (request.replica_id, -1)
    }
}

/// The session that a request belongs to; none for a follower that nobody knows.
fn session(
    version: i16,
    request: &FetchRequest,
    follower: Option<FollowerIdentity>,
) -> SessionRequest {
    let uses_topic_ids = version >= FIRST_BY_ID;
    if follower.is_some_and(followers::is_nobody) {
        return SessionRequest::none(uses_topic_ids);
    }
    SessionRequest {
        id: request.session_id,
        epoch: request.session_epoch,
        uses_topic_ids,
    }
}

/// The follower that asks, as it says.
fn follower(version: i16, request: &FetchRequest) -> Option<FollowerIdentity> {
    let (replica, epoch) = replica(version, request);
    (replica >= 0).then_some(FollowerIdentity {
        id: BrokerId(replica),
        epoch,
    })
}

/// The answer to who is not the follower that it says it is: no partition that it names has anything for
/// it, and no session changes.
fn refused(request: &FetchRequest, code: ErrorCode) -> FetchResponse {
    let refused = |topic: &FetchTopic| FetchableTopicResponse {
        topic: topic.topic.clone(),
        topic_id: topic.topic_id,
        partitions: topic
            .partitions
            .iter()
            .map(|asked| PartitionData {
                partition_index: asked.partition,
                error_code: code,
                high_watermark: Offset::NONE.0,
                ..PartitionData::default()
            })
            .collect(),
    };
    FetchResponse {
        responses: request.topics.iter().map(refused).collect(),
        ..FetchResponse::default()
    }
}

fn params(
    api: &Api,
    context: &RequestContext,
    request: &FetchRequest,
    follower: Option<FollowerIdentity>,
) -> FetchParams {
    let (replica, _) = replica(context.version(), request);
    let size = |bytes: i32| u32::try_from(bytes).unwrap_or(0);
    let max_bytes = request.max_bytes.min(api.config().topics.fetch_max_bytes);
    let max_bytes = match follower {
        Some(_) => size(max_bytes),
        None => most_at_once(api, context).min(size(max_bytes)),
    };
    FetchParams {
        follower,
        // Nobody reads the answer of a peer that has closed, so it holds no memory while it waits.
        max_wait: if context.connection.peer_has_closed() {
            Duration::ZERO
        } else {
            api.longest_wait(request.max_wait_ms)
        },
        min_bytes: size(request.min_bytes).min(max_bytes),
        max_bytes,
        // A follower copies what is not committed yet: its fetches are what commits it.
        interest: match (follower, request.isolation_level) {
            (Some(_), _) => Interest::LogEnd,
            (None, 0) => Interest::HighWatermark,
            (None, _) => Interest::LastStable,
        },
        // Clients of older versions know of leaders alone.
        only_leader: follower.is_some()
            || context.version() < FIRST_WITH_RACK && replica != DEBUGGING,
        near: match follower {
            Some(_) => None,
            None => near(api, context, &request.rack_id),
        },
    }
}

/// The brokers in a consumer's rack that it can reach, if it had better read from them than from this one
/// (KIP-392).
fn near(api: &Api, context: &RequestContext, rack: &str) -> Option<Arc<[BrokerId]>> {
    if rack.is_empty() || !api.config().replication.prefers_near_replicas {
        return None;
    }
    let image = api.image();
    let in_rack = image.brokers().iter().filter(|broker| {
        broker.rack.as_deref() == Some(rack)
            && !broker.fenced
            && broker.endpoint(context.listener()).is_some()
    });
    let ids: Arc<[BrokerId]> = in_rack.map(|broker| broker.id).collect();
    let is_here = ids.contains(&api.config().node.node_id);
    (!is_here && !ids.is_empty()).then_some(ids)
}

/// The most bytes that the client's quota allows at once: a larger answer would only mean a longer wait.
fn most_at_once(api: &Api, context: &RequestContext) -> u32 {
    let (principal, client_id) = (context.principal(), context.client_id());
    let most = api
        .quotas()
        .most_at_once(QuotaKind::Fetch, principal, client_id);
    most.map_or(u32::MAX, |bytes| bytes as u32)
}

fn response(
    api: &Api,
    context: &RequestContext,
    fetched: FetchAnswer,
    is_follower: bool,
) -> FetchResponse {
    let mut responses: Vec<FetchableTopicResponse> = Vec::new();
    let mut leaders = Vec::new();
    let mut last: Option<TopicKey> = None;
    for partition in fetched.partitions {
        leaders.extend(partition.current_leader.map(|(leader, _)| leader));
        if last.as_ref() != Some(&partition.topic) {
            responses.push(topic_response(&partition.topic));
            last = Some(partition.topic.clone());
        }
        let topic = responses
            .last_mut()
            .expect("one was just pushed, if there was none");
        topic
            .partitions
            .push(partition_data(partition, context.version()));
    }
    // A follower learns from the metadata log who leads.
    if is_follower || context.version() < FIRST_WITH_LEADER {
        leaders.clear();
    }
    FetchResponse {
        error_code: fetched.error,
        session_id: fetched.session_id,
        responses,
        node_endpoints: endpoints(&api.image(), leaders, context.listener()),
        ..FetchResponse::default()
    }
}

fn topic_response(topic: &TopicKey) -> FetchableTopicResponse {
    match topic {
        TopicKey::Id(id) => FetchableTopicResponse {
            topic_id: *id,
            ..FetchableTopicResponse::default()
        },
        TopicKey::Name(name) => FetchableTopicResponse {
            topic: Str::copy_from(name),
            ..FetchableTopicResponse::default()
        },
    }
}

fn partition_data(answer: PartitionAnswer, version: i16) -> PartitionData {
    let error_code = match answer.error {
        // Clients of these versions do not know the code, and must look for another leader as well.
        ErrorCode::KAFKA_STORAGE_ERROR if version < FIRST_WITH_STORAGE_ERROR => {
            ErrorCode::NOT_LEADER_OR_FOLLOWER
        }
        code => code,
    };
    let diverging_epoch = answer
        .diverging
        .map_or_else(EpochEndOffset::default, |end| EpochEndOffset {
            epoch: end.epoch.0,
            end_offset: end.end_offset.0,
        });
    let current_leader = answer
        // In older versions the field stays at its default, which is not encoded.
        .current_leader
        .filter(|_| version >= FIRST_WITH_LEADER)
        .map_or_else(LeaderIdAndEpoch::default, |(leader, epoch)| {
            LeaderIdAndEpoch {
                leader_id: leader.0,
                leader_epoch: epoch.0,
            }
        });
    let aborted = answer.aborted.map(|aborted| {
        let aborted = aborted.into_iter();
        let told = aborted.map(|transaction| AbortedTransaction {
            producer_id: transaction.producer_id.0,
            first_offset: transaction.first_offset.0,
        });
        told.collect()
    });
    PartitionData {
        partition_index: answer.partition,
        error_code,
        high_watermark: answer.high_watermark.0,
        last_stable_offset: answer.last_stable_offset.0,
        log_start_offset: answer.log_start_offset.0,
        diverging_epoch,
        current_leader,
        aborted_transactions: aborted,
        preferred_read_replica: answer.preferred.unwrap_or(BrokerId::NONE).0,
        records: answer.records,
        ..PartitionData::default()
    }
}

fn endpoints(image: &MetadataImage, leaders: Vec<BrokerId>, listener: &str) -> Vec<NodeEndpoint> {
    let endpoint = |node_id, host, port, rack| NodeEndpoint {
        node_id,
        host,
        port,
        rack,
    };
    nodes::leader_endpoints(image, leaders, listener, endpoint)
}
