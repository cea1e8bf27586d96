//! What clients do all the time: two producers that want every message acknowledged by all replicas, once and
//! in order; one that sends each message once; a reader; and a group of two that commits. Java's clients beside them
//! if they are wanted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use broker::protocol::ErrorCode;
use parking_lot::Mutex;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, DeliveryResult, Message as _};
use rdkafka::producer::{BaseRecord, Producer as _, ProducerContext, ThreadedProducer};
use rdkafka::{ClientConfig, ClientContext, Offset, TopicPartitionList};

use crate::checker::{self, Anomaly};
use crate::cluster::{Cluster, PARTITIONS, TOPIC};
use crate::history::{Fate, History, Poll, Sent};
use crate::java::Java;
use crate::once;
use crate::progress::{Acks, Commits};
use crate::voice::PATIENCE;

/// The pause after each message of a producer: it sets the rate.
const BETWEEN_MESSAGES: Duration = Duration::from_millis(2);
/// How long a consumer waits for one message.
const POLL: Duration = Duration::from_millis(100);
const GROUP: &str = "readers";
/// How often a member commits.
const COMMIT_EVERY: Duration = Duration::from_millis(200);
/// The number of the consumer that reads all in the end.
const LOOKS_AT_ALL: u32 = 21;
/// The number of the producer that sends each message once.
const TRIES_ONCE: u32 = 3;

/// What all clients share.
struct Shared {
    bootstrap: String,
    has_ended: AtomicBool,
    acks: Acks,
    /// What the producer that sends each message once was told.
    errors: Mutex<BTreeSet<ErrorCode>>,
    polls: Mutex<Vec<Poll>>,
    commits: Commits,
}

/// Clients at work.
pub struct Workload {
    shared: Arc<Shared>,
    producers: Vec<JoinHandle<Vec<Sent>>>,
    consumers: Vec<JoinHandle<()>>,
    java: Option<Java>,
}

impl Workload {
    /// Starts all clients.
    pub fn start(bootstrap: String) -> Self {
        let shared = Arc::new(Shared {
            bootstrap,
            has_ended: AtomicBool::new(false),
            acks: Acks::default(),
            errors: Mutex::default(),
            polls: Mutex::default(),
            commits: Commits::of(GROUP),
        });
        let idempotent = [1, 2].map(|number| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || produce(&shared, number))
        });
        let trying = Arc::clone(&shared);
        let once = thread::spawn(move || {
            let answered = |partition, code| {
                if code == ErrorCode::NONE {
                    trying.acks.note(partition);
                } else {
                    trying.errors.lock().insert(code);
                }
            };
            once::produce(TRIES_ONCE, &trying.bootstrap, || trying.is_over(), answered)
        });
        let reader = Arc::clone(&shared);
        let mut consumers = vec![thread::spawn(move || read(&reader))];
        consumers.extend([11, 12].map(|number| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || join(&shared, number))
        }));
        Self {
            shared,
            producers: idempotent.into_iter().chain([once]).collect(),
            consumers,
            java: None,
        }
    }

    /// Lets Java's clients work, too; without them it says so, loudly.
    pub fn join_java(&mut self) {
        self.java = Java::start(&self.shared.bootstrap);
    }

    /// Waits until `count` more messages are acknowledged of each partition, to the producers of each kind.
    pub fn wait_for_acks(&self, count: u64) {
        let all: Vec<i32> = (0..PARTITIONS).collect();
        self.wait_for_acks_of(&all, count);
    }

    /// As [`Self::wait_for_acks`], of these partitions.
    pub fn wait_for_acks_of(&self, partitions: &[i32], count: u64) {
        self.shared.acks.wait_for(partitions, count);
        if let Some(java) = &self.java {
            java.acks().wait_for(partitions, count);
        }
    }

    /// Waits until each group has committed what it read, twice.
    pub fn wait_for_commits(&self) {
        self.shared.commits.wait();
        if let Some(java) = &self.java {
            java.commits().wait();
        }
    }

    /// The longest time since the last call in which a partition had no message acknowledged to any producer of
    /// one kind.
    pub fn longest_gap(&self) -> Duration {
        let gap = self.shared.acks.longest_gap();
        let Some(java) = &self.java else {
            return gap;
        };
        let of_java = java.acks().longest_gap();
        println!("without an acknowledgement: librdkafka {gap:?}, Java {of_java:?}");
        gap.max(of_java)
    }

    /// The errors that the producer was told of that sends each message once, and forgets none of.
    pub fn errors(&self) -> BTreeSet<ErrorCode> {
        self.shared.errors.lock().clone()
    }

    /// Lets all clients finish; what they did and saw.
    pub fn stop(&mut self) -> History {
        self.shared.has_ended.store(true, Ordering::Relaxed);
        let mut history = match &mut self.java {
            Some(java) => java.finish(),
            None => History::default(),
        };
        for producer in self.producers.drain(..) {
            history
                .sent
                .extend(producer.join().expect("a producer's thread ends"));
        }
        for consumer in self.consumers.drain(..) {
            consumer.join().expect("a consumer's thread ends");
        }
        history.polls.append(&mut self.shared.polls.lock());
        history
    }

    /// Lets all clients finish, and checks what they saw of the cluster.
    pub fn finish(mut self, cluster: &Cluster) {
        let mut history = self.stop();
        history.polls.extend((0..PARTITIONS).map(|partition| Poll {
            consumer: LOOKS_AT_ALL,
            partition,
            goes_on: false,
            messages: whole(&self.shared.bootstrap, partition),
        }));
        let count =
            |fate: fn(&Fate) -> bool| history.sent.iter().filter(|it| fate(&it.fate)).count();
        println!(
            "{} sent, {} refused, {} unknown, {} looks",
            history.sent.len(),
            count(|fate| *fate == Fate::Refused),
            count(|fate| *fate == Fate::Unknown),
            history.polls.len()
        );
        let retried = history
            .sent
            .iter()
            .filter(|sent| sent.producer != TRIES_ONCE);
        let open = retried.filter(|sent| matches!(sent.fate, Fate::Refused | Fate::Unknown));
        assert_eq!(
            open.count(),
            0,
            "messages that were not acknowledged in the end"
        );
        let mut found = checker::check(&history);
        found.retain(|anomaly| !is_of_the_client(anomaly, cluster));
        assert!(
            found.is_empty(),
            "{} anomalies: {:?}",
            found.len(),
            &found[..found.len().min(20)]
        );
        self.shared.commits.check(self.shared.config());
        if let Some(java) = &self.java {
            java.commits().check(self.shared.config());
        }
    }
}

impl Shared {
    fn is_over(&self) -> bool {
        self.has_ended.load(Ordering::Relaxed)
    }

    fn config(&self) -> ClientConfig {
        config(&self.bootstrap)
    }

    fn note_poll(&self, consumer: u32, message: &BorrowedMessage<'_>, goes_on: bool) {
        self.polls.lock().push(Poll {
            consumer,
            partition: message.partition(),
            goes_on,
            messages: vec![seen(message)],
        });
    }
}

fn config(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", bootstrap)
        .set("reconnect.backoff.max.ms", "1000")
        .set("topic.metadata.refresh.interval.ms", "5000");
    config
}

/// The offset and the value of a message.
fn seen(message: &BorrowedMessage<'_>) -> (i64, u64) {
    let text = message.payload().and_then(|it| str::from_utf8(it).ok());
    let value = text.and_then(|text| text.split(' ').next()?.parse().ok());
    (message.offset(), value.expect("values are numbers"))
}

/// A consumer of these partitions from their beginnings.
fn assigned(bootstrap: &str, group: &str, partitions: &[i32]) -> BaseConsumer {
    let consumer: BaseConsumer = config(bootstrap)
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("auto.offset.reset", "error")
        .create()
        .expect("librdkafka's settings");
    let mut assigned = TopicPartitionList::new();
    for partition in partitions {
        let added = assigned.add_partition_offset(TOPIC, *partition, Offset::Beginning);
        added.expect("an offset");
    }
    consumer.assign(&assigned).expect("an assignment");
    consumer
}

/// All offsets and values of a partition, from its beginning to its end.
pub fn whole(bootstrap: &str, partition: i32) -> Vec<(i64, u64)> {
    let consumer = assigned(bootstrap, "whole", &[partition]);
    let deadline = Instant::now() + PATIENCE;
    let mut messages = Vec::new();
    loop {
        assert!(
            Instant::now() < deadline,
            "the end of partition {partition}"
        );
        match consumer.poll(POLL) {
            Some(Ok(message)) => messages.push(seen(&message)),
            Some(Err(KafkaError::PartitionEOF(_))) => return messages,
            Some(Err(_)) | None => {}
        }
    }
}

/// Whether a producer wrote a message twice by itself. An error for one of several requests in flight makes
/// librdkafka begin another epoch and send all again that is not acknowledged, also what may have been written
/// before. A broker tells copies from each other within an epoch only.
fn is_of_the_client(anomaly: &Anomaly, cluster: &Cluster) -> bool {
    let Anomaly::Duplicate {
        partition,
        offsets: (first, second),
        ..
    } = anomaly
    else {
        return false;
    };
    let written_by = |offset| cluster.written_by(*partition, offset);
    let (first, second) = (written_by(*first), written_by(*second));
    println!("{anomaly:?}: written by producer and epoch {first:?} and {second:?}");
    first.0 >= 0 && first.0 == second.0 && first.1 < second.1
}

/// Hears what became of a producer's messages.
struct Delivery {
    shared: Arc<Shared>,
    sent: Arc<Mutex<Vec<Sent>>>,
}

impl ClientContext for Delivery {
    /// Says why the producer gave up, if it does.
    fn error(&self, error: KafkaError, reason: &str) {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::Fatal) {
            println!("a producer: {error}: {reason}");
        }
    }
}

impl ProducerContext for Delivery {
    type DeliveryOpaque = Box<usize>;

    fn delivery(&self, result: &DeliveryResult<'_>, place: Box<usize>) {
        let fate = match result {
            Ok(message) => {
                self.shared.acks.note(message.partition());
                Fate::acknowledged_at(message.offset())
            }
            Err(_) => Fate::Unknown,
        };
        self.sent.lock()[*place].fate = fate;
    }
}

/// Produces until all is over, and waits for what is open. Returns what was sent.
fn produce(shared: &Arc<Shared>, number: u32) -> Vec<Sent> {
    let sent = Arc::new(Mutex::new(Vec::<Sent>::new()));
    let context = Delivery {
        shared: Arc::clone(shared),
        sent: Arc::clone(&sent),
    };
    let mut config = shared.config();
    config
        .set("acks", "all")
        .set("linger.ms", "2")
        .set("enable.idempotence", "true");
    let created = config.create_with_context(context);
    let producer: ThreadedProducer<Delivery> = created.expect("librdkafka's settings");
    let mut next = 0;
    while !shared.is_over() {
        let partition = (next % PARTITIONS as u64) as i32;
        let value = u64::from(number) << 32 | next;
        next += 1;
        let text = format!("{value} {}", "x".repeat(80));
        let place = {
            let mut sent = sent.lock();
            sent.push(Sent {
                producer: number,
                partition,
                value,
                fate: Fate::Unknown,
            });
            sent.len() - 1
        };
        let record = BaseRecord::<(), str, Box<usize>>::with_opaque_to(TOPIC, Box::new(place))
            .partition(partition)
            .payload(&text);
        if producer.send(record).is_err() {
            // The queue is full: it was not sent.
            sent.lock().pop();
        }
        thread::sleep(BETWEEN_MESSAGES);
    }
    producer.flush(PATIENCE).expect("all that is open ends");
    drop(producer);
    std::mem::take(&mut *sent.lock())
}

/// Reads all partitions as they grow.
fn read(shared: &Arc<Shared>) {
    let all: Vec<i32> = (0..PARTITIONS).collect();
    let consumer = assigned(&shared.bootstrap, "reader", &all);
    let mut begun = BTreeMap::new();
    while !shared.is_over() {
        if let Some(Ok(message)) = consumer.poll(POLL) {
            let goes_on = begun.insert(message.partition(), ()).is_some();
            shared.note_poll(1, &message, goes_on);
        }
    }
}

/// Reads as a member of the group, and commits.
fn join(shared: &Arc<Shared>, number: u32) {
    let consumer: BaseConsumer = shared
        .config()
        .set("group.id", GROUP)
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "earliest")
        .set("session.timeout.ms", "10000")
        .create()
        .expect("librdkafka's settings");
    consumer.subscribe(&[TOPIC]).expect("a name");
    let mut committed_at = Instant::now();
    while !shared.is_over() {
        match consumer.poll(POLL) {
            Some(Ok(message)) => shared.note_poll(number, &message, false),
            Some(Err(error)) => println!("member: {error}"),
            None => {}
        }
        if committed_at.elapsed() >= COMMIT_EVERY {
            commit(shared, &consumer);
            committed_at = Instant::now();
        }
    }
}

fn commit(shared: &Shared, consumer: &BaseConsumer) {
    let Ok(position) = consumer.position() else {
        return;
    };
    // Nothing new to commit is an error, too.
    if consumer.commit_consumer_state(CommitMode::Sync).is_err() {
        return;
    }
    let elements = position.elements();
    shared.commits.note(elements.iter().filter_map(|element| {
        let Offset::Offset(offset) = element.offset() else {
            return None;
        };
        Some((element.partition(), offset))
    }));
}
