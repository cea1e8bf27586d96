//! DescribeTopicPartitions (key 75), version 0: topics page by page (KIP-966).
//!
//! A page ends after `max.request.partition.size.limit` partitions, or fewer if the client says so;
//! the cursor tells where the next one begins.

use super::context::RequestContext;
use super::{Api, internal_topics, nodes, operations};
use crate::metadata::controller::check_topic_name;
use crate::metadata::image::{MetadataImage, PartitionImage, TopicImage};
use crate::model::BrokerId;
use crate::protocol::messages::describe_topic_partitions::{
    Cursor, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse,
    DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use crate::protocol::{ErrorCode, Str};

/// Answers with one page.
pub fn handle(
    api: &Api,
    context: &RequestContext,
    request: &DescribeTopicPartitionsRequest,
) -> DescribeTopicPartitionsResponse {
    let image = api.image();
    if request
        .cursor
        .as_ref()
        .is_some_and(|cursor| !is_valid(cursor, request))
    {
        return DescribeTopicPartitionsResponse {
            topics: request
                .topics
                .iter()
                .map(|asked| refused(&asked.name))
                .collect(),
            ..DescribeTopicPartitionsResponse::default()
        };
    }
    let limit = api.config().topics.max_request_partition_size_limit;
    let left = request.response_partition_limit.min(limit).max(1);
    let mut page = Page {
        image: &image,
        listener: context.listener(),
        left,
        response: DescribeTopicPartitionsResponse::default(),
    };
    // An empty request means all topics, so a missing one is no error then.
    if request.topics.is_empty() {
        let first = request
            .cursor
            .as_ref()
            .map_or("", |cursor| &*cursor.topic_name);
        let topics = image.topics().iter_from(first);
        page.fill(
            topics.map(|topic| (Str::copy_from(&topic.name), Some(&**topic))),
            request.cursor.as_ref(),
        );
    } else {
        let mut names: Vec<Str> = request
            .topics
            .iter()
            .map(|topic| topic.name.clone())
            .collect();
        names.sort_unstable();
        names.dedup();
        if let Some(cursor) = &request.cursor {
            names.retain(|name| *name >= cursor.topic_name);
        }
        let topics = names.into_iter().map(|name| {
            let topic = image.topics().by_name(&name);
            (name, topic.map(|topic| &**topic))
        });
        page.fill(topics, request.cursor.as_ref());
    }
    page.response
}

/// Whether the cursor names a partition, and one of the request's topics if that lists any.
fn is_valid(cursor: &Cursor, request: &DescribeTopicPartitionsRequest) -> bool {
    let mut topics = request.topics.iter();
    let listed = request.topics.is_empty() || topics.any(|topic| topic.name == cursor.topic_name);
    listed && cursor.partition_index >= 0
}

/// A page that is being filled.
struct Page<'a> {
    image: &'a MetadataImage,
    listener: &'a str,
    left: i32,
    response: DescribeTopicPartitionsResponse,
}

impl<'a> Page<'a> {
    fn fill(
        &mut self,
        topics: impl Iterator<Item = (Str, Option<&'a TopicImage>)>,
        cursor: Option<&Cursor>,
    ) {
        for (name, topic) in topics {
            if self.left == 0 {
                self.response.next_cursor = Some(Cursor {
                    topic_name: name,
                    partition_index: 0,
                });
                return;
            }
            let Some(topic) = topic else {
                let error = match check_topic_name(&name) {
                    Ok(()) => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
                    Err(_) => ErrorCode::INVALID_TOPIC_EXCEPTION,
                };
                self.response.topics.push(missing(&name, error));
                continue;
            };
            let first = cursor
                .filter(|cursor| *cursor.topic_name == *topic.name)
                .map_or(0, |c| c.partition_index);
            if let Some(next) = self.add(topic, first) {
                self.response.next_cursor = Some(Cursor {
                    topic_name: name,
                    partition_index: next,
                });
                return;
            }
        }
    }

    /// Adds the partitions of `topic` from `first` on. Returns the first that found no room.
    fn add(&mut self, topic: &TopicImage, first: i32) -> Option<i32> {
        let count = i32::try_from(topic.partitions.len()).expect("partition counts are i32");
        let end = first.saturating_add(self.left).min(count);
        let partitions: Vec<_> = (first..end)
            .filter_map(|index| Some(self.partition(index, topic.partition(index)?)))
            .collect();
        self.left -= i32::try_from(partitions.len()).expect("no more than the limit");
        self.response
            .topics
            .push(DescribeTopicPartitionsResponseTopic {
                error_code: ErrorCode::NONE,
                name: Some(Str::copy_from(&topic.name)),
                topic_id: topic.id,
                is_internal: internal_topics::is_internal(&topic.name),
                partitions,
                topic_authorized_operations: operations::TOPIC,
            });
        (end < count).then_some(end)
    }

    fn partition(
        &self,
        index: i32,
        partition: &PartitionImage,
    ) -> DescribeTopicPartitionsResponsePartition {
        let leader = nodes::endpoint(self.image, partition.leader, self.listener)
            .map_or(BrokerId::NONE, |_| partition.leader);
        DescribeTopicPartitionsResponsePartition {
            error_code: ErrorCode::NONE,
            partition_index: index,
            leader_id: leader.0,
            leader_epoch: partition.leader_epoch.0,
            replica_nodes: nodes::raw(&partition.replicas),
            isr_nodes: nodes::raw(&partition.isr),
            eligible_leader_replicas: Some(nodes::raw(&partition.elr)),
            last_known_elr: Some(nodes::raw(&partition.last_known_elr)),
            offline_replicas: nodes::offline(self.image, partition, self.listener),
        }
    }
}

/// The answer for each topic of a request whose cursor is invalid.
fn refused(name: &Str) -> DescribeTopicPartitionsResponseTopic {
    DescribeTopicPartitionsResponseTopic {
        error_code: ErrorCode::INVALID_REQUEST,
        name: Some(name.clone()),
        ..DescribeTopicPartitionsResponseTopic::default()
    }
}

fn missing(name: &Str, error_code: ErrorCode) -> DescribeTopicPartitionsResponseTopic {
    DescribeTopicPartitionsResponseTopic {
        error_code,
        is_internal: internal_topics::is_internal(name),
        name: Some(name.clone()),
        topic_authorized_operations: operations::TOPIC,
        ..DescribeTopicPartitionsResponseTopic::default()
    }
}
