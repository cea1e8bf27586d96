//! Topics that the broker keeps for itself: clients may read, not write them. The first use of groups
//! makes `__consumer_offsets`, as its coordinator wants it.

use std::time::Duration;

use super::Api;
use super::context::RequestContext;
use crate::config::GroupCoordinatorConfig;
use crate::coordinator::OFFSETS_TOPIC;
use crate::protocol::Str;
use crate::protocol::messages::create_topics::{CreatableTopic, CreatableTopicConfig};
use crate::telemetry::LogGate;

/// As long as the topic cannot be made, every request for a coordinator tries it.
static FEWER_REPLICAS: LogGate = LogGate::new();

/// The topics of coordinators.
const NAMES: [&str; 3] = [OFFSETS_TOPIC, "__transaction_state", "__share_group_state"];

/// Whether `name` is a topic of a coordinator.
pub(super) fn is_internal(name: &str) -> bool {
    NAMES.contains(&name)
}

/// `__consumer_offsets` as Kafka makes it.
fn offsets_topic(config: &GroupCoordinatorConfig, replication_factor: i32) -> CreatableTopic {
    let configs = [
        ("cleanup.policy", "compact".to_owned()),
        ("compression.type", "producer".to_owned()),
        (
            "segment.bytes",
            config.offsets_topic_segment_bytes.to_string(),
        ),
    ];
    let configs = configs.map(|(name, value)| CreatableTopicConfig {
        name: Str::from_static(name),
        value: Some(Str::from(value)),
    });
    CreatableTopic {
        name: Str::from_static(OFFSETS_TOPIC),
        num_partitions: config.offsets_topic_num_partitions,
        replication_factor: i16::try_from(replication_factor).unwrap_or(i16::MAX),
        configs: configs.into(),
        ..CreatableTopic::default()
    }
}

/// How long a client waits for the topic: well below its own time-out.
const PATIENCE: Duration = Duration::from_secs(5);

impl Api {
    /// Makes `__consumer_offsets` if it does not exist, and waits for it. A failure is logged, and leaves
    /// it missing.
    pub(super) async fn create_offsets_topic(&self, context: &RequestContext) {
        let is_there = || self.image().topics().by_name(OFFSETS_TOPIC).is_some();
        if is_there() {
            return;
        }
        let creating = async {
            // Where many clients ask at once, the first one makes the topic and the others find it.
            let _one_at_a_time = self.creating_offsets_topic.lock().await;
            if !is_there() {
                let topic = self.offsets_topic();
                self.create_topics_for(context, vec![topic]).await;
            }
        };
        // Without an active controller the clients come again, rather than wait for each other.
        let _ = tokio::time::timeout(PATIENCE, creating).await;
    }

    /// The settings that `__consumer_offsets` gets here.
    pub(super) fn offsets_topic(&self) -> CreatableTopic {
        let config = &self.config().groups;
        let configured = config.offsets_topic_replication_factor;
        // A node that is the whole quorum and the only broker can have one copy of anything. With
        // more voters a broker that comes first must not decide for the others: Kafka's own reason
        // to refuse.
        let node = &self.config().node;
        let is_alone = node.process_roles.is_controller()
            && node.controller_quorum_voters.len() <= 1
            && self.image().brokers().iter().count() <= 1;
        if configured > 1 && is_alone {
            if let Some(suppressed) = FEWER_REPLICAS.pass() {
                tracing::warn!(
                    suppressed,
                    "{OFFSETS_TOPIC} gets 1 replica in place of offsets.topic.replication.factor \
                     = {configured}, as this node is the whole cluster"
                );
            }
            return offsets_topic(config, 1);
        }
        offsets_topic(config, configured)
    }
}
