//! `kafka-producer-perf-test.sh`: sends records as fast as can be, or as fast as is wanted, and tells how fast they
//! arrive.
//!
//! - this file: the arguments, and the loop.
//! - `settings`: what they say of the producer.
//! - `payload`: what records hold.
//! - `throttle`: how fast they are sent.
//! - `stats`: what is told.

mod payload;
mod settings;
mod stats;
mod throttle;

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::{CommandFactory as _, Parser};

use super::ending::{self, Ending};
use super::metrics_table;
use super::session;
use crate::client::{Cluster, Producer};
use crate::clock::wall_clock;
use crate::model::Timestamp;
use crate::protocol::Str;
use crate::records::NewRecord;
use payload::{Chance, Payload};
use settings::Settings;
use stats::Stats;
use throttle::Throttle;

const NAME: &str = "kafka-producer-perf-test.sh";

/// Tell how fast records arrive that are sent as fast as can be.
#[derive(Debug, Parser)]
#[command(name = NAME, bin_name = NAME, version, infer_long_args = true)]
pub(super) struct PerfArguments {
    /// The topic to send records to
    #[arg(long)]
    topic: String,

    /// How many records to send
    #[arg(long, value_name = "COUNT", allow_negative_numbers = true)]
    num_records: i64,

    /// How many bytes of random letters a record has. One of these three must be given
    #[arg(long, value_name = "BYTES", allow_negative_numbers = true)]
    #[arg(conflicts_with_all = ["payload_file", "payload_monotonic"])]
    #[arg(required_unless_present_any = ["payload_file", "payload_monotonic"])]
    record_size: Option<i32>,

    /// A file with what records hold, of which one part is chosen for each
    #[arg(long, value_name = "FILE", conflicts_with = "payload_monotonic")]
    payload_file: Option<String>,

    /// Records hold a number that counts up
    #[arg(long)]
    payload_monotonic: bool,

    /// What separates the parts of the file, a regular expression
    #[arg(
        long,
        value_name = "EXPRESSION",
        default_value = "\\n",
        alias = "payload-delimeter"
    )]
    payload_delimiter: String,

    /// About how many records to send in a second; -1 for as many as can be
    #[arg(long, value_name = "RECORDS", allow_negative_numbers = true)]
    throughput: f64,

    /// The nodes to ask first, HOST:PORT and separated by commas
    #[arg(long, value_name = "SERVERS")]
    bootstrap_server: Option<String>,

    /// Settings of the producer, such as linger.ms=5
    #[arg(long, value_name = "KEY=VALUE", num_args = 1..)]
    command_property: Vec<String>,

    /// The old name of --command-property
    #[arg(long, value_name = "KEY=VALUE", num_args = 1.., hide = true)]
    producer_props: Vec<String>,

    /// Read settings of the producer from a file of properties
    #[arg(long, value_name = "FILE")]
    command_config: Option<PathBuf>,

    /// The old name of --command-config
    #[arg(long = "producer.config", value_name = "FILE", hide = true)]
    producer_config: Option<PathBuf>,

    /// Tell what the producer has counted, too
    #[arg(long)]
    print_metrics: bool,

    /// So many of the first records do not count in a second line of results
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 0,
        allow_negative_numbers = true
    )]
    warmup_records: i64,

    /// How often to tell of the last records, in milliseconds
    #[arg(
        long,
        value_name = "MS",
        default_value_t = 5000,
        allow_negative_numbers = true
    )]
    reporting_interval: i64,

    /// Send records in transactions of this id (not served)
    #[arg(long, value_name = "ID")]
    transactional_id: Option<String>,

    /// How long a transaction takes, in milliseconds (not served)
    #[arg(long, value_name = "MS", allow_negative_numbers = true)]
    transaction_duration_ms: Option<i64>,
}

/// Runs the tool. Without arguments it tells which there are.
pub(super) fn run(arguments: Vec<OsString>) -> ExitCode {
    if arguments.len() <= 1 {
        let told = PerfArguments::command().print_help();
        return told.map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS);
    }
    ending::run(NAME, arguments, PerfArguments::act)
}

impl PerfArguments {
    fn act(&self) -> Result<(), Ending> {
        self.check()?;
        let mut payload = self.payload()?;
        let settings = Settings::of(self)?;
        session::run_beside(async {
            let cluster = Cluster::new(settings.cluster);
            let mut producer = Producer::new(cluster, settings.producer);
            let mut test = Test::new(self);
            test.send_all(self, &mut payload, &mut producer).await?;
            while producer.flush_some().await? {
                test.note_arrivals(&mut producer)?;
            }
            test.note_arrivals(&mut producer)?;
            test.tell()?;
            if self.print_metrics {
                let client = &settings.client_id;
                metrics_table::write(&producer_metrics(&producer, client), &mut io::stdout())?;
            }
            Ok(())
        })
    }

    /// Checks the arguments, in Kafka's order.
    fn check(&self) -> Result<(), Ending> {
        let has_settings = self.bootstrap_server.is_some()
            || !self.command_property.is_empty()
            || !self.producer_props.is_empty()
            || self.command_config.is_some()
            || self.producer_config.is_some();
        let is_positive = |number: Option<i64>| number.is_none_or(|number| number > 0);
        let rules = [
            (
                self.num_records > 0,
                "--num-records should be greater than zero.",
            ),
            (
                self.warmup_records < self.num_records,
                "The value for --warmup-records must be strictly fewer than the number of records in the test, \
                 --num-records.",
            ),
            (
                is_positive(self.record_size.map(i64::from)),
                "--record-size should be greater than zero.",
            ),
            (
                has_settings,
                "At least one of --bootstrap-server, --command-property, --producer-props, --producer.config or \
                 --command-config must be specified.",
            ),
            (
                self.command_property.is_empty() || self.producer_props.is_empty(),
                "--command-property and --producer-props cannot be specified together.",
            ),
            (
                self.command_config.is_none() || self.producer_config.is_none(),
                "--command-config and --producer.config cannot be specified together.",
            ),
            (
                is_positive(self.transaction_duration_ms),
                "--transaction-duration-ms should be greater than zero.",
            ),
            (
                self.reporting_interval > 0,
                "--reporting-interval should be greater than zero.",
            ),
            (
                self.transactional_id.is_none() && self.transaction_duration_ms.is_none(),
                "Transactions are not served by this tool: leave out --transactional-id and --transaction-duration-ms.",
            ),
        ];
        match rules.iter().find(|(holds, _)| !holds) {
            None => Ok(()),
            Some((_, reason)) => Err(Ending::Usage((*reason).to_owned())),
        }
    }

    fn payload(&self) -> Result<Payload, Ending> {
        match (&self.payload_file, self.record_size) {
            (Some(file), _) => Payload::of_file(file, &self.payload_delimiter),
            (None, Some(size)) => {
                let size = usize::try_from(size).unwrap_or_default();
                Ok(Payload::Letters(vec![0; size]))
            }
            (None, None) => Ok(Payload::Count(Vec::new())),
        }
    }
}

/// The statistics of a run.
struct Test {
    all: Stats,
    /// Those of the records behind the first ones.
    steady: Option<Stats>,
    /// When the first of these was sent.
    steady_from: i64,
    warmup: u64,
}

impl Test {
    fn new(arguments: &PerfArguments) -> Self {
        let expected = arguments.num_records.unsigned_abs();
        let now = wall_clock().0;
        Self {
            all: Stats::new(expected, arguments.reporting_interval, false, now),
            steady: None,
            steady_from: i64::MAX,
            warmup: u64::try_from(arguments.warmup_records).unwrap_or(0),
        }
    }

    async fn send_all(
        &mut self,
        arguments: &PerfArguments,
        payload: &mut Payload,
        producer: &mut Producer,
    ) -> Result<(), Ending> {
        if self.warmup > 0 {
            let count = self.warmup;
            writeln!(
                io::stdout(),
                "Warmup first {count} records. Steady state results will print after the complete test summary."
            )?;
        }
        let topic = Str::copy_from(&arguments.topic);
        let count = arguments.num_records.unsigned_abs();
        let throttle = Throttle::new(arguments.throughput, Instant::now());
        let mut chance = Chance(0);
        for number in 0..count {
            let value = payload.next(number, &mut chance);
            let now = wall_clock();
            if self.warmup > 0 && number == self.warmup {
                let interval = arguments.reporting_interval;
                self.steady = Some(Stats::new(count - self.warmup, interval, true, now.0));
                self.steady_from = now.0;
                self.all.is_silent = true;
            }
            let record = NewRecord {
                timestamp: now,
                value: Some(value),
                ..NewRecord::default()
            };
            if let Err(error) = producer.send(&topic, record).await {
                writeln!(io::stderr(), "{error}")?;
            }
            self.note_arrivals(producer)?;
            if arguments.throughput >= 0.0 {
                self.wait(&throttle, number + 1, producer).await?;
            }
        }
        Ok(())
    }

    /// Waits until it is time for the next record. Meanwhile others arrive.
    async fn wait(
        &mut self,
        throttle: &Throttle,
        sent: u64,
        producer: &mut Producer,
    ) -> Result<(), Ending> {
        loop {
            let pause = throttle.pause(sent, Instant::now());
            if pause.is_some_and(|pause| pause.is_zero()) {
                return Ok(());
            }
            let over = async {
                match pause {
                    Some(pause) => tokio::time::sleep(pause).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = over => {}
                moved = producer.turn() => moved?,
            }
            self.note_arrivals(producer)?;
        }
    }

    /// Counts the records that have arrived, and tells of those that were lost.
    fn note_arrivals(&mut self, producer: &mut Producer) -> Result<(), Ending> {
        for lost in producer.take_lost() {
            for _ in &lost.records {
                writeln!(io::stderr(), "{}", lost.reason)?;
            }
        }
        let arrived = producer.take_arrived();
        if arrived.is_empty() {
            return Ok(());
        }
        let Timestamp(now) = wall_clock();
        for record in arrived.iter().flatten() {
            let sent = record.timestamp.0;
            let latency = u64::try_from(now - sent).unwrap_or(0);
            let bytes = record.value.unwrap_or_default();
            self.all.record(bytes, latency, now)?;
            if let Some(steady) = self.steady.as_mut().filter(|_| sent >= self.steady_from) {
                steady.record(bytes, latency, now)?;
            }
        }
        Ok(())
    }

    fn tell(&mut self) -> Result<(), Ending> {
        let Timestamp(now) = wall_clock();
        let mut output = io::stdout().lock();
        self.all.write_total(now, &mut output)?;
        if let Some(steady) = &mut self.steady {
            steady.write_total(now, &mut output)?;
        }
        Ok(())
    }
}

/// What the producer has counted, by the names of Kafka's metrics.
fn producer_metrics(producer: &Producer, client_id: &str) -> Vec<metrics_table::Metric> {
    let counts = producer.counts();
    let number = |name: &str, value: u64| {
        metrics_table::Metric::new("producer-metrics", name, client_id, value as f64)
    };
    let mean = counts.batch_bytes.checked_div(counts.batches);
    let per_request = counts.records as f64 / counts.requests as f64;
    vec![
        number("batch-size-avg", mean.unwrap_or(0)),
        number("batch-size-max", counts.max_batch_bytes),
        number("record-error-total", counts.lost_records),
        number("record-retry-total", counts.retried_records),
        number("record-send-total", counts.records),
        metrics_table::Metric::new(
            "producer-metrics",
            "records-per-request-avg",
            client_id,
            per_request,
        ),
        number("request-total", counts.requests),
    ]
}
