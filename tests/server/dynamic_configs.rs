//! What is set for brokers while they run takes effect, is told with its source, and lasts.

use broker::network::{Client, ClientOptions};
use broker::protocol::messages::create_topics::{CreatableTopic, CreateTopicsRequest};
use broker::protocol::messages::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult,
};
use broker::protocol::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest,
};
use broker::protocol::{ErrorCode, Str};

use crate::support::Broker;

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const BROKER_LOGGER: i8 = 8;

/// Sources, by DescribeConfigs' numbers.
const DYNAMIC_BROKER: i8 = 2;
const DYNAMIC_DEFAULT: i8 = 3;
const LOGGER: i8 = 6;

async fn connect(broker: &Broker) -> Client {
    Client::connect(broker.bootstrap(), ClientOptions::default())
        .await
        .expect("the broker listens")
}

/// Sets a value; deletes it if there is none.
async fn alter(
    client: &mut Client,
    kind: i8,
    resource: &'static str,
    key: &'static str,
    value: Option<&'static str>,
) -> (ErrorCode, String) {
    let request = IncrementalAlterConfigsRequest {
        resources: vec![AlterConfigsResource {
            resource_type: kind,
            resource_name: Str::from_static(resource),
            configs: vec![AlterableConfig {
                name: Str::from_static(key),
                config_operation: i8::from(value.is_none()),
                value: value.map(Str::from_static),
            }],
        }],
        validate_only: false,
    };
    let answer = client.call(&request, 1).await.expect("it is answered");
    let answer = &answer.responses[0];
    let message = answer.error_message.as_deref().unwrap_or_default();
    (answer.error_code, message.to_owned())
}

async fn describe(
    client: &mut Client,
    kind: i8,
    resource: &'static str,
    key: &'static str,
) -> DescribeConfigsResourceResult {
    let request = DescribeConfigsRequest {
        resources: vec![DescribeConfigsResource {
            resource_type: kind,
            resource_name: Str::from_static(resource),
            configuration_keys: Some(vec![Str::from_static(key)]),
        }],
        include_synonyms: true,
        include_documentation: false,
    };
    let mut answer = client.call(&request, 4).await.expect("it is answered");
    answer.results.remove(0).configs.remove(0)
}

#[tokio::test]
async fn a_brokers_own_value_wins_over_that_of_all_and_both_last_over_a_restart() {
    let mut broker = Broker::start();
    let mut client = connect(&broker).await;
    let ok = (ErrorCode::NONE, String::new());
    let topic = CreatableTopic {
        name: Str::from_static("t"),
        num_partitions: 1,
        replication_factor: 1,
        ..CreatableTopic::default()
    };
    let create = CreateTopicsRequest {
        topics: vec![topic],
        ..CreateTopicsRequest::default()
    };
    client.call(&create, 7).await.expect("it is answered");

    let key = "message.max.bytes";
    assert_eq!(alter(&mut client, BROKER, "", key, Some("2000")).await, ok);
    let of_all = describe(&mut client, TOPIC, "t", "max.message.bytes").await;
    assert_eq!(alter(&mut client, BROKER, "1", key, Some("3000")).await, ok);
    broker.stop();
    broker.start_again();
    let mut client = connect(&broker).await;
    let own = describe(&mut client, BROKER, "1", key).await;

    assert_eq!(of_all.value.as_deref(), Some("2000"));
    assert_eq!(of_all.config_source, DYNAMIC_DEFAULT);
    assert_eq!(own.value.as_deref(), Some("3000"));
    assert_eq!(own.config_source, DYNAMIC_BROKER);
    let sources: Vec<i8> = own.synonyms.iter().map(|synonym| synonym.source).collect();
    assert_eq!(sources, [DYNAMIC_BROKER, DYNAMIC_DEFAULT, 5]);
}

#[tokio::test]
async fn words_are_told_only_for_what_kafka_has_words_for() {
    let broker = Broker::start();
    let mut client = connect(&broker).await;

    let resource = |name| DescribeConfigsResource {
        resource_type: TOPIC,
        resource_name: Str::from_static(name),
        configuration_keys: None,
    };
    let request = DescribeConfigsRequest {
        resources: ["absent", "a/b"].map(resource).into(),
        ..DescribeConfigsRequest::default()
    };
    let mut answer = client.call(&request, 4).await.expect("it is answered");
    let loggers = DescribeConfigsResource {
        resource_type: BROKER_LOGGER,
        ..resource("1")
    };
    let request = DescribeConfigsRequest {
        resources: vec![loggers],
        ..DescribeConfigsRequest::default()
    };
    let described = client.call(&request, 4).await.expect("it is answered");
    answer.results.extend(described.results);

    let told = answer.results.iter().map(|result| {
        let message = result.error_message.as_deref();
        (result.error_code, message.map(str::is_empty))
    });
    let expected = [
        (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, Some(true)),
        (ErrorCode::INVALID_TOPIC_EXCEPTION, Some(false)),
        (ErrorCode::NONE, Some(true)),
    ];
    assert_eq!(told.collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn a_lower_limit_on_connections_holds_at_once() {
    let broker = Broker::start();
    let mut client = connect(&broker).await;

    let limit = "max.connections.per.ip";
    alter(&mut client, BROKER, "1", limit, Some("1")).await;
    let mut second = connect(&broker).await;
    let request = DescribeConfigsRequest::default();
    assert!(second.call(&request, 4).await.is_err(), "it was let in");
    alter(&mut client, BROKER, "1", limit, None).await;
    let mut third = connect(&broker).await;
    assert!(third.call(&request, 4).await.is_ok());
}

#[tokio::test]
async fn a_limit_that_locks_everybody_out_is_refused_while_the_broker_runs() {
    let broker = Broker::start();
    let mut client = connect(&broker).await;

    for key in [
        "max.connections",
        "max.connections.per.ip",
        "max.connection.creation.rate",
        "listener.name.plaintext.max.connections",
        "listener.name.controller.max.connection.creation.rate",
    ] {
        for broker in ["", "1"] {
            let (code, message) = alter(&mut client, BROKER, broker, key, Some("0")).await;

            assert_eq!(code, ErrorCode::INVALID_REQUEST, "{key} of {broker:?}");
            assert!(message.contains("Nobody could connect"), "{message}");
        }
    }
}

#[tokio::test]
async fn what_needs_a_restart_is_refused_with_kafkas_message() {
    let broker = Broker::start();
    let mut client = connect(&broker).await;

    let refused = alter(&mut client, BROKER, "1", "log.dirs", Some("/x")).await;
    let other = alter(&mut client, BROKER, "7", "log.retention.ms", Some("1")).await;

    assert_eq!(
        refused,
        (
            ErrorCode::INVALID_REQUEST,
            "Cannot update these configs dynamically: [log.dirs]".to_owned()
        )
    );
    assert_eq!(
        other,
        (
            ErrorCode::INVALID_REQUEST,
            "Unexpected broker id, expected 1, but received 7".to_owned()
        )
    );
}

#[tokio::test]
async fn a_loggers_level_changes_what_is_logged() {
    let mut broker = Broker::start();
    let mut client = connect(&broker).await;
    let logger = "broker.network";

    let before = describe(&mut client, BROKER_LOGGER, "1", logger).await;
    let set = alter(&mut client, BROKER_LOGGER, "1", logger, Some("DEBUG")).await;
    let after = describe(&mut client, BROKER_LOGGER, "1", logger).await;
    drop(connect(&broker).await);
    broker.wait_for_log("connection closed");
    let unset = alter(&mut client, BROKER_LOGGER, "1", logger, None).await;
    let at_last = describe(&mut client, BROKER_LOGGER, "1", logger).await;

    assert_eq!((set.0, unset.0), (ErrorCode::NONE, ErrorCode::NONE));
    assert_eq!(before.value.as_deref(), Some("INFO"));
    assert_eq!(
        (after.value.as_deref(), after.config_source),
        (Some("DEBUG"), LOGGER)
    );
    assert_eq!(at_last.value.as_deref(), Some("INFO"));
}

#[tokio::test]
async fn loggers_and_levels_that_there_are_not_are_refused() {
    let broker = Broker::start();
    let mut client = connect(&broker).await;
    let mut set = async |resource, logger, value| {
        alter(&mut client, BROKER_LOGGER, resource, logger, value).await
    };

    assert_eq!(
        set("1", "kafka.server.KafkaApis", Some("INFO")).await,
        (
            ErrorCode::INVALID_CONFIG,
            "Logger kafka.server.KafkaApis does not exist!".to_owned()
        )
    );
    assert_eq!(
        set("1", "root", Some("LOUD")).await,
        (
            ErrorCode::INVALID_CONFIG,
            "Cannot set the log level of root to LOUD as it is not a supported log level. Valid \
             log levels are DEBUG, ERROR, FATAL, INFO, TRACE, WARN"
                .to_owned()
        )
    );
    assert_eq!(
        set("1", "root", None).await,
        (
            ErrorCode::INVALID_REQUEST,
            "Removing the log level of the root logger is not allowed".to_owned()
        )
    );
    assert_eq!(
        set("2", "root", Some("INFO")).await,
        (
            ErrorCode::INVALID_REQUEST,
            "Unexpected node id. Expected 1, but received 2".to_owned()
        )
    );
}
