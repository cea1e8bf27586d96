//! `kafka-groups.sh`: lists groups of all types.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use super::ending::{self, Ending, exclude};
use super::exception::Exception;
use super::group_listing::listing;
use super::java_order::in_java_order;
use super::options::ConnectionArguments;
use super::session;
use crate::client::Cluster;
use crate::protocol::messages::list_groups::ListedGroup;

const NAME: &str = "kafka-groups.sh";
/// No column is narrower.
const WIDTH: usize = 20;
/// How long the cluster may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// The protocol of consumer groups.
const CONSUMER: &str = "consumer";

/// List groups of all types.
#[derive(Debug, Parser)]
#[command(name = NAME, bin_name = NAME, version, infer_long_args = true)]
pub(super) struct GroupsArguments {
    #[command(flatten)]
    connection: ConnectionArguments,

    /// List the groups
    #[arg(long)]
    list: bool,

    /// Only groups of this type: classic, consumer, share or streams
    #[arg(long, value_name = "TYPE")]
    group_type: Option<String>,

    /// Only groups of this protocol
    #[arg(long)]
    protocol: Option<String>,

    /// Only consumer groups: those of the type, and classic ones of consumers or of nobody yet
    #[arg(long)]
    consumer: bool,

    /// Only share groups
    #[arg(long)]
    share: bool,

    /// Only streams groups
    #[arg(long)]
    streams: bool,
}

/// What a group is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum GroupType {
    Unknown,
    Classic,
    Consumer,
    Share,
    Streams,
}

impl GroupType {
    const KNOWN: [Self; 4] = [Self::Classic, Self::Consumer, Self::Share, Self::Streams];

    /// The type of this name, in whatever case.
    fn parse(name: &str) -> Self {
        let mut known = Self::KNOWN.into_iter();
        let found = known.find(|it| it.name().eq_ignore_ascii_case(name));
        found.unwrap_or(Self::Unknown)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Unknown => "Unknown",
            Self::Classic => "Classic",
            Self::Consumer => "Consumer",
            Self::Share => "Share",
            Self::Streams => "Streams",
        }
    }
}

/// A group that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Group {
    id: String,
    /// `None` if the cluster knows no types.
    group_type: Option<GroupType>,
    protocol: String,
}

impl From<ListedGroup> for Group {
    fn from(group: ListedGroup) -> Self {
        let name = Some(&*group.group_type).filter(|name| !name.is_empty());
        Self {
            group_type: name.map(GroupType::parse),
            id: group.group_id.to_string(),
            protocol: group.protocol_type.to_string(),
        }
    }
}

/// Runs the tool.
pub(super) fn run(arguments: Vec<OsString>) -> ExitCode {
    let arguments: GroupsArguments = match ending::parse(arguments) {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    let only = match arguments.check() {
        Ok(only) => only,
        Err(error) => return error.tell(NAME),
    };
    match arguments.act(only) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Ending::Failed(reason)) => {
            let told = writeln!(
                io::stdout(),
                "Error while executing groups command : {reason}"
            );
            // If it can't be told here, the exit code tells.
            drop(told);
            ExitCode::FAILURE
        }
        Err(error) => error.tell(NAME),
    }
}

impl GroupsArguments {
    /// Checks which arguments go together, in Kafka's order. Returns the only type that is wanted, if there is one.
    fn check(&self) -> Result<Option<GroupType>, Ending> {
        if self.connection.bootstrap_server.is_none() {
            let reason = "Missing required option(s) [bootstrap-server]";
            return Err(Ending::Usage(reason.to_owned()));
        }
        if !self.list {
            let reason = "Command must include exactly one action: --list.";
            return Err(Ending::Usage(reason.to_owned()));
        }
        let only = self.group_type.as_deref().map(GroupType::parse);
        if only == Some(GroupType::Unknown) {
            let reason = "--group-type must be a valid group type.";
            return Err(Ending::Failed(reason.to_owned()));
        }
        let group_type = ("group-type", self.group_type.is_some());
        let protocol = ("protocol", self.protocol.is_some());
        let (consumer, share) = (("consumer", self.consumer), ("share", self.share));
        let streams = ("streams", self.streams);
        exclude(consumer, &[group_type, protocol, share, streams])?;
        exclude(share, &[consumer, group_type, protocol, streams])?;
        exclude(streams, &[consumer, group_type, protocol, share])?;
        Ok(only)
    }

    fn act(&self, only: Option<GroupType>) -> Result<(), Ending> {
        if let Some(file) = &self.connection.command_config
            && !file.exists()
        {
            // Kafka's tool tells this on standard error.
            return Err(Ending::Usage(file.display().to_string()));
        }
        let options = self.connection.cluster("admin-client");
        let options = options.map_err(|error| {
            // The reason goes where Kafka's tool logs it. If it can't be told there, so be it.
            let _ = writeln!(io::stderr(), "{error}");
            Ending::Failed("Failed to create new KafkaAdminClient".to_owned())
        })?;
        let mut cluster = Cluster::new(options);
        cluster.limit(PATIENCE);
        session::run(async {
            let groups = listing(&mut cluster, Vec::new(), Vec::new()).await;
            let groups = groups.map_err(|error: Exception| Ending::Failed(error.message))?;
            let mut ids = BTreeMap::new();
            for group in groups {
                ids.insert(group.group_id.clone(), Group::from(group));
            }
            let groups = in_java_order(ids.keys()).into_iter().map(|id| &ids[id]);
            let groups: Vec<&Group> = groups.filter(|group| self.wants(group, only)).collect();
            io::stdout().write_all(table(&groups).as_bytes())?;
            Ok(())
        })
    }

    fn wants(&self, group: &Group, only: Option<GroupType>) -> bool {
        let protocol = group.protocol.as_str();
        let has_protocol = self.protocol.as_deref().is_none_or(|it| it == protocol);
        let is = |group_type| group.group_type == Some(group_type);
        if let Some(only) = only {
            is(only) && has_protocol
        } else if self.protocol.is_some() {
            has_protocol
        } else if self.consumer {
            protocol == CONSUMER || protocol.is_empty() || is(GroupType::Consumer)
        } else if self.share {
            is(GroupType::Share)
        } else if self.streams {
            is(GroupType::Streams)
        } else {
            true
        }
    }
}

/// The lines of a table, all columns of which are as wide as the longest cell.
fn table(groups: &[&Group]) -> String {
    let cells = groups.iter().map(|group| {
        let group_type = group.group_type.map_or("", GroupType::name);
        [group.id.as_str(), group_type, group.protocol.as_str()]
    });
    let cells: Vec<[&str; 3]> = cells.collect();
    let widths = cells.iter().flatten().map(|cell| cell.chars().count());
    let width = widths.max().unwrap_or_default().max(WIDTH);
    let mut table = format!(
        "{:width$} {:width$} {:width$}\n",
        "GROUP", "TYPE", "PROTOCOL"
    );
    for [id, group_type, protocol] in cells {
        // The blank at the end is Kafka's.
        table.push_str(&format!(
            "{id:width$} {group_type:width$} {protocol:width$} \n"
        ));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(id: &str, group_type: &str, protocol: &str) -> Group {
        Group {
            id: id.to_owned(),
            group_type: Some(GroupType::parse(group_type)),
            protocol: protocol.to_owned(),
        }
    }

    fn wanted(line: &str) -> Result<String, String> {
        let words = format!("tool --list --bootstrap-server a:1 {line}");
        let arguments = GroupsArguments::try_parse_from(words.split_whitespace());
        let arguments = arguments.expect("known options");
        let only = arguments.check().map_err(|error| error.to_string())?;
        let groups = [
            group("classic", "Classic", "consumer"),
            group("connect", "classic", "connect"),
            group("simple", "CLASSIC", ""),
            group("new", "Consumer", "consumer"),
            group("share", "Share", "share"),
            group("streams", "Streams", "streams"),
        ];
        let wanted = groups.iter().filter(|group| arguments.wants(group, only));
        let ids: Vec<&str> = wanted.map(|group| group.id.as_str()).collect();
        Ok(ids.join(" "))
    }

    #[test]
    fn groups_are_chosen_by_type_protocol_or_both() {
        let is = |ids: &str| Ok(ids.to_owned());

        assert_eq!(wanted(""), is("classic connect simple new share streams"));
        assert_eq!(wanted("--group-type classic"), is("classic connect simple"));
        assert_eq!(wanted("--group-type CONSUMER"), is("new"));
        assert_eq!(wanted("--protocol consumer"), is("classic new"));
        assert_eq!(
            wanted("--protocol consumer --group-type Classic"),
            is("classic")
        );
        assert_eq!(wanted("--consumer"), is("classic simple new"));
        assert_eq!(wanted("--share"), is("share"));
        assert_eq!(wanted("--streams"), is("streams"));
        assert!(wanted("--group-type mine").is_err());
        assert!(wanted("--streams --consumer").is_err());
    }

    #[test]
    fn all_columns_are_as_wide_as_the_longest_cell() {
        let (long, short) = (
            group("a-name-of-21-letters.", "Classic", "consumer"),
            group("b", "Share", ""),
        );

        let table = table(&[&long, &short]);

        let lengths: Vec<usize> = table.lines().map(str::len).collect();
        assert_eq!(lengths, [65, 66, 66]);
        assert!(table.starts_with("GROUP                 TYPE "));
    }
}
