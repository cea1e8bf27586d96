//! ListPartitionReassignments (key 46), version 0: the reassignments that are under way, of all partitions
//! or of those that are asked for.

use std::collections::{BTreeMap, BTreeSet};

use super::Api;
use super::context::RequestContext;
use super::nodes::raw;
use crate::metadata::image::{PartitionImage, TopicImage};
use crate::protocol::Str;
use crate::protocol::messages::list_partition_reassignments::{
    ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse,
    OngoingPartitionReassignment, OngoingTopicReassignment,
};

/// Answers from the image, each topic once. A topic that does not exist has none.
pub fn handle(
    api: &Api,
    _context: &RequestContext,
    request: &ListPartitionReassignmentsRequest,
) -> ListPartitionReassignmentsResponse {
    let image = api.image();
    let topics = image.topics();
    let listed: Vec<_> = match &request.topics {
        None => topics
            .iter()
            .map(|topic| of_topic(topic, |_| true))
            .collect(),
        Some(asked) => {
            let mut wanted: BTreeMap<&Str, BTreeSet<i32>> = BTreeMap::new();
            for asked in asked {
                let indexes = asked.partition_indexes.iter().copied();
                wanted.entry(&asked.name).or_default().extend(indexes);
            }
            let wanted = wanted.into_iter();
            let found = wanted.filter_map(|(name, indexes)| {
                let topic = topics.by_name(name)?;
                Some(of_topic(topic, |index| indexes.contains(&index)))
            });
            found.collect()
        }
    };
    let is_reassigned = |topic: &OngoingTopicReassignment| !topic.partitions.is_empty();
    ListPartitionReassignmentsResponse {
        topics: listed.into_iter().filter(is_reassigned).collect(),
        ..ListPartitionReassignmentsResponse::default()
    }
}

fn of_topic(topic: &TopicImage, is_asked: impl Fn(i32) -> bool) -> OngoingTopicReassignment {
    let partitions = topic.partitions.iter();
    let reassigned =
        partitions.filter(|(index, state)| state.is_reassigning() && is_asked(**index));
    OngoingTopicReassignment {
        name: Str::from(&topic.name),
        partitions: reassigned
            .map(|(index, state)| ongoing(*index, state))
            .collect(),
    }
}

fn ongoing(index: i32, state: &PartitionImage) -> OngoingPartitionReassignment {
    OngoingPartitionReassignment {
        partition_index: index,
        replicas: raw(&state.replicas),
        adding_replicas: raw(&state.adding),
        removing_replicas: raw(&state.removing),
    }
}
