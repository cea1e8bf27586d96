//! `kafka-consumer-groups.sh`: lists, describes and deletes consumer groups, and changes what they have committed.
//!
//! - this file: its arguments, and what is done with them.
//! - `check`: which of the arguments go together.
//! - `failure`: how the tool tells that something failed; Kafka's ends with 0 even so.
//! - `group`: what is known of one group, by either protocol.
//! - `offsets`: what groups have committed, and where partitions begin and end.
//! - `names`: the states and types of groups.
//! - `columns`: lines of padded cells; `json`: documents in their place.
//! - `list`, `describe` with `members` and `state`, `delete`, `reset`: the actions.
//! - `plan`: the offsets that a reset leads to; `csv` and `time` read what it is given.
//! - `re2`: whether a regular expression is one by RE2's rules.

mod check;
mod columns;
mod csv;
mod delete;
mod describe;
mod failure;
mod group;
mod json;
mod list;
mod members;
mod names;
mod offsets;
mod plan;
mod re2;
mod reset;
mod state;
mod time;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use super::ending::{self, Ending};
use super::format::FormatArguments;
use super::options::ConnectionArguments;
use super::session;
use crate::client::Cluster;
use failure::Failure;

const NAME: &str = "kafka-consumer-groups.sh";

/// List, describe or delete consumer groups, or change what they have committed.
#[derive(Debug, Parser)]
#[command(name = NAME, bin_name = NAME, version, infer_long_args = true)]
pub(super) struct GroupsArguments {
    #[command(flatten)]
    connection: ConnectionArguments,

    /// A group; may be given many times
    #[arg(long)]
    group: Vec<String>,

    /// All consumer groups
    #[arg(long)]
    all_groups: bool,

    /// A topic, or partitions of one (topic:0,1,2), whose offsets are to be reset or deleted; may be given many times
    #[arg(long)]
    topic: Vec<String>,

    /// All topics that the group has committed offsets of
    #[arg(long)]
    all_topics: bool,

    /// List the groups
    #[arg(long)]
    list: bool,

    /// Tell about groups: their offsets, their members or their state
    #[arg(long)]
    describe: bool,

    /// Delete groups that have no members
    #[arg(long)]
    delete: bool,

    /// Commit other offsets for groups that have no members
    #[arg(long)]
    reset_offsets: bool,

    /// Delete offsets that a group has committed
    #[arg(long)]
    delete_offsets: bool,

    /// Tell whether this regular expression is one by RE2's rules
    #[arg(long, value_name = "REGEX", allow_hyphen_values = true)]
    validate_regex: Option<String>,

    /// How long the cluster may take for each thing that is asked of it, in ms
    #[arg(
        long,
        value_name = "MS",
        default_value = "30000",
        allow_hyphen_values = true
    )]
    timeout: String,

    /// With --describe: the offsets and how far behind the group is; this is what is told without any other
    #[arg(long)]
    offsets: bool,

    /// With --describe: the members
    #[arg(long)]
    members: bool,

    /// With --describe: the state of the group. With --list: the states, or only groups in these states
    #[arg(long, value_name = "STATES", num_args = 0..=1)]
    state: Option<Option<String>>,

    /// With --list: the types, or only groups of these types, classic or consumer
    #[arg(long = "type", value_name = "TYPES", num_args = 0..=1)]
    r#type: Option<Option<String>>,

    /// With --describe: more columns
    #[arg(long)]
    verbose: bool,

    /// With --reset-offsets: only tell what would be committed; this is so without --execute, too
    #[arg(long)]
    dry_run: bool,

    /// With --reset-offsets: commit
    #[arg(long)]
    execute: bool,

    /// With --reset-offsets: tell it as CSV, which --from-file takes
    #[arg(long)]
    export: bool,

    /// Reset to this offset
    #[arg(long, value_name = "OFFSET", allow_hyphen_values = true)]
    to_offset: Option<String>,

    /// Reset to as many offsets after what is committed, or before it if negative
    #[arg(long, value_name = "COUNT", allow_hyphen_values = true)]
    shift_by: Option<String>,

    /// Reset to the first record from this time on: YYYY-MM-DDThh:mm:ss.sss, with a zone or in UTC
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    to_datetime: Option<String>,

    /// Reset to the first record that is no older than this: PnDTnHnMnS
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
    by_duration: Option<String>,

    /// Reset to the first record
    #[arg(long)]
    to_earliest: bool,

    /// Reset to the end
    #[arg(long)]
    to_latest: bool,

    /// Reset to what is committed, or to the end where nothing is
    #[arg(long)]
    to_current: bool,

    /// Reset to what this file of CSV says
    #[arg(long, value_name = "FILE")]
    from_file: Option<String>,

    #[command(flatten)]
    output: FormatArguments,
}

/// The numbers among the arguments. Kafka's tool reads them late, so that one that is none does not end it with 1.
#[derive(Debug)]
struct Numbers {
    to_offset: Option<i64>,
    shift_by: Option<i64>,
}

/// Runs the tool.
pub(super) fn run(arguments: Vec<OsString>) -> ExitCode {
    if arguments.len() == 1 {
        let about = "This tool helps to list all consumer groups, describe a consumer group, delete consumer group \
                     info, or reset consumer group offsets.";
        return Ending::Usage(about.to_owned()).tell(NAME);
    }
    let arguments: GroupsArguments = match ending::parse(arguments) {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    if let Err(error) = arguments.check() {
        return error.tell(NAME);
    }
    match arguments.act() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) if arguments.output.is_json() => failure.tell_programs(NAME),
        Err(failure) => failure.tell(NAME),
    }
}

impl GroupsArguments {
    fn act(&self) -> Result<(), Failure> {
        if let Some(expression) = &self.validate_regex {
            return validate(expression);
        }
        let (mut cluster, numbers) = self.cluster()?;
        // The runtime's own failures are the only ones that come as an ending.
        session::run(async { Ok(self.act_on(&mut cluster, &numbers).await) })
            .map_err(|error| Failure::Failed(error.to_string()))?
    }

    async fn act_on(&self, cluster: &mut Cluster, numbers: &Numbers) -> Result<(), Failure> {
        if self.list {
            list::list(self, cluster).await
        } else if self.describe {
            describe::describe(self, cluster).await
        } else if self.delete {
            delete::delete_groups(self, cluster).await
        } else if self.reset_offsets {
            reset::reset(self, numbers, cluster).await
        } else {
            delete::delete_offsets(self, cluster).await
        }
    }

    /// Where the cluster is, and the numbers, which Kafka's tool reads right after that.
    fn cluster(&self) -> Result<(Cluster, Numbers), Failure> {
        if let Some(file) = &self.connection.command_config
            && !file.exists()
        {
            return Err(Failure::no_such_file(&file.display().to_string()));
        }
        let options = self.connection.cluster("admin-client");
        let mut options = options.map_err(|error| match error {
            Ending::Usage(text) => Failure::Usage(text),
            error => {
                // The reason goes where Kafka's tool prints its stack trace. If it can't be told there, so be it.
                let _ = writeln!(io::stderr(), "{error}");
                Failure::Failed("Failed to create new KafkaAdminClient".to_owned())
            }
        })?;
        let optional = |name: &str, text: &Option<String>| {
            let text = text.as_deref();
            text.map(|text| number(name, text)).transpose()
        };
        let to_offset = optional("to-offset", &self.to_offset)?;
        let shift_by = optional("shift-by", &self.shift_by)?;
        let timeout = number("timeout", &self.timeout)?;
        let timeout = Duration::from_millis(u64::try_from(timeout).unwrap_or_default());
        options.api_timeout = timeout;
        let numbers = Numbers {
            to_offset,
            shift_by,
        };
        Ok((Cluster::new(options), numbers))
    }

    /// The groups that are meant.
    async fn group_ids(&self, cluster: &mut Cluster) -> Result<BTreeSet<String>, Failure> {
        if !self.all_groups {
            return Ok(self.group.iter().cloned().collect());
        }
        let all = list::consumer_groups(cluster).await;
        all.map_err(|error| Failure::of_wrapped_call(&error))
    }
}

fn number(name: &str, text: &str) -> Result<i64, Failure> {
    let number = text.parse();
    number.map_err(|_| Failure::Failed(format!("Cannot parse argument '{text}' of option {name}")))
}

fn validate(expression: &str) -> Result<(), Failure> {
    let outcome = match re2::check(expression) {
        Ok(()) => "valid".to_owned(),
        Err(reason) => format!("invalid: {reason}"),
    };
    writeln!(
        io::stdout(),
        "The regular expression `{expression}` is {outcome}."
    )?;
    Ok(())
}
