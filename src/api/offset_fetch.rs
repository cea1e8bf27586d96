//! OffsetFetch (key 9), versions 1-10: where groups stand.
//!
//! Version 2 takes null for all topics, 7 can demand stable offsets, 8 asks for many groups at once
//! (each goes to its shard), 10 names topics by id.

use std::sync::Arc;

use bytes::Bytes;

use super::Api;
use super::context::RequestContext;
use super::group::{caller, expect_answer};
use crate::coordinator::group::Request;
use crate::metadata::image::MetadataImage;
use crate::protocol::messages::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics, OffsetFetchResponse,
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use crate::protocol::{ErrorCode, Str};

/// The first version with an error for a whole group.
const FIRST_WITH_ERROR: i16 = 2;
/// The first version that asks for many groups.
const FIRST_WITH_GROUPS: i16 = 8;
/// The first version that names topics by id.
const FIRST_BY_ID: i16 = 10;

/// Whether it asks for all offsets of a group, however many they are.
pub fn asks_for_all(_: &Api, context: &RequestContext, body: &Bytes) -> bool {
    // What is malformed is refused when it is decoded again.
    let Ok(request) = context.decode::<OffsetFetchRequest>(body.clone()) else {
        return false;
    };
    if context.version() < FIRST_WITH_GROUPS {
        return request.topics.is_none();
    }
    request.groups.iter().any(|group| group.topics.is_none())
}

/// Asks the shard of each group.
pub async fn handle(
    api: Arc<Api>,
    context: Arc<RequestContext>,
    mut request: OffsetFetchRequest,
) -> OffsetFetchResponse {
    let version = context.version();
    let mut groups = std::mem::take(&mut request.groups);
    if version < FIRST_WITH_GROUPS {
        groups = vec![only_group(&mut request)];
    }
    let mut room = context.answer_room();
    let mut answers = Vec::with_capacity(groups.len());
    for group in groups {
        let group_id = group.group_id.clone();
        let mut answer = None;
        if !room.is_used_up() {
            let told = tell(&api, &context, group, request.require_stable).await;
            answer = Some(told).filter(|told| room.fits(told));
        }
        answers.push(answer.unwrap_or_else(|| no_room(group_id)));
    }
    if version < FIRST_WITH_GROUPS {
        return of_only_group(answers.pop().expect("one group was asked for"));
    }
    OffsetFetchResponse {
        groups: answers,
        ..OffsetFetchResponse::default()
    }
}

/// What the group's shard tells of it.
async fn tell(
    api: &Api,
    context: &RequestContext,
    mut group: OffsetFetchRequestGroup,
    require_stable: bool,
) -> OffsetFetchResponseGroup {
    let version = context.version();
    let refused = if version >= FIRST_BY_ID {
        resolve_ids(&mut group, &api.image())
    } else {
        look_up_ids(&mut group, &api.image())
    };
    let group_id = group.group_id.clone();
    let question = Request::OffsetFetch {
        group,
        require_stable,
    };
    let submitted = api.groups().submit(&group_id, caller(context), &question);
    let mut group = expect_answer!(submitted.answer().await, OffsetFetch);
    if version >= FIRST_WITH_ERROR && group.error_code.is_error() {
        // The error of the group stands for all of its topics.
        group.topics.clear();
        return group;
    }
    if version >= FIRST_BY_ID {
        fill_in_ids(&mut group, &api.image());
    }
    group.topics.extend(refused);
    group
}

/// The answer about a group whose offsets have no room beside those of others.
fn no_room(group_id: Str) -> OffsetFetchResponseGroup {
    OffsetFetchResponseGroup {
        group_id,
        error_code: ErrorCode::INVALID_REQUEST,
        ..OffsetFetchResponseGroup::default()
    }
}

/// The one group of an old request, in the form of newer ones.
fn only_group(request: &mut OffsetFetchRequest) -> OffsetFetchRequestGroup {
    let topics = request.topics.take().map(|topics| {
        let topics = topics.into_iter().map(|topic| OffsetFetchRequestTopics {
            name: topic.name,
            partition_indexes: topic.partition_indexes,
            ..OffsetFetchRequestTopics::default()
        });
        topics.collect()
    });
    OffsetFetchRequestGroup {
        group_id: request.group_id.clone(),
        topics,
        ..OffsetFetchRequestGroup::default()
    }
}

fn of_only_group(group: OffsetFetchResponseGroup) -> OffsetFetchResponse {
    let partition = |it: OffsetFetchResponsePartitions| OffsetFetchResponsePartition {
        partition_index: it.partition_index,
        committed_offset: it.committed_offset,
        committed_leader_epoch: it.committed_leader_epoch,
        metadata: it.metadata,
        error_code: it.error_code,
    };
    let topics = group.topics.into_iter().map(|it| OffsetFetchResponseTopic {
        name: it.name,
        partitions: it.partitions.into_iter().map(partition).collect(),
    });
    OffsetFetchResponse {
        topics: topics.collect(),
        error_code: group.error_code,
        ..OffsetFetchResponse::default()
    }
}

/// Looks up the topics' names. Topics that are unknown are taken out, as answers.
fn resolve_ids(
    group: &mut OffsetFetchRequestGroup,
    image: &MetadataImage,
) -> Vec<OffsetFetchResponseTopics> {
    let mut refused = Vec::new();
    if let Some(topics) = &mut group.topics {
        topics.retain_mut(|topic| match image.topics().by_id(&topic.topic_id) {
            Some(known) => {
                topic.name = Str::copy_from(&known.name);
                true
            }
            None => {
                refused.push(unknown(topic));
                false
            }
        });
    }
    refused
}

/// Looks up the topics' ids, where there are such. With them an offset that belongs to an earlier topic of
/// the same name counts as missing. (Kafka tells it to clients that ask by name.) Refuses nothing.
fn look_up_ids(
    group: &mut OffsetFetchRequestGroup,
    image: &MetadataImage,
) -> Vec<OffsetFetchResponseTopics> {
    for topic in group.topics.iter_mut().flatten() {
        topic.topic_id = image.topics().id_of(&topic.name).unwrap_or_default();
    }
    Vec::new()
}

fn unknown(topic: &OffsetFetchRequestTopics) -> OffsetFetchResponseTopics {
    let indexes = topic.partition_indexes.iter();
    let partitions = indexes.map(|&partition_index| OffsetFetchResponsePartitions {
        partition_index,
        committed_offset: -1,
        metadata: Some(Str::EMPTY),
        error_code: ErrorCode::UNKNOWN_TOPIC_ID,
        ..OffsetFetchResponsePartitions::default()
    });
    OffsetFetchResponseTopics {
        topic_id: topic.topic_id,
        partitions: partitions.collect(),
        ..OffsetFetchResponseTopics::default()
    }
}

/// Answers to a request for all topics carry names: a topic that is gone has no id by which it could be
/// told.
fn fill_in_ids(group: &mut OffsetFetchResponseGroup, image: &MetadataImage) {
    group.topics.retain_mut(|topic| {
        if topic.topic_id.is_zero() {
            topic.topic_id = image.topics().id_of(&topic.name).unwrap_or_default();
        }
        !topic.topic_id.is_zero()
    });
}
