//! CreatePartitions: topics grow, never shrink; each on its own.

use super::create_topics::{MAX_PARTITIONS, duplicates, too_many_partitions};
use super::decision::{Decision, Refusal, error_fields};
use super::placement::Entropy;
use super::request::{Circumstances, ControllerRequest, charge};
use super::{Charge, Controller};
use crate::metadata::image::{MetadataImage, PartitionImage, TopicImage};
use crate::protocol::Str;
use crate::protocol::error_code::ErrorCode;
use crate::protocol::messages::create_partitions::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreatePartitionsTopic,
    CreatePartitionsTopicResult,
};
use crate::protocol::messages::metadata_records::MetadataRecord;

impl ControllerRequest for CreatePartitionsRequest {
    const FIRST_THROTTLED: i16 = 3;

    fn decide(
        &self,
        controller: &mut Controller,
        circumstances: Circumstances<'_>,
    ) -> Result<Decision<CreatePartitionsResponse>, Refusal> {
        let Circumstances {
            context,
            now,
            entropy,
        } = circumstances;
        let mut charge = |count| charge(&context.quota, count, now);
        Ok(controller.create_partitions(self, entropy, &mut charge))
    }

    fn refuse(&self, refusal: &Refusal) -> CreatePartitionsResponse {
        let refused = Err(refusal.clone());
        let topics = self.topics.iter();
        CreatePartitionsResponse {
            results: topics.map(|topic| result(&topic.name, &refused)).collect(),
            ..CreatePartitionsResponse::default()
        }
    }

    fn is_seen(&self, answer: &CreatePartitionsResponse, image: &MetadataImage) -> bool {
        let is_grown = |result: &CreatePartitionsTopicResult| {
            let asked = self.topics.iter().find(|topic| topic.name == result.name);
            let there = image.topics().by_name(&result.name);
            match (asked, there) {
                (Some(asked), Some(topic)) => topic.partition(asked.count - 1).is_some(),
                _ => true,
            }
        };
        let made = answer.results.iter();
        let mut made = made.filter(|result| !result.error_code.is_error());
        self.validate_only || made.all(is_grown)
    }

    fn timeout_ms(&self) -> i32 {
        self.timeout_ms
    }
}

impl Controller {
    /// Decides which of the topics get more partitions.
    pub(super) fn create_partitions(
        &self,
        request: &CreatePartitionsRequest,
        entropy: Entropy<'_>,
        charge: Charge<'_>,
    ) -> Decision<CreatePartitionsResponse> {
        let duplicates = duplicates(request.topics.iter().map(|topic| &topic.name));
        let mut records = Vec::new();
        let mut response = CreatePartitionsResponse::default();
        // How many partitions the rest of the request may still create.
        let mut budget = MAX_PARTITIONS;
        for name in &duplicates {
            let refusal = Refusal::new(ErrorCode::INVALID_REQUEST, "Duplicate topic name.");
            response.results.push(result(name, &Err(refusal)));
        }
        for topic in &request.topics {
            if duplicates.contains(&topic.name) {
                continue;
            }
            let outcome = self.grow_topic(topic, budget, entropy, charge);
            let outcome = outcome.map(|new| {
                budget -= i64::try_from(new.len()).expect("it is within the budget");
                records.extend(new);
            });
            response.results.push(result(&topic.name, &outcome));
        }
        if request.validate_only {
            records.clear();
        }
        Decision {
            records,
            answer: response,
        }
    }

    fn grow_topic(
        &self,
        request: &CreatePartitionsTopic,
        budget: i64,
        entropy: Entropy<'_>,
        charge: Charge<'_>,
    ) -> Result<Vec<MetadataRecord>, Refusal> {
        let topic = self.image.topics().by_name(&request.name);
        let unknown = || Refusal::plain(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        let topic = topic.ok_or_else(unknown)?;
        let start = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
        let additional = additional(topic, request, start)?;
        if i64::from(request.count - start) > budget {
            return Err(too_many_partitions());
        }
        charge(additional)?;
        let partitions = self.new_partitions(topic, request, start, additional, entropy)?;
        let version = self.image.metadata_version();
        Ok((start..)
            .zip(&partitions)
            .map(|(index, partition)| partition.to_record(topic.id, index, version).into())
            .collect())
    }

    fn new_partitions(
        &self,
        topic: &TopicImage,
        request: &CreatePartitionsTopic,
        start: i32,
        additional: usize,
        entropy: Entropy<'_>,
    ) -> Result<Vec<PartitionImage>, Refusal> {
        let first = topic.partitions.iter().next();
        let (_, first) = first.ok_or_else(|| Refusal::plain(ErrorCode::UNKNOWN_SERVER_ERROR))?;
        let replicas = first.replicas.len();
        let Some(assignments) = &request.assignments else {
            let factor = i16::try_from(replicas)
                .map_err(|_| Refusal::plain(ErrorCode::UNKNOWN_SERVER_ERROR))?;
            return self.placed_partitions(additional, factor, entropy);
        };
        (start..)
            .zip(assignments)
            .map(|(index, assignment)| {
                self.assigned_partition(index, &assignment.broker_ids, Some(replicas))
            })
            .collect()
    }
}

/// How many partitions the topic gets beside those that it has.
fn additional(
    topic: &TopicImage,
    request: &CreatePartitionsTopic,
    current: i32,
) -> Result<usize, Refusal> {
    let refused = |code, message| Err(Refusal::new(code, message));
    if request.count == current {
        let message = format!("Topic already has {current} partition(s).");
        return refused(ErrorCode::INVALID_PARTITIONS, message);
    }
    if request.count < current {
        let message = format!(
            "The topic {} currently has {current} partition(s); {} would not be an increase.",
            topic.name, request.count
        );
        return refused(ErrorCode::INVALID_PARTITIONS, message);
    }
    let additional = usize::try_from(request.count - current).expect("the count is the larger");
    match &request.assignments {
        Some(assignments) if assignments.len() != additional => {
            let message = format!(
                "Attempted to add {additional} additional partition(s), but only {} assignment(s) \
                 were specified.",
                assignments.len()
            );
            refused(ErrorCode::INVALID_REPLICA_ASSIGNMENT, message)
        }
        _ => Ok(additional),
    }
}

fn result(name: &Str, outcome: &Result<(), Refusal>) -> CreatePartitionsTopicResult {
    let (error_code, error_message) = error_fields(outcome);
    CreatePartitionsTopicResult {
        name: name.clone(),
        error_code,
        error_message,
    }
}
