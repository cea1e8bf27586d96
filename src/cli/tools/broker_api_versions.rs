//! `kafka-broker-api-versions.sh`: which versions of which APIs each broker serves, and which of them a client of
//! this version uses.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use super::admin::api_versions;
use super::ending::{self, Ending, require};
use super::options::Properties;
use super::session;
use crate::client::{Cluster, ClusterError, To};
use crate::protocol::messages::api_versions::{ApiVersion, ApiVersionsResponse};
use crate::protocol::messages::metadata::{MetadataRequest, MetadataResponse};
use crate::protocol::{ApiKey, ErrorCode, ListenerSet};

const NAME: &str = "kafka-broker-api-versions.sh";

/// How long an answer may take, in ms: less than for other tools.
const REQUEST_TIMEOUT_MS: &str = "5000";

/// Tell which versions of which APIs brokers serve.
#[derive(Debug, Parser)]
#[command(name = NAME, bin_name = NAME, version)]
pub(super) struct VersionsArguments {
    /// The brokers to ask first, HOST:PORT and separated by commas
    #[arg(long, value_name = "SERVERS")]
    bootstrap_server: Option<String>,

    /// Read settings of the client from this file of properties
    #[arg(long, value_name = "FILE")]
    command_config: Option<PathBuf>,
}

/// Runs the tool.
pub(super) fn run(arguments: Vec<OsString>) -> ExitCode {
    if arguments.len() == 1 {
        let about = "This tool helps to retrieve broker version information.";
        return Ending::Usage(about.to_owned()).tell(NAME);
    }
    ending::run(NAME, arguments, VersionsArguments::act)
}

impl VersionsArguments {
    fn act(&self) -> Result<(), Ending> {
        require("bootstrap-server", self.bootstrap_server.is_some())?;
        let mut properties = Properties::of_optional_file(self.command_config.as_deref())?;
        properties.add_missing("request.timeout.ms", REQUEST_TIMEOUT_MS);
        let servers = self.bootstrap_server.as_deref().unwrap_or_default();
        let mut options = properties.cluster(servers, "admin-1")?;
        // Each node is asked once.
        options.api_timeout = Duration::ZERO;
        let mut cluster = Cluster::new(options);
        session::run(async {
            for (id, broker) in brokers(&mut cluster).await? {
                let told = match ask(&mut cluster, id).await {
                    Ok(answer) => table(&answer.api_keys),
                    Err(error) => format!("ERROR: {error}"),
                };
                writeln!(io::stdout(), "{broker} -> {told}")?;
            }
            Ok(())
        })
    }
}

/// The brokers by their ids, as Kafka's clients show them.
async fn brokers(cluster: &mut Cluster) -> Result<BTreeMap<i32, String>, Ending> {
    let answer = ask_brokers(cluster).await?;
    let brokers = answer.brokers.into_iter().map(|it| {
        let rack = it.rack.as_deref().unwrap_or("null");
        (it.node_id, node(&it.host, it.port, it.node_id, rack))
    });
    Ok(brokers.collect())
}

async fn ask_brokers(cluster: &mut Cluster) -> Result<MetadataResponse, Ending> {
    let nothing_else = MetadataRequest {
        topics: Some(Vec::new()),
        allow_auto_topic_creation: false,
        ..MetadataRequest::default()
    };
    let asked = cluster.ask(To::Any, &nothing_else).await;
    asked.map_err(|_| {
        let named = (1..).zip(&cluster.options().bootstrap);
        let named: Vec<String> = named
            .map(|(number, address)| {
                let (host, port) = address.rsplit_once(':').unwrap_or((address, ""));
                node(host, port, -number, "null")
            })
            .collect();
        Ending::Failed(format!(
            "Request METADATA failed on brokers [{}]",
            named.join(", ")
        ))
    })
}

/// A node, as Kafka's clients show it.
fn node(host: &str, port: impl std::fmt::Display, id: i32, rack: &str) -> String {
    format!("{host}:{port} (id: {id} rack: {rack} isFenced: false)")
}

async fn ask(cluster: &mut Cluster, id: i32) -> Result<ApiVersionsResponse, ClusterError> {
    let answer = cluster.ask(To::Node(id), &api_versions()).await?;
    match answer.error_code {
        ErrorCode::NONE => Ok(answer),
        code => Err(ClusterError::of(code)),
    }
}

/// What a node serves, a line for each API, and those that it does not serve.
fn table(served: &[ApiVersion]) -> String {
    let mut lines: BTreeMap<i16, String> = served.iter().map(|it| (it.api_key, line(it))).collect();
    for api in ApiKey::ALL {
        if api.listeners() != ListenerSet::Controller {
            let key = *api as i16;
            let unsupported = || format!("{}({key}): UNSUPPORTED", api.name());
            lines.entry(key).or_insert_with(unsupported);
        }
    }
    let lines: Vec<String> = lines.into_values().collect();
    format!("(\n\t{}\n)", lines.join(",\n\t"))
}

fn line(served: &ApiVersion) -> String {
    let ApiVersion {
        api_key,
        min_version,
        max_version,
    } = *served;
    let versions = if min_version == max_version {
        min_version.to_string()
    } else {
        format!("{min_version} to {max_version}")
    };
    let Ok(api) = ApiKey::try_from(api_key) else {
        return format!("UNKNOWN({api_key}): {versions}");
    };
    let (oldest, latest) = api.valid_versions().into_inner();
    let usable = if latest < min_version {
        "unusable: node too new".to_owned()
    } else if max_version < oldest {
        "unusable: node too old".to_owned()
    } else {
        format!("usable: {}", latest.min(max_version))
    };
    format!("{}({api_key}): {versions} [{usable}]", api.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(api_key: i16, min_version: i16, max_version: i16) -> String {
        line(&ApiVersion {
            api_key,
            min_version,
            max_version,
        })
    }

    #[test]
    fn a_line_says_which_version_is_used() {
        assert_eq!(shown(0, 0, 9), "Produce(0): 0 to 9 [usable: 9]");
        assert_eq!(shown(18, 2, 2), "ApiVersions(18): 2 [usable: 2]");
        assert_eq!(
            shown(1, 100, 101),
            "Fetch(1): 100 to 101 [unusable: node too new]"
        );
        assert_eq!(shown(1, 0, 1), "Fetch(1): 0 to 1 [unusable: node too old]");
        assert_eq!(shown(1000, 0, 1), "UNKNOWN(1000): 0 to 1");
    }

    #[test]
    fn what_is_not_served_is_told_too() {
        let told = table(&[]);

        assert!(told.starts_with("(\n\tProduce(0): UNSUPPORTED,\n\tFetch(1): UNSUPPORTED,\n"));
        assert!(!told.contains("Vote(52)"), "clients do not use it:\n{told}");
    }
}
