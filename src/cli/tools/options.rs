//! What all tools take: where the cluster is, settings of the client as `key=value` pairs and in files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use super::ending::{Ending, require};
use crate::client::{ClusterOptions, Entry};
use crate::config::read_properties;

/// How Kafka's clients that are not told otherwise wait.
const REQUEST_TIMEOUT_MS: u64 = 30_000;
const API_TIMEOUT_MS: u64 = 60_000;

/// Where the cluster is, and how to talk to it.
#[derive(Debug, Args)]
pub(super) struct ConnectionArguments {
    /// The nodes to ask first, HOST:PORT and separated by commas
    #[arg(long, value_name = "SERVERS")]
    pub(super) bootstrap_server: Option<String>,

    /// Read settings of the client from this file of properties
    #[arg(long, value_name = "FILE")]
    pub(super) command_config: Option<PathBuf>,

    /// Kafka's old way to name the cluster
    #[arg(long, value_name = "SERVERS", hide = true)]
    zookeeper: Option<String>,
}

impl ConnectionArguments {
    /// Checks that the cluster is named.
    ///
    /// # Errors
    /// Kafka's sentence for a missing option.
    pub(super) fn require(&self) -> Result<(), Ending> {
        require("bootstrap-server", self.bootstrap_server.is_some())
    }

    /// Where the cluster is, by these arguments.
    ///
    /// # Errors
    /// There is no address, or the file can't be read, or asks for what is not served.
    pub(super) fn cluster(&self, client_id: &str) -> Result<ClusterOptions, Ending> {
        refuse_zookeeper(self.zookeeper.as_deref())?;
        let missing = || Ending::Failed("--bootstrap-server must be specified".to_owned());
        let servers = self.bootstrap_server.as_deref().ok_or_else(missing)?;
        Properties::of_optional_file(self.command_config.as_deref())?.cluster(servers, client_id)
    }
}

/// Where the cluster is, by brokers or by controllers, and how to talk to it.
#[derive(Debug, Args)]
pub(super) struct EntryArguments {
    /// The brokers to ask first, HOST:PORT and separated by commas
    #[arg(long, value_name = "SERVERS")]
    pub(super) bootstrap_server: Option<String>,

    /// The controllers to ask first, HOST:PORT and separated by commas; no broker is asked then
    #[arg(long, value_name = "SERVERS")]
    pub(super) bootstrap_controller: Option<String>,

    /// Read settings of the client from this file of properties
    #[arg(long, value_name = "FILE")]
    pub(super) command_config: Option<PathBuf>,

    /// Kafka's old way to name the cluster
    #[arg(long, value_name = "SERVERS", hide = true)]
    pub(super) zookeeper: Option<String>,
}

impl EntryArguments {
    /// Which nodes are named, and what they are.
    ///
    /// # Errors
    /// Kafka's sentences for none, and for both.
    pub(super) fn entry(&self) -> Result<(Entry, &str), Ending> {
        refuse_zookeeper(self.zookeeper.as_deref())?;
        let servers = self.bootstrap_server.as_deref();
        let reason = match (servers, self.bootstrap_controller.as_deref()) {
            (Some(servers), None) => return Ok((Entry::Brokers, servers)),
            (None, Some(controllers)) => return Ok((Entry::Controllers, controllers)),
            (Some(_), Some(_)) => {
                "You cannot specify both --bootstrap-controller and --bootstrap-server."
            }
            (None, None) => "You must specify either --bootstrap-controller or --bootstrap-server.",
        };
        Err(Ending::Usage(reason.to_owned()))
    }

    /// Where the cluster is, by these arguments.
    ///
    /// # Errors
    /// As [`Self::entry`]; or the file can't be read, or asks for what is not served.
    pub(super) fn cluster(&self, client_id: &str) -> Result<ClusterOptions, Ending> {
        let (entry, servers) = self.entry()?;
        let properties = Properties::of_optional_file(self.command_config.as_deref())?;
        Ok(ClusterOptions {
            entry,
            ..properties.cluster(servers, client_id)?
        })
    }
}

/// # Errors
/// The cluster is named in the way of old.
fn refuse_zookeeper(zookeeper: Option<&str>) -> Result<(), Ending> {
    match zookeeper {
        None => Ok(()),
        Some(_) => {
            let reason =
                "Option --zookeeper is gone with ZooKeeper: use --bootstrap-server HOST:PORT";
            Err(Ending::Usage(reason.to_owned()))
        }
    }
}

/// Settings by name, as Kafka's clients and formatters take them.
#[derive(Clone, Debug, Default)]
pub(super) struct Properties(BTreeMap<String, String>);

impl Properties {
    /// The settings in a file.
    ///
    /// # Errors
    /// It can't be read.
    pub(super) fn of_file(path: &Path) -> Result<Self, Ending> {
        let told = |reason: String| Ending::Failed(format!("{}: {reason}", path.display()));
        let text = fs::read_to_string(path).map_err(|error| told(error.to_string()))?;
        let settings = read_properties(&text).map_err(told)?;
        Ok(Self(settings.into_iter().collect()))
    }

    /// As [`Self::of_file`]; nothing is set without a file.
    ///
    /// # Errors
    /// As [`Self::of_file`].
    pub(super) fn of_optional_file(path: Option<&Path>) -> Result<Self, Ending> {
        path.map_or_else(|| Ok(Self::default()), Self::of_file)
    }

    /// Adds `key=value` pairs; one without a value is empty.
    pub(super) fn add(&mut self, pairs: &[String]) {
        for pair in pairs {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            self.0.insert(key.to_owned(), value.to_owned());
        }
    }

    /// Sets what is not set.
    pub(super) fn add_missing(&mut self, key: &str, value: &str) {
        let setting = self.0.entry(key.to_owned());
        setting.or_insert_with(|| value.to_owned());
    }

    /// A setting.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// A switch: on if the text is `true` in any case.
    pub(super) fn is_true(&self, key: &str) -> Option<bool> {
        let text = self.get(key)?;
        Some(text.trim().eq_ignore_ascii_case("true"))
    }

    /// A number.
    ///
    /// # Errors
    /// The text is none, or it is negative.
    pub(super) fn number(&self, key: &str) -> Result<Option<u64>, Ending> {
        let Some(text) = self.get(key) else {
            return Ok(None);
        };
        text.trim()
            .parse()
            .map(Some)
            .map_err(|_| Ending::Failed(format!("Invalid value {text} for configuration {key}")))
    }

    /// Where the cluster is, by these settings of a client.
    ///
    /// # Errors
    /// An address has no port, or the settings ask for what is not served.
    pub(super) fn cluster(&self, servers: &str, client_id: &str) -> Result<ClusterOptions, Ending> {
        let protocol = self.get("security.protocol").unwrap_or("PLAINTEXT");
        if !protocol.eq_ignore_ascii_case("PLAINTEXT") {
            return Err(Ending::Failed(format!(
                "security.protocol {protocol} is not served by this tool"
            )));
        }
        let milliseconds = |key, usual| -> Result<Duration, Ending> {
            Ok(Duration::from_millis(self.number(key)?.unwrap_or(usual)))
        };
        Ok(ClusterOptions {
            bootstrap: addresses(servers)?,
            entry: Entry::Brokers,
            client_id: self.get("client.id").unwrap_or(client_id).to_owned(),
            request_timeout: milliseconds("request.timeout.ms", REQUEST_TIMEOUT_MS)?,
            api_timeout: milliseconds("default.api.timeout.ms", API_TIMEOUT_MS)?,
        })
    }
}

/// The addresses in a list; a protocol before one is cut off.
fn addresses(servers: &str) -> Result<Vec<String>, Ending> {
    let parts = servers.split(',').map(str::trim);
    let mut addresses = Vec::new();
    for part in parts.filter(|part| !part.is_empty()) {
        let address = part.split_once("://").map_or(part, |(_, address)| address);
        let port = address
            .rsplit_once(':')
            .map(|(_, port)| port.parse::<u16>());
        if !matches!(port, Some(Ok(_))) {
            return Err(Ending::Failed(format!(
                "Invalid url in bootstrap.servers: {part}"
            )));
        }
        addresses.push(address.to_owned());
    }
    if addresses.is_empty() {
        let reason = "No resolvable bootstrap urls given in bootstrap.servers";
        return Err(Ending::Failed(reason.to_owned()));
    }
    Ok(addresses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_separated_by_commas_and_have_ports() {
        let many = addresses("a:1, PLAINTEXT://b:2 ,[::1]:3,").expect("good");

        assert_eq!(many, ["a:1", "b:2", "[::1]:3"]);
        let wrong = |servers| addresses(servers).map_err(|error| error.to_string());
        assert_eq!(
            wrong("a:1,b"),
            Err("Invalid url in bootstrap.servers: b".to_owned())
        );
        assert!(wrong(" ").is_err());
    }

    #[test]
    fn a_cluster_is_entered_by_brokers_or_by_controllers() {
        let entry = |server: Option<&str>, controller: Option<&str>| {
            let arguments = EntryArguments {
                bootstrap_server: server.map(str::to_owned),
                bootstrap_controller: controller.map(str::to_owned),
                command_config: None,
                zookeeper: None,
            };
            let options = arguments.cluster("x").ok()?;
            Some((options.entry, options.bootstrap.join(",")))
        };

        assert_eq!(
            entry(Some("a:1"), None),
            Some((Entry::Brokers, "a:1".to_owned()))
        );
        assert_eq!(
            entry(None, Some("b:2")),
            Some((Entry::Controllers, "b:2".to_owned()))
        );
        assert_eq!(entry(Some("a:1"), Some("b:2")), None);
        assert_eq!(entry(None, None), None);
    }

    #[test]
    fn a_client_that_shall_use_tls_is_refused() {
        let mut properties = Properties::default();
        properties.add(&["security.protocol=SSL".to_owned()]);

        assert!(properties.cluster("a:1", "x").is_err());
    }

    #[test]
    fn later_pairs_win_and_a_value_may_hold_an_equals_sign() {
        let mut properties = Properties::default();
        properties.add(&["a=1".to_owned(), "a=b=c".to_owned(), "d".to_owned()]);

        assert_eq!(properties.get("a"), Some("b=c"));
        assert_eq!(properties.get("d"), Some(""));
        assert_eq!(properties.is_true("d"), Some(false));
    }
}
