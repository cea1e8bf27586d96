//! The controller in a node, beside its threads: it makes itself known to the active controller, and looks
//! after brokers whose connections break.

use std::sync::Arc;

use tokio::runtime::Handle;

use super::broker_role::anywhere;
use crate::config::BrokerConfig;
use crate::metadata::driver::Metadata;
use crate::metadata::{BrokenConnectionsInbox, fence_gone_brokers, register_controller};
use crate::protocol::messages::controller_registration::ControllerRegistrationRequest;

/// Begins both on the runtime `quorum`, if the node is a controller; they end with it.
pub(super) fn begin(
    config: &BrokerConfig,
    metadata: &Metadata,
    broken: BrokenConnectionsInbox,
    registration: ControllerRegistrationRequest,
    quorum: &Handle,
) {
    if !config.node.process_roles.is_controller() {
        return;
    }
    quorum.spawn(fence_gone_brokers(
        broken,
        metadata.controller().clone(),
        Arc::clone(metadata.published()),
        config.node.node_id,
    ));
    quorum.spawn(register_controller(
        anywhere(config, metadata),
        Arc::clone(metadata.published()),
        registration,
    ));
}
