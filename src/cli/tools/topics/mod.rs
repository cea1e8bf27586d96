//! `kafka-topics.sh`: lists, describes, creates, changes and deletes topics.
//!
//! - this file: its arguments, which of them go together, and what an error looks like.
//! - `names`: the topics that an expression stands for.
//! - `create`: creating them, and adding partitions.
//! - `description`: what is known of one topic, from all the requests that tell.
//! - `describe`: the lines that are printed of it; `json`: the same as JSON.

mod create;
mod describe;
mod description;
mod json;
mod names;

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{ArgGroup, Parser};

use super::admin::{accepted, not_controller, timeout_ms};
use super::ending::{self, Ending, exclude, require};
use super::format::{FormatArguments, print_json};
use super::options::ConnectionArguments;
use super::session;
use crate::client::{Cluster, To};
use crate::protocol::Str;
use crate::protocol::messages::delete_topics::{DeleteTopicState, DeleteTopicsRequest};

const NAME: &str = "kafka-topics.sh";

/// Create, delete, describe or change topics.
#[derive(Debug, Parser)]
#[command(
    name = NAME,
    bin_name = NAME,
    version,
    infer_long_args = true,
    group = ArgGroup::new("action").multiple(true)
)]
pub(super) struct TopicsArguments {
    #[command(flatten)]
    connection: ConnectionArguments,

    /// List all topics
    #[arg(long, group = "action")]
    list: bool,

    /// Create a topic
    #[arg(long, group = "action")]
    create: bool,

    /// Delete topics
    #[arg(long, group = "action")]
    delete: bool,

    /// Add partitions to topics. (Configs are changed with kafka-configs.sh.)
    #[arg(long, group = "action")]
    alter: bool,

    /// Tell about topics, a line for each and for each of its partitions
    #[arg(long, group = "action")]
    describe: bool,

    /// The topic; but for --create, a regular expression
    #[arg(long)]
    topic: Option<String>,

    /// The id of the topic to describe
    #[arg(long, value_name = "ID")]
    topic_id: Option<String>,

    /// A config of the topic that is created; may be given many times
    #[arg(long, value_name = "NAME=VALUE")]
    config: Vec<String>,

    #[arg(long, hide = true)]
    delete_config: Vec<String>,

    /// How many partitions the topic has, or shall have from now on; what the cluster's config says if
    /// it is created without
    #[arg(long, value_name = "COUNT", allow_negative_numbers = true)]
    partitions: Option<i32>,

    /// How many replicas each partition has; what the cluster's config says without
    #[arg(long, value_name = "COUNT", allow_negative_numbers = true)]
    replication_factor: Option<i32>,

    /// Which brokers have the replicas: those of a partition with colons between them, a comma before the
    /// next partition's
    #[arg(long, value_name = "1:2,2:3,...")]
    replica_assignment: Option<String>,

    /// Describe only partitions with fewer replicas in sync than there should be
    #[arg(long)]
    under_replicated_partitions: bool,

    /// Describe only partitions without a leader
    #[arg(long)]
    unavailable_partitions: bool,

    /// Describe only partitions with fewer replicas in sync than min.insync.replicas
    #[arg(long)]
    under_min_isr_partitions: bool,

    /// Describe only partitions with exactly min.insync.replicas replicas in sync
    #[arg(long)]
    at_min_isr_partitions: bool,

    /// Describe only topics that have configs of their own
    #[arg(long)]
    topics_with_overrides: bool,

    /// Do nothing, and succeed, if there is no such topic to describe, alter or delete
    #[arg(long)]
    if_exists: bool,

    /// Succeed if the topic to create is there already
    #[arg(long)]
    if_not_exists: bool,

    /// Leave out Kafka's own topics
    #[arg(long)]
    exclude_internal: bool,

    /// How many partitions the cluster may tell of in one answer
    #[arg(long, value_name = "COUNT", default_value_t = 2000)]
    partition_size_limit_per_response: i32,

    #[command(flatten)]
    output: FormatArguments,
}

/// Runs the tool.
pub(super) fn run(arguments: Vec<OsString>) -> ExitCode {
    let arguments: TopicsArguments = match ending::parse(arguments) {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    if let Err(error) = arguments.check() {
        return error.tell(NAME);
    }
    let options = match arguments.connection.cluster("admin-client") {
        Ok(options) => options,
        Err(error) => return error.tell(NAME),
    };
    let work = async {
        let mut cluster = Cluster::new(options);
        arguments.act(&mut cluster).await
    };
    match session::run(work) {
        Ok(()) => ExitCode::SUCCESS,
        // An error is in the way of no document.
        Err(error) if arguments.output.is_json() => error.tell(NAME),
        Err(error) => {
            let told = writeln!(
                io::stdout(),
                "Error while executing topic command : {error}"
            );
            // If it can't be told here, the exit code tells.
            drop(told);
            ExitCode::FAILURE
        }
    }
}

impl TopicsArguments {
    async fn act(&self, cluster: &mut Cluster) -> Result<(), Ending> {
        if self.create {
            return create::create(self, cluster).await;
        }
        if self.describe {
            return describe::describe(self, cluster).await;
        }
        let topics = names::find(self, cluster).await?;
        if self.list && self.output.is_json() {
            let names: Vec<&str> = topics.iter().map(|name| &**name).collect();
            print_json(&names)?;
            return Ok(());
        }
        if self.list {
            writeln!(io::stdout(), "{}", topics.join("\n"))?;
            return Ok(());
        }
        self.must_exist(&topics)?;
        match topics.as_slice() {
            [] => Ok(()),
            topics if self.alter => create::add_partitions(self, cluster, topics).await,
            topics => delete(cluster, topics).await,
        }
    }

    /// Checks that a topic that was named is there, unless that does not matter.
    fn must_exist(&self, found: &[Str]) -> Result<(), Ending> {
        match &self.topic {
            Some(topic) if !topic.is_empty() && found.is_empty() && !self.if_exists => Err(
                Ending::Failed(format!("Topic '{topic}' does not exist as expected")),
            ),
            _ => Ok(()),
        }
    }

    /// Whether only some of the partitions are to be described.
    fn wants_some_partitions(&self) -> bool {
        self.under_replicated_partitions
            || self.unavailable_partitions
            || self.under_min_isr_partitions
            || self.at_min_isr_partitions
    }

    /// Checks which arguments go together, in Kafka's order.
    fn check(&self) -> Result<(), Ending> {
        let actions = [
            ("alter", self.alter),
            ("create", self.create),
            ("describe", self.describe),
            ("list", self.list),
            ("delete", self.delete),
        ];
        if actions.iter().filter(|(_, is_there)| *is_there).count() != 1 {
            return Err(Ending::Usage(
                "Command must include exactly one action: --list, --describe, --create, --alter or --delete"
                    .to_owned(),
            ));
        }
        if !self.delete_config.is_empty() {
            let gone = "delete-config option is no longer supported: use kafka-configs.sh --alter --delete-config";
            return Err(Ending::Usage(gone.to_owned()));
        }
        if self.connection.bootstrap_server.is_none() {
            // This tells what is missing, or what has taken its place.
            self.connection.cluster(NAME)?;
        }
        if self.describe && self.if_exists && self.topic.is_none() && self.topic_id.is_none() {
            return Err(Ending::Usage(
                "--topic or --topic-id is required to describe a topic".to_owned(),
            ));
        }
        if !self.list && !self.describe {
            require("topic", self.topic.is_some())?;
        }
        if self.alter {
            require("partitions", self.partitions.is_some())?;
        }
        let but = |allowed: &[&str]| -> Vec<(&str, bool)> {
            let others = actions.iter().filter(|(name, _)| !allowed.contains(name));
            others.copied().collect()
        };
        self.check_creation(&but(&["create"]), &but(&["alter", "create"]))?;
        self.check_reports(&but(&["describe"]))?;
        exclude(
            ("if-exists", self.if_exists),
            &but(&["alter", "delete", "describe"]),
        )?;
        exclude(("if-not-exists", self.if_not_exists), &but(&["create"]))?;
        exclude(
            ("format", self.output.is_json()),
            &but(&["list", "describe"]),
        )?;
        exclude(
            ("exclude-internal", self.exclude_internal),
            &but(&["list", "describe"]),
        )
    }

    /// Checks the arguments that say what a topic becomes, beside the actions that they are not for: those other
    /// than --create, and those other than --create and --alter.
    fn check_creation(
        &self,
        not_create: &[(&str, bool)],
        not_change: &[(&str, bool)],
    ) -> Result<(), Ending> {
        let has_config = !self.config.is_empty();
        exclude(("config", has_config), not_change)?;
        if has_config && self.alter {
            return Err(Ending::Usage(
                "Option \"[config]\" can't be used with option \"[alter]\" (To alter topic configurations, the \
                 kafka-configs tool can be used.)"
                    .to_owned(),
            ));
        }
        let partitions = ("partitions", self.partitions.is_some());
        let factor = ("replication-factor", self.replication_factor.is_some());
        let assignment = ("replica-assignment", self.replica_assignment.is_some());
        exclude(partitions, not_change)?;
        exclude(factor, not_create)?;
        exclude(assignment, not_change)?;
        if self.create {
            exclude(assignment, &[partitions, factor])?;
        }
        Ok(())
    }

    /// Checks the arguments that leave some of what is described out.
    fn check_reports(&self, other_actions: &[(&str, bool)]) -> Result<(), Ending> {
        let overrides = ("topics-with-overrides", self.topics_with_overrides);
        let reports = [
            (
                "under-replicated-partitions",
                self.under_replicated_partitions,
            ),
            ("under-min-isr-partitions", self.under_min_isr_partitions),
            ("at-min-isr-partitions", self.at_min_isr_partitions),
            ("unavailable-partitions", self.unavailable_partitions),
        ];
        for report in reports {
            exclude(report, &[other_actions, &[overrides]].concat())?;
        }
        exclude(overrides, &[other_actions, &reports].concat())
    }
}

async fn delete(cluster: &mut Cluster, topics: &[Str]) -> Result<(), Ending> {
    let by_name = |name: &Str| DeleteTopicState {
        name: Some(name.clone()),
        ..DeleteTopicState::default()
    };
    let request = DeleteTopicsRequest {
        topics: topics.iter().map(by_name).collect(),
        topic_names: topics.to_vec(),
        timeout_ms: timeout_ms(cluster),
    };
    let answer = cluster
        .ask_until(To::Controller, &request, |answer| {
            not_controller(answer.responses.iter().map(|it| it.error_code))
        })
        .await?;
    for result in answer.responses {
        accepted(result.error_code, result.error_message)?;
    }
    Ok(())
}
