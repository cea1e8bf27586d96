//! `kafka-consumer-perf-test.sh`: reads records as fast as can be, as a member of a group, and tells how fast they
//! come.
//!
//! - this file: the arguments, and the loop.
//! - `progress`: what is told.
//! - `date_format`: how times are told.

mod date_format;
mod progress;

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use super::client_settings;
use super::ending::{self, Ending, exclude, require};
use super::metrics_table::{self, Metric};
use super::options::Properties;
use super::session;
use crate::client::{Cluster, Consumer, GroupConsumer, Start};
use crate::clock::wall_clock;
use date_format::DateFormat;
use progress::{Progress, Read};

const NAME: &str = "kafka-consumer-perf-test.sh";
const CLIENT_ID: &str = "perf-consumer-client";
/// How long one look for records takes.
const PATIENCE: Duration = Duration::from_millis(100);

/// Tell how fast records come that are read as fast as can be.
#[derive(Debug, Parser)]
#[command(name = NAME, bin_name = NAME, version, infer_long_args = true)]
pub(super) struct PerfArguments {
    /// The nodes to ask first, HOST:PORT and separated by commas
    #[arg(long, value_name = "SERVERS")]
    bootstrap_server: Option<String>,

    /// The topic to read
    #[arg(long)]
    topic: Option<String>,

    /// The topics to read, as a regular expression
    #[arg(long, value_name = "EXPRESSION")]
    include: Option<String>,

    /// The group to read in; one that there is not yet without
    #[arg(long, value_name = "ID")]
    group: Option<String>,

    /// How many records to read
    #[arg(long, value_name = "COUNT", allow_negative_numbers = true)]
    num_records: Option<i64>,

    /// The old name of --num-records
    #[arg(long, value_name = "COUNT", hide = true, allow_negative_numbers = true)]
    messages: Option<i64>,

    /// How many bytes of a partition are asked for at once
    #[arg(long, value_name = "BYTES", default_value_t = 1024 * 1024)]
    fetch_size: u32,

    /// Begin at the end of partitions of which the group has no offsets, not at their beginning
    #[arg(long)]
    from_latest: bool,

    /// Accepted: the system chooses the size of socket buffers
    #[arg(long, value_name = "BYTES", hide = true)]
    socket_buffer_size: Option<i64>,

    /// A setting of the consumer, such as fetch.min.bytes=100000
    #[arg(long, value_name = "KEY=VALUE")]
    command_property: Vec<String>,

    /// Read settings of the consumer from a file of properties
    #[arg(long, value_name = "FILE")]
    command_config: Option<PathBuf>,

    /// The old name of --command-config
    #[arg(long = "consumer.config", value_name = "FILE", hide = true)]
    consumer_config: Option<PathBuf>,

    /// Tell what the consumer has counted, too
    #[arg(long)]
    print_metrics: bool,

    /// Tell of the last records at each interval
    #[arg(long)]
    show_detailed_stats: bool,

    /// How long that interval is, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 5000)]
    reporting_interval: u64,

    /// How long to wait for the next records, in milliseconds
    #[arg(long, value_name = "MS", num_args = 0..=1, default_value_t = 10_000, default_missing_value = "10000")]
    #[arg(allow_negative_numbers = true)]
    timeout: i64,

    /// How times are told, by the letters of Java's SimpleDateFormat
    #[arg(
        long,
        value_name = "PATTERN",
        default_value = "yyyy-MM-dd HH:mm:ss:SSS"
    )]
    date_format: String,

    /// Leave out the names of the columns
    #[arg(long)]
    hide_header: bool,
}

/// Runs the tool.
pub(super) fn run(arguments: Vec<OsString>) -> ExitCode {
    ending::run(NAME, arguments, PerfArguments::act)
}

impl PerfArguments {
    fn act(&self) -> Result<(), Ending> {
        self.check()?;
        let mut output = io::stdout();
        if self.messages.is_some() {
            writeln!(
                output,
                "Warning: --messages is deprecated. Use --num-records instead."
            )?;
        }
        if self.consumer_config.is_some() {
            writeln!(
                output,
                "Warning: --consumer.config is deprecated. Use --command-config instead."
            )?;
        }
        if !self.hide_header {
            progress::write_header(self.show_detailed_stats, &mut output)?;
        }
        session::run_beside(self.read())
    }

    /// Checks which arguments go together, in Kafka's order.
    fn check(&self) -> Result<(), Ending> {
        require("bootstrap-server", self.bootstrap_server.is_some())?;
        one_of(&[
            ("topic", self.topic.is_some()),
            ("include", self.include.is_some()),
        ])?;
        one_of(&[
            ("messages", self.messages.is_some()),
            ("num-records", self.num_records.is_some()),
        ])?;
        exclude(
            ("consumer.config", self.consumer_config.is_some()),
            &[("command-config", self.command_config.is_some())],
        )?;
        if self.reporting_interval == 0 {
            let reason = "Reporting interval must be greater than 0.";
            return Err(Ending::Failed(reason.to_owned()));
        }
        Ok(())
    }

    fn properties(&self) -> Result<Properties, Ending> {
        let files = [&self.command_config, &self.consumer_config];
        let mut properties = match files.into_iter().flatten().next() {
            Some(file) => Properties::of_file(file)?,
            None => Properties::default(),
        };
        properties.add(&self.command_property);
        properties.add(&[format!("max.partition.fetch.bytes={}", self.fetch_size)]);
        Ok(properties)
    }

    /// Joins the group.
    fn consumer(&self) -> Result<(GroupConsumer, String), Ending> {
        let properties = self.properties()?;
        let servers = self.bootstrap_server.as_deref().unwrap_or_default();
        let options = properties.cluster(servers, CLIENT_ID)?;
        let reset = if self.from_latest {
            Start::Latest
        } else {
            Start::Earliest
        };
        let settings = client_settings::consumer(&properties, None, Some(reset))?;
        let subscription =
            client_settings::subscription(self.topic.as_deref(), self.include.as_deref())?;
        let group = self.group.clone().unwrap_or_else(|| {
            let random = getrandom::u32().unwrap_or_default() % 100_000;
            format!("perf-consumer-{random}")
        });
        let group = client_settings::group(&properties, group, subscription)?;
        let consumer = Consumer::new(Cluster::new(options.clone()), settings);
        let client_id = options.client_id.clone();
        let member = GroupConsumer::join(consumer, Cluster::new(options), group);
        Ok((member, client_id))
    }

    async fn read(&self) -> Result<(), Ending> {
        let format = DateFormat::parse(&self.date_format)?;
        let wanted = self.messages.or(self.num_records).unwrap_or_default();
        let (mut consumer, client_id) = self.consumer()?;
        let started = wall_clock().0;
        let mut progress = Progress::new(started, self.reporting_interval);
        let mut read = Read::default();
        let (mut now, mut last) = (started, started);
        while (read.records as i64) < wanted && now - last <= self.timeout {
            let polled = consumer.poll(PATIENCE).await?;
            now = wall_clock().0;
            if !polled.is_empty() {
                last = now;
            }
            for record in polled.iter().flat_map(|polled| &polled.records) {
                let size =
                    |bytes: &Option<bytes::Bytes>| bytes.as_ref().map_or(0, bytes::Bytes::len);
                read.records += 1;
                read.bytes += (size(&record.key) + size(&record.value)) as u64;
            }
            if !polled.is_empty() && progress.is_due(now) {
                let waited = consumer.waited();
                if self.show_detailed_stats {
                    progress.write(now, read, waited, &format, &mut io::stdout())?;
                }
                progress.begin_interval(now, read, waited);
            }
        }
        let mut output = io::stdout();
        if (read.records as i64) < wanted {
            writeln!(
                output,
                "WARNING: Exiting before consuming the expected number of records: timeout ({} ms) exceeded. You can \
                 use the --timeout option to increase the timeout.",
                self.timeout
            )?;
        }
        let (ended, waited) = (wall_clock().0, consumer.waited());
        if !self.show_detailed_stats {
            progress::write_total((started, ended), read, waited, &format, &mut output)?;
        }
        if self.print_metrics {
            let metric = |name, value: u64| {
                Metric::new(
                    "consumer-fetch-manager-metrics",
                    name,
                    &client_id,
                    value as f64,
                )
            };
            let metrics = [
                metric("bytes-consumed-total", read.bytes),
                metric("records-consumed-total", read.records),
            ];
            metrics_table::write(&metrics, &mut output)?;
        }
        consumer.leave().await;
        Ok(())
    }
}

/// Checks that exactly one of these is there, as `name, is there`.
fn one_of(options: &[(&str, bool)]) -> Result<(), Ending> {
    if options.iter().filter(|(_, is_there)| *is_there).count() == 1 {
        return Ok(());
    }
    let names: Vec<String> = options
        .iter()
        .map(|(name, _)| format!("[{name}]"))
        .collect();
    Err(Ending::Usage(format!(
        "Exactly one of the following arguments is required: {}",
        names.join(", ")
    )))
}
