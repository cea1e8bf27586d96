//! The changes between two images that share no history, as when a snapshot replaces the log.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Changes, TopicChange};
use crate::metadata::image::{MetadataImage, Overrides, QuotaEntity, ResourceKind, TopicImage};

pub(super) fn between(base: &MetadataImage, image: &MetadataImage) -> Changes {
    let mut changes = Changes {
        brokers: differing(base, image, |image| {
            image
                .brokers()
                .iter()
                .map(|broker| (broker.id, Arc::clone(broker)))
        }),
        controllers: differing(base, image, |image| {
            let controllers = image.controllers().iter();
            controllers.map(|controller| (controller.id, Arc::clone(controller)))
        }),
        configs: differing(base, image, config_entries),
        features: differing(base, image, |image| {
            let features = image.features().iter();
            features.map(|(name, level)| (Arc::<str>::from(name), level))
        }),
        client_quotas: differing(base, image, quota_entries),
        producer_ids: base.next_producer_id() != image.next_producer_id(),
        acls: differing(base, image, |image| {
            image
                .acls()
                .iter()
                .map(|entry| (entry.id, Arc::clone(entry)))
        }),
        scram: differing(base, image, |image| {
            image.scram().iter().map(|credential| {
                let user = Arc::<str>::from(&*credential.name);
                ((credential.mechanism, user), Arc::clone(credential))
            })
        }),
        delegation_tokens: differing(base, image, |image| {
            let tokens = image.delegation_tokens().iter();
            tokens.map(|token| (Arc::<str>::from(&*token.token_id), Arc::clone(token)))
        }),
        ..Changes::default()
    };
    for topic in base.topics().iter() {
        if image.topics().by_id(&topic.id).is_none() {
            changes.deleted_topics.insert(topic.id);
        }
    }
    for topic in image.topics().iter() {
        let previous = base.topics().by_id(&topic.id);
        let change = topic_change(previous.map(|topic| &**topic), topic);
        if change != TopicChange::default() {
            changes.topics.insert(topic.id, change);
        }
    }
    changes
}

fn topic_change(previous: Option<&TopicImage>, topic: &TopicImage) -> TopicChange {
    let same = |index: &i32, state| {
        previous.is_some_and(|previous| previous.partitions.get(index) == Some(state))
    };
    TopicChange {
        created: previous.is_none(),
        partitions: topic
            .partitions
            .iter()
            .filter(|(index, state)| !same(index, state))
            .map(|(index, _)| *index)
            .collect(),
    }
}

/// The keys whose values differ, or that only one of the two images has.
fn differing<'a, K, V, I>(
    base: &'a MetadataImage,
    image: &'a MetadataImage,
    entries: impl Fn(&'a MetadataImage) -> I,
) -> BTreeSet<K>
where
    K: Ord,
    V: PartialEq,
    I: Iterator<Item = (K, V)>,
{
    let mut before: BTreeMap<K, V> = entries(base).collect();
    let mut keys = BTreeSet::new();
    for (key, value) in entries(image) {
        match before.remove(&key) {
            Some(previous) if previous == value => {}
            _ => {
                keys.insert(key);
            }
        }
    }
    keys.extend(before.into_keys());
    keys
}

fn config_entries(
    image: &MetadataImage,
) -> impl Iterator<Item = ((ResourceKind, Arc<str>), &Overrides)> {
    ResourceKind::ALL.into_iter().flat_map(|kind| {
        let resources = image.configs().iter(kind);
        resources.map(move |(name, overrides)| ((kind, Arc::clone(name)), overrides))
    })
}

/// The quotas of each entity: entities appear once, with all their keys.
fn quota_entries(
    image: &MetadataImage,
) -> impl Iterator<Item = (QuotaEntity, Vec<(Arc<str>, f64)>)> {
    let mut entities: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (entity, key, value) in image.client_quotas().iter() {
        let quotas = entities.entry(entity.clone()).or_default();
        quotas.push((Arc::from(key), value));
    }
    entities.into_iter()
}
