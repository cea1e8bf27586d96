//! DeleteTopics: by name or by id, each topic on its own.

use std::collections::{BTreeMap, BTreeSet};

use super::create_topics::duplicates;
use super::decision::{Decision, Refusal, error_fields};
use super::request::{Circumstances, ControllerRequest, charge};
use super::{Charge, Controller};
use crate::metadata::image::MetadataImage;
use crate::model::{TopicId, Uuid};
use crate::protocol::Str;
use crate::protocol::error_code::ErrorCode;
use crate::protocol::messages::delete_topics::{
    DeletableTopicResult, DeleteTopicsRequest, DeleteTopicsResponse,
};
use crate::protocol::messages::metadata_records::RemoveTopicRecord;

/// The first version whose clients know TOPIC_DELETION_DISABLED.
const KNOWS_DELETION_DISABLED: i16 = 3;

/// What the request names, without what contradicts itself.
#[derive(Default)]
struct Named<'a> {
    names: BTreeSet<&'a Str>,
    ids: BTreeSet<TopicId>,
    duplicate_ids: BTreeSet<TopicId>,
}

impl ControllerRequest for DeleteTopicsRequest {
    const FIRST_THROTTLED: i16 = 5;

    fn decide(
        &self,
        controller: &mut Controller,
        circumstances: Circumstances<'_>,
    ) -> Result<Decision<DeleteTopicsResponse>, Refusal> {
        let Circumstances { context, now, .. } = circumstances;
        let mut charge = |count| charge(&context.quota, count, now);
        Ok(controller.delete_topics(self, context.version, &mut charge))
    }

    fn refuse(&self, refusal: &Refusal) -> DeleteTopicsResponse {
        let refused = Err(refusal.clone());
        let by_name = self.topic_names.iter();
        let by_name = by_name.map(|name| result(Some(name.clone()), Uuid::ZERO, &refused));
        let by_either = self.topics.iter();
        let by_either = by_either.map(|topic| result(topic.name.clone(), topic.topic_id, &refused));
        DeleteTopicsResponse {
            responses: by_name.chain(by_either).collect(),
            ..DeleteTopicsResponse::default()
        }
    }

    fn is_seen(&self, answer: &DeleteTopicsResponse, image: &MetadataImage) -> bool {
        let removed = answer.responses.iter();
        let mut removed = removed.filter(|topic| !topic.error_code.is_error());
        removed.all(|topic| {
            let name = topic.name.as_deref();
            name.is_none_or(|name| image.topics().by_name(name).is_none())
        })
    }

    fn timeout_ms(&self) -> i32 {
        self.timeout_ms
    }
}

impl Controller {
    /// Decides which of the topics are deleted. `version` is that of the request.
    pub(super) fn delete_topics(
        &self,
        request: &DeleteTopicsRequest,
        version: i16,
        charge: Charge<'_>,
    ) -> Decision<DeleteTopicsResponse> {
        if !self.settings.delete_topic_enable {
            return Decision::answer(request.refuse(&deletion_disabled(version)));
        }
        let mut results = Vec::new();
        let named = named(request, &mut results);
        let topics = self.to_delete(named, &mut results);
        let mut records = Vec::new();
        for (id, name) in topics {
            let topic = self.image.topics().by_id(&id);
            let outcome = charge(topic.map_or(0, |topic| topic.partitions.len()));
            if outcome.is_ok() {
                records.push(RemoveTopicRecord { topic_id: id }.into());
            }
            results.push(result(Some(name), id, &outcome));
        }
        Decision {
            records,
            answer: DeleteTopicsResponse {
                responses: results,
                ..DeleteTopicsResponse::default()
            },
        }
    }

    /// The topics that exist and were named once, by id.
    fn to_delete(
        &self,
        named: Named<'_>,
        results: &mut Vec<DeletableTopicResult>,
    ) -> BTreeMap<TopicId, Str> {
        let topics = self.image.topics();
        let mut found: BTreeMap<TopicId, Str> = BTreeMap::new();
        for id in named.ids {
            match topics.by_id(&id) {
                Some(topic) => {
                    found.insert(id, Str::from(&topic.name));
                }
                None => {
                    let unknown = Err(unknown(ErrorCode::UNKNOWN_TOPIC_ID));
                    results.push(result(None, id, &unknown));
                }
            }
        }
        let mut duplicate_ids = named.duplicate_ids;
        for name in named.names {
            let Some(id) = topics.id_of(name) else {
                let unknown = Err(unknown(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
                results.push(result(Some(name.clone()), Uuid::ZERO, &unknown));
                continue;
            };
            // As in Kafka, a topic that is named both ways is not deleted at all.
            if duplicate_ids.contains(&id) || found.insert(id, name.clone()).is_some() {
                duplicate_ids.insert(id);
                found.remove(&id);
                let message = "The provided topic name maps to an ID that was already supplied.";
                results.push(result(Some(name.clone()), id, &invalid(message)));
            }
        }
        found
    }
}

fn named<'a>(
    request: &'a DeleteTopicsRequest,
    results: &mut Vec<DeletableTopicResult>,
) -> Named<'a> {
    let mut names: Vec<&Str> = request.topic_names.iter().collect();
    let mut ids: Vec<TopicId> = Vec::new();
    for topic in &request.topics {
        match (&topic.name, topic.topic_id.is_zero()) {
            (None, true) => {
                let message = "Neither topic name nor id were specified.";
                results.push(result(None, Uuid::ZERO, &invalid(message)));
            }
            (None, false) => ids.push(topic.topic_id),
            (Some(name), true) => names.push(name),
            (Some(name), false) => {
                let message = "You may not specify both topic name and topic id.";
                results.push(result(
                    Some(name.clone()),
                    topic.topic_id,
                    &invalid(message),
                ));
            }
        }
    }
    // A topic that is named twice is refused once and not deleted, as in Kafka.
    let duplicate_names = duplicates(names.iter().copied());
    let duplicate_ids: BTreeSet<TopicId> = duplicates(ids.iter()).into_iter().copied().collect();
    for name in &duplicate_names {
        let name = Some((*name).clone());
        results.push(result(name, Uuid::ZERO, &invalid("Duplicate topic name.")));
    }
    for id in &duplicate_ids {
        results.push(result(None, *id, &invalid("Duplicate topic id.")));
    }
    Named {
        names: names
            .into_iter()
            .filter(|name| !duplicate_names.contains(name))
            .collect(),
        ids: ids
            .into_iter()
            .filter(|id| !duplicate_ids.contains(id))
            .collect(),
        duplicate_ids,
    }
}

fn deletion_disabled(version: i16) -> Refusal {
    Refusal::plain(if version < KNOWS_DELETION_DISABLED {
        ErrorCode::INVALID_REQUEST
    } else {
        ErrorCode::TOPIC_DELETION_DISABLED
    })
}

/// A refusal with the text of its code, which this API repeats in the message.
fn unknown(code: ErrorCode) -> Refusal {
    Refusal::new(code, code.message())
}

fn invalid(message: &str) -> Result<(), Refusal> {
    Err(Refusal::new(ErrorCode::INVALID_REQUEST, message))
}

fn result(name: Option<Str>, id: TopicId, outcome: &Result<(), Refusal>) -> DeletableTopicResult {
    let (error_code, error_message) = error_fields(outcome);
    DeletableTopicResult {
        name,
        topic_id: id,
        error_code,
        error_message,
    }
}
