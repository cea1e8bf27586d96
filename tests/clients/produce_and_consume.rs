//! Produce in every way, consume from everywhere.

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::BaseRecord;
use rdkafka::{Offset, TopicPartitionList};

use crate::client::{
    LIMIT, Received, config, consumer, consumer_with, flush, producer, receive, watermarks,
};
use crate::support::Broker;

const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];

fn send(
    broker: &Broker,
    topic: &str,
    settings: &[(&str, &str)],
    values: impl IntoIterator<Item = String>,
) {
    let producer = producer(broker, settings);
    for value in values {
        producer
            .send(
                BaseRecord::<(), str>::to(topic)
                    .partition(0)
                    .payload(&value),
            )
            .map_err(|(error, _)| error)
            .expect("the queue has room");
    }
    flush(&producer);
}

#[test]
fn every_compression_and_every_acks_round_trips() {
    let broker = Broker::start();
    let mut sent = Vec::new();

    for codec in CODECS {
        for acks in ["0", "1", "all"] {
            let values: Vec<_> = (0..20).map(|n| format!("{codec} {acks} {n}")).collect();
            sent.extend(values.clone());
            let settings = [
                ("compression.type", codec),
                ("acks", acks),
                ("linger.ms", "20"),
            ];
            send(&broker, "every", &settings, values);
        }
    }
    let received = receive(
        &consumer(&broker, "every", 0, Offset::Beginning),
        sent.len(),
    );

    let values: Vec<_> = received
        .iter()
        .map(|message| message.value.clone().unwrap())
        .collect();
    assert_eq!(values, sent);
    assert!(
        received
            .iter()
            .zip(0..)
            .all(|(message, offset)| message.offset == offset)
    );
}

#[test]
fn keys_nulls_and_repeated_headers_come_back_as_sent() {
    let broker = Broker::start();
    let producer = producer(&broker, &[("enable.idempotence", "true")]);
    let headers = OwnedHeaders::new()
        .insert(Header {
            key: "same",
            value: Some("one"),
        })
        .insert(Header {
            key: "same",
            value: Some("two"),
        })
        .insert(Header::<&str> {
            key: "null",
            value: None,
        });

    let full = BaseRecord::to("nulls")
        .partition(0)
        .key("key")
        .payload("value")
        .headers(headers);
    producer.send(full).map_err(|(error, _)| error).unwrap();
    producer
        .send(
            BaseRecord::<str, str>::to("nulls")
                .partition(0)
                .key("tombstone"),
        )
        .map_err(|(error, _)| error)
        .unwrap();
    producer
        .send(BaseRecord::<(), str>::to("nulls").partition(0).payload(""))
        .map_err(|(error, _)| error)
        .unwrap();
    flush(&producer);
    let received = receive(&consumer(&broker, "nulls", 0, Offset::Beginning), 3);

    let some = |text: &str| Some(text.to_owned());
    let header = |key: &str, value| (key.to_owned(), value);
    assert_eq!(
        received,
        [
            Received {
                offset: 0,
                key: some("key"),
                value: some("value"),
                headers: vec![
                    header("same", some("one")),
                    header("same", some("two")),
                    header("null", None)
                ],
            },
            Received {
                offset: 1,
                key: some("tombstone"),
                value: None,
                headers: vec![]
            },
            Received {
                offset: 2,
                key: None,
                value: some(""),
                headers: vec![]
            },
        ]
    );
}

#[test]
fn consuming_starts_at_the_beginning_the_end_an_offset_or_a_time() {
    let broker = Broker::start();
    let producer = producer(&broker, &[]);
    for n in 0..100_i64 {
        let record = BaseRecord::<(), str>::to("positions")
            .partition(0)
            .payload("x")
            .timestamp(1_700_000_000_000 + n);
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
    flush(&producer);

    let first_from = |offset| receive(&consumer(&broker, "positions", 0, offset), 1)[0].offset;
    assert_eq!(first_from(Offset::Beginning), 0);
    assert_eq!(first_from(Offset::Offset(42)), 42);
    assert_eq!(first_from(Offset::OffsetTail(1)), 99);

    let lookup: BaseConsumer = config(&broker, &[]).create().unwrap();
    let offset_of = |timestamp| {
        let mut asked = TopicPartitionList::new();
        asked
            .add_partition_offset("positions", 0, Offset::Offset(timestamp))
            .unwrap();
        let found = lookup.offsets_for_times(asked, LIMIT).unwrap();
        found.elements()[0].offset()
    };
    assert_eq!(offset_of(1_700_000_000_050), Offset::Offset(50));
    assert_eq!(offset_of(1_600_000_000_000), Offset::Offset(0));
    assert_eq!(offset_of(1_800_000_000_000), Offset::End);
}

#[test]
fn a_waiting_consumer_gets_what_is_produced_later() {
    let broker = Broker::start();
    send(&broker, "later", &[], ["before".to_owned()]);
    let waiting = consumer(&broker, "later", 0, Offset::End);
    // The first poll starts the fetch; the end is 1 from here on.
    assert!(
        waiting
            .poll(std::time::Duration::from_millis(500))
            .is_none()
    );

    send(&broker, "later", &[], ["after".to_owned()]);

    assert_eq!(receive(&waiting, 1)[0].value.as_deref(), Some("after"));
}

#[test]
fn read_committed_and_read_uncommitted_see_the_same_without_transactions() {
    let broker = Broker::start();
    send(&broker, "isolation", &[], (0..10).map(|n| n.to_string()));

    for isolation in ["read_committed", "read_uncommitted"] {
        let settings = [("isolation.level", isolation)];
        let consumer = consumer_with(&broker, "isolation", 0, Offset::Beginning, &settings);
        assert_eq!(receive(&consumer, 10).len(), 10);
    }
    assert_eq!(watermarks(&broker, "isolation", 0), (0, 10));
}

#[test]
fn a_batch_above_the_fetch_limit_still_comes() {
    let broker = Broker::start();
    let large = "x".repeat(900_000);
    send(&broker, "large", &[], [large.clone(), "small".to_owned()]);

    let settings = [
        ("fetch.message.max.bytes", "1000"),
        ("fetch.max.bytes", "1000000"),
        ("message.max.bytes", "1000000"),
    ];
    let received = receive(
        &consumer_with(&broker, "large", 0, Offset::Beginning, &settings),
        2,
    );

    assert_eq!(
        received[0].value.as_ref().map(String::len),
        Some(large.len())
    );
    assert_eq!(received[1].value.as_deref(), Some("small"));
}
