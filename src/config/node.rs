//! The config of the node's identity and its quorum, and of the quorum's time-outs.

use super::endpoint::{Voter, parse_host_port, parse_voter};
use super::listeners::Listeners;
use super::value::InvalidValue;
use super::view::View;
use crate::model::{BrokerId, Uuid};

/// How long the members of the quorum wait for each other, and the controller for brokers, in milliseconds.
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
    /// How long a broker tries to register before it gives up.
    pub initial_broker_registration_timeout_ms: i32,
}

/// The identity of this node, and its quorum. The node is broker and controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeConfig {
    /// 0 or above.
    pub node_id: BrokerId,
    /// The cluster's id; `None`: the directories decide.
    pub cluster_id: Option<Uuid>,
    /// The rack that the broker stands in.
    pub broker_rack: Option<String>,
    /// The voters of the metadata quorum; this node is one of them.
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
            initial_broker_registration_timeout_ms: view
                .int("initial.broker.registration.timeout.ms"),
        }
    }
}

impl NodeConfig {
    pub(super) fn read(view: &View<'_>, listeners: &Listeners) -> Result<Self, InvalidValue> {
        let cluster_id = match view.optional_text("cluster.id") {
            None => None,
            Some(text) => Some(text.parse().map_err(|_| {
                let reason = "It should be 22 characters of URL-safe base64, as `kafka-storage \
                              random-uuid` prints them";
                view.invalid("cluster.id", reason)
            })?),
        };
        let node_id = BrokerId(if view.is_set("broker.id") && !view.is_set("node.id") {
            view.int("broker.id")
        } else {
            view.int("node.id")
        });
        Ok(Self {
            node_id,
            cluster_id,
            broker_rack: view.optional_text("broker.rack"),
            controller_quorum_voters: voters(view, node_id, listeners)?,
        })
    }
}

/// The voters: as configured, or this node alone.
fn voters(
    view: &View<'_>,
    node_id: BrokerId,
    listeners: &Listeners,
) -> Result<Vec<Voter>, InvalidValue> {
    const VOTERS: &str = "controller.quorum.voters";
    const SERVERS: &str = "controller.quorum.bootstrap.servers";
    const ONE_NODE: &str = "A quorum of more than one node is not there yet";

    let entries = view.list(VOTERS);
    let voters: Vec<Voter> = entries
        .iter()
        .filter_map(|entry| parse_voter(entry))
        .collect();
    if voters.len() > 1 {
        return Err(view.invalid(VOTERS, ONE_NODE));
    }
    if let [voter] = &voters[..] {
        if voter.id != node_id {
            let reason = format!("This node, {node_id}, has to be in it, as it is a controller");
            return Err(view.invalid(VOTERS, &reason));
        }
        return Ok(voters);
    }
    let servers = view.list(SERVERS);
    let (host, port) = match &servers[..] {
        [] => {
            let controller = listeners.first_controller();
            (controller.host.clone(), controller.port)
        }
        [server] => parse_host_port(server).expect("its rule let it pass"),
        _ => return Err(view.invalid(SERVERS, ONE_NODE)),
    };
    let host = match host.as_str() {
        // No node can connect to an address that stands for all of them.
        "" | "0.0.0.0" | "::" => "localhost".to_owned(),
        _ => host,
    };
    Ok(vec![Voter {
        id: node_id,
        host,
        port,
    }])
}
