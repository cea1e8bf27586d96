//! Produce (key 0), versions 3-13: appends a batch to each of several partitions.
//!
//! acks=0 has no answer: an error closes the connection, so that the client looks for the leader again.
//! acks=1 is answered after the append, acks=all when the high watermark has passed; the request's memory
//! is given back before that wait. While a disk stalls, requests that write to it run on threads of its
//! directory.
//!
//! Version 7 allows zstd, 8 adds errors of single records, 10 names the new leader (KIP-951), 13
//! names topics by id. Transactions are not served yet, so transactional batches are refused.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::context::RequestContext;
use super::route::answer;
use super::throttle::Meter;
use super::{Api, internal_topics, nodes};
use crate::clock::wall_clock;
use crate::metadata::image::MetadataImage;
use crate::model::{Offset, Timestamp, TopicIdPartition, Uuid};
use crate::network::{CloseReason, Handling, Outcome};
use crate::protocol::messages::produce::{
    BatchIndexAndErrorMessage, LeaderIdAndEpoch, NodeEndpoint, PartitionProduceData,
    PartitionProduceResponse, ProduceRequest, ProduceResponse, TopicProduceData,
    TopicProduceResponse,
};
use crate::protocol::{DecodeError, ErrorCode, Str};
use crate::quota::QuotaKind;
use crate::records::validate::{Rejection, check_request, validate_produce};
use crate::replication::delayed::{AckOutcome, AckWait};
use crate::replication::error::ReplicaError;
use crate::replication::manager::SlowDir;
use crate::replication::partition::{Appended, LeaderWrite, Partition};
use crate::storage::producer_state::Origin;

/// `acks` of a request that is answered when all in-sync replicas have the batch.
const ACKS_ALL: i16 = -1;
/// The first version that names topics by id.
const FIRST_BY_ID: i16 = 13;
/// The first version that names the leader to one who asked the wrong broker.
const FIRST_WITH_LEADER: i16 = 10;
/// The client id that may write to the topics of coordinators, as in Kafka.
const ADMIN_CLIENT: &str = "__admin_client";

/// Appends everything, and answers or waits as `acks` demands.
///
/// # Errors
/// The body is malformed.
pub fn handle(
    api: &Arc<Api>,
    mut context: RequestContext,
    body: Bytes,
) -> Result<Handling, DecodeError> {
    let request = context.decode::<ProduceRequest>(body)?;
    if let Some(dir) = slow_dir(api, &context, &request) {
        return Ok(on_slow_disk(Arc::clone(api), dir, context, request));
    }
    let written = write(api, &context, request);
    // All of the frame is in the logs by now, or refused.
    context.release_memory();
    Ok(match written {
        Written::Unanswered(response) => without_answer(&response),
        Written::Answered(response) => Handling::Answer(complete(api, &context, response)),
        Written::Waiting(waiting) => {
            let api = Arc::clone(api);
            Handling::Pipelined(Box::pin(
                async move { waiting.answer(&api, &context).await },
            ))
        }
    })
}

/// The slow directory that the request writes to, if it writes to one.
fn slow_dir(api: &Api, context: &RequestContext, request: &ProduceRequest) -> Option<SlowDir> {
    let replicas = api.replicas();
    if !replicas.has_slow_dirs() {
        return None;
    }
    let image = api.image();
    let mut partitions = request.topic_data.iter().flat_map(|topic| {
        let topic_id = topic_id(&image, context, topic);
        let indexes = topic.partition_data.iter().map(|data| data.index);
        topic_id
            .into_iter()
            .flat_map(move |topic_id| indexes.clone().map(move |index| (topic_id, index)))
    });
    partitions.find_map(|(topic_id, partition)| {
        let id = TopicIdPartition {
            topic_id,
            partition,
        };
        replicas.slow_dir_of(&*replicas.partition(&id).ok()?)
    })
}

/// Writes on the threads of a slow directory; nothing else of the connection is started before it
/// is answered.
fn on_slow_disk(
    api: Arc<Api>,
    dir: SlowDir,
    mut context: RequestContext,
    request: ProduceRequest,
) -> Handling {
    Handling::Later(Box::pin(async move {
        let writer = Arc::clone(&api);
        let write = move || {
            let written = write(&writer, &context, request);
            context.release_memory();
            (written, context)
        };
        let (written, context) = api.replicas().on_slow_disk(dir, write).await;
        match written {
            Written::Unanswered(response) => match without_answer(&response) {
                Handling::Close(reason) => Outcome::Close(reason),
                _ => Outcome::NoAnswer,
            },
            Written::Answered(response) => Outcome::Answer(complete(&api, &context, response)),
            Written::Waiting(waiting) => waiting.answer(&api, &context).await,
        }
    }))
}

/// What is left to do for a request whose batches are in the logs, or refused.
enum Written {
    /// The client asked for no answer: only a refusal shows, by closing the connection.
    Unanswered(ProduceResponse),
    /// The answer can leave.
    Answered(ProduceResponse),
    /// The answer waits for replicas or for a sync.
    Waiting(WaitingForAcks),
}

struct WaitingForAcks {
    response: ProduceResponse,
    timeout: Duration,
    wait: AckWait,
}

fn write(api: &Api, context: &RequestContext, request: ProduceRequest) -> Written {
    let partitions = request.topic_data.iter().map(|it| it.partition_data.len());
    let ack_wait = (request.acks == ACKS_ALL).then(|| AckWait::new(partitions.sum()));
    let image = api.image();
    let mut appending = Appending {
        api,
        context,
        image: &image,
        acks: request.acks,
        now: wall_clock(),
        wait: ack_wait.as_ref(),
        next: 0,
    };
    let topics = request.topic_data.into_iter();
    let mut meter = Meter::new(api);
    let responses = meter.work(|| topics.map(|topic| appending.append_topic(topic)).collect());
    let mut response = ProduceResponse {
        responses,
        ..ProduceResponse::default()
    };
    let wait = api.charge(context, QuotaKind::Produce, context.size as f64);
    if request.acks == 0 {
        // The time of a request without an answer is not counted, as in Kafka.
        api.mute(context, wait);
        return Written::Unanswered(response);
    }
    response.throttle_time_ms = api.settle(context, &meter, wait);
    match ack_wait {
        Some(wait) if !wait.is_done() => Written::Waiting(WaitingForAcks {
            response,
            timeout: api.longest_wait(request.timeout_ms),
            wait,
        }),
        _ => Written::Answered(response),
    }
}

impl WaitingForAcks {
    async fn answer(self, api: &Api, context: &RequestContext) -> Outcome {
        let Self {
            mut response,
            timeout,
            wait,
        } = self;
        let outcomes = api.replicas().wait_for_acks(wait, timeout).await;
        let topics = response.responses.iter_mut();
        let partitions = topics.flat_map(|topic| &mut topic.partition_responses);
        for (partition, outcome) in partitions.zip(outcomes) {
            if let Some(code) = failure(outcome) {
                partition.error_code = code;
            }
        }
        Outcome::Answer(complete(api, context, response))
    }
}

fn without_answer(response: &ProduceResponse) -> Handling {
    let partitions = response
        .responses
        .iter()
        .flat_map(|topic| &topic.partition_responses);
    match partitions
        .map(|partition| partition.error_code)
        .find(|code| code.is_error())
    {
        None => Handling::NoAnswer,
        Some(code) => {
            let why = format!("a produce with acks=0 failed: {}", code.name());
            Handling::Close(CloseReason::refused(why))
        }
    }
}

/// The error that the end of a wait means; `None` if the batch is committed, or was refused before the
/// wait.
fn failure(outcome: AckOutcome) -> Option<ErrorCode> {
    match outcome {
        AckOutcome::Committed => None,
        AckOutcome::Waiting => Some(ErrorCode::REQUEST_TIMED_OUT),
        AckOutcome::NotEnoughReplicas => Some(ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND),
        AckOutcome::NotLeader => Some(ErrorCode::NOT_LEADER_OR_FOLLOWER),
        AckOutcome::StorageFailed => Some(ErrorCode::KAFKA_STORAGE_ERROR),
    }
}

/// Adds the endpoints of the leaders that the client should have asked, and encodes.
fn complete(
    api: &Api,
    context: &RequestContext,
    mut response: ProduceResponse,
) -> crate::protocol::ResponseFrame {
    if context.version() >= FIRST_WITH_LEADER {
        name_leaders(api, context, &mut response);
    }
    answer::<ProduceRequest>(context, &response)
}

fn name_leaders(api: &Api, context: &RequestContext, response: &mut ProduceResponse) {
    let mut leaders = Vec::new();
    for topic in &mut response.responses {
        for partition in &mut topic.partition_responses {
            if partition.error_code != ErrorCode::NOT_LEADER_OR_FOLLOWER {
                continue;
            }
            let image = api.image();
            let found = if context.version() >= FIRST_BY_ID {
                image.topics().by_id(&topic.topic_id)
            } else {
                image.topics().by_name(&topic.name)
            };
            let Some(found) = found.and_then(|topic| topic.partition(partition.index)) else {
                continue;
            };
            // It saves the client a request for metadata (KIP-951).
            partition.current_leader = LeaderIdAndEpoch {
                leader_id: found.leader.0,
                leader_epoch: found.leader_epoch.0,
            };
            leaders.push(found.leader);
        }
    }
    let endpoint = |node_id, host, port, rack| NodeEndpoint {
        node_id,
        host,
        port,
        rack,
    };
    response.node_endpoints =
        nodes::leader_endpoints(&api.image(), leaders, context.listener(), endpoint);
}

/// Why nothing was appended to a partition, with what the answer tells of the partition.
struct Refusal {
    code: ErrorCode,
    message: Option<Str>,
    record_errors: Vec<BatchIndexAndErrorMessage>,
    log_start_offset: Offset,
}

impl From<ErrorCode> for Refusal {
    fn from(code: ErrorCode) -> Self {
        Self {
            code,
            message: None,
            record_errors: Vec::new(),
            log_start_offset: Offset::NONE,
        }
    }
}

impl From<ReplicaError> for Refusal {
    fn from(error: ReplicaError) -> Self {
        error.code().into()
    }
}

impl From<Rejection> for Refusal {
    fn from(rejection: Rejection) -> Self {
        let has_errors = !rejection.record_errors.is_empty();
        let errors = rejection.record_errors.into_iter();
        Self {
            // Kafka has messages only for what it finds in single records.
            message: has_errors.then(|| rejection.message.into()),
            record_errors: errors
                .map(|(index, message)| BatchIndexAndErrorMessage {
                    batch_index: index,
                    batch_index_error_message: Some(message.into()),
                })
                .collect(),
            ..rejection.code.into()
        }
    }
}

impl Refusal {
    /// The refusal of a batch by the log of `partition`, with the log start offset. A producer whose state
    /// is gone compares the log start with what was acknowledged to it: if retention took the records that
    /// the state rested on, nothing is lost, and it goes on.
    fn at(self, partition: &Partition) -> Self {
        // With these errors Kafka does not tell it.
        const WITHOUT_LOG_START: [ErrorCode; 6] = [
            ErrorCode::INVALID_TXN_STATE,
            ErrorCode::NOT_LEADER_OR_FOLLOWER,
            ErrorCode::MESSAGE_TOO_LARGE,
            ErrorCode::RECORD_LIST_TOO_LARGE,
            ErrorCode::CORRUPT_MESSAGE,
            ErrorCode::KAFKA_STORAGE_ERROR,
        ];
        if WITHOUT_LOG_START.contains(&self.code) {
            return self;
        }
        Self {
            log_start_offset: partition.log_start_offset(),
            ..self
        }
    }
}

fn topic_id(
    image: &MetadataImage,
    context: &RequestContext,
    topic: &TopicProduceData,
) -> Option<Uuid> {
    if context.version() >= FIRST_BY_ID {
        Some(topic.topic_id)
    } else {
        image.topics().id_of(&topic.name)
    }
}

/// A request that is being appended.
struct Appending<'a> {
    api: &'a Api,
    context: &'a RequestContext,
    image: &'a MetadataImage,
    acks: i16,
    now: Timestamp,
    wait: Option<&'a AckWait>,
    /// The place of the next partition in the request, as requests order them.
    next: usize,
}

impl Appending<'_> {
    fn append_topic(&mut self, topic: TopicProduceData) -> TopicProduceResponse {
        let id = topic_id(self.image, self.context, &topic);
        let partitions = topic.partition_data.into_iter();
        TopicProduceResponse {
            name: topic.name,
            topic_id: topic.topic_id,
            partition_responses: partitions.map(|it| self.append(id, it)).collect(),
        }
    }

    fn append(
        &mut self,
        topic: Option<Uuid>,
        data: PartitionProduceData,
    ) -> PartitionProduceResponse {
        let place = self.next;
        self.next += 1;
        let outcome = self.try_append(topic, data.index, data.records.unwrap_or_default(), place);
        match outcome {
            Ok(appended) => accepted(data.index, &appended),
            Err(refusal) => refused(data.index, refusal),
        }
    }

    fn try_append(
        &self,
        topic: Option<Uuid>,
        index: i32,
        records: Bytes,
        place: usize,
    ) -> Result<Appended, Refusal> {
        if !(ACKS_ALL..=1).contains(&self.acks) {
            return Err(ErrorCode::INVALID_REQUIRED_ACKS.into());
        }
        let topic_id = topic.ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
        let partition = self.api.replicas().partition(&TopicIdPartition {
            topic_id,
            partition: index,
        })?;
        check_request(&records, self.context.version())?;
        let topic = &partition.name().topic;
        if internal_topics::is_internal(topic) && self.context.client_id() != ADMIN_CLIENT {
            return Err(ErrorCode::INVALID_TOPIC_EXCEPTION.into());
        }
        self.append_to(&partition, records, place)
            .map_err(|refusal| refusal.at(&partition))
    }

    fn append_to(
        &self,
        partition: &Arc<Partition>,
        records: Bytes,
        place: usize,
    ) -> Result<Appended, Refusal> {
        let batch = validate_produce(&records, &partition.config().append, self.now)?;
        drop(records);
        if batch.header().is_transactional() {
            return Err(ErrorCode::INVALID_TXN_STATE.into());
        }
        let write = LeaderWrite {
            batch: &batch,
            origin: Origin::Client,
            expected_epoch: None,
            guard: None,
            transaction_version: 0,
            ticket: self.wait.map(|wait| wait.ticket(place)),
        };
        let appended = self.api.replicas().append(partition, write);
        appended.map_err(|error| {
            tracing::debug!(partition = %partition.name(), %error, "a batch was refused");
            error.into()
        })
    }
}

fn accepted(index: i32, appended: &Appended) -> PartitionProduceResponse {
    PartitionProduceResponse {
        index,
        base_offset: appended.info.first_offset.0,
        log_append_time_ms: appended.info.log_append_time.unwrap_or(Timestamp::NONE).0,
        log_start_offset: appended.info.log_start_offset.0,
        ..PartitionProduceResponse::default()
    }
}

fn refused(index: i32, refusal: Refusal) -> PartitionProduceResponse {
    PartitionProduceResponse {
        index,
        base_offset: Offset::NONE.0,
        error_code: refusal.code,
        error_message: refusal.message,
        record_errors: refusal.record_errors,
        log_start_offset: refusal.log_start_offset.0,
        ..PartitionProduceResponse::default()
    }
}
