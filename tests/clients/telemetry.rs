//! librdkafka pushes the metrics that it is asked for (KIP-714).

use rdkafka::producer::BaseRecord;

use broker::network::{Client, ClientOptions};
use broker::protocol::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest,
};
use broker::protocol::{ErrorCode, Str};

use crate::client::{flush, producer};
use crate::support::Broker;

const CLIENT_METRICS: i8 = 16;

async fn subscribe(broker: &Broker, pairs: &[(&'static str, &'static str)]) {
    let configs = pairs.iter().map(|(name, value)| AlterableConfig {
        name: Str::from_static(name),
        config_operation: 0,
        value: Some(Str::from_static(value)),
    });
    let request = IncrementalAlterConfigsRequest {
        resources: vec![AlterConfigsResource {
            resource_type: CLIENT_METRICS,
            resource_name: Str::from_static("all"),
            configs: configs.collect(),
        }],
        validate_only: false,
    };
    let admin = Client::connect(broker.bootstrap(), ClientOptions::default()).await;
    let mut admin = admin.expect("the broker listens");
    let answer = admin.call(&request, 1).await.expect("it is answered");
    assert_eq!(answer.responses[0].error_code, ErrorCode::NONE);
}

#[tokio::test]
async fn a_producer_that_is_asked_for_metrics_pushes_them() {
    let level = "info,broker::api::push_telemetry=debug";
    let mut broker = Broker::start_with(&[("logging.level", level)]);
    let wanted = [
        ("metrics", "*"),
        ("interval.ms", "100"),
        ("match", "client_id=told,client_software_name=librdkafka"),
    ];
    subscribe(&broker, &wanted).await;

    let producer = producer(&broker, &[("client.id", "told")]);
    let sent = producer.send(BaseRecord::<(), str>::to("t").payload("x"));
    assert!(sent.is_ok());
    flush(&producer);
    let line = broker.wait_for_log("a client pushed metrics");

    assert!(line.contains("client=told"), "{line}");
    assert!(line.contains("refused=None"), "{line}");
    assert!(!line.contains("bytes=0"), "{line}");
}
