//! Topics of a cluster: made by one of its nodes, and seen by one.

use broker::protocol::ErrorCode;
use broker::protocol::messages::create_topics::{
    CreatableTopic, CreatableTopicConfig, CreateTopicsRequest,
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
