//! librdkafka producers and consumers with the settings that these tests share.

use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{Headers as _, Message as _};
use rdkafka::producer::{BaseProducer, Producer as _};
use rdkafka::{Offset, TopicPartitionList};

use crate::support::Broker;

/// How long a client waits for what must come.
pub const LIMIT: Duration = Duration::from_secs(30);

/// One consumed message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    pub offset: i64,
    pub key: Option<String>,
    pub value: Option<String>,
    pub headers: Vec<(String, Option<String>)>,
}

/// The configuration of a client of `broker`, with these settings besides.
pub fn config(broker: &Broker, settings: &[(&str, &str)]) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", broker.bootstrap());
    for (key, value) in settings {
        config.set(*key, *value);
    }
    config
}

/// A producer; `flush` it to know that all is acknowledged.
pub fn producer(broker: &Broker, settings: &[(&str, &str)]) -> BaseProducer {
    config(broker, settings)
        .create()
        .expect("the settings are librdkafka's")
}

/// Waits until all that was sent is acknowledged.
pub fn flush(producer: &BaseProducer) {
    producer
        .flush(LIMIT)
        .expect("everything is acknowledged in time");
}

/// A consumer of partition `partition` of `topic` from `offset` on.
pub fn consumer(broker: &Broker, topic: &str, partition: i32, offset: Offset) -> BaseConsumer {
    consumer_with(broker, topic, partition, offset, &[])
}

/// The same, with settings.
pub fn consumer_with(
    broker: &Broker,
    topic: &str,
    partition: i32,
    offset: Offset,
    settings: &[(&str, &str)],
) -> BaseConsumer {
    let mut config = config(broker, settings);
    config
        .set("group.id", "unused")
        .set("enable.auto.commit", "false");
    config
        .set("enable.partition.eof", "false")
        .set("auto.offset.reset", "error");
    let consumer: BaseConsumer = config.create().expect("the settings are librdkafka's");
    let mut partitions = TopicPartitionList::new();
    partitions
        .add_partition_offset(topic, partition, offset)
        .expect("the offset is valid");
    consumer
        .assign(&partitions)
        .expect("the assignment is valid");
    consumer
}

/// The next `count` messages.
pub fn receive(consumer: &BaseConsumer, count: usize) -> Vec<Received> {
    let deadline = Instant::now() + LIMIT;
    let mut messages = Vec::with_capacity(count);
    while messages.len() < count {
        assert!(
            Instant::now() < deadline,
            "only {} of {count} messages came",
            messages.len()
        );
        let Some(message) = consumer.poll(Duration::from_millis(100)) else {
            continue;
        };
        let message = message.expect("the fetch succeeds");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        messages.push(Received {
            offset: message.offset(),
            key: message.key().map(text),
            value: message.payload().map(text),
            headers: message
                .headers()
                .map(|headers| {
                    headers
                        .iter()
                        .map(|h| (h.key.to_owned(), h.value.map(text)))
                        .collect()
                })
                .unwrap_or_default(),
        });
    }
    messages
}

/// The first and the next offset of a partition.
pub fn watermarks(broker: &Broker, topic: &str, partition: i32) -> (i64, i64) {
    let consumer: BaseConsumer = config(broker, &[])
        .create()
        .expect("the settings are valid");
    consumer
        .fetch_watermarks(topic, partition, LIMIT)
        .expect("the offsets can be listed")
}
