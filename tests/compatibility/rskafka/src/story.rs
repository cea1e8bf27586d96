//! The story through rskafka: `newest BOOTSTRAP PREFIX [CHAPTER...]`. The crate has no groups.

use std::collections::{BTreeMap, HashSet};
use std::fmt::{Debug, Display};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeZone as _, Utc};
use rskafka::client::partition::{Compression, OffsetAt, PartitionClient, UnknownTopicHandling};
use rskafka::client::{Client, ClientBuilder};
use rskafka::record::Record;

const EPOCH: i64 = 1_700_000_000_000;
const TIMEOUT_MS: i32 = 30_000;

struct Story {
    client: Client,
    prefix: String,
    /// How many each topic has.
    replicas: i16,
}

/// Runs the chapters that the command line names, or all of them in order.
pub async fn tell() {
    let mut arguments = std::env::args().skip(1);
    let bootstrap = arguments.next().expect("a bootstrap address");
    let prefix = arguments.next().expect("a prefix");
    let chosen: Vec<String> = arguments.collect();
    let client = ClientBuilder::new(vec![bootstrap])
        .build()
        .await
        .expect("the broker answers");
    let replicas = std::env::var("REPLICAS").expect("how many replicas topics have");
    let story = Story {
        client,
        prefix,
        replicas: replicas.parse().expect("a number"),
    };
    for chapter in ["topics", "produce", "consume", "farewell"] {
        if !chosen.is_empty() && !chosen.iter().any(|name| name == chapter) {
            continue;
        }
        fact("chapter", chapter);
        match chapter {
            "topics" => story.topics().await,
            "produce" => story.produce().await,
            "consume" => story.consume().await,
            _ => story.farewell().await,
        }
    }
    fact("end", "of the story");
}

fn fact(name: &str, value: impl Display) {
    println!("{name}: {value}");
}

/// Prints how an action failed; that it did not fail is a fact too.
fn refused<T: Debug>(name: &str, result: rskafka::client::error::Result<T>) {
    match result {
        Ok(value) => fact(name, format!("accepted {value:?}")),
        Err(error) => fact(name, error.to_string().replace('\n', " ")),
    }
}

impl Story {
    fn topic(&self, name: &str) -> String {
        format!("{}-{name}", self.prefix)
    }

    async fn own_topics(&self) -> Vec<String> {
        let listed = self
            .client
            .list_topics()
            .await
            .expect("topics can be listed");
        let own = listed
            .iter()
            .filter(|topic| topic.name.starts_with(&self.prefix));
        let mut own: Vec<String> = own
            .map(|topic| format!("{} {:?}", topic.name, topic.partitions))
            .collect();
        own.sort();
        own
    }

    /// Waits until as many topics are listed.
    async fn wait_for_topics(&self, count: usize) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.own_topics().await.len() != count {
            assert!(Instant::now() < deadline, "{count} topics");
        }
    }

    async fn topics(&self) {
        let controller = self.client.controller_client().expect("a controller");
        for (name, partitions) in [("orders", 3), ("codecs", 1)] {
            let name = self.topic(name);
            let created = controller.create_topic(name, partitions, self.replicas, TIMEOUT_MS);
            created.await.expect("the topic can be created");
        }
        self.wait_for_topics(2).await;
        for topic in self.own_topics().await {
            fact("topic", topic);
        }
        let bad = self.topic("bad");
        refused(
            "create again",
            controller
                .create_topic(self.topic("orders"), 3, self.replicas, TIMEOUT_MS)
                .await,
        );
        refused(
            "too many replicas",
            controller.create_topic(&bad, 1, 4, TIMEOUT_MS).await,
        );
        refused(
            "no partitions",
            controller.create_topic(&bad, 0, self.replicas, TIMEOUT_MS).await,
        );
        refused(
            "a wrong name",
            controller
                .create_topic(self.topic("a b"), 1, self.replicas, TIMEOUT_MS)
                .await,
        );
    }

    async fn partition(&self, topic: &str, partition: i32) -> PartitionClient {
        self.client
            .partition_client(self.topic(topic), partition, UnknownTopicHandling::Retry)
            .await
            .expect("the partition is there")
    }

    async fn produce(&self) {
        let orders = self.partition("orders", 0).await;
        let headers = BTreeMap::from([
            ("empty".to_owned(), vec![]),
            ("h".to_owned(), b"one".to_vec()),
        ]);
        let whole = record(Some("key"), Some("value"), 0, headers);
        let tombstone = record(Some("key"), None, 1, BTreeMap::new());
        let alone = record(None, Some("alone"), 2, BTreeMap::new());
        let empty = record(Some(""), Some(""), 3, BTreeMap::new());
        for one in [whole, tombstone, alone, empty] {
            let sent = orders.produce(vec![one], Compression::NoCompression).await;
            fact("sent", format!("{:?}", sent.expect("it can be produced")));
        }
        let too_large = record(None, Some(&"x".repeat(2_000_000)), 4, BTreeMap::new());
        refused(
            "too large",
            orders
                .produce(vec![too_large], Compression::NoCompression)
                .await,
        );
        let codecs = self.partition("codecs", 0).await;
        for (name, codec) in [
            ("none", Compression::NoCompression),
            ("gzip", Compression::Gzip),
            ("snappy", Compression::Snappy),
            ("lz4", Compression::Lz4),
            ("zstd", Compression::Zstd),
        ] {
            let records = (0..20).map(|n| {
                record(
                    None,
                    Some(&format!("{name} {n} ").repeat(20)),
                    n,
                    BTreeMap::new(),
                )
            });
            let sent = codecs
                .produce(records.collect(), codec)
                .await
                .expect("the codec is taken");
            fact("codec", format!("{name} {} {}", sent[0], sent[19]));
        }
    }

    async fn consume(&self) {
        let orders = self.partition("orders", 0).await;
        for found in read(&orders, 0, 4).await {
            let Record {
                key,
                value,
                headers,
                timestamp,
            } = found.record;
            let at = timestamp.timestamp_millis();
            fact(
                "record",
                format!(
                    "{} {} {} {headers:?} {at}",
                    found.offset,
                    text(key),
                    text(value)
                ),
            );
        }
        let codecs = self.partition("codecs", 0).await;
        let records = read(&codecs, 0, 100).await;
        let values: HashSet<_> = records.iter().map(|found| &found.record.value).collect();
        let is_ordered = records.iter().map(|found| found.offset).eq(0..100);
        fact(
            "codecs",
            format!("{} {} {is_ordered}", records.len(), values.len()),
        );
        fact("from an offset", read(&codecs, 77, 1).await[0].offset);
        for (name, at) in [
            ("earliest", OffsetAt::Earliest),
            ("latest", OffsetAt::Latest),
        ] {
            refused(name, orders.get_offset(at).await);
        }
        refused(
            "out of range",
            codecs.fetch_records(1_000, 1..1_000_000, 100).await,
        );
        let unknown =
            self.client
                .partition_client(self.topic("unknown"), 0, UnknownTopicHandling::Error);
        refused("unknown topic", unknown.await.map(|_| ()));
    }

    async fn farewell(&self) {
        let orders = self.partition("orders", 0).await;
        refused("delete records", orders.delete_records(3, TIMEOUT_MS).await);
        refused("earliest", orders.get_offset(OffsetAt::Earliest).await);
        refused(
            "delete too many records",
            orders.delete_records(100, TIMEOUT_MS).await,
        );
        let controller = self.client.controller_client().expect("a controller");
        for name in ["orders", "codecs"] {
            refused(
                "delete",
                controller.delete_topic(self.topic(name), TIMEOUT_MS).await,
            );
        }
        self.wait_for_topics(0).await;
        refused(
            "delete an unknown topic",
            controller
                .delete_topic(self.topic("unknown"), TIMEOUT_MS)
                .await,
        );
    }
}

fn record(
    key: Option<&str>,
    value: Option<&str>,
    second: i64,
    headers: BTreeMap<String, Vec<u8>>,
) -> Record {
    let bytes = |text: &str| text.as_bytes().to_vec();
    let timestamp: DateTime<Utc> = Utc
        .timestamp_millis_opt(EPOCH + second * 1_000)
        .single()
        .expect("a time");
    Record {
        key: key.map(bytes),
        value: value.map(bytes),
        headers,
        timestamp,
    }
}

fn text(bytes: Option<Vec<u8>>) -> String {
    bytes.map_or("null".to_owned(), |bytes| {
        format!("{:?}", String::from_utf8_lossy(&bytes))
    })
}

/// Fetches from `offset` on until there are `count` records.
async fn read(
    partition: &PartitionClient,
    offset: i64,
    count: usize,
) -> Vec<rskafka::record::RecordAndOffset> {
    let mut records = Vec::new();
    while records.len() < count {
        let next = offset + i64::try_from(records.len()).expect("few records");
        let fetched = partition.fetch_records(next, 1..1_000_000, 1_000).await;
        records.extend(fetched.expect("the partition can be read").0);
    }
    records
}
