//! The controller: decides what the cluster's metadata becomes.
//!
//! Decide, replay, append: a request reads the state and yields records with an answer; the records
//! are replayed at once, so that the next decision sees them, and appended; the answer leaves when
//! all that it depends on is committed. Only [`Controller::replay`] changes the state that is in
//! the log. If an append fails or leadership is lost, the controller is dropped, and made anew
//! from the image of what is committed.
//!
//! The sessions of brokers are beside that state: only this controller knows them, and the next one begins
//! them anew.

mod activation;
mod alter_client_quotas;
mod alter_configs;
mod alter_partition;
mod assign_replicas_to_dirs;
mod broker_heartbeat;
mod broker_registration;
mod config_changes;
mod controller_registration;
mod create_partitions;
mod create_topics;
mod decision;
mod delete_topics;
mod drains;
mod elect_leaders;
mod elr;
mod features;
mod incremental_alter_configs;
mod leadership;
mod new_partitions;
mod partition_change;
mod partition_index;
mod periodic_elections;
mod placement;
mod producer_ids;
mod reassignment;
mod request;
mod sessions;
mod topic_name;
mod topic_rules;
mod transaction;
mod unregister_broker;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use activation::{activation_records, bootstrap_records};
pub use decision::{Decision, Refusal};
pub use incremental_alter_configs::{adds_values, alteration_answer, check_alterations};
pub use periodic_elections::ElectionIntervals;
pub use placement::{Entropy, place_on};
pub use request::{Circumstances, ControllerRequest, ControllerRequestContext, RequestSender};
pub use topic_name::{METADATA_TOPIC_NAME, check as check_topic_name};
pub use transaction::{LogBatches, MAX_BYTES_PER_BATCH, MAX_RECORDS_PER_BATCH};

use crate::config::{Layers, NoOverrides, Overrides, Settings};
use crate::metadata::image::{Change, MetadataImage, ReplayError, ResourceKind};
use crate::model::{BrokerId, Offset};
use crate::protocol::messages::metadata_records::MetadataRecord;
use drains::Drains;
use partition_index::PartitionIndex;
use periodic_elections::DueElections;
use sessions::Sessions;

/// Counts partitions that are about to be created or deleted. An error refuses the topic.
type Charge<'a> = &'a mut dyn FnMut(usize) -> Result<(), Refusal>;

/// Settings that the controller is started with.
#[derive(Clone, Debug)]
pub struct ControllerSettings {
    /// The `node.id` of this node.
    pub node_id: BrokerId,
    /// The cluster's id, as text.
    pub cluster_id: String,
    /// The nodes of the metadata quorum.
    pub quorum: Vec<BrokerId>,
    /// Partitions of topics that are created without a number.
    pub num_partitions: i32,
    /// Replicas of topics that are created without a number.
    pub default_replication_factor: i16,
    /// Whether topics may be deleted.
    pub delete_topic_enable: bool,
    /// How long a broker that sends no heartbeats stays unfenced.
    pub broker_session_timeout: Duration,
    /// How often to look for leaders that could be others.
    pub elections: ElectionIntervals,
    /// The static layer of configs that this node was started with.
    pub settings: Settings,
}

/// The active controller; see the module's head.
#[derive(Debug)]
pub struct Controller {
    settings: Arc<ControllerSettings>,
    image: MetadataImage,
    index: PartitionIndex,
    /// Names of topics by the form in which they collide.
    collisions: BTreeMap<String, BTreeSet<Arc<str>>>,
    /// The offset of each broker's registration, as far as this controller has seen them.
    registration_offsets: BTreeMap<BrokerId, Offset>,
    sessions: Sessions,
    due_elections: DueElections,
    drains: Drains,
    next_offset: Offset,
}

impl Controller {
    /// A controller that begins to lead. `image` is all that is committed before `next_offset`, the offset
    /// that its first record gets.
    pub fn new(
        settings: Arc<ControllerSettings>,
        image: MetadataImage,
        next_offset: Offset,
        now: Instant,
    ) -> Self {
        let mut collisions: BTreeMap<String, BTreeSet<Arc<str>>> = BTreeMap::new();
        for topic in image.topics().iter() {
            if let Some(form) = topic_name::collision_form(&topic.name) {
                let names = collisions.entry(form).or_default();
                names.insert(Arc::clone(&topic.name));
            }
        }
        Self {
            index: PartitionIndex::of(&image),
            collisions,
            registration_offsets: BTreeMap::new(),
            drains: Drains::of(image.configs()),
            due_elections: DueElections::after(&settings.elections, now),
            sessions: Sessions::new(settings.broker_session_timeout, image.brokers(), now),
            settings,
            image,
            next_offset,
        }
    }

    /// The image after everything that was decided so far.
    pub fn image(&self) -> &MetadataImage {
        &self.image
    }

    /// The offset that the next record gets.
    pub fn next_offset(&self) -> Offset {
        self.next_offset
    }

    /// Takes records that were decided into the state, each at its offset.
    ///
    /// # Errors
    /// A record does not fit the state, which is a bug of the decision that made it. The controller must be
    /// dropped.
    pub fn replay(&mut self, records: &[MetadataRecord]) -> Result<(), ReplayError> {
        let mut changes = Vec::new();
        for record in records {
            self.image
                .replay(record, &mut |change| changes.push(change))?;
            for change in changes.drain(..) {
                self.index_change(change);
            }
            if let MetadataRecord::RegisterBroker(record) = record {
                let id = BrokerId(record.broker_id);
                self.registration_offsets.insert(id, self.next_offset);
            }
            self.next_offset = self.next_offset + 1;
        }
        Ok(())
    }

    fn index_change(&mut self, change: Change) {
        match change {
            Change::TopicCreated(id) => {
                let topic = self.image.topics().by_id(&id).expect("it was just created");
                if let Some(form) = topic_name::collision_form(&topic.name) {
                    let names = self.collisions.entry(form).or_default();
                    names.insert(Arc::clone(&topic.name));
                }
            }
            Change::TopicDeleted(topic) => {
                self.index.remove_topic(&topic);
                let form = topic_name::collision_form(&topic.name);
                if let Some((form, names)) =
                    form.and_then(|form| self.collisions.get_mut(&form).map(|names| (form, names)))
                {
                    names.remove(&topic.name);
                    if names.is_empty() {
                        self.collisions.remove(&form);
                    }
                }
            }
            Change::Partition {
                topic,
                index,
                previous,
            } => {
                let current = self.image.topics().partition(&topic, index);
                let current = current.expect("it was just changed");
                self.index
                    .change((topic, index), previous.as_deref(), current);
            }
            Change::Broker { id, .. } => {
                let registered = self.image.brokers().get(id);
                self.sessions.follow(id, registered.map(|broker| &**broker));
                if registered.is_none() {
                    self.registration_offsets.remove(&id);
                }
            }
            Change::Config {
                kind: ResourceKind::Broker,
                name,
            } => self.drains.follow(self.image.configs(), &name),
            // No index depends on the other kinds.
            _ => {}
        }
    }

    /// A topic whose name differs from `name` only in `.` and `_`.
    fn colliding_topic(&self, name: &str) -> Option<&Arc<str>> {
        let form = topic_name::collision_form(name)?;
        self.collisions.get(&form)?.first()
    }

    /// The layers of this node's configs.
    fn layers(&self) -> Layers<'_> {
        let node = self.settings.node_id.to_string();
        Layers {
            of_broker: self.overrides(ResourceKind::Broker, &node),
            of_cluster: self.overrides(ResourceKind::Broker, ""),
            settings: &self.settings.settings,
        }
    }

    /// What was set for a resource, as a layer of configs.
    fn overrides(&self, kind: ResourceKind, name: &str) -> &dyn Overrides {
        match self.image.configs().of(kind, name) {
            Some(overrides) => overrides,
            None => &NoOverrides,
        }
    }
}

#[cfg(test)]
mod tests;
