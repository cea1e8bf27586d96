//! The settings of topics, as the metadata has them.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::metadata::image::{MetadataImage, ResourceKind};
use crate::replication::partition::PartitionConfig;
use crate::replication::settings::ReplicaSettings;

/// The settings of topics, made once for all partitions of a topic.
pub struct TopicConfigs<'a> {
    image: &'a MetadataImage,
    /// The settings of the broker, with those of topics without values of their own.
    pub settings: Arc<ReplicaSettings>,
    made: Mutex<BTreeMap<Arc<str>, Arc<PartitionConfig>>>,
}

impl<'a> TopicConfigs<'a> {
    /// Begins without any topic's settings.
    pub fn new(image: &'a MetadataImage, settings: &Arc<ReplicaSettings>) -> Self {
        Self {
            image,
            settings: Arc::clone(settings),
            made: Mutex::default(),
        }
    }

    /// The settings of a topic by its name.
    pub fn of(&self, topic: &Arc<str>) -> Arc<PartitionConfig> {
        let mut all_made = self.made.lock();
        if let Some(made) = all_made.get(topic) {
            return Arc::clone(made);
        }
        let overrides = self.image.configs().of(ResourceKind::Topic, topic);
        let pairs = overrides.into_iter().flatten();
        let config = self
            .settings
            .of_topic(pairs.map(|(name, text)| (&**name, &**text)));
        all_made.insert(Arc::clone(topic), Arc::clone(&config));
        config
    }
}
