//! A topic whose old values vanish by themselves, also when the broker is killed over it.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer as _, ProducerContext};
use rdkafka::{ClientContext, Offset};

use crate::client::{LIMIT, config, consumer, flush, producer, receive, watermarks};
use crate::support::Broker;

const TOPIC: &str = "table";
const KEYS: usize = 50;

fn broker(settings: &[(&str, &str)]) -> Broker {
    let compacted = [
        ("log.cleanup.policy", "compact"),
        ("log.segment.bytes", "1048576"),
        ("log.cleaner.backoff.ms", "50"),
        ("log.cleaner.min.cleanable.ratio", "0.1"),
        ("log.segment.delete.delay.ms", "0"),
    ];
    let is_set = |name| settings.iter().any(|(other, _)| *other == name);
    let unset = compacted.iter().filter(|(name, _)| !is_set(*name));
    let all: Vec<_> = unset.chain(settings).copied().collect();
    Broker::start_with(&all)
}

/// Sends values that are their own offsets, with `first` the next offset.
fn fill(broker: &Broker, first: usize, count: usize) {
    let producer = producer(broker, &[("batch.num.messages", "50")]);
    let padding = "x".repeat(1000);
    for number in first..first + count {
        let (key, value) = (
            (number * 7 % KEYS).to_string(),
            format!("{number} {padding}"),
        );
        let record = BaseRecord::to(TOPIC).partition(0).key(&key).payload(&value);
        producer
            .send(record)
            .map_err(|(error, _)| error)
            .expect("the queue has room");
    }
    flush(&producer);
}

fn folder(broker: &Broker) -> PathBuf {
    broker.data_dir().join(format!("{TOPIC}-0"))
}

/// The sizes of the files whose names end so.
fn sizes(broker: &Broker, suffix: &str) -> Vec<u64> {
    let entries = fs::read_dir(folder(broker)).expect("the partition has a folder");
    let files = entries.filter_map(Result::ok);
    let files = files.filter(|entry| entry.file_name().to_string_lossy().ends_with(suffix));
    // It may be renamed meanwhile.
    files
        .filter_map(|entry| Some(entry.metadata().ok()?.len()))
        .collect()
}

/// Waits until the log on disk is smaller than `bytes`.
fn wait_until_smaller(broker: &Broker, bytes: u64) {
    let started = Instant::now();
    while sizes(broker, ".log").iter().sum::<u64>() >= bytes {
        assert!(
            started.elapsed() < LIMIT,
            "nothing is compacted: {}",
            broker.log()
        );
    }
}

/// Reads all that is left and checks that of each key the last value is there, where it was.
fn check(broker: &Broker, count: usize) -> usize {
    let next = i64::try_from(count).expect("a count of messages");
    assert_eq!(watermarks(broker, TOPIC, 0), (0, next));
    let consumer = consumer(broker, TOPIC, 0, Offset::Beginning);
    let (mut newest, mut messages) = (BTreeMap::new(), 0);
    loop {
        let message = receive(&consumer, 1).remove(0);
        let value = message.value.expect("there are no tombstones");
        let number = value.split(' ').next().expect("it has a first word");
        assert_eq!(number, message.offset.to_string());
        newest.insert(message.key.expect("it has a key"), message.offset);
        messages += 1;
        if message.offset + 1 == next {
            break;
        }
    }
    let expected: BTreeMap<_, _> = (0..count)
        .map(|number| ((number * 7 % KEYS).to_string(), number as i64))
        .collect();
    assert_eq!(newest, expected);
    messages
}

#[test]
fn of_each_key_the_last_value_stays_where_it_was() {
    let broker = broker(&[]);
    fill(&broker, 0, 12_000);
    wait_until_smaller(&broker, 3 << 20);

    let messages = check(&broker, 12_000);

    assert!(messages < 3_000, "{messages} messages are left");
    let checkpoint = fs::read_to_string(broker.data_dir().join("cleaner-offset-checkpoint"));
    let checkpoint = checkpoint.expect("the checkpoint is written");
    assert!(checkpoint.starts_with("0\n1\ntable 0 "), "{checkpoint}");
}

#[test]
fn a_broker_killed_while_it_compacts_loses_no_last_value() {
    let mut broker = broker(&[("log.cleaner.io.max.bytes.per.second", "6000000")]);
    let mut count = 0;
    for round in 0..3 {
        fill(&broker, count, 6_000);
        count += 6_000;
        let started = Instant::now();
        let wanted = [".cleaned", ".swap", ".deleted"][round];
        while sizes(&broker, wanted).is_empty() {
            // The last two are there for moments only.
            if round > 0 && started.elapsed().as_secs() > 3 {
                break;
            }
            assert!(
                started.elapsed() < LIMIT,
                "it does not compact: {}",
                broker.log()
            );
        }
        broker.kill();
        broker.start_again();
        assert!(sizes(&broker, ".swap").is_empty());
        check(&broker, count);
    }
    broker.kill();
    broker.set("log.cleaner.io.max.bytes.per.second", "1e9");
    broker.start_again();
    fill(&broker, count, 2_000);
    count += 2_000;
    wait_until_smaller(&broker, 4 << 20);

    let messages = check(&broker, count);

    assert!(messages < 4_000, "{messages} messages are left");
}

/// Keeps what became of each message.
#[derive(Clone, Default)]
struct Outcomes(std::sync::Arc<parking_lot::Mutex<Vec<Result<(), KafkaError>>>>);

impl ClientContext for Outcomes {}

impl ProducerContext for Outcomes {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let outcome = result
            .as_ref()
            .map(|_| ())
            .map_err(|(error, _)| error.clone());
        self.0.lock().push(outcome);
    }
}

#[test]
fn a_record_without_a_key_is_refused() {
    let broker = broker(&[]);
    let outcomes = Outcomes::default();
    let producer: rdkafka::producer::BaseProducer<Outcomes> = config(&broker, &[])
        .create_with_context(outcomes.clone())
        .expect("the settings are librdkafka's");
    let record = BaseRecord::<(), str>::to(TOPIC).payload("no key");
    assert!(producer.send(record).is_ok());
    producer.flush(LIMIT).expect("it is answered");

    let outcomes = outcomes.0.lock();
    assert!(
        matches!(
            outcomes[..],
            [Err(KafkaError::MessageProduction(
                RDKafkaErrorCode::InvalidRecord
            ))]
        ),
        "{outcomes:?}"
    );
}

/// Sets these dynamic settings of the broker, and no others.
async fn alter_broker(broker: &Broker, settings: &[(&str, &str)]) {
    let admin: AdminClient<DefaultClientContext> = config(broker, &[])
        .create()
        .expect("the settings are librdkafka's");
    let this = AlterConfig::new(ResourceSpecifier::Broker(1));
    let altered = settings
        .iter()
        .fold(this, |altered, (name, value)| altered.set(name, value));
    let options = AdminOptions::new().request_timeout(Some(LIMIT));
    let answer = admin.alter_configs(&[altered], &options).await;
    assert!(answer.as_ref().is_ok_and(|it| it[0].is_ok()), "{answer:?}");
}

#[tokio::test]
async fn compaction_follows_its_settings_while_it_runs() {
    let broker = broker(&[
        ("log.cleaner.backoff.ms", "3600000"),
        ("log.cleaner.io.max.bytes.per.second", "1000"),
    ]);
    fill(&broker, 0, 12_000);

    // The thread that found nothing to do at the start looks again, and is held up by the rate.
    let often = ("log.cleaner.backoff.ms", "50");
    let threads = ("log.cleaner.threads", "2");
    alter_broker(&broker, &[often, threads]).await;
    assert!(sizes(&broker, ".log").iter().sum::<u64>() > 12_000_000);
    let fast = ("log.cleaner.io.max.bytes.per.second", "1e9");
    alter_broker(&broker, &[often, threads, fast]).await;

    wait_until_smaller(&broker, 3 << 20);
    check(&broker, 12_000);
}
