//! `broker health`: whether the node that a config belongs to serves the cluster, and whether it may be
//! stopped now. It asks the node itself by Kafka's protocol, as any client would.

mod quorum;
mod readiness;
mod restart;

use std::cell::Cell;
use std::time::Duration;

use clap::Args;

use crate::client::{AskError, NodeConnection};
use crate::config::{BrokerConfig, Endpoint, SecurityProtocol, host_and_port};
use crate::protocol::ErrorCode;

/// What `broker health` can be told.
#[derive(Debug, Args)]
pub(super) struct HealthArguments {
    /// Say whether the node may be stopped now: whether every partition keeps a leader and
    /// min.insync.replicas without it, and the controllers a majority
    #[arg(long)]
    before_restart: bool,

    /// How long the answers may take, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..))]
    timeout_ms: u32,
}

/// A yes or no, each with its sentence.
type Verdict = Result<String, String>;

/// Why there is no yes.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    /// The answer is no.
    #[error("{0}")]
    No(String),
    /// The node has not answered.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The node has answered with an error.
    #[error("it answers {}: {}", .0.name(), .0.message())]
    Refused(ErrorCode),
}

/// Asks the node that `config` belongs to.
pub(super) fn ask(config: &BrokerConfig, arguments: &HealthArguments) -> Verdict {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot ask: {error}"))?;
    let address = address(config)?;
    let timeout = Duration::from_millis(u64::from(arguments.timeout_ms));
    let serves = Cell::new(false);
    let asking = async {
        let mut node = open(&address, timeout).await?;
        serves.set(true);
        let id = config.node.node_id.0;
        if arguments.before_restart {
            restart::check(&mut node, config.node.process_roles, id, timeout).await
        } else {
            readiness::check(&mut node, config.node.process_roles, id).await
        }
    };
    let in_time = runtime.block_on(async { tokio::time::timeout(timeout, asking).await });
    match in_time {
        Ok(Ok(sentence)) => Ok(sentence),
        Ok(Err(Trouble::No(reason))) => Err(reason),
        Ok(Err(trouble)) => Err(format!("node at {address}: {trouble}")),
        Err(_) => {
            let why = if serves.get() {
                "it serves, but may be cut off from the active controller"
            } else {
                "it is still starting, or stands still"
            };
            Err(format!(
                "node at {address}: no answer within {timeout:?}; {why}"
            ))
        }
    }
}

async fn open(address: &str, timeout: Duration) -> Result<NodeConnection, AskError> {
    NodeConnection::open(address, "broker-health", timeout).await
}

/// Where the node listens on this machine: its first listener for clients, or that of its controller if it
/// is no broker.
fn address(config: &BrokerConfig) -> Verdict {
    let listeners = &config.network.listeners;
    let mut endpoints = listeners.broker.iter().chain(&listeners.controller);
    let endpoint = endpoints.next().ok_or("the node has no listener")?;
    let Endpoint { listener, port, .. } = endpoint;
    if endpoint.protocol != SecurityProtocol::Plaintext {
        let protocol = endpoint.protocol.name();
        return Err(format!(
            "listener {listener} cannot be asked: it speaks {protocol}"
        ));
    }
    if *port == 0 {
        return Err(format!(
            "listener {listener} cannot be asked: only the node knows the port, as the config says 0"
        ));
    }
    let host = match endpoint.host.as_str() {
        "" | "0.0.0.0" => "127.0.0.1",
        "::" => "::1",
        host => host,
    };
    Ok(host_and_port(host, *port))
}
