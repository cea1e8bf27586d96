//! Who may ask as a follower. What a follower fetches is what commits records, so nobody else may say that
//! it is one: it comes by the listener of brokers, and names the registration of its broker (KIP-903).
//!
//! Where clients share that listener, the epoch of the registration is all that tells a follower from them.

use super::Api;
use super::context::RequestContext;
use crate::metadata::image::MetadataImage;
use crate::model::{BrokerId, TopicPartition};
use crate::protocol::ErrorCode;
use crate::replication::manager::FollowerIdentity;

/// What Kafka answers a peer that may not act for the cluster.
const NO_BROKER: ErrorCode = ErrorCode::TOPIC_AUTHORIZATION_FAILED;
/// What Kafka answers a broker that has registered again since, and one that has no replica.
const NO_FOLLOWER: ErrorCode = ErrorCode::NOT_LEADER_OR_FOLLOWER;

/// Checks that a Fetch comes from the follower that it names.
pub(super) fn check_fetch(
    api: &Api,
    context: &RequestContext,
    follower: FollowerIdentity,
) -> Result<(), ErrorCode> {
    check_listener(api, context)?;
    let image = api.image();
    let broker = image.brokers().get(follower.id).ok_or(NO_FOLLOWER)?;
    let needs_epoch = image.metadata_version().fetches_with_broker_epoch();
    if follower.epoch == broker.epoch {
        context.connection.note_follower();
        return Ok(());
    }
    let has_none = follower.epoch == -1 && !needs_epoch;
    has_none.then_some(()).ok_or(NO_FOLLOWER)
}

/// Checks that another request comes from a follower of the partition. Such requests carry no epoch, and
/// change nothing.
pub(super) fn check_reader(
    api: &Api,
    context: &RequestContext,
    replica: BrokerId,
    partition: &TopicPartition,
) -> Result<(), ErrorCode> {
    check_listener(api, context)?;
    may_have_replica(&api.image(), replica, partition)
        .then_some(())
        .ok_or(NO_FOLLOWER)
}

fn may_have_replica(image: &MetadataImage, replica: BrokerId, partition: &TopicPartition) -> bool {
    let topic = image.topics().by_name(&partition.topic);
    let state = topic.and_then(|topic| topic.partition(partition.partition));
    // That there is no such partition is said where it is looked up.
    let is_assigned = state.is_none_or(|state| state.replicas.contains(&replica));
    image.brokers().get(replica).is_some() && is_assigned
}

fn check_listener(api: &Api, context: &RequestContext) -> Result<(), ErrorCode> {
    let of_brokers = &api.config().network.listeners.to_brokers;
    (context.listener() == of_brokers)
        .then_some(())
        .ok_or(NO_BROKER)
}
