//! librdkafka under a quota.

use std::sync::Mutex;
use std::time::Instant;

use rdkafka::producer::{BaseRecord, Producer as _, ThreadedProducer};
use rdkafka::statistics::Statistics;
use rdkafka::{ClientContext, config::ClientConfig};

use broker::network::{Client, ClientOptions};
use broker::protocol::messages::alter_client_quotas::{
    AlterClientQuotasRequest, EntityData, OpData, RequestEntryData,
};
use broker::protocol::{ErrorCode, Str};

use crate::client::LIMIT;
use crate::support::Broker;

/// Notes the longest wait that a broker told.
#[derive(Default)]
struct Throttled(Mutex<i64>);

impl ClientContext for Throttled {
    fn stats(&self, statistics: Statistics) {
        let told = statistics.brokers.values();
        let told = told.filter_map(|broker| Some(broker.throttle.as_ref()?.max));
        let mut longest = self.0.lock().expect("no panic while it is held");
        *longest = told.max().unwrap_or(0).max(*longest);
    }
}

impl rdkafka::producer::ProducerContext for Throttled {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &rdkafka::producer::DeliveryResult<'_>, (): ()) {
        assert!(result.is_ok(), "a message was not delivered");
    }
}

async fn limit_producers(broker: &Broker, bytes_per_second: f64) {
    let request = AlterClientQuotasRequest {
        entries: vec![RequestEntryData {
            entity: vec![EntityData {
                entity_type: Str::from_static("client-id"),
                entity_name: Some(Str::from_static("limited")),
            }],
            ops: vec![OpData {
                key: Str::from_static("producer_byte_rate"),
                value: bytes_per_second,
                remove: false,
            }],
        }],
        validate_only: false,
    };
    let admin = Client::connect(broker.bootstrap(), ClientOptions::default()).await;
    let mut admin = admin.expect("the broker listens");
    let answer = admin.call(&request, 1).await.expect("it is answered");
    assert_eq!(answer.entries[0].error_code, ErrorCode::NONE);
}

#[tokio::test]
async fn a_producer_is_held_to_its_bytes_a_second() {
    const BYTES: usize = 20_000;
    const MESSAGES: usize = 14;
    let broker = Broker::start();
    limit_producers(&broker, 20_000.0).await;
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", broker.bootstrap())
        .set("client.id", "limited")
        .set("batch.num.messages", "1")
        .set("statistics.interval.ms", "100");
    let producer: ThreadedProducer<Throttled> =
        config.create_with_context(Throttled::default()).unwrap();
    let begun = Instant::now();

    for _ in 0..MESSAGES {
        let record = BaseRecord::<(), [u8]>::to("held").payload(&[7; BYTES]);
        assert!(producer.send(record).is_ok());
    }
    producer.flush(LIMIT).expect("all is delivered in time");

    // Ten seconds' worth may come at once, and one message more than that.
    let took = begun.elapsed().as_secs_f64();
    let sent = (BYTES * (MESSAGES - 1)) as f64;
    assert!(took >= sent / 20_000.0 - 10.0, "{took} s");
    let told = *producer.context().0.lock().unwrap();
    assert!((500..10_000).contains(&told), "{told} ms");
}
