//! What altering configs has in common: which resources may be altered, and whether what they
//! would have then is allowed.

use std::collections::{BTreeMap, BTreeSet};

use super::create_topics::duplicates;
use super::decision::{Decision, Refusal, error_fields};
use super::topic_rules::MIN_IN_SYNC;
use super::{Controller, topic_name};
use crate::config::keys;
use crate::config::{
    AlteredBroker, CORDONED_LOG_DIRS, InvalidSubscription, Key, Kind, check_broker_alteration,
    check_client_metrics, check_group_overrides, check_overrides,
};
use crate::metadata::image::ResourceKind;
use crate::protocol::Str;
use crate::protocol::error_code::ErrorCode;
use crate::protocol::messages::create_topics::CreatableTopicConfigs;
use crate::protocol::messages::metadata_records::{ConfigRecord, MetadataRecord};
use crate::protocol::messages::{alter_configs, incremental_alter_configs};

/// The most UTF-16 units of a value, as in Kafka.
const MAX_VALUE_LENGTH: usize = 32_767;

/// A resource as a request names it: Kafka's number of its kind, and its name.
pub type ResourceKey<'a> = (i8, &'a Str);

/// A resource in a request of either form.
pub trait AlteredResource {
    /// The part of the answer that stands for one resource.
    type Answer;
    /// The number of its kind, and its name.
    fn key(&self) -> ResourceKey<'_>;
    /// The part of the answer for the resource, altered or refused.
    fn answer(&self, outcome: &Result<(), Refusal>) -> Self::Answer;
}

/// The two forms of the request have messages of their own, which differ in the configs of a resource only.
macro_rules! altered_resource {
    ($messages:ident) => {
        impl AlteredResource for $messages::AlterConfigsResource {
            type Answer = $messages::AlterConfigsResourceResponse;

            fn key(&self) -> ResourceKey<'_> {
                (self.resource_type, &self.resource_name)
            }

            fn answer(&self, outcome: &Result<(), Refusal>) -> Self::Answer {
                let (error_code, error_message) = error_fields(outcome);
                $messages::AlterConfigsResourceResponse {
                    error_code,
                    error_message,
                    resource_type: self.resource_type,
                    resource_name: self.resource_name.clone(),
                }
            }
        }
    };
}

altered_resource!(alter_configs);
altered_resource!(incremental_alter_configs);

/// Decides on each resource by itself. A resource that is named twice is refused each time.
pub(super) fn decide_each<R: AlteredResource>(
    resources: &[R],
    validate_only: bool,
    decide: impl Fn(&R) -> Result<Vec<MetadataRecord>, Refusal>,
) -> Decision<Vec<R::Answer>> {
    let named_twice = named_twice(resources);
    let mut records = Vec::new();
    let mut answer = |resource: &R| {
        let outcome = check_once(&named_twice, resource).and_then(|()| decide(resource));
        resource.answer(&outcome.map(|new| records.extend(new)))
    };
    let answer = resources.iter().map(&mut answer).collect();
    if validate_only {
        records.clear();
    }
    Decision { records, answer }
}

/// Refuses all of the resources for the same reason.
pub(super) fn refuse_each<R: AlteredResource>(
    resources: &[R],
    refusal: &Refusal,
) -> Vec<R::Answer> {
    let refused = Err(refusal.clone());
    let resources = resources.iter();
    resources
        .map(|resource| resource.answer(&refused))
        .collect()
}

/// The resources that a request names more than once.
pub(super) fn named_twice<R: AlteredResource>(resources: &[R]) -> BTreeSet<ResourceKey<'_>> {
    let mut seen = BTreeSet::new();
    let keys = resources.iter().map(R::key);
    keys.filter(|key| !seen.insert(*key)).collect()
}

/// Refuses a resource that its request names more than once.
///
/// # Errors
/// INVALID_REQUEST.
pub(super) fn check_once(
    named_twice: &BTreeSet<ResourceKey<'_>>,
    resource: &impl AlteredResource,
) -> Result<(), Refusal> {
    if named_twice.contains(&resource.key()) {
        let message = "Each resource must appear at most once.";
        return Err(Refusal::new(ErrorCode::INVALID_REQUEST, message));
    }
    Ok(())
}

/// Refuses a key that stands there twice, and values that are missing: `nulls` are the keys of those.
///
/// # Errors
/// INVALID_REQUEST.
pub(super) fn check_form<'a>(
    keys: impl Iterator<Item = &'a Str>,
    nulls: impl Iterator<Item = &'a Str>,
) -> Result<(), Refusal> {
    let invalid = |message: String| Err(Refusal::new(ErrorCode::INVALID_REQUEST, message));
    if !duplicates(keys).is_empty() {
        return invalid("Error due to duplicate config keys".to_owned());
    }
    let nulls: Vec<&str> = nulls.map(Str::as_str).collect();
    if !nulls.is_empty() {
        return invalid(format!(
            "Null value not supported for : {}",
            nulls.join(", ")
        ));
    }
    Ok(())
}

/// A resource with the new values by key; `None` removes a key's value.
pub(super) struct ConfigChange<'a> {
    pub kind: ResourceKind,
    pub name: &'a str,
    pub values: BTreeMap<Str, Option<Str>>,
}

impl Controller {
    /// The kind of a resource whose configs may be altered.
    pub(super) fn alterable(number: i8, name: &str) -> Result<ResourceKind, Refusal> {
        let invalid = |message| Err(Refusal::new(ErrorCode::INVALID_REQUEST, message));
        match ResourceKind::from_wire(number) {
            Some(
                kind @ (ResourceKind::Topic | ResourceKind::ClientMetrics | ResourceKind::Group),
            ) => Ok(kind),
            Some(ResourceKind::Broker) if name.is_empty() => Ok(ResourceKind::Broker),
            // The broker that was asked has seen to it that these are its own.
            Some(ResourceKind::Broker) => match name.parse::<i32>() {
                Ok(0..) => Ok(ResourceKind::Broker),
                _ => invalid(format!("Node id must be an integer, but it is: {name}")),
            },
            None => invalid(format!("Unknown resource type {number}")),
        }
    }

    /// The records of a change that is allowed.
    pub(super) fn config_records(
        &self,
        change: &ConfigChange<'_>,
    ) -> Result<Vec<MetadataRecord>, Refusal> {
        self.check_change(change)?;
        self.check_resource_exists(change.kind, change.name)?;
        let current = self.image.configs().of(change.kind, change.name);
        let is_new = |key: &Str, value: &Option<Str>| {
            let current = current.and_then(|current| current.get(&**key));
            current.map(|value| &**value) != value.as_deref()
        };
        // A value of a broker is a record even if it stays the same: a broker reloads its key files when
        // their paths are set again.
        let is_record = |(key, value): &(&Str, &Option<Str>)| {
            change.kind == ResourceKind::Broker || is_new(key, value)
        };
        let changed = change.values.iter().filter(is_record);
        let mut changes_min_in_sync = false;
        let records = changed.map(|(key, value)| {
            changes_min_in_sync |= **key == *MIN_IN_SYNC;
            ConfigRecord {
                resource_type: change.kind.to_wire(),
                resource_name: Str::copy_from(change.name),
                name: key.clone(),
                value: value.clone(),
            }
            .into()
        });
        let mut records: Vec<MetadataRecord> = records.collect();
        records.extend(self.after_config_change(change.kind, change.name, changes_min_in_sync));
        Ok(records)
    }

    fn check_change(&self, change: &ConfigChange<'_>) -> Result<(), Refusal> {
        let too_long = |value: &Str| value.encode_utf16().count() > MAX_VALUE_LENGTH;
        if change.values.values().flatten().any(too_long) {
            let message = format!(
                "The configuration value cannot be added because it exceeds the maximum value \
                 size of {MAX_VALUE_LENGTH} bytes."
            );
            return Err(Refusal::new(ErrorCode::INVALID_CONFIG, message));
        }
        match change.kind {
            ResourceKind::Topic => {
                if change.name.is_empty() {
                    let message = "Default topic resources are not allowed.";
                    return Err(Refusal::new(ErrorCode::INVALID_REQUEST, message));
                }
                topic_name::check(change.name)?;
                self.check_topic_configs(&self.after(change))
            }
            ResourceKind::Broker => self.check_broker_configs(change),
            ResourceKind::ClientMetrics => self.check_client_metrics_configs(change),
            ResourceKind::Group => self.check_group_configs(change),
        }
    }

    fn check_client_metrics_configs(&self, change: &ConfigChange<'_>) -> Result<(), Refusal> {
        if change.name.is_empty() {
            let message = "Subscription name can't be empty";
            return Err(Refusal::new(ErrorCode::INVALID_REQUEST, message));
        }
        check_client_metrics(&self.after(change)).map_err(|invalid| match invalid {
            InvalidSubscription::Request(message) => {
                Refusal::new(ErrorCode::INVALID_REQUEST, message)
            }
            InvalidSubscription::Value(invalid) => {
                Refusal::new(ErrorCode::INVALID_CONFIG, invalid.message)
            }
        })
    }

    fn check_group_configs(&self, change: &ConfigChange<'_>) -> Result<(), Refusal> {
        if change.name.is_empty() {
            let message = "Default group resources are not allowed.";
            return Err(Refusal::new(ErrorCode::INVALID_REQUEST, message));
        }
        check_group_overrides(&self.after(change), &self.layers())
            .map_err(|invalid| Refusal::new(ErrorCode::INVALID_CONFIG, invalid.message))
    }

    /// All that a resource would have after a change.
    fn after(&self, change: &ConfigChange<'_>) -> BTreeMap<String, String> {
        let current = self.image.configs().of(change.kind, change.name);
        let current = current.into_iter().flatten();
        let mut after: BTreeMap<String, String> = current
            .map(|(key, value)| (key.to_string(), value.to_string()))
            .collect();
        for (key, value) in &change.values {
            match value {
                Some(value) => after.insert(key.to_string(), value.to_string()),
                None => after.remove(&**key),
            };
        }
        after
    }

    fn check_topic_configs<Name: AsRef<str>, Text: AsRef<str>>(
        &self,
        overrides: &BTreeMap<Name, Text>,
    ) -> Result<(), Refusal> {
        let defaults = crate::config::TopicConfig::of_broker(&self.layers());
        check_overrides(overrides, &defaults)
            .map_err(|invalid| Refusal::new(ErrorCode::INVALID_CONFIG, invalid.message))
    }

    fn check_broker_configs(&self, change: &ConfigChange<'_>) -> Result<(), Refusal> {
        self.check_min_in_sync_of_broker(change.name, change.values.get(MIN_IN_SYNC))?;
        let cordons = change.values.contains_key(CORDONED_LOG_DIRS);
        if cordons && !self.image.metadata_version().cordons_directories() {
            let message = "The cordoned.log.dirs configuration value cannot be set because it \
                           requires metadata.version >= 4.3-IV0";
            return Err(Refusal::new(ErrorCode::INVALID_CONFIG, message));
        }
        let whose = if change.name.is_empty() {
            AlteredBroker::All
        } else {
            AlteredBroker::This
        };
        check_broker_alteration(&self.after(change), whose, &self.layers())
            .map_err(|invalid| Refusal::new(ErrorCode::INVALID_REQUEST, invalid.message))
    }

    fn check_resource_exists(&self, kind: ResourceKind, name: &str) -> Result<(), Refusal> {
        match kind {
            ResourceKind::Topic if self.image.topics().id_of(name).is_none() => Err(Refusal::new(
                ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
                format!("The topic '{name}' does not exist."),
            )),
            // This broker or all brokers: `alterable` lets no others pass. Groups and subscriptions exist
            // as soon as something is set for them.
            _ => Ok(()),
        }
    }

    /// Checks the configs of a topic that is about to be created.
    pub(super) fn check_new_topic_configs(
        &self,
        name: &str,
        overrides: &BTreeMap<Str, Str>,
    ) -> Result<(), Refusal> {
        if overrides.is_empty() {
            return Ok(());
        }
        let values = overrides.iter();
        self.check_change(&ConfigChange {
            kind: ResourceKind::Topic,
            name,
            values: values
                .map(|(key, value)| (key.clone(), Some(value.clone())))
                .collect(),
        })
    }

    /// The settings of a topic with these overrides, for the answer of CreateTopics.
    pub(super) fn effective_topic_configs(
        &self,
        overrides: &BTreeMap<Str, Str>,
    ) -> Vec<CreatableTopicConfigs> {
        crate::config::describe_topic(overrides, &self.layers())
            .into_iter()
            .map(|entry| CreatableTopicConfigs {
                name: entry.name.into(),
                value: entry.value.map(Str::from),
                read_only: false,
                config_source: entry.source as i8,
                is_sensitive: entry.is_sensitive,
            })
            .collect()
    }
}

/// The entry of the config table for a key of a resource.
pub(super) fn key_of(kind: ResourceKind, name: &str) -> Option<&'static Key> {
    match kind {
        ResourceKind::Topic => keys::topic_key(name),
        ResourceKind::Broker => keys::broker_key_behind(name),
        ResourceKind::ClientMetrics => keys::client_metrics_key(name),
        ResourceKind::Group => keys::group_key(name),
    }
}

/// Whether values can be added to a key and taken from it.
pub(super) fn is_list(kind: ResourceKind, name: &str) -> bool {
    key_of(kind, name).is_some_and(|key| key.kind == Kind::List)
}
