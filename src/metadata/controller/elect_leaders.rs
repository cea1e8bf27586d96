//! ElectLeaders: makes the preferred replicas lead, or any that are alive where nobody leads.

use std::collections::BTreeSet;

use super::Controller;
use super::decision::{Decision, Refusal, error_fields};
use super::leadership::Wish;
use super::request::{Circumstances, ControllerRequest};
use crate::metadata::image::TopicImage;
use crate::protocol::Str;
use crate::protocol::error_code::ErrorCode;
use crate::protocol::messages::elect_leaders::{
    ElectLeadersRequest, ElectLeadersResponse, PartitionResult, ReplicaElectionResult,
};
use crate::protocol::messages::metadata_records::MetadataRecord;

impl ControllerRequest for ElectLeadersRequest {
    fn decide(
        &self,
        controller: &mut Controller,
        _circumstances: Circumstances<'_>,
    ) -> Result<Decision<ElectLeadersResponse>, Refusal> {
        controller.elect_leaders(self)
    }

    fn refuse(&self, refusal: &Refusal) -> ElectLeadersResponse {
        let refused = Err(refusal.clone());
        let topics = self.topic_partitions.iter().flatten();
        let results = topics.map(|topic| {
            let partitions = topic.partitions.iter();
            ReplicaElectionResult {
                topic: topic.topic.clone(),
                partition_result: partitions.map(|index| result(*index, &refused)).collect(),
            }
        });
        ElectLeadersResponse {
            error_code: refusal.code,
            replica_election_results: results.collect(),
            ..ElectLeadersResponse::default()
        }
    }

    fn timeout_ms(&self) -> i32 {
        self.timeout_ms
    }
}

impl Controller {
    /// Decides who leads. Without a list all partitions are meant; those that stay as they are are left out
    /// of the answer then, though their topics are in it.
    ///
    /// # Errors
    /// INVALID_REQUEST: the kind of election is unknown.
    pub(super) fn elect_leaders(
        &self,
        request: &ElectLeadersRequest,
    ) -> Result<Decision<ElectLeadersResponse>, Refusal> {
        let wish = match request.election_type {
            0 => Wish::Preferred,
            1 => Wish::Unclean,
            other => {
                let message = format!("Unknown election type {other}");
                return Err(Refusal::new(ErrorCode::INVALID_REQUEST, message));
            }
        };
        let mut records = Vec::new();
        let mut elect = |topic: &str, index: i32| {
            let outcome = self.elect_leader(topic, index, wish);
            outcome.map(|record| records.push(record))
        };
        // A partition that is named again is neither elected nor answered again.
        let mut named: BTreeSet<(&Str, i32)> = BTreeSet::new();
        let results = match &request.topic_partitions {
            Some(topics) => topics
                .iter()
                .map(|topic| {
                    let partitions = topic.partitions.iter().copied();
                    let first = partitions.filter(|index| named.insert((&topic.topic, *index)));
                    let results = first.map(|index| result(index, &elect(&topic.topic, index)));
                    ReplicaElectionResult {
                        topic: topic.topic.clone(),
                        partition_result: results.collect(),
                    }
                })
                .collect(),
            None => {
                let topics = self.image.topics().iter();
                topics
                    .map(|topic| all_that_need_it(topic, &mut elect))
                    .collect()
            }
        };
        Ok(Decision {
            records,
            answer: ElectLeadersResponse {
                replica_election_results: results,
                ..ElectLeadersResponse::default()
            },
        })
    }

    fn elect_leader(&self, name: &str, index: i32, wish: Wish) -> Result<MetadataRecord, Refusal> {
        let unknown =
            |message: String| Refusal::new(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, message);
        let topic = self.image.topics().by_name(name);
        let topic = topic.ok_or_else(|| unknown(format!("No such topic as {name}")))?;
        let partition = topic.partition(index);
        let partition =
            partition.ok_or_else(|| unknown(format!("No such partition as {name}-{index}")))?;
        let (is_needed, failure) = match wish {
            Wish::Preferred => (
                partition.leader != partition.preferred_leader(),
                ErrorCode::PREFERRED_LEADER_NOT_AVAILABLE,
            ),
            Wish::Unclean => (
                !partition.has_leader(),
                ErrorCode::ELIGIBLE_LEADERS_NOT_AVAILABLE,
            ),
        };
        if !is_needed {
            return Err(in_words(ErrorCode::ELECTION_NOT_NEEDED));
        }
        let change = self.elected(topic, index, partition, wish);
        change.ok_or_else(|| in_words(failure))
    }
}

fn all_that_need_it(
    topic: &TopicImage,
    elect: &mut dyn FnMut(&str, i32) -> Result<(), Refusal>,
) -> ReplicaElectionResult {
    let indexes = topic.partitions.iter().map(|(index, _)| *index);
    let results = indexes.filter_map(|index| {
        let outcome = elect(&topic.name, index);
        let is_needed = |refusal: &Refusal| refusal.code != ErrorCode::ELECTION_NOT_NEEDED;
        let is_told = outcome.as_ref().err().is_none_or(is_needed);
        is_told.then(|| result(index, &outcome))
    });
    ReplicaElectionResult {
        topic: Str::from(&topic.name),
        partition_result: results.collect(),
    }
}

/// A refusal with the text of its code, because tools print the message.
fn in_words(code: ErrorCode) -> Refusal {
    Refusal::new(code, code.message())
}

fn result(index: i32, outcome: &Result<(), Refusal>) -> PartitionResult {
    let (error_code, error_message) = error_fields(outcome);
    PartitionResult {
        partition_id: index,
        error_code,
        error_message,
    }
}
