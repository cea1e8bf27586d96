//! `kafka-cluster.sh`: tells the id of a cluster and its endpoints, and has it forget a broker.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgGroup, Args, Parser, Subcommand};

use super::admin::describe_cluster;
use super::ending::{self, Ending};
use super::exception::Exception;
use super::options::EntryArguments;
use super::session;
use crate::client::{Cluster, ClusterError, Entry, To};
use crate::protocol::ErrorCode;
use crate::protocol::messages::describe_cluster::DescribeClusterBroker;
use crate::protocol::messages::unregister_broker::UnregisterBrokerRequest;

const NAME: &str = "kafka-cluster.sh";

/// Tell the id or the endpoints of a cluster, or have it forget a broker.
#[derive(Debug, Parser)]
#[command(name = NAME, bin_name = NAME, version, infer_long_args = true)]
pub(super) struct ClusterArguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Tell the id of the cluster
    ClusterId {
        #[command(flatten)]
        connection: Connection,
    },
    /// Have the cluster forget a broker that is gone for good
    Unregister {
        #[command(flatten)]
        connection: Connection,

        /// The id of the broker
        #[arg(long, short, allow_negative_numbers = true)]
        id: i32,
    },
    /// Tell where the brokers, or the controllers, are
    ListEndpoints {
        #[command(flatten)]
        connection: Connection,

        /// Tell of fenced brokers, too
        #[arg(long)]
        include_fenced_brokers: bool,
    },
}

/// Where the cluster is: one of both has to be there.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("entry").required(true).multiple(false))]
struct Connection {
    /// The brokers to ask first, HOST:PORT and separated by commas
    #[arg(long, short = 'b', value_name = "SERVERS", group = "entry")]
    bootstrap_server: Option<String>,

    /// The controllers to ask first, HOST:PORT and separated by commas; no broker is asked then
    #[arg(long, short = 'C', value_name = "SERVERS", group = "entry")]
    bootstrap_controller: Option<String>,

    /// Read settings of the client from this file of properties
    #[arg(long, short = 'c', value_name = "FILE")]
    command_config: Option<PathBuf>,

    /// The same, by its old name
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Runs the tool.
pub(super) fn run(arguments: Vec<OsString>) -> ExitCode {
    ending::run(NAME, arguments, |arguments: &ClusterArguments| {
        arguments.command.act()
    })
}

impl Command {
    fn act(&self) -> Result<(), Ending> {
        let (Self::ClusterId { connection }
        | Self::Unregister { connection, .. }
        | Self::ListEndpoints { connection, .. }) = self;
        let mut cluster = connection.cluster()?;
        session::run(async {
            match self {
                Self::ClusterId { .. } => tell_id(&mut cluster).await,
                Self::Unregister { id, .. } => unregister(&mut cluster, *id).await,
                Self::ListEndpoints {
                    include_fenced_brokers,
                    ..
                } => list_endpoints(&mut cluster, *include_fenced_brokers).await,
            }
        })
    }
}

impl Connection {
    fn cluster(&self) -> Result<Cluster, Ending> {
        if self.config.is_some() {
            if self.command_config.is_some() {
                let reason = "--config and --command-config cannot be specified together.";
                return Err(Ending::Failed(reason.to_owned()));
            }
            writeln!(
                io::stdout(),
                "Option --config has been deprecated and will be removed in a future version. Use --command-config \
                 instead."
            )?;
        }
        let file = self.command_config.as_ref().or(self.config.as_ref());
        let arguments = EntryArguments {
            bootstrap_server: self.bootstrap_server.clone(),
            bootstrap_controller: self.bootstrap_controller.clone(),
            command_config: file.cloned(),
            zookeeper: None,
        };
        Ok(Cluster::new(arguments.cluster("admin-client")?))
    }
}

async fn tell_id(cluster: &mut Cluster) -> Result<(), Ending> {
    let told = describe_cluster(cluster, false)
        .await
        .map_err(|error| failed(&error))?;
    writeln!(io::stdout(), "Cluster ID: {}", told.cluster_id)?;
    Ok(())
}

async fn unregister(cluster: &mut Cluster, id: i32) -> Result<(), Ending> {
    let request = UnregisterBrokerRequest { broker_id: id };
    // Only one error is worth another attempt to Kafka's client.
    let outcome = |code| match code {
        ErrorCode::REQUEST_TIMED_OUT => code,
        _ => ErrorCode::NONE,
    };
    let asked = cluster.ask_until(To::Any, &request, |answer| outcome(answer.error_code));
    match asked.await {
        Ok(answer) => {
            ClusterError::check(answer.error_code, answer.error_message)
                .map_err(|error| failed(&error))?;
        }
        Err(ClusterError::NotServed(_)) => {
            writeln!(
                io::stdout(),
                "The target cluster does not support the broker unregistration API."
            )?;
            return Ok(());
        }
        Err(error) => return Err(failed(&error)),
    }
    writeln!(io::stdout(), "Broker {id} is no longer registered.")?;
    Ok(())
}

async fn list_endpoints(cluster: &mut Cluster, with_fenced: bool) -> Result<(), Ending> {
    let entry = cluster.options().entry;
    if with_fenced && entry == Entry::Controllers {
        let reason =
            "The option --include-fenced-brokers is only supported with --bootstrap-server option";
        return Err(Ending::Failed(reason.to_owned()));
    }
    let mut nodes = match describe_cluster(cluster, with_fenced).await {
        Ok(told) => told.brokers,
        Err(error @ ClusterError::NotServed(_)) => {
            writeln!(io::stdout(), "{error}")?;
            return Ok(());
        }
        Err(error) => return Err(failed(&error)),
    };
    nodes.sort_by_key(|node| node.broker_id);
    io::stdout().write_all(table(&nodes, entry).as_bytes())?;
    Ok(())
}

fn failed(error: &ClusterError) -> Ending {
    Ending::Failed(Exception::from(error).to_string())
}

/// The nodes, a line each. Columns are as wide as what is in them, but for the heads of hosts and racks.
fn table(nodes: &[DescribeClusterBroker], entry: Entry) -> String {
    let longest = |lengths: &mut dyn Iterator<Item = usize>, usual| lengths.max().unwrap_or(usual);
    let hosts = longest(&mut nodes.iter().map(|node| node.host.len()), 100);
    let racks = nodes.iter().filter_map(|node| node.rack.as_ref());
    let racks = longest(&mut racks.map(|rack| rack.len()), 10);
    let row = |id: &str, host: &str, port: &str, rack: &str, state: &str, kind: &str| {
        let state = match entry {
            Entry::Brokers => format!("{state:<10} "),
            Entry::Controllers => String::new(),
        };
        format!("{id:<10} {host:<hosts$} {port:<10} {rack:<racks$} {state}{kind:<15}\n")
    };
    let kind = match entry {
        Entry::Brokers => "broker",
        Entry::Controllers => "controller",
    };
    let mut text = row("ID", "HOST", "PORT", "RACK", "STATE", "ENDPOINT_TYPE");
    for node in nodes {
        let (id, port) = (node.broker_id.to_string(), node.port.to_string());
        let rack = node.rack.as_deref().unwrap_or("null");
        let state = if node.is_fenced { "fenced" } else { "unfenced" };
        text.push_str(&row(&id, &node.host, &port, rack, state, kind));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Str;

    #[test]
    fn columns_are_as_wide_as_hosts_and_racks() {
        let node = |host, rack: Option<&'static str>| DescribeClusterBroker {
            broker_id: 1,
            host: Str::from_static(host),
            port: 9092,
            rack: rack.map(Str::from_static),
            is_fenced: rack.is_none(),
        };
        let nodes = [node("a-long-host", Some("rack-1")), node("b", None)];

        assert_eq!(
            table(&nodes, Entry::Brokers),
            "ID         HOST        PORT       RACK   STATE      ENDPOINT_TYPE  \n\
             1          a-long-host 9092       rack-1 unfenced   broker         \n\
             1          b           9092       null   fenced     broker         \n"
        );
        assert_eq!(
            table(&nodes[1..], Entry::Controllers),
            "ID         HOST PORT       RACK       ENDPOINT_TYPE  \n\
             1          b 9092       null       controller     \n"
        );
    }
}
