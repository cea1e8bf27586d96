//! What the arguments say of the producer, with the defaults of Kafka's.

use std::io::{self, Write as _};

use super::PerfArguments;
use crate::cli::tools::client_settings::{self, ProducerDefaults};
use crate::cli::tools::ending::Ending;
use crate::cli::tools::options::Properties;
use crate::client::{ClusterOptions, ProducerSettings};

const CLIENT_ID: &str = "perf-producer-client";

/// Where the cluster is, and how the producer works.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) cluster: ClusterOptions,
    pub(super) producer: ProducerSettings,
    pub(super) client_id: String,
}

impl Settings {
    /// # Errors
    /// A setting is none, contradicts another, or asks for what is not served.
    pub(super) fn of(arguments: &PerfArguments) -> Result<Self, Ending> {
        let properties = properties(arguments)?;
        let servers = properties.get("bootstrap.servers").unwrap_or_default();
        let cluster = properties.cluster(servers, CLIENT_ID)?;
        if properties.get("transactional.id").is_some() {
            let reason = "Transactions are not served by this tool: leave out transactional.id.";
            return Err(Ending::Failed(reason.to_owned()));
        }
        Ok(Self {
            client_id: cluster.client_id.clone(),
            cluster,
            producer: producer(&properties)?,
        })
    }
}

/// The settings of file and arguments. What is named by its old name is told of.
fn properties(arguments: &PerfArguments) -> Result<Properties, Ending> {
    let mut given = &arguments.command_property;
    if !arguments.producer_props.is_empty() {
        tell_old("--producer-props", "--command-property")?;
        given = &arguments.producer_props;
    }
    if arguments.producer_config.is_some() {
        tell_old("--producer.config", "--command-config")?;
    }
    let files = [&arguments.command_config, &arguments.producer_config];
    let mut properties = match files.into_iter().flatten().next() {
        Some(file) => Properties::of_file(file)?,
        None => Properties::default(),
    };
    for pair in given {
        let parts = pair.trim_end_matches('=').split('=');
        if parts.count() != 2 {
            return Err(Ending::Failed(format!("Invalid property: {pair}")));
        }
    }
    properties.add(given);
    if let Some(servers) = &arguments.bootstrap_server {
        properties.add(&[format!("bootstrap.servers={servers}")]);
    }
    Ok(properties)
}

fn tell_old(old: &str, new: &str) -> io::Result<()> {
    writeln!(
        io::stdout(),
        "Option {old} has been deprecated and will be removed in a future version. Use {new} instead."
    )
}

fn producer(properties: &Properties) -> Result<ProducerSettings, Ending> {
    let codec = properties.get("compression.type").unwrap_or("none");
    let compression = codec.parse().map_err(|_| {
        Ending::Failed(format!(
            "Invalid value {codec} for configuration compression.type"
        ))
    })?;
    let usual = ProducerDefaults {
        acks: client_settings::acks(properties.get("acks").unwrap_or("all"))?,
        compression,
        retries: i32::MAX as u64,
        batch_size: 16_384,
        linger_ms: 5,
        buffer_memory: 32 << 20,
        max_block_ms: 60_000,
        retry_backoff_ms: 100,
    };
    Ok(ProducerSettings {
        tells_arrivals: true,
        ..client_settings::producer(properties, &usual)?
    })
}
