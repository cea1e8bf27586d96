//! The config of the node's identity and its quorum, and of the quorum's time-outs.

use super::endpoint::Voter;
use super::listeners::Listeners;
use super::membership::{Membership, reachable};
use super::roles::Roles;
use super::value::InvalidValue;
use super::view::View;
use crate::model::{BrokerId, Uuid};

/// How long the members of the quorum wait for each other, and the controller for brokers and between
/// elections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuorumConfig {
    /// 0 or above.
    pub controller_quorum_election_timeout_ms: i32,
    /// 0 or above.
    pub controller_quorum_election_backoff_max_ms: i32,
    /// 0 or above.
    pub controller_quorum_fetch_timeout_ms: i32,
    /// 0 or above.
    pub controller_quorum_request_timeout_ms: i32,
    /// 0 or above.
    pub controller_quorum_retry_backoff_ms: i32,
    /// How often a broker sends a heartbeat.
    pub broker_heartbeat_interval_ms: i32,
    /// After how long without a heartbeat a broker is fenced.
    pub broker_session_timeout_ms: i32,
    /// Whether preferred replicas get their leadership back by themselves.
    pub auto_leader_rebalance_enable: bool,
    /// How often the controller looks for those. 1 or above.
    pub leader_imbalance_check_interval_seconds: i64,
    /// How often the controller looks for partitions that may have a leader which is not in sync. 1 or
    /// above.
    pub unclean_leader_election_interval_ms: i64,
    /// How long a broker tries to register before it gives up.
    pub initial_broker_registration_timeout_ms: i32,
}

/// The identity of this node, and its quorum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeConfig {
    /// 0 or above.
    pub node_id: BrokerId,
    /// What this node is in the cluster.
    pub process_roles: Roles,
    /// The cluster's id; `None`: the directories decide.
    pub cluster_id: Option<Uuid>,
    /// The rack that the broker stands in.
    pub broker_rack: Option<String>,
    /// The voters of the metadata quorum, at least one. This node is one of them, unless it is only a
    /// broker.
    pub controller_quorum_voters: Vec<Voter>,
}

impl QuorumConfig {
    pub(super) fn read(view: &View<'_>) -> Self {
        Self {
            controller_quorum_election_timeout_ms: view
                .int("controller.quorum.election.timeout.ms"),
            controller_quorum_election_backoff_max_ms: view
                .int("controller.quorum.election.backoff.max.ms"),
            controller_quorum_fetch_timeout_ms: view.int("controller.quorum.fetch.timeout.ms"),
            controller_quorum_request_timeout_ms: view.int("controller.quorum.request.timeout.ms"),
            controller_quorum_retry_backoff_ms: view.int("controller.quorum.retry.backoff.ms"),
            broker_heartbeat_interval_ms: view.int("broker.heartbeat.interval.ms"),
            broker_session_timeout_ms: view.int("broker.session.timeout.ms"),
            auto_leader_rebalance_enable: view.bool("auto.leader.rebalance.enable"),
            leader_imbalance_check_interval_seconds: view
                .long("leader.imbalance.check.interval.seconds"),
            unclean_leader_election_interval_ms: view.long("unclean.leader.election.interval.ms"),
            initial_broker_registration_timeout_ms: view
                .int("initial.broker.registration.timeout.ms"),
        }
    }
}

impl NodeConfig {
    /// Whether this node is a cluster by itself: it may found one.
    pub fn is_alone(&self) -> bool {
        self.process_roles.is_controller() && self.controller_quorum_voters.len() <= 1
    }

    pub(super) fn read(
        view: &View<'_>,
        membership: Membership,
        listeners: &Listeners,
    ) -> Result<Self, InvalidValue> {
        let cluster_id = match view.optional_text("cluster.id") {
            None => None,
            Some(text) => Some(text.parse().map_err(|_| {
                let reason = "It should be 22 characters of URL-safe base64, as `kafka-storage \
                              random-uuid` prints them";
                view.invalid("cluster.id", reason)
            })?),
        };
        let Membership {
            node_id,
            roles,
            voters,
        } = membership;
        Ok(Self {
            node_id,
            process_roles: roles,
            cluster_id,
            broker_rack: view.optional_text("broker.rack"),
            controller_quorum_voters: or_this_node(voters, node_id, listeners),
        })
    }
}

/// The voters: as configured, or this node alone.
fn or_this_node(voters: Vec<Voter>, node_id: BrokerId, listeners: &Listeners) -> Vec<Voter> {
    let own = listeners.first_controller().filter(|_| voters.is_empty());
    let own = own.map(|endpoint| Voter {
        id: node_id,
        host: reachable(endpoint.host.clone()),
        port: endpoint.port,
    });
    voters.into_iter().chain(own).collect()
}
