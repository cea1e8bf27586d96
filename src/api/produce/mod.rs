//! Produce (key 0), versions 3-13: appends a batch to each of several partitions.
//!
//! acks=0 has no answer: an error closes the connection, so that the client looks for the leader
//! again. acks=1 is answered after the append, acks=all when the high watermark has passed; the
//! request's memory is given back before that wait. A request that writes to a disk that stalls is
//! carried out on threads of its directory, and what is more than a little work on others.
//!
//! What a producer sent behind a batch that was refused for now is refused like it, see [`refused`].
//!
//! Version 7 allows zstd, 8 adds errors of single records, 10 names the new leader (KIP-951), 13
//! names topics by id. Transactions are not served yet, so transactional batches are refused.

mod refused;
mod writing;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::context::RequestContext;
use super::route::answer;
use super::{Api, nodes};
use crate::metadata::image::MetadataImage;
use crate::model::{TopicIdPartition, Uuid};
use crate::network::{CloseReason, Elsewhere, Handling, Outcome};
use crate::protocol::messages::produce::{
    LeaderIdAndEpoch, NodeEndpoint, ProduceRequest, ProduceResponse, TopicProduceData,
};
use crate::protocol::{DecodeError, ErrorCode};
use crate::replication::delayed::{AckOutcome, AckWait};
use crate::replication::manager::SlowDir;
pub(super) use refused::RefusedForNow;
use writing::{Effort, Writing};

/// `acks` of a request that is answered when all in-sync replicas have the batch.
const ACKS_ALL: i16 = -1;
/// The first version that names topics by id.
const FIRST_BY_ID: i16 = 13;
/// The first version that names the leader to one who asked the wrong broker.
const FIRST_WITH_LEADER: i16 = 10;

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
    let slow_dir = slow_dir(api, &context, &request);
    let mut writing = Writing::new(api, request);
    if let Some(dir) = slow_dir {
        return Ok(on_slow_disk(Arc::clone(api), dir, context, writing));
    }
    if !writing.go_on(api, &context, &mut Effort::little()) {
        return Ok(elsewhere(Arc::clone(api), context, writing));
    }
    let written = writing.finish(api, &context);
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
    context: RequestContext,
    writing: Writing,
) -> Handling {
    Handling::Later(Box::pin(async move {
        let (asked, write) = (Instant::now(), all_of_it(&api, context, writing));
        let written = api.replicas().on_slow_disk(dir, write).await;
        outcome(&api, written, asked).await
    }))
}

/// Does what is left of a large request where no other connection waits for it; nothing else of this
/// connection is started before it is answered.
fn elsewhere(api: Arc<Api>, context: RequestContext, writing: Writing) -> Handling {
    Handling::Later(Box::pin(async move {
        let (asked, write) = (Instant::now(), all_of_it(&api, context, writing));
        let written = api.large_batches.run(write).await;
        outcome(&api, written, asked).await
    }))
}

/// A request that was written elsewhere.
struct WrittenElsewhere {
    written: Written,
    context: RequestContext,
    worked: Duration,
}

fn all_of_it(
    api: &Arc<Api>,
    mut context: RequestContext,
    mut writing: Writing,
) -> impl FnOnce() -> WrittenElsewhere + Send + 'static {
    let api = Arc::clone(api);
    move || {
        let begun = Instant::now();
        let is_done = writing.go_on(&api, &context, &mut Effort::any());
        assert!(is_done, "any effort is enough");
        let written = writing.finish(&api, &context);
        context.release_memory();
        WrittenElsewhere {
            written,
            context,
            worked: begun.elapsed(),
        }
    }
}

/// What becomes of a request that was written elsewhere, since it was `asked` for there.
async fn outcome(api: &Api, elsewhere: WrittenElsewhere, asked: Instant) -> Outcome {
    let WrittenElsewhere {
        written,
        context,
        worked,
    } = elsewhere;
    let cost = Elsewhere {
        waited: asked.elapsed().saturating_sub(worked),
        worked,
    };
    let outcome = match written {
        Written::Unanswered(response) => match without_answer(&response) {
            Handling::Close(reason) => Outcome::Close(reason),
            _ => Outcome::NoAnswer,
        },
        Written::Answered(response) => Outcome::Answer(complete(api, &context, response)),
        Written::Waiting(waiting) => waiting.answer(api, &context).await,
    };
    match outcome {
        Outcome::Answer(frame) => Outcome::FromElsewhere(frame, cost),
        other => other,
    }
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

impl WaitingForAcks {
    async fn answer(self, api: &Api, context: &RequestContext) -> Outcome {
        let Self {
            mut response,
            timeout,
            wait,
        } = self;
        note_failures(
            &mut response,
            api.replicas().wait_for_acks(wait, timeout).await,
        );
        Outcome::Answer(complete(api, context, response))
    }
}

/// Puts the errors of waits that failed into the answer; `outcomes` are in the order of its partitions.
fn note_failures(response: &mut ProduceResponse, outcomes: Vec<AckOutcome>) {
    let topics = response.responses.iter_mut();
    let partitions = topics.flat_map(|topic| &mut topic.partition_responses);
    for (partition, outcome) in partitions.zip(outcomes) {
        if let Some(code) = failure(outcome) {
            partition.error_code = code;
        }
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
