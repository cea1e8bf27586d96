//! `broker health`: asks the node that a config belongs to whether it serves, or may be stopped.

use std::time::Duration;

use clap::Args;

use crate::config::BrokerConfig;
use crate::health::{self, Question, Verdict};

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

/// Asks the node that `config` belongs to.
pub(super) fn ask(config: &BrokerConfig, arguments: &HealthArguments) -> Verdict {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot ask: {error}"))?;
    let node = health::Node {
        address: health::address(&config.network.listeners, |_| None)?,
        id: config.node.node_id.0,
        roles: config.node.process_roles,
    };
    let question = if arguments.before_restart {
        Question::Restart
    } else {
        Question::Readiness
    };
    let timeout = Duration::from_millis(u64::from(arguments.timeout_ms));
    runtime.block_on(health::ask(&node, question, timeout))
}
