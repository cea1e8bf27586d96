//! The group coordinator of this broker: the runtime of coordinators with shards of groups, one for each
//! partition of `__consumer_offsets` that this broker leads.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use crate::config::GroupCoordinatorConfig;
use crate::coordinator::group::{
    Answer, DeletedTopic, GroupCommon, GroupGlance, GroupShard, Request,
};
use crate::coordinator::runtime::{Runtime, RuntimeSettings, Submitted};
use crate::coordinator::shard::Caller;
use crate::metadata::delta::MetadataDelta;
use crate::metadata::image::MetadataImage;
use crate::model::BrokerId;
use crate::protocol::Str;
use crate::records::{Compression, CompressionSetting};
use crate::replication::manager::ReplicaManager;
use crate::telemetry::Metrics;

/// The topic that groups and offsets are kept in.
pub const OFFSETS_TOPIC: &str = "__consumer_offsets";

/// A handle on the group coordinator. Clones share it.
#[derive(Clone)]
pub struct GroupCoordinator {
    runtime: Arc<Runtime<GroupShard>>,
}

impl GroupCoordinator {
    /// A coordinator without shards yet: [`Self::apply`] brings them. Its tasks run on `tasks`.
    pub fn start(
        config: &GroupCoordinatorConfig,
        node_id: BrokerId,
        replicas: ReplicaManager,
        tasks: Handle,
        metrics: Arc<Metrics>,
    ) -> Self {
        let common = GroupCommon::new(config, metrics);
        let runtime = Runtime::start(settings(config), common, node_id, replicas, tasks);
        Self {
            runtime: Arc::new(runtime),
        }
    }

    /// The partition of `__consumer_offsets` that a group belongs to.
    pub fn partition_of(&self, group: &str) -> i32 {
        self.runtime.partition_of(group)
    }

    /// Lets the shard of `group` decide the request. The caller's token is drawn here. Only copies of the
    /// request are kept: it may be a slice of a frame that is dropped.
    pub fn submit(&self, group: &str, caller: Caller, request: &Request) -> Submitted<Answer> {
        self.submit_to(self.partition_of(group), caller, request)
    }

    /// As [`Self::submit`], for the groups of one partition.
    pub fn submit_to(
        &self,
        partition: i32,
        caller: Caller,
        request: &Request,
    ) -> Submitted<Answer> {
        self.runtime.submit(partition, caller, request)
    }

    /// Whether this broker has a shard of the partition that is running, or will be soon. It has none if
    /// the log is damaged: clients should wait, instead of coming here to be sent away.
    pub fn serves(&self, partition: i32) -> bool {
        self.runtime.serves(partition)
    }

    /// The partitions of which this broker has a shard.
    pub fn partitions(&self) -> Vec<i32> {
        self.runtime.partitions()
    }

    /// The groups of one partition behind the one with the id `after`, see [`GroupShard::glance`]; none if it is
    /// not served here.
    pub fn glance(&self, partition: i32, after: Option<&Str>, most: usize) -> Vec<GroupGlance> {
        let seen = self
            .runtime
            .read(partition, |shard| shard.glance(after, most));
        seen.unwrap_or_default()
    }

    /// Follows a change of the metadata, after the replicas have. Takes up shards of partitions that this
    /// broker leads now, gives up others, and removes the offsets of deleted topics.
    pub fn apply(&self, delta: &MetadataDelta, image: &Arc<MetadataImage>) {
        self.runtime.common().set_image(image);
        self.runtime.apply(delta, image);
        let deleted = delta.deleted_topics().map(|topic| DeletedTopic {
            name: Str::copy_from(&topic.name),
            id: topic.id,
        });
        let deleted: Vec<_> = deleted.collect();
        if !deleted.is_empty() {
            self.runtime.for_each_running(|shard, effects| {
                shard.topics_deleted(&deleted, effects);
            });
        }
    }

    /// Stops deciding. Members that wait for others are sent away; those who wait for a commit get their
    /// answers.
    pub fn stop(&self) {
        self.runtime.stop();
    }
}

/// How `__consumer_offsets` is written and read.
fn settings(config: &GroupCoordinatorConfig) -> RuntimeSettings {
    let millis = |ms: i32| Duration::from_millis(u64::try_from(ms).unwrap_or(0));
    let codec = u8::try_from(config.offsets_topic_compression_codec).ok();
    let codec = codec.and_then(Compression::from_id);
    RuntimeSettings {
        topic: OFFSETS_TOPIC,
        partition_count: config.offsets_topic_num_partitions,
        append_linger: millis(config.group_coordinator_append_linger_ms),
        compression: codec.map_or(CompressionSetting::NONE, CompressionSetting::new),
        commit_timeout: millis(config.offsets_commit_timeout_ms),
        load_buffer_bytes: u32::try_from(config.offsets_load_buffer_size).unwrap_or(1),
    }
}

#[cfg(test)]
mod tests;
