//! `kafka-configs.sh`: tells and changes the configs of topics, brokers, loggers, groups and client metrics, the
//! quotas of users, clients and addresses, and the SCRAM credentials of users.
//!
//! - this file: its arguments, and what is done with them.
//! - `entities`: whose configs are meant, and the arguments that say so.
//! - `check`: which of the arguments go together.
//! - `changes`: what is to be set and deleted.
//! - `failure`: how the tool tells that something failed.
//! - `resources`: what has configs of its own: topics, brokers, loggers, groups, client metrics.
//! - `quotas`: quotas of users, clients and addresses; `java` prints and reads them as Kafka's tool does.
//! - `credentials`: SCRAM credentials.
//! - `alter`, `describe`: the actions.

mod alter;
mod changes;
mod check;
mod credentials;
mod describe;
mod entities;
mod failure;
mod java;
mod quotas;
mod resources;

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser;

use super::ending::{self, Ending};
use super::options::EntryArguments;
use super::session;
use crate::client::Cluster;
use entities::{Entities, EntityArguments};
use failure::Failure;

const NAME: &str = "kafka-configs.sh";

/// Tell or change configs of topics, brokers, loggers, groups and client metrics, and quotas.
#[derive(Debug, Parser)]
#[command(name = NAME, bin_name = NAME, version)]
pub(super) struct ConfigsArguments {
    #[command(flatten)]
    connection: EntryArguments,

    /// Change the configs
    #[arg(long)]
    alter: bool,

    /// Tell the configs
    #[arg(long)]
    describe: bool,

    /// With --describe: all configs, also those that nobody has set
    #[arg(long)]
    all: bool,

    #[command(flatten)]
    entities: EntityArguments,

    /// With --alter: what to set, k1=v1,k2=[v1,v2],...; what has commas is put into brackets
    #[arg(long, value_name = "PAIRS", allow_hyphen_values = true)]
    add_config: Option<String>,

    /// With --alter: set what is in this file of properties
    #[arg(long, value_name = "FILE")]
    add_config_file: Option<String>,

    /// With --alter: what to delete, k1,k2,...
    #[arg(long, value_name = "KEYS", allow_hyphen_values = true)]
    delete_config: Vec<String>,
}

/// Runs the tool.
pub(super) fn run(arguments: Vec<OsString>) -> ExitCode {
    if arguments.len() == 1 {
        let about = "This tool helps to manipulate and describe entity config for a topic, client, user, broker, ip, \
                     client-metrics or group";
        return Ending::Usage(about.to_owned()).tell(NAME);
    }
    let words: Vec<_> = arguments[1..]
        .iter()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let arguments: ConfigsArguments = match ending::parse(arguments) {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    match arguments.act() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.tell(NAME, &words.join(" ")),
    }
}

impl ConfigsArguments {
    fn act(&self) -> Result<(), Failure> {
        let entities = self.entities.entities();
        self.check(&entities)?;
        let mut cluster = Cluster::new(self.cluster_options()?);
        if self.alter && entities.types.len() != entities.names.len() {
            return Err(Failure::told(
                "An entity name must be specified for every entity type",
            ));
        }
        // The runtime's own failures are the only ones that come as an ending.
        session::run(async { Ok(self.act_on(&mut cluster, &entities).await) })
            .map_err(|error| Failure::Thrown(error.to_string()))?
    }

    async fn act_on(&self, cluster: &mut Cluster, entities: &Entities) -> Result<(), Failure> {
        if self.describe {
            return describe::describe(cluster, entities, self.all).await;
        }
        alter::alter(cluster, entities, &self.changes()?).await?;
        writeln!(io::stdout(), "{}", entities.completed())?;
        Ok(())
    }

    fn cluster_options(&self) -> Result<crate::client::ClusterOptions, Failure> {
        if let Some(file) = &self.connection.command_config
            && !file.exists()
        {
            return Err(Failure::no_such_file(&file.display().to_string()));
        }
        let options = self.connection.cluster("admin-client");
        options.map_err(|error| match error {
            Ending::Usage(text) => Failure::Usage(text),
            error => Failure::Thrown(format!(
                "org.apache.kafka.common.KafkaException: Failed to create new KafkaAdminClient: {error}"
            )),
        })
    }
}
