//! Topics of a cluster: made by one of its nodes, and seen by one. And configs, set by one.

#![allow(dead_code, reason = "each test binary uses its own part")]

use broker::protocol::ErrorCode;
use broker::protocol::messages::create_topics::{
    CreatableTopic, CreatableTopicConfig, CreateTopicsRequest,
};
use broker::protocol::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterConfigsResourceResponse, AlterableConfig,
    IncrementalAlterConfigsRequest,
};
use broker::protocol::messages::metadata::{
    MetadataRequest, MetadataResponse, MetadataResponseTopic,
};

use crate::voice::ask;

/// Asks the node at `address` for a topic with so many partitions of so many replicas, and settings of its
/// own: the answer, if there is one.
pub fn create(
    address: &str,
    name: &str,
    (partitions, replicas): (i32, i16),
    settings: &[(&str, &str)],
) -> Option<ErrorCode> {
    let configs = settings.iter().map(|(key, value)| CreatableTopicConfig {
        name: (*key).to_owned().into(),
        value: Some((*value).to_owned().into()),
    });
    let request = CreateTopicsRequest {
        topics: vec![CreatableTopic {
            name: name.to_owned().into(),
            num_partitions: partitions,
            replication_factor: replicas,
            configs: configs.collect(),
            ..CreatableTopic::default()
        }],
        timeout_ms: 30_000,
        validate_only: false,
    };
    Some(ask(address, &request)?.topics[0].error_code)
}

/// What the node at `address` says of all topics and brokers.
pub fn metadata(address: &str) -> Option<MetadataResponse> {
    let request = MetadataRequest {
        topics: None,
        ..MetadataRequest::default()
    };
    ask(address, &request)
}

/// What the node at `address` says of a topic, if it knows it.
pub fn find(address: &str, name: &str) -> Option<MetadataResponseTopic> {
    let mut topics = metadata(address)?.topics.into_iter();
    topics.find(|topic| topic.name.as_deref() == Some(name))
}

/// Has the node at `address` set a config of a resource, or take it away.
pub fn configure(address: &str, resource: (i8, &str), key: &str, value: Option<&str>) {
    let result = alter(address, resource, key, value);
    assert_eq!(result.error_code, ErrorCode::NONE);
}

/// Asks the node at `address` to set a config of a resource, or to take it away: what it answers.
pub fn alter(
    address: &str,
    (kind, name): (i8, &str),
    key: &str,
    value: Option<&str>,
) -> AlterConfigsResourceResponse {
    let request = IncrementalAlterConfigsRequest {
        resources: vec![AlterConfigsResource {
            resource_type: kind,
            resource_name: name.to_owned().into(),
            configs: vec![AlterableConfig {
                name: key.to_owned().into(),
                config_operation: i8::from(value.is_none()),
                value: value.map(|value| value.to_owned().into()),
            }],
        }],
        validate_only: false,
    };
    let mut answer = ask(address, &request).expect("an answer");
    answer.responses.remove(0)
}
