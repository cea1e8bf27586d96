//! The loads, the same for both brokers, by librdkafka.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{DeliveryResult, Message as _};
use rdkafka::producer::{
    BaseProducer, BaseRecord, Producer as _, ProducerContext, ThreadedProducer,
};
use rdkafka::{Offset, TopicPartitionList};

/// Longer than any load takes.
pub const LIMIT: Duration = Duration::from_secs(600);

/// A stream of equal messages, spread evenly over a topic's partitions.
#[derive(Clone, Copy)]
pub struct Stream {
    pub messages: u64,
    pub bytes: usize,
    pub partitions: i32,
    pub queue: Queue,
}

/// How much the producer gathers before it sends.
#[derive(Clone, Copy, Debug)]
pub struct Queue {
    pub linger_ms: u32,
    pub messages: u32,
    pub kib: u32,
}

impl Queue {
    /// What a batch of 1 MiB of one or a few partitions needs.
    pub const USUAL: Self = Self {
        linger_ms: 5,
        messages: 500_000,
        kib: 256 << 10,
    };
    /// Room for a batch of each of thousands of partitions: with less, what a request costs the
    /// client is all that is measured.
    pub const LARGE: Self = Self {
        linger_ms: 100,
        messages: 1 << 20,
        kib: (1 << 20) + (64 << 10),
    };
}

pub fn config(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap);
    config
}

/// Counts what was acknowledged, and the worst that happened.
#[derive(Clone, Default)]
struct Deliveries {
    acknowledged: Arc<AtomicU64>,
    failed: Arc<AtomicU64>,
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let counter = if result.is_ok() {
            &self.acknowledged
        } else {
            &self.failed
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// Produces the stream with acks=all and returns how long it took until all was acknowledged.
pub fn produce(bootstrap: &str, topic: &str, stream: Stream) -> Duration {
    send(bootstrap, topic, stream, None)
}

/// As [`produce`], with so many keys, in an order that looks like chance.
pub fn produce_keyed(bootstrap: &str, topic: &str, stream: Stream, keys: u64) -> Duration {
    send(bootstrap, topic, stream, Some(keys))
}

fn send(bootstrap: &str, topic: &str, stream: Stream, keys: Option<u64>) -> Duration {
    let deliveries = Deliveries::default();
    let producer: ThreadedProducer<_> = config(bootstrap)
        .set("linger.ms", stream.queue.linger_ms.to_string())
        .set(
            "queue.buffering.max.messages",
            stream.queue.messages.to_string(),
        )
        .set("queue.buffering.max.kbytes", stream.queue.kib.to_string())
        .create_with_context(deliveries.clone())
        .expect("valid settings");
    let payload = vec![b'x'; stream.bytes];
    let started = Instant::now();
    for n in 0..stream.messages {
        let partition =
            i32::try_from(n % u64::from(stream.partitions.unsigned_abs())).expect("small");
        let key = keys.map(|keys| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) % keys).to_be_bytes());
        let mut record = BaseRecord::<[u8], [u8]>::to(topic)
            .partition(partition)
            .payload(&payload);
        if let Some(key) = &key {
            record = record.key(key.as_slice());
        }
        while let Err((_, returned)) = producer.send(record) {
            record = returned;
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    producer.flush(LIMIT).expect("all is acknowledged");
    let took = started.elapsed();
    assert_eq!(
        deliveries.failed.load(Ordering::Relaxed),
        0,
        "some messages failed"
    );
    took
}

/// Consumes the stream from the beginning and returns how long it took.
pub fn consume(bootstrap: &str, topic: &str, stream: Stream) -> Duration {
    let consumer = consumer_from(bootstrap, topic, stream.partitions, Offset::Beginning);
    let started = Instant::now();
    let mut count = 0;
    while count < stream.messages {
        assert!(started.elapsed() < LIMIT, "only {count} messages came");
        if let Some(message) = consumer.poll(Duration::from_millis(100)) {
            let message = message.expect("the fetch succeeds");
            assert_eq!(message.payload_len(), stream.bytes);
            count += 1;
        }
    }
    started.elapsed()
}

fn consumer_from(bootstrap: &str, topic: &str, partitions: i32, offset: Offset) -> BaseConsumer {
    let consumer: BaseConsumer = config(bootstrap)
        .set("group.id", "versus")
        .set("enable.auto.commit", "false")
        .set("queued.max.messages.kbytes", "131072")
        // librdkafka asks for nothing for a second once it has 100,000 messages: with small ones
        // that pause would be all that is measured.
        .set("queued.min.messages", "1000000")
        .set("fetch.queue.backoff.ms", "5")
        .create()
        .expect("valid settings");
    let mut assigned = TopicPartitionList::new();
    for partition in 0..partitions {
        assigned
            .add_partition_offset(topic, partition, offset)
            .expect("a valid offset");
    }
    consumer.assign(&assigned).expect("a valid assignment");
    consumer
}

/// Tells of each acknowledgement as it comes.
#[derive(Clone)]
struct Acknowledge(mpsc::Sender<()>);

impl ClientContext for Acknowledge {}

impl ProducerContext for Acknowledge {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        result
            .as_ref()
            .map_err(|(error, _)| error)
            .expect("it is delivered");
        // Nobody waits any more only if the load was given up.
        let _ = self.0.send(());
    }
}

/// Sends `count` messages of 100 bytes, each after the one before is acknowledged.
pub fn one_at_a_time(bootstrap: &str, topic: &str, count: u64) -> Duration {
    let (sender, acknowledged) = mpsc::channel();
    let producer: ThreadedProducer<_> = config(bootstrap)
        .set("linger.ms", "0")
        .create_with_context(Acknowledge(sender))
        .expect("valid settings");
    let payload = [b'x'; 100];
    let started = Instant::now();
    for _ in 0..count {
        let record = BaseRecord::<(), [u8]>::to(topic)
            .partition(0)
            .payload(&payload);
        producer
            .send(record)
            .map_err(|(error, _)| error)
            .expect("the queue is empty");
        acknowledged
            .recv_timeout(LIMIT)
            .expect("an acknowledgement");
    }
    started.elapsed()
}

/// How many requests a producer has under way at most.
#[derive(Clone, Copy)]
pub struct InFlight(pub u32);

/// Sends `count` messages of 100 bytes, each in a request of its own, as fast as they are acknowledged.
pub fn one_message_batches(bootstrap: &str, topic: &str, count: u64, most: InFlight) -> Duration {
    let deliveries = Deliveries::default();
    let producer: ThreadedProducer<_> = config(bootstrap)
        .set("linger.ms", "0")
        .set("batch.num.messages", "1")
        .set("max.in.flight", most.0.to_string())
        .create_with_context(deliveries.clone())
        .expect("valid settings");
    let payload = [b'x'; 100];
    let started = Instant::now();
    for _ in 0..count {
        let record = BaseRecord::<(), [u8]>::to(topic)
            .partition(0)
            .payload(&payload);
        producer
            .send(record)
            .map_err(|(error, _)| error)
            .expect("the queue has room");
    }
    producer.flush(LIMIT).expect("all is acknowledged");
    let took = started.elapsed();
    assert_eq!(deliveries.acknowledged.load(Ordering::Relaxed), count);
    took
}

/// Sorted latencies in microseconds.
pub struct Latencies(Vec<u64>);

impl Latencies {
    fn new(mut micros: Vec<u64>) -> Self {
        micros.sort_unstable();
        Self(micros)
    }

    /// The latency that `share` (0 to 1) of all messages stayed within, in milliseconds.
    pub fn at(&self, share: f64) -> f64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an index"
        )]
        #[expect(clippy::cast_precision_loss, reason = "few samples")]
        let index = ((self.0.len() as f64 * share) as usize).min(self.0.len() - 1);
        #[expect(clippy::cast_precision_loss, reason = "milliseconds")]
        let millis = self.0[index] as f64 / 1000.0;
        millis
    }
}

/// Notes when each message, which carries its send time, is acknowledged.
#[derive(Clone)]
struct AckTimes {
    origin: Instant,
    micros: Arc<parking_lot::Mutex<Vec<u64>>>,
}

impl ClientContext for AckTimes {}

impl ProducerContext for AckTimes {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let message = result
            .as_ref()
            .map_err(|(error, _)| error)
            .expect("it is delivered");
        self.micros
            .lock()
            .push(age(self.origin, message.payload().expect("a payload")));
    }
}

fn age(origin: Instant, payload: &[u8]) -> u64 {
    let sent = u64::from_be_bytes(payload[..8].try_into().expect("8 bytes"));
    micros_since(origin) - sent
}

fn micros_since(origin: Instant) -> u64 {
    u64::try_from(origin.elapsed().as_micros()).expect("not that long")
}

/// Sends at a steady rate with linger.ms=0 for `seconds`; returns the latencies until the
/// acknowledgement, and until a consumer has the message.
pub fn paced(
    bootstrap: &str,
    topic: &str,
    per_second: u64,
    seconds: u64,
) -> (Latencies, Latencies) {
    let origin = Instant::now();
    let count = per_second * seconds;
    let context = AckTimes {
        origin,
        micros: Arc::default(),
    };
    let consumer = consumer_from(bootstrap, topic, 1, Offset::End);
    // The position is the end before anything is sent.
    assert!(consumer.poll(Duration::from_secs(2)).is_none());
    let receiver = std::thread::spawn(move || {
        let mut micros = Vec::new();
        while (micros.len() as u64) < count {
            assert!(origin.elapsed() < LIMIT, "messages are missing");
            if let Some(message) = consumer.poll(Duration::from_millis(100)) {
                let message = message.expect("the fetch succeeds");
                micros.push(age(origin, message.payload().expect("a payload")));
            }
        }
        micros
    });
    let producer: ThreadedProducer<_> = config(bootstrap)
        .set("linger.ms", "0")
        .create_with_context(context.clone())
        .expect("valid settings");
    let started = Instant::now();
    for n in 0..count {
        let due = started + Duration::from_micros(n * 1_000_000 / per_second);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let mut payload = [b'x'; 100];
        payload[..8].copy_from_slice(&micros_since(origin).to_be_bytes());
        let record = BaseRecord::<(), [u8]>::to(topic)
            .partition(0)
            .payload(&payload);
        producer
            .send(record)
            .map_err(|(error, _)| error)
            .expect("the queue has room");
    }
    producer.flush(LIMIT).expect("all is acknowledged");
    let end_to_end = receiver.join().expect("the receiver does not panic");
    let acks = std::mem::take(&mut *context.micros.lock());
    (Latencies::new(acks), Latencies::new(end_to_end))
}

/// Sends one message and waits for its acknowledgement, trying again without delay until `LIMIT`.
pub fn first_accepted(bootstrap: &str, topic: &str) {
    let deliveries = Deliveries::default();
    let producer: BaseProducer<_> = config(bootstrap)
        .set("linger.ms", "0")
        .set("retry.backoff.ms", "10")
        .set("retry.backoff.max.ms", "20")
        .set("reconnect.backoff.ms", "5")
        .set("reconnect.backoff.max.ms", "10")
        .set("topic.metadata.refresh.fast.interval.ms", "10")
        .set("log_level", "0")
        .create_with_context(deliveries.clone())
        .expect("valid settings");
    let record = BaseRecord::<(), str>::to(topic)
        .partition(0)
        .payload("first");
    producer
        .send(record)
        .map_err(|(error, _)| error)
        .expect("the queue is empty");
    let started = Instant::now();
    while deliveries.acknowledged.load(Ordering::Relaxed) == 0 {
        assert!(started.elapsed() < LIMIT, "no acknowledgement");
        producer.poll(Duration::from_millis(10));
    }
}

/// When the last message of each partition was acknowledged, and the longest time without one.
#[derive(Clone, Default)]
struct Gaps(Arc<parking_lot::Mutex<(BTreeMap<i32, Instant>, Duration)>>);

impl ClientContext for Gaps {}

impl ProducerContext for Gaps {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let message = result
            .as_ref()
            .map_err(|(error, _)| error)
            .expect("it is delivered in the end");
        let now = Instant::now();
        let (last, longest) = &mut *self.0.lock();
        if let Some(before) = last.insert(message.partition(), now) {
            *longest = (*longest).max(now - before);
        }
    }
}

/// Sends to all partitions, some hundred messages a second, until `is_over`; the longest time in which a
/// partition had none acknowledged.
pub fn longest_gap(
    bootstrap: &str,
    topic: &str,
    partitions: i32,
    is_over: &AtomicBool,
) -> Duration {
    let gaps = Gaps::default();
    let producer: ThreadedProducer<_> = config(bootstrap)
        .set("linger.ms", "0")
        .set("log_level", "0")
        .create_with_context(gaps.clone())
        .expect("valid settings");
    while !is_over.load(Ordering::Relaxed) {
        for partition in 0..partitions {
            let record = BaseRecord::<(), str>::to(topic)
                .partition(partition)
                .payload("on");
            producer
                .send(record)
                .map_err(|(error, _)| error)
                .expect("the queue has room");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    producer.flush(LIMIT).expect("all is acknowledged");
    gaps.0.lock().1
}
