//! Quotas are set, told, and enforced: answers say how long to wait. Waits are asserted where they
//! are told, not by the clock.

use broker::model::Offset;
use broker::network::{Client, ClientOptions};
use broker::protocol::messages::alter_client_quotas::{
    AlterClientQuotasRequest, EntityData, OpData, RequestEntryData,
};
use broker::protocol::messages::create_partitions::{
    CreatePartitionsRequest, CreatePartitionsTopic,
};
use broker::protocol::messages::create_topics::{CreatableTopic, CreateTopicsRequest};
use broker::protocol::messages::delete_topics::DeleteTopicsRequest;
use broker::protocol::messages::describe_client_quotas::{
    ComponentData, DescribeClientQuotasRequest,
};
use broker::protocol::messages::fetch::{FetchPartition, FetchRequest, FetchTopic};
use broker::protocol::messages::metadata::MetadataRequest;
use broker::protocol::messages::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use broker::protocol::{ErrorCode, Str};
use broker::records::{BatchBuilder, NewRecord};

use crate::support::Broker;

const TOPIC: Str = Str::from_static("t");

/// A new connection of the client `id`: one that was throttled is muted.
async fn client(broker: &Broker, id: &'static str) -> Client {
    let options = ClientOptions {
        client_id: Some(Str::from_static(id)),
        ..ClientOptions::default()
    };
    let connected = Client::connect(broker.bootstrap(), options).await;
    connected.expect("the broker listens")
}

async fn set(
    broker: &Broker,
    entity: &[(&'static str, Option<&'static str>)],
    key: &'static str,
    value: Option<f64>,
) {
    let parts = entity.iter().map(|(kind, name)| EntityData {
        entity_type: Str::from_static(kind),
        entity_name: name.map(Str::from_static),
    });
    let request = AlterClientQuotasRequest {
        entries: vec![RequestEntryData {
            entity: parts.collect(),
            ops: vec![OpData {
                key: Str::from_static(key),
                value: value.unwrap_or_default(),
                remove: value.is_none(),
            }],
        }],
        validate_only: false,
    };
    let mut admin = client(broker, "admin").await;
    let answer = admin.call(&request, 1).await.expect("it is answered");
    assert_eq!(answer.entries[0].error_code, ErrorCode::NONE);
}

async fn create(
    broker: &Broker,
    name: &'static str,
    partitions: i32,
    version: i16,
) -> (ErrorCode, i32) {
    let topic = CreatableTopic {
        name: Str::from_static(name),
        num_partitions: partitions,
        replication_factor: 1,
        ..CreatableTopic::default()
    };
    let request = CreateTopicsRequest {
        topics: vec![topic],
        ..CreateTopicsRequest::default()
    };
    let mut creator = client(broker, "creator").await;
    let answer = creator.call(&request, version).await;
    let answer = answer.expect("it is answered");
    (answer.topics[0].error_code, answer.throttle_time_ms)
}

/// Produces one record of so many bytes; the wait that is told.
async fn produce(broker: &Broker, id: &'static str, bytes: usize) -> i32 {
    let mut batch = BatchBuilder::new(Offset::ZERO);
    batch.append(NewRecord {
        value: Some(&vec![7; bytes]),
        ..NewRecord::default()
    });
    let request = ProduceRequest {
        acks: 1,
        timeout_ms: 10_000,
        topic_data: vec![TopicProduceData {
            name: TOPIC,
            partition_data: vec![PartitionProduceData {
                index: 0,
                records: Some(batch.build()),
            }],
            ..TopicProduceData::default()
        }],
        ..ProduceRequest::default()
    };
    let mut producer = client(broker, id).await;
    let answer = producer.call(&request, 9).await.expect("it is answered");
    let partition = &answer.responses[0].partition_responses[0];
    assert_eq!(partition.error_code, ErrorCode::NONE);
    answer.throttle_time_ms
}

/// Fetches from the beginning: how many bytes of records, and the wait that is told.
async fn fetch(broker: &Broker, id: &'static str) -> (usize, i32) {
    let request = FetchRequest {
        replica_id: -1,
        max_bytes: i32::MAX,
        topics: vec![FetchTopic {
            topic: TOPIC,
            partitions: vec![FetchPartition {
                partition: 0,
                partition_max_bytes: i32::MAX,
                ..FetchPartition::default()
            }],
            ..FetchTopic::default()
        }],
        ..FetchRequest::default()
    };
    let mut consumer = client(broker, id).await;
    let answer = consumer.call(&request, 11).await.expect("it is answered");
    let records = answer.responses[0].partitions[0].records.len();
    (records, answer.throttle_time_ms)
}

#[tokio::test]
async fn a_producer_over_its_rate_is_told_how_long_to_wait() {
    let broker = Broker::start();
    create(&broker, "t", 1, 7).await;
    let entity = [("client-id", Some("slow"))];
    set(&broker, &entity, "producer_byte_rate", Some(1_000.0)).await;

    // 10 seconds' worth come at once; of 25,000 bytes in 10 seconds 15,000 are too many.
    let within = produce(&broker, "slow", 5_000).await;
    let over = produce(&broker, "slow", 20_000).await;
    let other = produce(&broker, "quick", 20_000).await;
    set(&broker, &entity, "producer_byte_rate", None).await;
    let without = produce(&broker, "slow", 20_000).await;

    assert_eq!(within, 0);
    assert!((15_000..16_000).contains(&over), "{over}");
    assert_eq!((other, without), (0, 0));
}

#[tokio::test]
async fn a_consumer_gets_what_it_may_have_at_once_and_waits_for_more() {
    let broker = Broker::start();
    create(&broker, "t", 1, 7).await;
    for _ in 0..4 {
        produce(&broker, "quick", 6_000).await;
    }
    let user = [("user", None)];
    set(&broker, &user, "consumer_byte_rate", Some(1_000.0)).await;

    let (first, no_wait) = fetch(&broker, "any").await;
    let (_, wait) = fetch(&broker, "any").await;
    let (_, as_user) = fetch(&broker, "other").await;

    assert!((6_000..10_000).contains(&first), "{first}");
    assert_eq!(no_wait, 0);
    assert!((2_000..4_000).contains(&wait), "{wait}");
    assert!(as_user > wait, "all clients of the user share its quota");
}

#[tokio::test]
async fn time_is_limited_too_to_a_wait_of_a_window() {
    let broker = Broker::start();
    let entity = [("client-id", None)];
    set(&broker, &entity, "request_percentage", Some(0.000_001)).await;

    let mut any = client(&broker, "any").await;
    let request = MetadataRequest::default();
    let answer = any.call(&request, 9).await.expect("it is answered");

    assert_eq!(answer.throttle_time_ms, 1_000);
}

#[tokio::test]
async fn who_has_the_controller_change_too_much_is_refused_or_waits() {
    let broker = Broker::start();
    let entity = [("user", None), ("client-id", Some("creator"))];
    set(&broker, &entity, "controller_mutation_rate", Some(1.0)).await;

    // The burst is 11; more may be taken once.
    let first = create(&broker, "a", 20, 7).await;
    let (second, wait) = create(&broker, "b", 1, 6).await;
    let (older, longer) = create(&broker, "c", 1, 5).await;
    let mut creator = client(&broker, "creator").await;
    let grow = CreatePartitionsRequest {
        topics: vec![CreatePartitionsTopic {
            name: Str::from_static("a"),
            count: 21,
            assignments: None,
        }],
        ..CreatePartitionsRequest::default()
    };
    let grown = creator.call(&grow, 3).await.expect("it is answered");
    let mut creator = client(&broker, "creator").await;
    let delete = DeleteTopicsRequest {
        topic_names: vec![Str::from_static("a")],
        ..DeleteTopicsRequest::default()
    };
    let deleted = creator.call(&delete, 5).await.expect("it is answered");

    assert_eq!(first, (ErrorCode::NONE, 0));
    assert_eq!(second, ErrorCode::THROTTLING_QUOTA_EXCEEDED);
    assert!((8_000..=9_000).contains(&wait), "{wait}");
    assert_eq!(older, ErrorCode::NONE, "it does not know the error");
    assert!(longer > 8_000, "{longer}");
    let exceeded = ErrorCode::THROTTLING_QUOTA_EXCEEDED;
    assert_eq!(grown.results[0].error_code, exceeded);
    assert_eq!(deleted.responses[0].error_code, exceeded);
}

#[tokio::test]
async fn an_address_opens_so_many_connections_in_a_second() {
    let broker = Broker::start();
    set(
        &broker,
        &[("ip", Some("127.0.0.1"))],
        "connection_creation_rate",
        Some(1.0),
    )
    .await;

    let mut refused = 0;
    for _ in 0..4 {
        let mut any = client(&broker, "any").await;
        let answer = any.call(&MetadataRequest::default(), 9).await;
        refused += usize::from(answer.is_err());
    }

    assert!(refused >= 1, "all were let in");
}

#[tokio::test]
async fn quotas_are_told_by_what_their_entity_has() {
    let mut broker = Broker::start();
    let both = [("user", Some("u")), ("client-id", None)];
    set(&broker, &both, "consumer_byte_rate", Some(7.0)).await;
    set(
        &broker,
        &[("ip", None)],
        "connection_creation_rate",
        Some(5.0),
    )
    .await;
    broker.stop();
    broker.start_again();

    let mut admin = client(&broker, "admin").await;
    let mut describe = async |kind: &'static str, strict| {
        let request = DescribeClientQuotasRequest {
            components: vec![ComponentData {
                entity_type: Str::from_static(kind),
                match_type: 2,
                match_value: None,
            }],
            strict,
        };
        let answer = admin.call(&request, 1).await.expect("it is answered");
        assert_eq!(answer.error_message.as_deref(), Some(""));
        answer.entries.expect("the filter is valid")
    };

    let users = describe("user", false).await;
    assert_eq!(users.len(), 1);
    assert_eq!(users[0].entity.len(), 2);
    assert_eq!(
        (&*users[0].values[0].key, users[0].values[0].value),
        ("consumer_byte_rate", 7.0)
    );
    assert_eq!(describe("user", true).await, []);
    assert_eq!(describe("ip", true).await.len(), 1);
}
