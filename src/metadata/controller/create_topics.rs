//! CreateTopics: each topic is decided by itself, unless the request as a whole asks for too much.

use std::collections::{BTreeMap, BTreeSet};

use super::decision::{Decision, Refusal};
use super::placement::Entropy;
use super::request::{Circumstances, ControllerRequest, charge};
use super::{Charge, Controller, topic_name};
use crate::metadata::image::{MetadataImage, PartitionImage, ResourceKind};
use crate::model::{TopicId, Uuid};
use crate::protocol::Str;
use crate::protocol::error_code::ErrorCode;
use crate::protocol::messages::create_topics::{
    CreatableTopic, CreatableTopicResult, CreateTopicsRequest, CreateTopicsResponse,
};
use crate::protocol::messages::metadata_records::{ConfigRecord, MetadataRecord, TopicRecord};

/// The most partitions that one request may create, as in Kafka.
pub(super) const MAX_PARTITIONS: i64 = 10_000;

/// A topic that can be created: its records, and its part of the answer.
struct Created {
    records: Vec<MetadataRecord>,
    result: CreatableTopicResult,
}

impl ControllerRequest for CreateTopicsRequest {
    const FIRST_THROTTLED: i16 = 6;

    fn decide(
        &self,
        controller: &mut Controller,
        circumstances: Circumstances<'_>,
    ) -> Result<Decision<CreateTopicsResponse>, Refusal> {
        let Circumstances {
            context,
            now,
            entropy,
        } = circumstances;
        let mut charge = |count| charge(&context.quota, count, now);
        Ok(controller.create_topics(self, entropy, &mut charge))
    }

    fn refuse(&self, refusal: &Refusal) -> CreateTopicsResponse {
        let topics = self.topics.iter();
        CreateTopicsResponse {
            topics: topics.map(|topic| refused(&topic.name, refusal)).collect(),
            ..CreateTopicsResponse::default()
        }
    }

    fn is_seen(&self, answer: &CreateTopicsResponse, image: &MetadataImage) -> bool {
        let made = answer.topics.iter();
        let mut made = made.filter(|topic| !topic.error_code.is_error());
        self.validate_only || made.all(|topic| image.topics().by_name(&topic.name).is_some())
    }

    fn timeout_ms(&self) -> i32 {
        self.timeout_ms
    }
}

impl Controller {
    /// Decides which of the topics are created.
    pub(super) fn create_topics(
        &self,
        request: &CreateTopicsRequest,
        entropy: Entropy<'_>,
        charge: Charge<'_>,
    ) -> Decision<CreateTopicsResponse> {
        if self.asks_for_too_many(request) {
            return Decision::answer(request.refuse(&too_many_partitions()));
        }
        let duplicates = duplicates(request.topics.iter().map(|topic| &topic.name));
        let mut records = Vec::new();
        let mut response = CreateTopicsResponse::default();
        for topic in &request.topics {
            if duplicates.contains(&topic.name) {
                continue;
            }
            match self.create_topic(topic, entropy, charge) {
                Ok(created) => {
                    records.extend(created.records);
                    response.topics.push(created.result);
                }
                Err(refusal) => response.topics.push(refused(&topic.name, &refusal)),
            }
        }
        for name in duplicates {
            let refusal = Refusal::new(ErrorCode::INVALID_REQUEST, "Duplicate topic name.");
            response.topics.push(refused(name, &refusal));
        }
        if request.validate_only {
            records.clear();
        }
        Decision {
            records,
            answer: response,
        }
    }

    /// Whether the request asks for more partitions than it may create. This counts topics as well that may
    /// be refused for other reasons.
    fn asks_for_too_many(&self, request: &CreateTopicsRequest) -> bool {
        let partitions = |topic: &CreatableTopic| {
            if !topic.assignments.is_empty() {
                return i64::try_from(topic.assignments.len()).unwrap_or(i64::MAX);
            }
            match topic.num_partitions {
                -1 => i64::from(self.settings.num_partitions),
                count => i64::from(count.max(0)),
            }
        };
        request.topics.iter().map(partitions).sum::<i64>() > MAX_PARTITIONS
    }

    fn create_topic(
        &self,
        topic: &CreatableTopic,
        entropy: Entropy<'_>,
        charge: Charge<'_>,
    ) -> Result<Created, Refusal> {
        self.check_new_name(&topic.name)?;
        let overrides = creation_overrides(topic)?;
        self.check_new_topic_configs(&topic.name, &overrides)?;
        let partitions = if topic.assignments.is_empty() {
            self.placed(topic, entropy)?
        } else {
            self.assigned(topic)?
        };
        charge(partitions.len())?;
        let id = random_id(entropy, |id| self.image.topics().by_id(id).is_none());
        Ok(Created {
            records: self.topic_records(&topic.name, id, &overrides, &partitions),
            result: self.created(&topic.name, id, &overrides, &partitions),
        })
    }

    fn check_new_name(&self, name: &str) -> Result<(), Refusal> {
        if name == topic_name::METADATA_TOPIC_NAME {
            return Err(Refusal::new(
                ErrorCode::INVALID_REQUEST,
                format!("Creation of internal topic {name} is prohibited."),
            ));
        }
        topic_name::check(name)?;
        // The exact name is looked up first: a topic does not collide with itself, it exists.
        if self.image.topics().by_name(name).is_some() {
            return Err(Refusal::new(
                ErrorCode::TOPIC_ALREADY_EXISTS,
                format!("Topic '{name}' already exists."),
            ));
        }
        match self.colliding_topic(name) {
            Some(existing) => Err(Refusal::new(
                ErrorCode::INVALID_TOPIC_EXCEPTION,
                format!("Topic '{name}' collides with existing topic: {existing}"),
            )),
            None => Ok(()),
        }
    }

    fn placed(
        &self,
        topic: &CreatableTopic,
        entropy: Entropy<'_>,
    ) -> Result<Vec<PartitionImage>, Refusal> {
        if topic.replication_factor < -1 || topic.replication_factor == 0 {
            return Err(Refusal::new(
                ErrorCode::INVALID_REPLICATION_FACTOR,
                "Replication factor must be larger than 0, or -1 to use the default value.",
            ));
        }
        if topic.num_partitions < -1 || topic.num_partitions == 0 {
            return Err(Refusal::new(
                ErrorCode::INVALID_PARTITIONS,
                "Number of partitions was set to an invalid non-positive value.",
            ));
        }
        let count = match topic.num_partitions {
            -1 => self.settings.num_partitions,
            count => count,
        };
        let replication_factor = match topic.replication_factor {
            -1 => self.settings.default_replication_factor,
            factor => factor,
        };
        let count = usize::try_from(count).expect("the count was checked to be positive");
        self.placed_partitions(count, replication_factor, entropy)
            .map_err(|refusal| unable_to_replicate(refusal, replication_factor))
    }

    fn assigned(&self, topic: &CreatableTopic) -> Result<Vec<PartitionImage>, Refusal> {
        let invalid = |what: &str| {
            let message = format!("A manual partition assignment was specified, but {what}");
            Err(Refusal::new(ErrorCode::INVALID_REQUEST, message))
        };
        if topic.replication_factor != -1 {
            return invalid("replication factor was not set to -1.");
        }
        if topic.num_partitions != -1 {
            return invalid("numPartitions was not set to -1.");
        }
        let mut partitions = BTreeMap::new();
        let mut expected = None;
        for assignment in &topic.assignments {
            let index = assignment.partition_index;
            if partitions.contains_key(&index) {
                return Err(Refusal::new(
                    ErrorCode::INVALID_REPLICA_ASSIGNMENT,
                    format!("Found multiple manual partition assignments for partition {index}"),
                ));
            }
            let partition = self.assigned_partition(index, &assignment.broker_ids, expected)?;
            expected = Some(assignment.broker_ids.len());
            partitions.insert(index, partition);
        }
        if !partitions.keys().copied().eq((0..).take(partitions.len())) {
            return Err(Refusal::new(
                ErrorCode::INVALID_REPLICA_ASSIGNMENT,
                "partitions should be a consecutive 0-based integer sequence",
            ));
        }
        Ok(partitions.into_values().collect())
    }

    /// The topic first, then its configs, then its partitions: a reader that creates the logs must know
    /// their settings.
    fn topic_records(
        &self,
        name: &Str,
        id: TopicId,
        overrides: &BTreeMap<Str, Str>,
        partitions: &[PartitionImage],
    ) -> Vec<MetadataRecord> {
        let version = self.image.metadata_version();
        let topic = TopicRecord {
            name: name.clone(),
            topic_id: id,
        };
        let configs = overrides.iter().map(|(key, value)| ConfigRecord {
            resource_type: ResourceKind::Topic.to_wire(),
            resource_name: name.clone(),
            name: key.clone(),
            value: Some(value.clone()),
        });
        let partitions = (0..).zip(partitions);
        let partitions = partitions.map(|(index, state)| state.to_record(id, index, version));
        std::iter::once(topic.into())
            .chain(configs.map(MetadataRecord::from))
            .chain(partitions.map(MetadataRecord::from))
            .collect()
    }

    fn created(
        &self,
        name: &Str,
        id: TopicId,
        overrides: &BTreeMap<Str, Str>,
        partitions: &[PartitionImage],
    ) -> CreatableTopicResult {
        let replicas = partitions
            .first()
            .map_or(0, |partition| partition.replicas.len());
        CreatableTopicResult {
            name: name.clone(),
            topic_id: id,
            num_partitions: i32::try_from(partitions.len()).unwrap_or(i32::MAX),
            replication_factor: i16::try_from(replicas).unwrap_or(i16::MAX),
            configs: Some(self.effective_topic_configs(overrides)),
            ..CreatableTopicResult::default()
        }
    }
}

pub(super) fn too_many_partitions() -> Refusal {
    let message = "Excessively large number of partitions per request.";
    Refusal::new(ErrorCode::POLICY_VIOLATION, message)
}

fn refused(name: &Str, refusal: &Refusal) -> CreatableTopicResult {
    CreatableTopicResult {
        name: name.clone(),
        error_code: refusal.code,
        error_message: refusal.text(),
        configs: Some(Vec::new()),
        ..CreatableTopicResult::default()
    }
}

fn creation_overrides(topic: &CreatableTopic) -> Result<BTreeMap<Str, Str>, Refusal> {
    let mut overrides = BTreeMap::new();
    let mut nulls = Vec::new();
    for config in &topic.configs {
        match &config.value {
            Some(value) => {
                overrides.insert(config.name.clone(), value.clone());
            }
            None => nulls.push(&*config.name),
        }
    }
    if nulls.is_empty() {
        return Ok(overrides);
    }
    Err(Refusal::new(
        ErrorCode::INVALID_CONFIG,
        format!(
            "Null value not supported for topic configs: {}",
            nulls.join(",")
        ),
    ))
}

fn unable_to_replicate(refusal: Refusal, replication_factor: i16) -> Refusal {
    let start = format!("Unable to replicate the partition {replication_factor} time(s): ");
    match refusal.message {
        Some(message) if !message.starts_with(&start) => {
            Refusal::new(refusal.code, start + &message)
        }
        message => Refusal {
            code: refusal.code,
            message,
        },
    }
}

/// The names that occur more than once.
pub(super) fn duplicates<'a, T: Ord>(names: impl Iterator<Item = &'a T>) -> BTreeSet<&'a T> {
    let mut seen = BTreeSet::new();
    names.filter(|name| !seen.insert(*name)).collect()
}

/// Draws an id until one is free.
fn random_id(entropy: Entropy<'_>, is_free: impl Fn(&Uuid) -> bool) -> Uuid {
    loop {
        let mut bytes = [0; 16];
        entropy(&mut bytes);
        if let Some(id) = Uuid::from_random(bytes).filter(&is_free) {
            return id;
        }
    }
}
