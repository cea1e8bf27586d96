//! OffsetCommit (key 8), versions 2-10: stores where a group stands.
//!
//! Partitions that do not exist are refused here, each by itself; the group's shard decides on the others.
//! Version 6 adds leader epochs, 7 static members (KIP-345), 10 names topics by id.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use bytes::Bytes;

use super::Api;
use super::context::RequestContext;
use super::group::{MAX_BODY_BYTES, caller, expect_answer};
use super::route::answer;
use crate::coordinator::Submitted;
use crate::coordinator::group::{Answer, Request};
use crate::metadata::image::{MetadataImage, TopicImage};
use crate::model::TopicId;
use crate::network::{Handling, Outcome};
use crate::protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestTopic, OffsetCommitResponse,
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use crate::protocol::{DecodeError, ErrorCode, Str, decode_request};

/// The first version that names topics by id.
const FIRST_BY_ID: i16 = 10;
/// What the arrays of a request may take that is only refused: half a million partitions.
const MOST_REFUSED_BYTES: usize = 32 << 20;

/// Stores the offsets of partitions that exist.
///
/// # Errors
/// The body is malformed.
pub fn handle(
    api: &Arc<Api>,
    context: RequestContext,
    body: Bytes,
) -> Result<Handling, DecodeError> {
    if body.len() > MAX_BODY_BYTES {
        return refuse_whole(&context, body);
    }
    let mut request = match context.decode::<OffsetCommitRequest>(body.clone()) {
        Err(DecodeError::HeapBudgetExceeded) => return refuse_whole(&context, body),
        decoded => decoded?,
    };
    drop(body);
    let refused = refuse_unknown(&mut request, &api.image(), context.version());
    if request.topics.is_empty() {
        return Ok(now(&context, &response(refused)));
    }
    let group_id = request.group_id.clone();
    let asked = Request::OffsetCommit(request);
    match api.groups().submit(&group_id, caller(&context), &asked) {
        Submitted::Answered(answer) => Ok(now(&context, &merged(refused, answer))),
        // The commit waits for what it wrote, not for other members: its frame stays charged until then,
        // and the connection's next commits are decided meanwhile.
        waiting @ Submitted::Waiting(_) => Ok(Handling::Pipelined(Box::pin(async move {
            let response = merged(refused, waiting.answer().await);
            Outcome::Answer(answer::<OffsetCommitRequest>(&context, &response))
        }))),
    }
}

/// Answers, as Kafka does, that so many offsets do not fit in one batch. Their partitions have to be named.
///
/// # Errors
/// The body is malformed, or has too many partitions even to be refused one by one.
fn refuse_whole(context: &RequestContext, body: Bytes) -> Result<Handling, DecodeError> {
    let mut request: OffsetCommitRequest =
        decode_request(body, context.version(), MOST_REFUSED_BYTES)?;
    let error = ErrorCode::INVALID_COMMIT_OFFSET_SIZE;
    let refused = request
        .topics
        .iter_mut()
        .map(|topic| OffsetCommitResponseTopic {
            name: topic.name.clone(),
            topic_id: topic.topic_id,
            partitions: take_all_partitions(topic, error),
        });
    Ok(now(context, &response(refused.collect())))
}

fn now(context: &RequestContext, response: &OffsetCommitResponse) -> Handling {
    Handling::Answer(answer::<OffsetCommitRequest>(context, response))
}

fn response(topics: Vec<OffsetCommitResponseTopic>) -> OffsetCommitResponse {
    OffsetCommitResponse {
        topics,
        ..OffsetCommitResponse::default()
    }
}

/// The shard's answer, with the partitions that were refused before it was asked, each topic once. The cost
/// does not depend on which topics these are: a request may name hundreds of thousands that do not exist.
fn merged(refused: Vec<OffsetCommitResponseTopic>, answer: Answer) -> OffsetCommitResponse {
    let mut response = expect_answer!(answer, OffsetCommit);
    if refused.is_empty() {
        return response;
    }
    let topics = &mut response.topics;
    let mut places = HashMap::new();
    for (place, topic) in topics.iter().enumerate() {
        places.entry(name_of(topic)).or_insert(place);
    }
    for topic in refused {
        match places.entry(name_of(&topic)) {
            Entry::Occupied(known) => topics[*known.get()].partitions.extend(topic.partitions),
            Entry::Vacant(new) => {
                new.insert(topics.len());
                topics.push(topic);
            }
        }
    }
    response
}

/// The key that tells topics apart: requests have either the name or the id.
fn name_of(topic: &OffsetCommitResponseTopic) -> (Str, TopicId) {
    (topic.name.clone(), topic.topic_id)
}

/// Takes partitions that do not exist out of the request, as answers; those that are left have names and
/// ids.
fn refuse_unknown(
    request: &mut OffsetCommitRequest,
    image: &MetadataImage,
    version: i16,
) -> Vec<OffsetCommitResponseTopic> {
    let mut refused = Vec::new();
    request.topics.retain_mut(|topic| {
        let partitions = match find(topic, image, version) {
            Ok(known) => {
                topic.topic_id = known.id;
                if version >= FIRST_BY_ID {
                    topic.name = Str::copy_from(&known.name);
                }
                take_unknown_partitions(topic, known)
            }
            Err(error) => take_all_partitions(topic, error),
        };
        let is_asked = !topic.partitions.is_empty();
        if !partitions.is_empty() || !is_asked {
            refused.push(OffsetCommitResponseTopic {
                name: topic.name.clone(),
                topic_id: topic.topic_id,
                partitions,
            });
        }
        is_asked
    });
    refused
}

fn find<'a>(
    topic: &OffsetCommitRequestTopic,
    image: &'a MetadataImage,
    version: i16,
) -> Result<&'a TopicImage, ErrorCode> {
    let topics = image.topics();
    let (found, error) = if version >= FIRST_BY_ID {
        (topics.by_id(&topic.topic_id), ErrorCode::UNKNOWN_TOPIC_ID)
    } else {
        let error = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
        (topics.by_name(&topic.name), error)
    };
    found.map(|topic| &**topic).ok_or(error)
}

fn take_unknown_partitions(
    topic: &mut OffsetCommitRequestTopic,
    known: &TopicImage,
) -> Vec<OffsetCommitResponsePartition> {
    let unknown = topic
        .partitions
        .extract_if(.., |it| known.partition(it.partition_index).is_none());
    unknown
        .map(|it| OffsetCommitResponsePartition {
            partition_index: it.partition_index,
            error_code: ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        })
        .collect()
}

fn take_all_partitions(
    topic: &mut OffsetCommitRequestTopic,
    error_code: ErrorCode,
) -> Vec<OffsetCommitResponsePartition> {
    let all = topic.partitions.drain(..);
    all.map(|it| OffsetCommitResponsePartition {
        partition_index: it.partition_index,
        error_code,
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn topic(name: &str, partition_index: i32) -> OffsetCommitResponseTopic {
        OffsetCommitResponseTopic {
            name: Str::copy_from(name),
            topic_id: TopicId::ZERO,
            partitions: vec![OffsetCommitResponsePartition {
                partition_index,
                error_code: ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            }],
        }
    }

    #[test]
    fn a_topic_that_is_known_in_part_is_answered_once() {
        let answer = response(vec![topic("known", 0)]).into();
        let refused = vec![topic("unknown", 0), topic("known", 1), topic("unknown", 1)];

        let merged = merged(refused, answer);

        let found: Vec<_> = merged
            .topics
            .iter()
            .map(|topic| {
                let partitions = topic.partitions.iter();
                let partitions: Vec<i32> = partitions.map(|it| it.partition_index).collect();
                (topic.name.as_str(), partitions)
            })
            .collect();
        assert_eq!(found, [("known", vec![0, 1]), ("unknown", vec![0, 1])]);
    }

    #[test]
    fn a_commit_for_very_many_unknown_topics_holds_nobody_up() {
        let answer = response(vec![topic("known", 0)]).into();
        let unknown = |n: u32| topic(&format!("unknown-{n}"), 0);
        let refused: Vec<_> = (0..200_000).map(unknown).collect();

        let started = Instant::now();
        let merged = merged(refused, answer);

        assert_eq!(merged.topics.len(), 200_001);
        let took = started.elapsed();
        // A few tenths of a second on a machine that does nothing else. Looking each up among all that
        // came before takes minutes.
        assert!(took < Duration::from_secs(60), "{took:?}");
    }
}
