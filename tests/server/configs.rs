//! Settings are checked before they are stored.

use broker::network::{Client, ClientOptions};
use broker::protocol::messages::alter_configs::{
    AlterConfigsRequest, AlterConfigsResource, AlterableConfig,
};
use broker::protocol::messages::create_topics::{CreatableTopic, CreateTopicsRequest};
use broker::protocol::{ErrorCode, Str};

use crate::support::Broker;

#[tokio::test]
async fn a_value_that_a_key_does_not_allow_is_refused_with_kafkas_message() {
    let broker = Broker::start();
    let mut client = Client::connect(broker.bootstrap(), ClientOptions::default())
        .await
        .expect("the broker listens");
    let topic = CreatableTopic {
        name: Str::from_static("configured"),
        num_partitions: 1,
        replication_factor: 1,
        ..CreatableTopic::default()
    };
    let create = CreateTopicsRequest {
        topics: vec![topic],
        ..CreateTopicsRequest::default()
    };
    let created = client.call(&create, 7).await.expect("it is answered");
    assert_eq!(created.topics[0].error_code, ErrorCode::NONE);

    let alter = |key: &'static str, value: &'static str| AlterConfigsRequest {
        resources: vec![AlterConfigsResource {
            resource_type: 2,
            resource_name: Str::from_static("configured"),
            configs: vec![AlterableConfig {
                name: Str::from_static(key),
                value: Some(Str::from_static(value)),
            }],
        }],
        validate_only: false,
    };
    let answer = client
        .call(&alter("retention.ms", "soon"), 2)
        .await
        .expect("it is answered");
    let unknown = client
        .call(&alter("retention", "1"), 2)
        .await
        .expect("it is answered");
    let good = client
        .call(&alter("retention.ms", "1"), 2)
        .await
        .expect("it is answered");

    let refused = &answer.responses[0];
    assert_eq!(refused.error_code, ErrorCode::INVALID_CONFIG);
    let message = refused.error_message.as_deref().expect("a sentence");
    assert!(
        message.contains("Invalid value soon for configuration retention.ms"),
        "{message}"
    );
    assert_eq!(unknown.responses[0].error_code, ErrorCode::INVALID_CONFIG);
    assert_eq!(good.responses[0].error_code, ErrorCode::NONE);
}
