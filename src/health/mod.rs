//! Whether a node serves its cluster, and whether it may be stopped now. The node itself is asked by Kafka's
//! protocol, as any client would: by `broker health`, and by the node's own admin listener.

mod quorum;
mod readiness;
mod restart;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::client::{AskError, NodeConnection};
use crate::config::{Endpoint, Listeners, Roles, SecurityProtocol, host_and_port};
use crate::protocol::ErrorCode;

/// What is asked of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// Whether it serves.
    Readiness,
    /// Whether every partition keeps a leader and `min.insync.replicas` without it, and the controllers a
    /// majority.
    Restart,
}

/// A yes or no, each with its sentence.
pub type Verdict = Result<String, String>;

/// The node that is asked.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where it listens, `host:port`.
    pub address: String,
    /// Its `node.id`.
    pub id: i32,
    /// What it is in the cluster.
    pub roles: Roles,
}

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

/// Asks a node. The answer comes within `timeout`.
///
/// # Errors
/// The answer is no, or there is none.
pub async fn ask(node: &Node, question: Question, timeout: Duration) -> Verdict {
    let Node { address, id, roles } = node;
    let serves = AtomicBool::new(false);
    let asking = async {
        let mut connection = open(address, timeout).await?;
        serves.store(true, Ordering::Relaxed);
        match question {
            Question::Restart => restart::check(&mut connection, *roles, *id, timeout).await,
            Question::Readiness => readiness::check(&mut connection, *roles, *id).await,
        }
    };
    match tokio::time::timeout(timeout, asking).await {
        Ok(Ok(sentence)) => Ok(sentence),
        Ok(Err(Trouble::No(reason))) => Err(reason),
        Ok(Err(trouble)) => Err(format!("node at {address}: {trouble}")),
        Err(_) => {
            let why = if serves.load(Ordering::Relaxed) {
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

/// Where a node with these listeners can be asked on this machine: at its first listener for clients, or that
/// of its controller if it is no broker. `port_of` knows the port of a listener whose config says 0, if
/// anybody does.
///
/// # Errors
/// There is no such address; the sentence says why.
pub fn address(listeners: &Listeners, port_of: impl Fn(&str) -> Option<u16>) -> Verdict {
    let mut endpoints = listeners.broker.iter().chain(&listeners.controller);
    let endpoint = endpoints.next().ok_or("the node has no listener")?;
    let Endpoint { listener, port, .. } = endpoint;
    if endpoint.protocol != SecurityProtocol::Plaintext {
        let protocol = endpoint.protocol.name();
        return Err(format!(
            "listener {listener} cannot be asked: it speaks {protocol}"
        ));
    }
    let port = match *port {
        0 => port_of(listener).ok_or_else(|| {
            format!(
                "listener {listener} cannot be asked: only the node knows the port, as the config says 0"
            )
        })?,
        port => port,
    };
    let host = match endpoint.host.as_str() {
        "" | "0.0.0.0" => "127.0.0.1",
        "::" => "::1",
        host => host,
    };
    Ok(host_and_port(host, port))
}
