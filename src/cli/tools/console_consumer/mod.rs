//! `kafka-console-consumer.sh`: writes the records of topics to standard output.
//!
//! - this file: its arguments, and which of them go together.
//! - `settings`: what they say of the consumer and its group.
//! - `reading`: the loop from the consumer to the output.
//! - `formatter`: what a record looks like.

mod formatter;
mod reading;
mod settings;

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use super::ending::{self, Ending, require};
use super::options::Properties;
use super::session;

use formatter::Formatter;
use settings::Plan;

const NAME: &str = "kafka-console-consumer.sh";

/// Read records of topics and write them to standard output, a line each.
#[derive(Debug, Parser)]
#[command(name = NAME, bin_name = NAME, version, infer_long_args = true)]
pub(super) struct ConsumerArguments {
    /// The nodes to ask first, HOST:PORT and separated by commas
    #[arg(long, value_name = "SERVERS")]
    bootstrap_server: Option<String>,

    /// The topic to read
    #[arg(long)]
    topic: Option<String>,

    /// Read all topics whose names match this regular expression
    #[arg(long, value_name = "REGEX", alias = "whitelist")]
    include: Option<String>,

    /// Read this partition only, from its end unless --offset says otherwise
    #[arg(long)]
    partition: Option<i32>,

    /// Where to begin in the partition: a number, earliest or latest
    #[arg(long, allow_hyphen_values = true)]
    offset: Option<String>,

    /// Begin with the first record, unless the group has committed how far it has read
    #[arg(long)]
    from_beginning: bool,

    /// End after so many records
    #[arg(long, value_name = "COUNT", allow_negative_numbers = true)]
    max_messages: Option<i64>,

    /// End when no record has come for so many milliseconds
    #[arg(long, value_name = "MS", allow_negative_numbers = true)]
    timeout_ms: Option<i64>,

    /// Read as a member of this group, which remembers how far it has read
    #[arg(long)]
    group: Option<String>,

    /// read_uncommitted, or read_committed for no records of open and aborted transactions
    #[arg(long, value_name = "LEVEL")]
    isolation_level: Option<String>,

    /// What is printed: print.timestamp, print.key, print.offset, print.epoch, print.partition,
    /// print.headers, print.value (true or false), key.separator, line.separator, headers.separator,
    /// null.literal
    #[arg(long, value_name = "KEY=VALUE")]
    formatter_property: Vec<String>,

    /// The old name of --formatter-property
    #[arg(long, value_name = "KEY=VALUE", hide = true)]
    property: Vec<String>,

    /// Read these from a file of properties
    #[arg(long, value_name = "FILE")]
    formatter_config: Option<PathBuf>,

    /// A Java class, in Kafka; here only the usual one
    #[arg(long, value_name = "CLASS", hide = true)]
    formatter: Option<String>,

    /// How keys are printed: a deserializer of Kafka's
    #[arg(long, value_name = "CLASS")]
    key_deserializer: Option<String>,

    /// How values are printed: a deserializer of Kafka's
    #[arg(long, value_name = "CLASS")]
    value_deserializer: Option<String>,

    /// A setting of the consumer, such as fetch.min.bytes=1
    #[arg(long, value_name = "KEY=VALUE")]
    command_property: Vec<String>,

    /// The old name of --command-property
    #[arg(long, value_name = "KEY=VALUE", hide = true)]
    consumer_property: Vec<String>,

    /// Read settings of the consumer from a file of properties
    #[arg(long, value_name = "FILE")]
    command_config: Option<PathBuf>,

    /// The old name of --command-config
    #[arg(long = "consumer.config", value_name = "FILE", hide = true)]
    consumer_config: Option<PathBuf>,

    /// Go on after a record that can't be printed
    #[arg(long)]
    skip_message_on_error: bool,

    /// Print a line at the end, for Kafka's system tests
    #[arg(long, hide = true)]
    enable_systest_events: bool,

    /// Kafka's old way to name the cluster
    #[arg(long, value_name = "SERVERS", hide = true)]
    zookeeper: Option<String>,
}

/// Runs the tool.
pub(super) fn run(arguments: Vec<OsString>) -> ExitCode {
    let arguments: ConsumerArguments = match ending::parse(arguments) {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    let prepared = arguments.check().and_then(|()| {
        let plan = Plan::of(&arguments)?;
        Ok((plan, arguments.formatter()?))
    });
    let (plan, formatter) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => return error.tell(NAME),
    };
    let mut count = 0;
    let read = session::run(reading::read(plan, formatter, &mut count));
    let code = read.map_or_else(|error| error.tell(NAME), ExitCode::from);
    // If nobody hears this, the exit code tells the rest.
    let _ = writeln!(io::stderr(), "Processed a total of {count} messages");
    if arguments.enable_systest_events {
        let _ = writeln!(io::stdout(), "shutdown_complete");
    }
    code
}

impl ConsumerArguments {
    /// Checks which arguments go together, in Kafka's order.
    fn check(&self) -> Result<(), Ending> {
        let usage = |reason: &str| Err(Ending::Usage(reason.to_owned()));
        if self.zookeeper.is_some() {
            return usage(
                "Option --zookeeper is gone with ZooKeeper: use --bootstrap-server HOST:PORT",
            );
        }
        if self.topic.is_some() == self.include.is_some() {
            return usage("Exactly one of the following arguments is required: [topic], [include]");
        }
        if self.partition.is_some() {
            if self.topic.is_none() {
                return usage("The topic is required when partition is specified.");
            }
            if self.from_beginning && self.offset.is_some() {
                return usage("Options from-beginning and offset cannot be specified together.");
            }
        } else if self.offset.is_some() {
            return usage("The partition is required when offset is specified.");
        }
        require("bootstrap-server", self.bootstrap_server.is_some())?;
        self.check_old_names()
    }

    /// Checks that no option is given under its old and its new name, and warns of old ones where Kafka's tool
    /// does.
    fn check_old_names(&self) -> Result<(), Ending> {
        let has = |list: &[String]| !list.is_empty();
        let properties = (has(&self.consumer_property), has(&self.command_property));
        let configs = (
            self.consumer_config.is_some(),
            self.command_config.is_some(),
        );
        let formats = (has(&self.property), has(&self.formatter_property));
        let pairs = [
            ("consumer-property", "command-property", properties),
            ("consumer.config", "command-config", configs),
            ("property", "formatter-property", formats),
        ];
        for (old, new, (has_old, has_new)) in pairs {
            if has_old && has_new {
                return Err(Ending::Usage(format!(
                    "Options --{old} and --{new} cannot be specified together."
                )));
            }
        }
        for (old, new, (has_old, _)) in pairs {
            if has_old {
                writeln!(
                    io::stdout(),
                    "Option --{old} is deprecated and will be removed in a future version. Use --{new} instead."
                )?;
            }
        }
        Ok(())
    }

    fn formatter(&self) -> Result<Formatter, Ending> {
        let usual = "org.apache.kafka.tools.consumer.DefaultMessageFormatter";
        if self
            .formatter
            .as_deref()
            .is_some_and(|class| class != usual)
        {
            let reason = "--formatter names a Java class, which this tool cannot run";
            return Err(Ending::Usage(reason.to_owned()));
        }
        let file = self.formatter_config.as_deref();
        let mut properties = file.map_or_else(|| Ok(Properties::default()), Properties::of_file)?;
        let classes = [
            ("key.deserializer", &self.key_deserializer),
            ("value.deserializer", &self.value_deserializer),
        ];
        for (key, class) in classes {
            if let Some(class) = class.as_deref().filter(|class| !class.is_empty()) {
                properties.add(&[format!("{key}={class}")]);
            }
        }
        properties.add(&self.property);
        properties.add(&self.formatter_property);
        Formatter::new(&properties)
    }
}
