//! A Produce request on its way into the logs: as much of it at a time as the thread may spend on it.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::{ACKS_ALL, WaitingForAcks, Written, note_failures, topic_id};
use crate::api::context::RequestContext;
use crate::api::throttle::Meter;
use crate::api::{Api, internal_topics};
use crate::clock::wall_clock;
use crate::model::{Offset, Timestamp, TopicIdPartition, Uuid};
use crate::protocol::messages::produce::{
    BatchIndexAndErrorMessage, PartitionProduceData, PartitionProduceResponse, ProduceRequest,
    ProduceResponse, TopicProduceResponse,
};
use crate::protocol::{ErrorCode, Str};
use crate::quota::QuotaKind;
use crate::records::BatchHeader;
use crate::records::validate::{Rejection, check_request, validate_within};
use crate::replication::delayed::AckWait;
use crate::replication::error::ReplicaError;
use crate::replication::partition::{Appended, LeaderWrite, Partition};
use crate::storage::producer_state::Origin;

/// The client id that may write to the topics of coordinators, as in Kafka.
const ADMIN_CLIENT: &str = "__admin_client";

/// How much of a request may be done.
pub(super) struct Effort {
    /// Bytes of records to look at, compressed or not.
    bytes: usize,
    partitions: usize,
}

impl Effort {
    /// A few milliseconds: what may be done on the thread of a connection, which others wait for.
    pub(super) fn little() -> Self {
        Self {
            bytes: 4 << 20,
            partitions: 256,
        }
    }

    pub(super) fn any() -> Self {
        Self {
            bytes: usize::MAX,
            partitions: usize::MAX,
        }
    }
}

/// A request that is being appended, as far as it is.
pub(super) struct Writing {
    request: ProduceRequest,
    responses: Vec<TopicProduceResponse>,
    wait: Option<AckWait>,
    meter: Meter,
    /// The place of the next partition in the request.
    next: usize,
}

impl Writing {
    pub(super) fn new(api: &Api, request: ProduceRequest) -> Self {
        let partitions = request.topic_data.iter().map(|it| it.partition_data.len());
        let wait = (request.acks == ACKS_ALL).then(|| AckWait::new(partitions.sum()));
        Self {
            responses: Vec::with_capacity(request.topic_data.len()),
            request,
            wait,
            meter: Meter::new(api),
            next: 0,
        }
    }

    /// Appends what is left, in the request's order, as far as the effort goes: whether that is all.
    pub(super) fn go_on(
        &mut self,
        api: &Api,
        context: &RequestContext,
        effort: &mut Effort,
    ) -> bool {
        let Self {
            request,
            responses,
            wait,
            meter,
            next,
        } = self;
        let image = api.image();
        let mut appending = Appending {
            api,
            context,
            acks: request.acks,
            now: wall_clock(),
            wait: wait.as_ref(),
            next: *next,
        };
        let begun = responses.len().saturating_sub(1);
        let is_done = meter.work(|| {
            for (place, topic) in request.topic_data.iter_mut().enumerate().skip(begun) {
                let id = topic_id(&image, context, topic);
                if place == responses.len() {
                    responses.push(TopicProduceResponse {
                        name: topic.name.clone(),
                        topic_id: topic.topic_id,
                        partition_responses: Vec::with_capacity(topic.partition_data.len()),
                    });
                }
                let answers = &mut responses[place].partition_responses;
                if !appending.append_topic(id, &mut topic.partition_data, answers, effort) {
                    return false;
                }
            }
            true
        });
        *next = appending.next;
        is_done
    }

    pub(super) fn finish(self, api: &Api, context: &RequestContext) -> Written {
        let mut response = ProduceResponse {
            responses: self.responses,
            ..ProduceResponse::default()
        };
        let wait = api.charge(context, QuotaKind::Produce, context.size as f64);
        if self.request.acks == 0 {
            // The time of a request without an answer is not counted, as in Kafka.
            api.mute(context, wait);
            return Written::Unanswered(response);
        }
        response.throttle_time_ms = api.settle(context, &self.meter, wait);
        match self.wait.map(AckWait::into_outcomes) {
            Some(Err(wait)) => Written::Waiting(WaitingForAcks {
                response,
                timeout: api.longest_wait(self.request.timeout_ms),
                wait,
            }),
            Some(Ok(outcomes)) => {
                note_failures(&mut response, outcomes);
                Written::Answered(response)
            }
            None => Written::Answered(response),
        }
    }
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

/// What holds for each of the partitions.
struct Appending<'a> {
    api: &'a Api,
    context: &'a RequestContext,
    acks: i16,
    now: Timestamp,
    wait: Option<&'a AckWait>,
    /// The place of the next partition in the request.
    next: usize,
}

impl Appending<'_> {
    /// Appends to those partitions of a topic that have no answer yet: whether to all.
    fn append_topic(
        &mut self,
        topic: Option<Uuid>,
        partitions: &mut [PartitionProduceData],
        answers: &mut Vec<PartitionProduceResponse>,
        effort: &mut Effort,
    ) -> bool {
        let nothing = Bytes::new();
        for data in &mut partitions[answers.len()..] {
            if effort.partitions == 0 {
                return false;
            }
            effort.partitions -= 1;
            let records = data.records.as_ref().unwrap_or(&nothing);
            let answer = match self.try_append(topic, data.index, records, &mut effort.bytes) {
                Ok(Some(appended)) => accepted(data.index, &appended),
                Ok(None) => return false,
                Err(refusal) => {
                    self.note_refusal(topic, data.index, records, refusal.code);
                    refused(data.index, refusal)
                }
            };
            data.records = None;
            answers.push(answer);
            self.next += 1;
        }
        true
    }

    fn try_append(
        &self,
        topic: Option<Uuid>,
        index: i32,
        records: &Bytes,
        left: &mut usize,
    ) -> Result<Option<Appended>, Refusal> {
        if !(ACKS_ALL..=1).contains(&self.acks) {
            return Err(ErrorCode::INVALID_REQUIRED_ACKS.into());
        }
        let topic_id = topic.ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
        let id = TopicIdPartition {
            topic_id,
            partition: index,
        };
        let partition = self.api.replicas().partition(&id)?;
        check_request(records, self.context.version())?;
        let topic = &partition.name().topic;
        if internal_topics::is_internal(topic) && self.context.client_id() != ADMIN_CLIENT {
            return Err(ErrorCode::INVALID_TOPIC_EXCEPTION.into());
        }
        self.append_to(id, &partition, records, left)
            .map_err(|refusal| refusal.at(&partition))
    }

    /// Remembers a refusal, as batches that the producer sent behind this one may be on their way.
    fn note_refusal(&self, topic: Option<Uuid>, index: i32, records: &[u8], code: ErrorCode) {
        self.count_refusal(topic, index, records, code);
        if let (Some(topic_id), Ok(Some(header))) = (topic, BatchHeader::parse(records)) {
            let id = TopicIdPartition {
                topic_id,
                partition: index,
            };
            let refused = &self.api.refused_for_now;
            refused.note(id, &header, code, Instant::now());
        }
    }

    fn count_refusal(&self, topic: Option<Uuid>, index: i32, records: &[u8], code: ErrorCode) {
        const TOO_LARGE: [ErrorCode; 2] = [
            ErrorCode::MESSAGE_TOO_LARGE,
            ErrorCode::RECORD_LIST_TOO_LARGE,
        ];
        let is_too_large = TOO_LARGE.contains(&code);
        let too_large = if is_too_large {
            records.len() as u64
        } else {
            0
        };
        let metrics = self.api.metrics();
        metrics.traffic.refused_batches.inc();
        metrics.traffic.oversized_bytes.inc_by(too_large);
        let id = topic.map(|topic_id| TopicIdPartition {
            topic_id,
            partition: index,
        });
        let partition = id.and_then(|id| self.api.replicas().partition(&id).ok());
        if let Some(traffic) = partition.as_ref().and_then(|it| it.traffic()) {
            traffic.refused(too_large);
        }
    }

    fn append_to(
        &self,
        id: TopicIdPartition,
        partition: &Arc<Partition>,
        records: &Bytes,
        left: &mut usize,
    ) -> Result<Option<Appended>, Refusal> {
        let policy = &partition.config().append;
        let Some(batch) = validate_within(records, policy, self.now, left)? else {
            return Ok(None);
        };
        if batch.header().is_transactional() {
            return Err(ErrorCode::INVALID_TXN_STATE.into());
        }
        let header = batch.header();
        let before = self.api.refused_for_now.before(id, header);
        if let Some(before) = before
            && partition.takes_any_sequence_of(header.producer_id())
        {
            return Err(before.code.into());
        }
        let write = LeaderWrite {
            batch: &batch,
            origin: Origin::Client,
            expected_epoch: None,
            guard: None,
            transaction_version: 0,
            ticket: self.wait.map(|wait| wait.ticket(self.next)),
        };
        match self.api.replicas().append(partition, write) {
            Ok(appended) => {
                self.api.refused_for_now.forget(id, header);
                Ok(Some(appended))
            }
            Err(error) => {
                tracing::debug!(partition = %partition.name(), %error, "a batch was refused");
                match (before, error.last_sequence()) {
                    (Some(before), Some(last)) if before.is_missing_after(last) => {
                        Err(before.code.into())
                    }
                    _ => Err(error.into()),
                }
            }
        }
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
