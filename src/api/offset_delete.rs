//! OffsetDelete (key 47), version 0: deletes stored offsets of a group (KIP-496).
//!
//! Partitions that do not exist are refused here, each for itself.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use super::Api;
use super::context::RequestContext;
use super::group::{caller, expect_answer};
use crate::coordinator::group::Request;
use crate::metadata::image::MetadataImage;
use crate::protocol::ErrorCode;
use crate::protocol::messages::offset_delete::{
    OffsetDeleteRequest, OffsetDeleteResponse, OffsetDeleteResponsePartition,
    OffsetDeleteResponseTopic,
};

/// What the arrays of a request may take, at 64 bytes an element: half a million partitions. They are
/// numbers of four bytes, and answered by six.
pub const DECODED_BYTES: usize = 32 << 20;

/// Deletes the offsets of partitions that exist.
pub async fn handle(
    api: Arc<Api>,
    context: Arc<RequestContext>,
    mut request: OffsetDeleteRequest,
) -> OffsetDeleteResponse {
    let refused = refuse_unknown(&mut request, &api.image());
    let group_id = request.group_id.clone();
    let asked = Request::OffsetDelete(request);
    let submitted = api.groups().submit(&group_id, caller(&context), &asked);
    let mut response = expect_answer!(submitted.answer().await, OffsetDelete);
    // A group's error is that of the whole request: Kafka names no partition then.
    if !response.error_code.is_error() {
        merge(&mut response, refused);
    }
    response
}

/// Each topic once. The cost does not depend on which topics they are: a request may name tens of
/// thousands that do not exist.
fn merge(response: &mut OffsetDeleteResponse, refused: Vec<OffsetDeleteResponseTopic>) {
    let topics = &mut response.topics;
    let mut places = HashMap::new();
    for (place, topic) in topics.iter().enumerate() {
        places.entry(topic.name.clone()).or_insert(place);
    }
    for topic in refused {
        match places.entry(topic.name.clone()) {
            Entry::Occupied(known) => topics[*known.get()].partitions.extend(topic.partitions),
            Entry::Vacant(new) => {
                new.insert(topics.len());
                topics.push(topic);
            }
        }
    }
}

/// Takes partitions that do not exist out of the request, as answers.
fn refuse_unknown(
    request: &mut OffsetDeleteRequest,
    image: &MetadataImage,
) -> Vec<OffsetDeleteResponseTopic> {
    let mut refused = Vec::new();
    request.topics.retain_mut(|topic| {
        let known = image.topics().by_name(&topic.name);
        let unknown = topic.partitions.extract_if(.., |it| {
            known.is_none_or(|known| known.partition(it.partition_index).is_none())
        });
        let partitions: Vec<_> = unknown
            .map(|it| OffsetDeleteResponsePartition {
                partition_index: it.partition_index,
                error_code: ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            })
            .collect();
        if !partitions.is_empty() {
            refused.push(OffsetDeleteResponseTopic {
                name: topic.name.clone(),
                partitions,
            });
        }
        !topic.partitions.is_empty()
    });
    refused
}
