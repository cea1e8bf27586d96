//! `kafka-console-producer.sh`: each line of standard input becomes a record.
//!
//! - this file: its arguments, and the loop from lines to the producer.
//! - `settings`: what they say of the producer.
//! - `line_reader`: what a line says of key, headers and value.

mod line_reader;
mod settings;

use std::ffi::OsString;
use std::io::{self, BufRead as _, BufReader, IsTerminal as _, StdinLock, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use tokio::sync::mpsc;

use super::ending::{self, Ending, require};
use super::options::Properties;
use super::session;
use crate::client::{Cluster, Lost, Producer};
use crate::clock::wall_clock;
use crate::protocol::Str;
use crate::records::{Header, NewRecord};

use line_reader::{LineReader, Parsed};

const NAME: &str = "kafka-console-producer.sh";
/// So many lines are handed over at a time.
const LINES_AT_ONCE: usize = 500;

/// Read records from standard input, a line each, and send them to a topic.
#[derive(Debug, Parser)]
#[command(name = NAME, bin_name = NAME, version, infer_long_args = true)]
pub(super) struct ProducerArguments {
    /// The topic to send records to
    #[arg(long)]
    topic: Option<String>,

    /// The nodes to ask first, HOST:PORT and separated by commas. (--broker-list is the same.)
    #[arg(long, value_name = "SERVERS", alias = "broker-list")]
    bootstrap_server: Option<String>,

    /// Wait for each record to arrive before the next is sent
    #[arg(long)]
    sync: bool,

    /// Compress batches: none, gzip, snappy, lz4 or zstd; gzip without a value
    #[arg(long, value_name = "CODEC", num_args = 0..=1, default_missing_value = "gzip")]
    compression_codec: Option<String>,

    /// How many bytes of records make a batch
    #[arg(long, value_name = "BYTES", default_value_t = 16_384)]
    batch_size: u32,

    /// The old name of --batch-size
    #[arg(long, value_name = "BYTES", hide = true)]
    max_partition_memory_bytes: Option<u32>,

    /// How often a batch that was refused for now is sent again
    #[arg(long, value_name = "COUNT", default_value_t = 3)]
    message_send_max_retries: u32,

    /// How long to wait before it is sent again, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 100)]
    retry_backoff_ms: u64,

    /// How long a batch waits for more records, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 1000)]
    timeout: u64,

    /// Who must have a batch: 0 nobody, 1 the leader, -1 or all every replica in sync
    #[arg(
        long,
        value_name = "ACKS",
        default_value = "-1",
        allow_hyphen_values = true
    )]
    request_required_acks: String,

    /// How long an answer may take, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 1500)]
    request_timeout_ms: u64,

    /// Accepted: metadata is asked for when it is out of date
    #[arg(long, value_name = "MS", hide = true)]
    metadata_expiry_ms: Option<u64>,

    /// How long to wait for the topic, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 60_000)]
    max_block_ms: u64,

    /// How many bytes of records may be on their way
    #[arg(long, value_name = "BYTES", default_value_t = 33_554_432)]
    max_memory_bytes: u64,

    /// Accepted: the system chooses the size of socket buffers
    #[arg(long, value_name = "BYTES", hide = true)]
    socket_buffer_size: Option<i64>,

    /// A Java class, in Kafka; here only the usual one
    #[arg(long, value_name = "CLASS", hide = true)]
    line_reader: Option<String>,

    /// How lines are read: parse.key, key.separator, parse.headers, headers.delimiter, headers.separator,
    /// headers.key.separator, ignore.error, null.marker
    #[arg(long, value_name = "KEY=VALUE")]
    reader_property: Vec<String>,

    /// The old name of --reader-property
    #[arg(long, value_name = "KEY=VALUE", hide = true)]
    property: Vec<String>,

    /// Read these from a file of properties
    #[arg(long, value_name = "FILE")]
    reader_config: Option<PathBuf>,

    /// A setting of the producer, such as acks=1 or linger.ms=5
    #[arg(long, value_name = "KEY=VALUE")]
    command_property: Vec<String>,

    /// The old name of --command-property
    #[arg(long, value_name = "KEY=VALUE", hide = true)]
    producer_property: Vec<String>,

    /// Read settings of the producer from a file of properties
    #[arg(long, value_name = "FILE")]
    command_config: Option<PathBuf>,

    /// The old name of --command-config
    #[arg(long = "producer.config", value_name = "FILE", hide = true)]
    producer_config: Option<PathBuf>,
}

/// Runs the tool.
pub(super) fn run(arguments: Vec<OsString>) -> ExitCode {
    let arguments: ProducerArguments = match ending::parse(arguments) {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    let work = async {
        arguments.check()?;
        produce(&arguments).await
    };
    match session::run(work) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.tell(NAME),
    }
}

impl ProducerArguments {
    /// Checks which arguments go together, and warns of old ones, where Kafka's tool does.
    fn check(&self) -> Result<(), Ending> {
        require("topic", self.topic.is_some())?;
        let pairs = [
            (
                "command-config",
                self.command_config.is_some(),
                "producer.config",
                self.producer_config.is_some(),
            ),
            (
                "command-property",
                !self.command_property.is_empty(),
                "producer-property",
                !self.producer_property.is_empty(),
            ),
            (
                "reader-property",
                !self.reader_property.is_empty(),
                "property",
                !self.property.is_empty(),
            ),
        ];
        for (new, has_new, old, has_old) in pairs {
            if has_new && has_old {
                return Err(Ending::Usage(format!(
                    "Options --{new} and --{old} cannot be specified together."
                )));
            }
        }
        for (new, _, old, has_old) in [pairs[1], pairs[0], pairs[2]] {
            if has_old {
                writeln!(
                    io::stdout(),
                    "Warning: --{old} is deprecated and will be removed in a future version. Use --{new} instead."
                )?;
            }
        }
        if self.max_partition_memory_bytes.is_some() {
            writeln!(
                io::stdout(),
                "Warning: --max-partition-memory-bytes is deprecated and will be removed in Apache Kafka 5.0. Use \
                 --batch-size instead."
            )?;
        }
        let usual = "org.apache.kafka.tools.LineMessageReader";
        if self
            .line_reader
            .as_deref()
            .is_some_and(|class| class != usual)
        {
            return Err(Ending::Usage(
                "--line-reader names a Java class, which this tool cannot run".to_owned(),
            ));
        }
        if self.bootstrap_server.as_deref().is_none_or(str::is_empty) {
            return Err(Ending::Usage(
                "Error while validating the bootstrap address".to_owned(),
            ));
        }
        Ok(())
    }

    /// How lines are read.
    fn line_reader(&self) -> Result<LineReader, Ending> {
        let file = self.reader_config.as_deref();
        let mut properties = file.map_or_else(|| Ok(Properties::default()), Properties::of_file)?;
        properties.add(&self.property);
        properties.add(&self.reader_property);
        LineReader::new(&properties)
    }
}

async fn produce(arguments: &ProducerArguments) -> Result<(), Ending> {
    let mut reader = arguments.line_reader()?;
    let (options, settings) = settings::of(arguments)?;
    let topic = Str::from(arguments.topic.clone().unwrap_or_default());
    let mut producer = Producer::new(Cluster::new(options), settings);
    let mut lines = standard_input();
    let sent = send_all(arguments, &mut producer, &topic, &mut lines, &mut reader).await;
    // What was read before a line that makes no sense is sent all the same.
    producer.flush().await?;
    report(&producer.take_lost());
    sent
}

async fn send_all(
    arguments: &ProducerArguments,
    producer: &mut Producer,
    topic: &Str,
    lines: &mut mpsc::Receiver<io::Result<Vec<Vec<u8>>>>,
    reader: &mut LineReader,
) -> Result<(), Ending> {
    loop {
        let next = tokio::select! {
            next = lines.recv() => next,
            turned = producer.turn() => {
                turned?;
                report(&producer.take_lost());
                continue;
            }
        };
        let Some(next) = next else {
            return Ok(());
        };
        for line in next? {
            let parsed = reader.parse(&line)?;
            send(arguments, producer, topic, &parsed).await?;
        }
    }
}

async fn send(
    arguments: &ProducerArguments,
    producer: &mut Producer,
    topic: &Str,
    parsed: &Parsed<'_>,
) -> Result<(), Ending> {
    let headers: Vec<Header<'_>> = parsed.headers.clone();
    let record = NewRecord {
        timestamp: wall_clock(),
        key: parsed.key,
        value: parsed.value,
        headers: &headers,
    };
    let sent = producer.send(topic, record).await;
    if arguments.sync {
        sent?;
        producer.flush().await?;
        return match producer.take_lost().into_iter().next() {
            None => Ok(()),
            Some(lost) => Err(Ending::Failed(lost.reason)),
        };
    }
    if let Err(error) = sent {
        tell_lost(
            topic,
            parsed.key.map(<[u8]>::len),
            parsed.value.map(<[u8]>::len),
            &error.to_string(),
        );
    }
    report(&producer.take_lost());
    Ok(())
}

/// Tells of records that were lost, as Kafka's tool does; it goes on.
fn report(lost: &[Lost]) {
    for batch in lost {
        for sizes in &batch.records {
            tell_lost(&batch.topic, sizes.key, sizes.value, &batch.reason);
        }
    }
}

fn tell_lost(topic: &str, key: Option<usize>, value: Option<usize>, reason: &str) {
    let size = |size: Option<usize>| match size {
        Some(size) => format!("{size} bytes"),
        None => "null".to_owned(),
    };
    // There is nobody else to tell.
    let _ = writeln!(
        io::stderr(),
        "ERROR Error when sending message to topic {topic} with key: {}, value: {} with error: {reason}",
        size(key),
        size(value)
    );
}

/// The lines of standard input, without their ends; a thread reads them ahead.
fn standard_input() -> mpsc::Receiver<io::Result<Vec<Vec<u8>>>> {
    let (lines, received) = mpsc::channel(16);
    let is_terminal = io::stdin().is_terminal();
    let read = move || {
        let mut input = BufReader::new(io::stdin().lock());
        loop {
            if is_terminal {
                // A prompt that can't be written is no reason to stop.
                let _ = write!(io::stdout(), ">").and_then(|()| io::stdout().flush());
            }
            let next = read_lines(&mut input).transpose();
            let Some(next) = next else { return };
            let failed = next.is_err();
            if lines.blocking_send(next).is_err() || failed {
                return;
            }
        }
    };
    std::thread::spawn(read);
    received
}

/// At least one line, and those that were read with it. `None` at the end.
fn read_lines(input: &mut BufReader<StdinLock<'_>>) -> io::Result<Option<Vec<Vec<u8>>>> {
    let mut lines = Vec::new();
    loop {
        let mut line = Vec::new();
        if input.read_until(b'\n', &mut line)? == 0 {
            return Ok(Some(lines).filter(|lines| !lines.is_empty()));
        }
        for end in [b'\n', b'\r'] {
            if line.last() == Some(&end) {
                line.pop();
            }
        }
        // Java takes a carriage return alone for the end of a line, too.
        lines.extend(line.split(|byte| *byte == b'\r').map(<[u8]>::to_vec));
        let has_next = lines.len() < LINES_AT_ONCE && input.buffer().contains(&b'\n');
        if !has_next {
            return Ok(Some(lines));
        }
    }
}
