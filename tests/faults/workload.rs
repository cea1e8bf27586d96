//! What clients do all the time: two producers that want every message acknowledged by all replicas, once and
//! in order; one that sends each message once; a reader; and a group of two that commits.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, DeliveryResult, Message as _};
use rdkafka::producer::{BaseRecord, Producer as _, ProducerContext, ThreadedProducer};
use rdkafka::{ClientConfig, ClientContext, Offset, TopicPartitionList};

use crate::checker;
use crate::cluster::{PARTITIONS, TOPIC};
use crate::history::{Fate, History, Poll, Sent};
use crate::once;
use crate::voice::PATIENCE;

/// The pause after each message of a producer: it sets the rate.
const BETWEEN_MESSAGES: Duration = Duration::from_millis(2);
/// How long a consumer waits for one message.
const POLL: Duration = Duration::from_millis(100);
const GROUP: &str = "readers";
/// How often a member commits.
const COMMIT_EVERY: Duration = Duration::from_millis(200);
/// The number of the producer that sends each message once.
const TRIES_ONCE: u32 = 3;

/// What all clients share.
struct Shared {
    bootstrap: String,
    has_ended: AtomicBool,
    acks: Mutex<Acks>,
    acknowledged: Condvar,
    polls: Mutex<Vec<Poll>>,
    commits: Mutex<Commits>,
    committed: Condvar,
}

/// What the group has committed.
#[derive(Default)]
struct Commits {
    count: u64,
    /// The highest offset of each partition.
    highest: BTreeMap<i32, i64>,
}

/// What is acknowledged of each partition.
#[derive(Default)]
struct Acks {
    of: BTreeMap<i32, AcksOfPartition>,
}

struct AcksOfPartition {
    count: u64,
    last_at: Instant,
    longest_gap: Duration,
}

/// Clients at work.
pub struct Workload {
    shared: Arc<Shared>,
    producers: Vec<JoinHandle<Vec<Sent>>>,
    consumers: Vec<JoinHandle<()>>,
}

impl Workload {
    /// Starts all clients.
    pub fn start(bootstrap: String) -> Self {
        let shared = Arc::new(Shared {
            bootstrap,
            has_ended: AtomicBool::new(false),
            acks: Mutex::default(),
            acknowledged: Condvar::new(),
            polls: Mutex::default(),
            commits: Mutex::default(),
            committed: Condvar::new(),
        });
        let idempotent = [1, 2].map(|number| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || produce(&shared, number))
        });
        let trying = Arc::clone(&shared);
        let once = thread::spawn(move || {
            let acknowledged = |partition| trying.acknowledge(partition);
            once::produce(
                TRIES_ONCE,
                &trying.bootstrap,
                || trying.is_over(),
                acknowledged,
            )
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
        }
    }

    /// Waits until `count` more messages are acknowledged of each partition.
    pub fn wait_for_acks(&self, count: u64) {
        let deadline = Instant::now() + PATIENCE;
        let mut acks = self.shared.acks.lock();
        let so_far = |acks: &Acks, partition| acks.of.get(&partition).map_or(0, |it| it.count);
        let wanted: Vec<u64> = (0..PARTITIONS)
            .map(|partition| so_far(&acks, partition) + count)
            .collect();
        while (0..PARTITIONS)
            .zip(&wanted)
            .any(|(partition, wanted)| so_far(&acks, partition) < *wanted)
        {
            let timed_out = self.shared.acknowledged.wait_until(&mut acks, deadline);
            let counts: Vec<u64> = (0..PARTITIONS).map(|it| so_far(&acks, it)).collect();
            assert!(
                !timed_out.timed_out(),
                "acknowledged: {counts:?} of {wanted:?}"
            );
        }
    }

    /// Waits until the group has committed what it read, twice.
    pub fn wait_for_commits(&self) {
        let deadline = Instant::now() + PATIENCE;
        let mut commits = self.shared.commits.lock();
        let wanted = commits.count + 2;
        while commits.count < wanted {
            let waited = self.shared.committed.wait_until(&mut commits, deadline);
            assert!(!waited.timed_out(), "the group commits no more");
        }
    }

    /// The longest time since the last call in which a partition had no message acknowledged.
    pub fn longest_gap(&self) -> Duration {
        let mut acks = self.shared.acks.lock();
        let gaps = acks.of.values_mut();
        gaps.map(|it| std::mem::take(&mut it.longest_gap))
            .max()
            .unwrap_or_default()
    }

    /// Lets all clients finish, and checks what they saw.
    pub fn finish(self) {
        self.shared.has_ended.store(true, Ordering::Relaxed);
        let mut history = History::default();
        for producer in self.producers {
            history
                .sent
                .extend(producer.join().expect("a producer's thread ends"));
        }
        for consumer in self.consumers {
            consumer.join().expect("a consumer's thread ends");
        }
        for partition in 0..PARTITIONS {
            self.shared.read_whole(partition);
        }
        history.polls = std::mem::take(&mut *self.shared.polls.lock());
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
        let open = retried.filter(|sent| !matches!(sent.fate, Fate::Acknowledged(_)));
        assert_eq!(
            open.count(),
            0,
            "messages that were not acknowledged in the end"
        );
        let found = checker::check(&history);
        assert!(
            found.is_empty(),
            "{} anomalies: {:?}",
            found.len(),
            &found[..found.len().min(20)]
        );
        self.shared.check_commits();
    }
}

impl Shared {
    fn is_over(&self) -> bool {
        self.has_ended.load(Ordering::Relaxed)
    }

    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.bootstrap)
            .set("reconnect.backoff.max.ms", "1000")
            .set("topic.metadata.refresh.interval.ms", "5000");
        config
    }

    fn acknowledge(&self, partition: i32) {
        let now = Instant::now();
        let mut acks = self.acks.lock();
        let of = acks.of.entry(partition).or_insert(AcksOfPartition {
            count: 0,
            last_at: now,
            longest_gap: Duration::ZERO,
        });
        of.count += 1;
        of.longest_gap = of.longest_gap.max(now - of.last_at);
        of.last_at = now;
        self.acknowledged.notify_all();
    }

    fn note_poll(&self, consumer: u32, message: &BorrowedMessage<'_>, goes_on: bool) {
        let value = message
            .payload()
            .and_then(|bytes| std::str::from_utf8(bytes).ok());
        let value = value.and_then(|text| text.split(' ').next()?.parse().ok());
        self.polls.lock().push(Poll {
            consumer,
            partition: message.partition(),
            goes_on,
            messages: vec![(message.offset(), value.expect("values are numbers"))],
        });
    }

    /// Reads a partition from its beginning to its end.
    fn read_whole(&self, partition: i32) {
        let consumer = self.assigned("whole", &[partition]);
        let deadline = Instant::now() + PATIENCE;
        let mut is_first = true;
        loop {
            assert!(
                Instant::now() < deadline,
                "the end of partition {partition}"
            );
            match consumer.poll(POLL) {
                Some(Ok(message)) => {
                    self.note_poll(21, &message, !is_first);
                    is_first = false;
                }
                Some(Err(KafkaError::PartitionEOF(_))) => return,
                Some(Err(_)) | None => {}
            }
        }
    }

    fn assigned(&self, group: &str, partitions: &[i32]) -> BaseConsumer {
        let consumer: BaseConsumer = self
            .config()
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

    /// Checks that no committed offset went back.
    fn check_commits(&self) {
        let consumer: BaseConsumer = self
            .config()
            .set("group.id", GROUP)
            .create()
            .expect("librdkafka's settings");
        let mut asked = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            asked.add_partition(TOPIC, partition);
        }
        let found = consumer
            .committed_offsets(asked, PATIENCE)
            .expect("an answer");
        let commits = self.commits.lock();
        for (partition, offset) in &commits.highest {
            let found = found
                .find_partition(TOPIC, *partition)
                .expect("it was asked for");
            let Offset::Offset(found) = found.offset() else {
                panic!("partition {partition}: {offset} was committed, and is gone");
            };
            assert!(
                found >= *offset,
                "partition {partition}: {offset} was committed, it is {found}"
            );
        }
    }
}

/// Hears what became of a producer's messages.
struct Delivery {
    shared: Arc<Shared>,
    sent: Arc<Mutex<Vec<Sent>>>,
}

impl ClientContext for Delivery {}

impl ProducerContext for Delivery {
    type DeliveryOpaque = Box<usize>;

    fn delivery(&self, result: &DeliveryResult<'_>, place: Box<usize>) {
        let fate = match result {
            Ok(message) => {
                self.shared.acknowledge(message.partition());
                Fate::Acknowledged(message.offset())
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
    let consumer = shared.assigned("reader", &all);
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
    let mut commits = shared.commits.lock();
    commits.count += 1;
    for element in position.elements() {
        if let Offset::Offset(offset) = element.offset() {
            let highest = commits.highest.entry(element.partition()).or_insert(offset);
            *highest = offset.max(*highest);
        }
    }
    shared.committed.notify_all();
}
