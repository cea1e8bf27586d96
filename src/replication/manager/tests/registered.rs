//! What the controller decides when a broker has registered.

use std::sync::Arc;

use super::support::{Change, LOCAL, World};
use crate::model::BrokerId;
use crate::protocol::messages::metadata_records::{MetadataRecord, PartitionChangeRecord};

impl World {
    /// What follows a registration: the broker leads again what it led, in another epoch.
    pub(super) fn register(&self) {
        let image = Arc::clone(&self.image.lock());
        let led = image.topics().iter().flat_map(|topic| {
            let partitions = topic.partitions.iter();
            let led = partitions.filter(|(_, state)| state.leader == BrokerId(LOCAL));
            led.map(|(index, _)| PartitionChangeRecord {
                partition_id: *index,
                topic_id: topic.id,
                leader: LOCAL,
                ..PartitionChangeRecord::default()
            })
        });
        let led: Vec<_> = led
            .map(|record| Change::Record(MetadataRecord::PartitionChange(record)))
            .collect();
        self.apply(&led);
    }
}
