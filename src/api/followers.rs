//! Who may ask as a follower. What a follower fetches is what commits records, so nobody else may say that
//! it is one: it comes by the listener of brokers, and names the registration of its broker (KIP-903).
//!
//! Where clients share that listener, the epoch of the registration is all that tells a follower from them.

use super::Api;
use super::context::RequestContext;
use crate::model::BrokerId;
use crate::protocol::ErrorCode;
use crate::replication::manager::FollowerIdentity;

/// What Kafka answers a peer that may not act for the cluster.
const NO_BROKER: ErrorCode = ErrorCode::TOPIC_AUTHORIZATION_FAILED;
/// A follower that no partition knows: so a broker is answered that has registered again since.
const NOBODY: FollowerIdentity = FollowerIdentity {
    id: BrokerId::NONE,
    epoch: -1,
};

/// The follower that a Fetch counts for, if it may come from one.
///
/// # Errors
/// It comes by a listener of clients.
pub(super) fn check_fetch(
    api: &Api,
    context: &RequestContext,
    follower: FollowerIdentity,
) -> Result<FollowerIdentity, ErrorCode> {
    check_listener(api, context)?;
    let image = api.image();
    let Some(broker) = image.brokers().get(follower.id) else {
        return Ok(NOBODY);
    };
    if follower.epoch == broker.epoch {
        context.connection.note_follower();
        return Ok(follower);
    }
    let may_lack_epoch = !image.metadata_version().fetches_with_broker_epoch();
    let lacks_epoch = follower.epoch == NOBODY.epoch && may_lack_epoch;
    Ok(if lacks_epoch { follower } else { NOBODY })
}

/// Whether no partition knows the follower.
pub(super) fn is_nobody(follower: FollowerIdentity) -> bool {
    follower == NOBODY
}

/// Checks that another request that names a replica comes by the listener of brokers. Such requests carry no
/// epoch, and change nothing.
pub(super) fn check_listener(api: &Api, context: &RequestContext) -> Result<(), ErrorCode> {
    let of_brokers = &api.config().network.listeners.to_brokers;
    (context.listener() == of_brokers)
        .then_some(())
        .ok_or(NO_BROKER)
}
