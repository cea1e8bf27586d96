//! Clients are asked for metrics, and push them, as subscriptions say (KIP-714).

use broker::model::Uuid;
use broker::network::{Client, ClientOptions};
use broker::protocol::messages::api_versions::ApiVersionsRequest;
use broker::protocol::messages::get_telemetry_subscriptions::{
    GetTelemetrySubscriptionsRequest, GetTelemetrySubscriptionsResponse,
};
use broker::protocol::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest,
};
use broker::protocol::messages::push_telemetry::PushTelemetryRequest;
use broker::protocol::{ErrorCode, Str};
use bytes::Bytes;

use crate::support::Broker;

const CLIENT_METRICS: i8 = 16;

/// A client that tells what software it is.
async fn client(broker: &Broker) -> Client {
    let options = ClientOptions {
        client_id: Some(Str::from_static("pushing")),
        ..ClientOptions::default()
    };
    let connected = Client::connect(broker.bootstrap(), options).await;
    let mut client = connected.expect("the broker listens");
    let software = ApiVersionsRequest {
        client_software_name: Str::from_static("tests"),
        client_software_version: Str::from_static("1"),
        ..ApiVersionsRequest::default()
    };
    client.call(&software, 3).await.expect("it is answered");
    client
}

async fn subscribe(client: &mut Client, pairs: &[(&'static str, &'static str)]) {
    let configs = pairs.iter().map(|(name, value)| AlterableConfig {
        name: Str::from_static(name),
        config_operation: 0,
        value: Some(Str::from_static(value)),
    });
    let request = IncrementalAlterConfigsRequest {
        resources: vec![AlterConfigsResource {
            resource_type: CLIENT_METRICS,
            resource_name: Str::from_static("sub"),
            configs: configs.collect(),
        }],
        validate_only: false,
    };
    let answer = client.call(&request, 1).await.expect("it is answered");
    assert_eq!(answer.responses[0].error_code, ErrorCode::NONE);
}

async fn asked(client: &mut Client, id: Uuid) -> GetTelemetrySubscriptionsResponse {
    let request = GetTelemetrySubscriptionsRequest {
        client_instance_id: id,
    };
    client.call(&request, 0).await.expect("it is answered")
}

#[tokio::test]
async fn a_client_is_asked_for_what_matches_it_and_pushes_that() {
    let broker = Broker::start();
    let mut client = client(&broker).await;
    let wanted = [
        ("metrics", "org.apache.kafka.producer."),
        ("interval.ms", "60000"),
        ("match", "client_software_name=tests,client_id=push.*"),
    ];

    let nothing = asked(&mut client, Uuid::ZERO).await;
    subscribe(&mut client, &wanted).await;
    let id = nothing.client_instance_id;
    let something = asked(&mut client, id).await;
    let early = asked(&mut client, id).await;
    let mut push = async |subscription_id, metrics: &'static [u8]| {
        let request = PushTelemetryRequest {
            client_instance_id: id,
            subscription_id,
            metrics: Bytes::from_static(metrics),
            ..PushTelemetryRequest::default()
        };
        let answer = client.call(&request, 0).await.expect("it is answered");
        answer.error_code
    };

    assert!(!id.is_zero() && nothing.requested_metrics.is_empty());
    assert_eq!(nothing.push_interval_ms, 300_000);
    assert_eq!(something.client_instance_id, id);
    assert_eq!(something.requested_metrics, ["org.apache.kafka.producer."]);
    assert_eq!(something.push_interval_ms, 60_000);
    assert_eq!(something.accepted_compression_types, [4, 3, 1, 2]);
    assert_eq!(something.telemetry_max_bytes, 1_048_576);
    assert!(something.delta_temporality);
    assert_eq!(early.error_code, ErrorCode::THROTTLING_QUOTA_EXCEEDED);
    let old = push(nothing.subscription_id, b"x").await;
    assert_eq!(old, ErrorCode::UNKNOWN_SUBSCRIPTION_ID);
    let again = push(something.subscription_id, b"x").await;
    assert_eq!(again, ErrorCode::THROTTLING_QUOTA_EXCEEDED);
}

#[tokio::test]
async fn a_push_that_is_too_large_is_refused_and_one_in_time_is_taken() {
    let broker = Broker::start_with(&[("telemetry.max.bytes", "10")]);
    let mut client = client(&broker).await;
    subscribe(&mut client, &[("metrics", "*"), ("interval.ms", "100")]).await;
    let asked_for = asked(&mut client, Uuid::ZERO).await;
    let mut push = async |id, metrics: &'static [u8], terminating| {
        let request = PushTelemetryRequest {
            client_instance_id: id,
            subscription_id: asked_for.subscription_id,
            terminating,
            compression_type: 0,
            metrics: Bytes::from_static(metrics),
        };
        let answer = client.call(&request, 0).await.expect("it is answered");
        answer.error_code
    };
    let id = asked_for.client_instance_id;

    assert_eq!(
        push(id, b"12345678901", false).await,
        ErrorCode::TELEMETRY_TOO_LARGE
    );
    assert_eq!(push(id, b"1234567890", true).await, ErrorCode::NONE);
    assert_eq!(push(id, b"1", true).await, ErrorCode::INVALID_REQUEST);
    assert_eq!(
        push(Uuid::ZERO, b"1", false).await,
        ErrorCode::INVALID_REQUEST
    );
}
