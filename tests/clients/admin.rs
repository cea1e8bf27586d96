//! Topics and their configs through librdkafka's admin client.

use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier,
    TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::types::RDKafkaErrorCode;

use crate::client::{LIMIT, config};
use crate::support::Broker;

fn admin(broker: &Broker) -> AdminClient<DefaultClientContext> {
    config(broker, &[])
        .create()
        .expect("the settings are valid")
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(LIMIT))
}

fn topic(name: &str, partitions: i32) -> NewTopic<'_> {
    NewTopic::new(name, partitions, TopicReplication::Fixed(1))
}

#[tokio::test]
async fn topics_are_created_once_grow_and_vanish() {
    let broker = Broker::start();
    let admin = admin(&broker);

    let created = admin
        .create_topics(&[topic("one", 2), topic("two", 1)], &options())
        .await
        .unwrap();
    let again = admin
        .create_topics(&[topic("one", 2)], &options())
        .await
        .unwrap();
    let grown = admin
        .create_partitions(&[NewPartitions::new("one", 3)], &options())
        .await
        .unwrap();
    let shrunk = admin
        .create_partitions(&[NewPartitions::new("one", 1)], &options())
        .await
        .unwrap();
    let deleted = admin
        .delete_topics(&["one", "absent"], &options())
        .await
        .unwrap();

    assert_eq!(created, [Ok("one".to_owned()), Ok("two".to_owned())]);
    assert_eq!(
        again,
        [Err((
            "one".to_owned(),
            RDKafkaErrorCode::TopicAlreadyExists
        ))]
    );
    assert_eq!(grown, [Ok("one".to_owned())]);
    assert_eq!(
        shrunk,
        [Err(("one".to_owned(), RDKafkaErrorCode::InvalidPartitions))]
    );
    assert_eq!(
        deleted,
        [
            Ok("one".to_owned()),
            Err((
                "absent".to_owned(),
                RDKafkaErrorCode::UnknownTopicOrPartition
            ))
        ]
    );
}

#[tokio::test]
async fn names_that_no_topic_may_have_are_refused() {
    let broker = Broker::start();
    let long = "x".repeat(250);

    for name in [".", "..", "a/b", "sp ace", long.as_str()] {
        let refused = admin(&broker)
            .create_topics(&[topic(name, 1)], &options())
            .await
            .unwrap();
        assert_eq!(
            refused,
            [Err((name.to_owned(), RDKafkaErrorCode::InvalidTopic))],
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_topics_settings_are_stored_and_described() {
    let broker = Broker::start();
    let admin = admin(&broker);
    admin
        .create_topics(&[topic("set", 1).set("retention.ms", "5000")], &options())
        .await
        .unwrap();
    let resource = ResourceSpecifier::Topic("set");

    let altered = admin
        .alter_configs(
            &[AlterConfig::new(resource).set("max.message.bytes", "2000")],
            &options(),
        )
        .await
        .unwrap();
    let described = admin
        .describe_configs(&[resource], &options())
        .await
        .unwrap();

    assert!(altered[0].is_ok(), "{altered:?}");
    let entries = described[0].as_ref().unwrap().entry_map();
    assert_eq!(entries["max.message.bytes"].value.as_deref(), Some("2000"));
    // The legacy call replaces the whole set.
    assert_eq!(entries["retention.ms"].value.as_deref(), Some("604800000"));
    assert!(entries["retention.ms"].is_default);
}
