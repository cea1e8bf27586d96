//! Kafka's command-line tools, in this binary: `broker topics` is `kafka-topics.sh`, also under that name, by a
//! link. Flags, columns, words, streams and exit codes are those of Kafka's own tools, as scripts read them.
//!
//! The rooms:
//!
//! - this file: the table of tools, and how one is found by a name.
//! - `options`: what all tools take: where the cluster is, `key=value` pairs, files of properties.
//! - `ending`: how a tool ends when it does not succeed.
//! - `exception`: what tools tell of an error by the name of Kafka's exception.
//! - `java_order`, `java_text`, `java_uuid`: how Java orders what is in a set, reads bytes as text, and reads an id.
//! - `group_listing`: the groups of a cluster.
//! - `admin`: what tools share that have the cluster change something.
//! - `format`: lines, or JSON.
//! - `client_settings`: what settings say of producers and consumers.
//! - `partitions_file`: the JSON files that name partitions.
//! - `progress`: how far long work has come.
//! - `releases`: the levels of features that belong to a release of Kafka.
//! - `java_number`, `metrics_table`: numbers as Kafka's tools print them.
//! - `session`: the runtime of one thread and the cluster that a tool talks to.
//! - `topic_filter`: the regular expressions that stand for topics.
//! - `links`: `broker install-links`.
//! - one file or folder for each tool, named as the tool is. None knows another.

mod admin;
mod broker_api_versions;
mod client_settings;
mod cluster;
mod configs;
mod console_consumer;
mod console_producer;
mod consumer_groups;
mod consumer_perf_test;
mod delete_records;
mod dump_log;
mod ending;
mod exception;
mod features;
mod format;
mod get_offsets;
mod group_listing;
mod groups;
mod java_number;
mod java_order;
mod java_text;
mod java_uuid;
mod leader_election;
mod links;
mod log_dirs;
mod metadata_quorum;
mod metrics_table;
mod options;
mod partitions_file;
mod producer_perf_test;
mod progress;
mod reassign_partitions;
mod releases;
mod session;
mod storage;
mod topic_filter;
mod topics;

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

use clap::{Command, CommandFactory as _};

/// A tool.
#[derive(Debug)]
pub(super) struct Tool {
    /// Its name after `broker `. Kafka's name is this between `kafka-` and `.sh`.
    name: &'static str,
    /// What it does.
    about: &'static str,
    /// Which arguments it takes, by the name that Kafka has for it.
    command: fn() -> Command,
    /// Runs it. The arguments begin with its name.
    run: fn(Vec<OsString>) -> ExitCode,
}

/// The tools that have a name of Kafka's, in the order of their names.
const TOOLS: &[Tool] = &[
    Tool {
        name: "broker-api-versions",
        about: "Tell which versions of which APIs brokers serve",
        command: broker_api_versions::VersionsArguments::command,
        run: broker_api_versions::run,
    },
    Tool {
        name: "cluster",
        about: "Tell the id or the endpoints of a cluster, or have it forget a broker",
        command: cluster::ClusterArguments::command,
        run: cluster::run,
    },
    Tool {
        name: "configs",
        about: "Tell or change configs of topics, brokers, groups and others, and quotas",
        command: configs::ConfigsArguments::command,
        run: configs::run,
    },
    Tool {
        name: "console-consumer",
        about: "Write the records of topics to standard output",
        command: console_consumer::ConsumerArguments::command,
        run: console_consumer::run,
    },
    Tool {
        name: "console-producer",
        about: "Send lines of standard input as records",
        command: console_producer::ProducerArguments::command,
        run: console_producer::run,
    },
    Tool {
        name: "consumer-groups",
        about: "List, describe or delete consumer groups, or change what they have committed",
        command: consumer_groups::GroupsArguments::command,
        run: consumer_groups::run,
    },
    Tool {
        name: "consumer-perf-test",
        about: "Tell how fast records come that are read as fast as can be",
        command: consumer_perf_test::PerfArguments::command,
        run: consumer_perf_test::run,
    },
    Tool {
        name: "delete-records",
        about: "Delete the records of partitions that are before an offset",
        command: delete_records::DeleteRecordsArguments::command,
        run: delete_records::run,
    },
    Tool {
        name: "dump-log",
        about: "Tell what is in the files of a partition, and what is wrong with them",
        command: dump_log::DumpArguments::command,
        run: dump_log::run,
    },
    Tool {
        name: "features",
        about: "Tell or change the levels of the features of a cluster",
        command: features::FeaturesArguments::command,
        run: features::run,
    },
    Tool {
        name: "get-offsets",
        about: "Tell the first or last offsets of partitions, or those of a time",
        command: get_offsets::OffsetsArguments::command,
        run: get_offsets::run,
    },
    Tool {
        name: "groups",
        about: "List groups of all types",
        command: groups::GroupsArguments::command,
        run: groups::run,
    },
    Tool {
        name: "leader-election",
        about: "Elect leaders of partitions: the first replicas, or unclean ones",
        command: leader_election::ElectionArguments::command,
        run: leader_election::run,
    },
    Tool {
        name: "log-dirs",
        about: "Tell what the log directories of brokers hold",
        command: log_dirs::LogDirsArguments::command,
        run: log_dirs::run,
    },
    Tool {
        name: "metadata-quorum",
        about: "Describe the quorum of controllers, or change its voters",
        command: metadata_quorum::QuorumArguments::command,
        run: metadata_quorum::run,
    },
    Tool {
        name: "producer-perf-test",
        about: "Tell how fast records arrive that are sent as fast as can be",
        command: producer_perf_test::PerfArguments::command,
        run: producer_perf_test::run,
    },
    Tool {
        name: "reassign-partitions",
        about: "Move partitions to other brokers, and replicas to other log directories",
        command: reassign_partitions::ReassignArguments::command,
        run: reassign_partitions::run,
    },
    Tool {
        name: "storage",
        about: "Format the log directories of a node, or tell what is in them",
        command: storage::StorageArguments::command,
        run: storage::run,
    },
    Tool {
        name: "topics",
        about: "Create, delete, describe or change topics",
        command: topics::TopicsArguments::command,
        run: topics::run,
    },
];

/// The one that Kafka does not have.
const INSTALL_LINKS: Tool = Tool {
    name: "install-links",
    about: "Make a link for each tool, with Kafka's name, in a directory",
    command: links::LinksArguments::command,
    run: links::run,
};

/// The tool that a command line is for, with what remains of it: `kafka-topics.sh ...`, `kafka-topics ...` or
/// `broker topics ...`.
pub(super) fn find(arguments: &[OsString]) -> Option<(&'static Tool, Vec<OsString>)> {
    let by_link = arguments.first().and_then(|program| of_program(program));
    if let Some(tool) = by_link {
        return Some((tool, arguments.to_vec()));
    }
    let word = arguments.get(1)?.to_str()?;
    let tool = all().find(|tool| tool.name == word)?;
    Some((tool, arguments[1..].to_vec()))
}

impl Tool {
    /// Runs the tool.
    pub(super) fn run(&self, arguments: Vec<OsString>) -> ExitCode {
        (self.run)(arguments)
    }
}

/// The names of all tools with what they do, a line each, for `broker --help`.
pub(super) fn list() -> String {
    let lines = all().map(|tool| format!("  {:<21}{}\n", tool.name, tool.about));
    lines.collect()
}

/// The arguments of all tools, each as a word after `broker`.
pub(super) fn subcommands() -> impl Iterator<Item = Command> {
    all().map(|tool| {
        let command = (tool.command)().name(tool.name).about(tool.about);
        command.bin_name(format!("broker {}", tool.name))
    })
}

/// The arguments of all tools that have a name of Kafka's, under that name.
pub(super) fn programs() -> impl Iterator<Item = Command> {
    TOOLS.iter().map(|tool| (tool.command)())
}

fn all() -> impl Iterator<Item = &'static Tool> {
    TOOLS.iter().chain(std::iter::once(&INSTALL_LINKS))
}

/// Kafka's names of all tools: `kafka-topics.sh`.
fn link_names() -> impl Iterator<Item = String> {
    TOOLS.iter().map(|tool| format!("kafka-{}.sh", tool.name))
}

/// The tool that a program's name stands for.
fn of_program(program: &OsStr) -> Option<&'static Tool> {
    let name = Path::new(program).file_name()?.to_str()?;
    let name = name.strip_suffix(".sh").unwrap_or(name);
    let name = name.strip_prefix("kafka-")?;
    TOOLS.iter().find(|tool| tool.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(words: &[&str]) -> Option<(&'static str, usize)> {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        find(&words).map(|(tool, rest)| (tool.name, rest.len()))
    }

    #[test]
    fn tools_are_in_the_order_of_their_names() {
        assert!(TOOLS.is_sorted_by(|first, second| first.name < second.name));
    }

    #[test]
    fn the_arguments_of_a_tool_go_by_the_name_of_its_link() {
        let names: Vec<String> = programs()
            .map(|command| command.get_name().to_owned())
            .collect();

        assert_eq!(names, link_names().collect::<Vec<_>>());
    }

    #[test]
    fn a_tool_goes_by_kafkas_names_and_by_ours() {
        let topics = Some(("topics", 2));

        assert_eq!(found(&["/kafka/bin/kafka-topics.sh", "--list"]), topics);
        assert_eq!(found(&["kafka-topics", "--list"]), topics);
        assert_eq!(found(&["broker", "topics", "--list"]), topics);
        assert_eq!(found(&["topics.sh", "--list"]), None);
        assert_eq!(found(&["broker", "--config", "topics"]), None);
        assert_eq!(found(&["broker"]), None);
    }
}
