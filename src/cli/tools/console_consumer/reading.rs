//! The loop from the consumer to the output. It ends after so many records, when none has come for long enough,
//! when nobody reads the output, or when it is interrupted; a member leaves its group whichever it is.

use std::collections::BTreeSet;
use std::io::{self, BufWriter, Write as _};
use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};

use super::formatter::Formatter;
use super::settings::{Plan, What};
use crate::cli::tools::ending::Ending;
use crate::client::{
    Cluster, ClusterError, Consumer, GroupConsumer, PartitionKey, Polled, Start, Subscription,
};
use crate::protocol::Str;

/// How long one wait for records is, where nothing says how long to wait.
const TURN: Duration = Duration::from_secs(60);
const NO_RECORD: &str = "ERROR Error processing message, terminating consumer process: \
    org.apache.kafka.common.errors.TimeoutException";
/// The exit codes after signals: 128 and their numbers.
const INTERRUPTED: u8 = 130;
const TERMINATED: u8 = 143;
/// How often a topic that is not there is looked for.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// Who reads.
enum Reader {
    /// A consumer of partitions; of all of a subscription, if there is one.
    Alone(Box<Alone>),
    /// A member of a group.
    Member(Box<GroupConsumer>),
}

/// A consumer that nobody shares partitions with.
struct Alone {
    consumer: Consumer,
    /// What to read beside what is read already.
    subscription: Option<Subscription>,
    /// Where partitions begin that are there from the start.
    start: Start,
    look_at: Instant,
    metadata_age: Duration,
}

/// Reads by a plan; `count` is how many records were read. Returns the exit code, which tells of a signal as a
/// shell has it.
pub(super) async fn read(plan: Plan, formatter: Formatter, count: &mut u64) -> Result<u8, Ending> {
    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut terminated = signal(SignalKind::terminate())?;
    let writing = Writing {
        formatter,
        output: BufWriter::new(io::stdout()),
        most: plan.most,
        skips_errors: plan.skips_errors,
    };
    let patience = plan.patience;
    let mut reader = Reader::open(plan);
    let done = tokio::select! {
        done = reader.write_all(writing, patience, count) => done.map(|()| 0),
        _ = interrupted.recv() => Ok(INTERRUPTED),
        _ = terminated.recv() => Ok(TERMINATED),
    };
    if let Reader::Member(member) = reader {
        member.leave().await;
    }
    done
}

impl Reader {
    fn open(plan: Plan) -> Self {
        let cluster = Cluster::new(plan.cluster.clone());
        let start = plan.consumer.reset.unwrap_or(Start::Latest);
        let mut consumer = Consumer::new(cluster, plan.consumer);
        let subscription = match plan.what {
            What::Share(settings) => {
                let beside = Cluster::new(plan.cluster);
                let member = GroupConsumer::join(consumer, beside, settings);
                return Self::Member(Box::new(member));
            }
            What::All(subscription) => Some(subscription),
            What::Partition(topic, partition, start) => {
                consumer.assign((topic, partition), start);
                None
            }
        };
        Self::Alone(Box::new(Alone {
            consumer,
            subscription,
            start,
            look_at: Instant::now(),
            metadata_age: plan.metadata_age,
        }))
    }

    async fn poll(&mut self, patience: Duration) -> Result<Vec<Polled>, ClusterError> {
        match self {
            Self::Alone(alone) => alone.poll(patience).await,
            Self::Member(member) => member.poll(patience).await,
        }
    }

    /// Writes records until the end; those that were read and not written count as unread.
    async fn write_all(
        &mut self,
        mut writing: Writing,
        patience: Option<Duration>,
        count: &mut u64,
    ) -> Result<(), Ending> {
        while writing.most.is_none_or(|most| *count < most) {
            let polled = self.poll(patience.unwrap_or(TURN)).await?;
            if polled.is_empty() {
                if patience.is_some() {
                    // As Kafka's tool says it, which ends with success.
                    writeln!(io::stderr(), "{NO_RECORD}")?;
                    return Ok(());
                }
                continue;
            }
            let mut is_over = false;
            for Polled { key, records } in polled {
                for record in records {
                    if is_over || writing.most.is_some_and(|most| *count >= most) {
                        self.unread(&key, record.offset);
                        break;
                    }
                    *count += 1;
                    is_over = !writing.write(&key, &record)?;
                }
            }
            if is_over || !writing.flush() {
                return Ok(());
            }
        }
        Ok(())
    }

    fn unread(&mut self, key: &PartitionKey, offset: i64) {
        if let Self::Member(member) = self {
            member.unread(key, offset);
        }
    }
}

impl Alone {
    async fn poll(&mut self, patience: Duration) -> Result<Vec<Polled>, ClusterError> {
        let deadline = Instant::now() + patience;
        loop {
            if Instant::now() >= self.look_at {
                self.look().await?;
            }
            let until = self.look_at.min(deadline);
            let left = until.saturating_duration_since(Instant::now());
            let polled = self.consumer.poll(left).await?;
            if !polled.is_empty() || Instant::now() >= deadline {
                return Ok(polled);
            }
        }
    }

    /// Reads partitions of the subscription that have come. Those that come later are read from their
    /// beginning: nothing was there before.
    async fn look(&mut self) -> Result<(), ClusterError> {
        self.look_at = Instant::now() + self.metadata_age;
        let Some(subscription) = &self.subscription else {
            return Ok(());
        };
        let (names, pattern) = match subscription {
            Subscription::Topics(names) => (Some(names.clone()), None),
            Subscription::Pattern(pattern) => (None, Some(pattern.clone())),
        };
        let cluster = self.consumer.cluster();
        let topics = cluster.refresh(names.as_deref(), true).await?.topics;
        let mut found: BTreeSet<PartitionKey> = BTreeSet::new();
        for topic in topics {
            let name = topic.name.unwrap_or_default();
            let is_wanted = pattern
                .as_ref()
                .is_none_or(|pattern| pattern.is_match(&name));
            if topic.error_code.is_error() || !is_wanted || pattern.is_some() && topic.is_internal {
                continue;
            }
            let partitions = topic.partitions.iter();
            found.extend(partitions.map(|it| (Str::clone(&name), it.partition_index)));
        }
        if found.is_empty() {
            self.look_at = Instant::now() + LOOK_INTERVAL;
            return Ok(());
        }
        for key in found {
            if !self.consumer.is_assigned(&key) {
                self.consumer.assign(key, self.start);
            }
        }
        self.start = Start::Earliest;
        Ok(())
    }
}

/// Where records go.
struct Writing {
    formatter: Formatter,
    output: BufWriter<io::Stdout>,
    most: Option<u64>,
    skips_errors: bool,
}

impl Writing {
    /// Writes a record. Whether somebody reads the output.
    fn write(
        &mut self,
        key: &PartitionKey,
        record: &crate::client::Consumed,
    ) -> Result<bool, Ending> {
        match self.formatter.write(&mut self.output, key.1, record) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                if self.skips_errors {
                    // There is nobody else to tell.
                    let _ = writeln!(
                        io::stderr(),
                        "ERROR Error processing message, skipping this message: {error}"
                    );
                    return Ok(true);
                }
                Err(Ending::Failed(error.to_string()))
            }
            Err(_) => Ok(tell_closed()),
        }
    }

    /// Whether somebody reads the output.
    fn flush(&mut self) -> bool {
        self.output.flush().is_ok() || tell_closed()
    }
}

/// As Kafka's tool says it.
fn tell_closed() -> bool {
    let _ = writeln!(
        io::stderr(),
        "Unable to write to standard out, closing consumer."
    );
    false
}
