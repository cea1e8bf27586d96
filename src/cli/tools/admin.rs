//! What tools share that have the cluster change something.

use super::ending::Ending;
use crate::client::{Cluster, ClusterError, Entry, To};
pub(super) use crate::client::{not_controller, timeout_ms};
use crate::protocol::messages::api_versions::ApiVersionsRequest;
use crate::protocol::messages::describe_cluster::{
    DescribeClusterRequest, DescribeClusterResponse,
};
use crate::protocol::{ApiKey, ErrorCode, Str};

/// The kinds of nodes that DescribeCluster tells of.
const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;

/// Asks a node which APIs and features it serves.
pub(super) fn api_versions() -> ApiVersionsRequest {
    ApiVersionsRequest {
        client_software_name: Str::from_static("broker"),
        client_software_version: Str::from_static(env!("CARGO_PKG_VERSION")),
        ..ApiVersionsRequest::default()
    }
}

/// Asks which nodes there are: brokers, or controllers if the cluster is entered by them.
///
/// # Errors
/// Nobody has answered, or the cluster refuses.
pub(super) async fn describe_cluster(
    cluster: &mut Cluster,
    with_fenced: bool,
) -> Result<DescribeClusterResponse, ClusterError> {
    let (endpoint_type, first) = match cluster.options().entry {
        // The first version that tells of fenced brokers is 2, and the first that tells of controllers is 1.
        Entry::Brokers if with_fenced => (BROKERS, 2),
        Entry::Brokers => (BROKERS, 0),
        Entry::Controllers => (CONTROLLERS, 1),
    };
    let request = DescribeClusterRequest {
        endpoint_type,
        include_fenced_brokers: with_fenced,
        ..DescribeClusterRequest::default()
    };
    let last = *ApiKey::DescribeCluster.valid_versions().end();
    let answer = cluster
        .ask_within(To::Any, &request, &(first..=last), |_| ErrorCode::NONE)
        .await?;
    ClusterError::check(answer.error_code, answer.error_message.clone())?;
    Ok(answer)
}

/// # Errors
/// The cluster's own words for an error.
pub(super) fn accepted(code: ErrorCode, message: Option<Str>) -> Result<(), Ending> {
    Ok(ClusterError::check(code, message)?)
}

/// The class of Kafka's exception for an error, with its package, as Java prints it.
pub(super) fn exception(code: ErrorCode) -> String {
    let name = code.name();
    let name = match code {
        ErrorCode::REQUEST_TIMED_OUT => "TIMEOUT",
        ErrorCode::UNKNOWN_SERVER_ERROR => "UNKNOWN_SERVER",
        ErrorCode::KAFKA_STORAGE_ERROR => "KAFKA_STORAGE",
        ErrorCode::INVALID_CONFIG => "INVALID_CONFIGURATION",
        ErrorCode::FEATURE_UPDATE_FAILED => name,
        ErrorCode::INVALID_TOPIC_EXCEPTION => "INVALID_TOPIC",
        ErrorCode::NON_EMPTY_GROUP => "GROUP_NOT_EMPTY",
        _ => name.strip_suffix("_FAILED").unwrap_or(name),
    };
    let words = name.split('_').map(|word| {
        let (first, rest) = word.split_at(1);
        first.to_owned() + &rest.to_ascii_lowercase()
    });
    let name: String = words.collect();
    format!("org.apache.kafka.common.errors.{name}Exception")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_the_class_of_kafkas_exception() {
        let class = |code| {
            let name = exception(code);
            name.rsplit('.').next().map(str::to_owned)
        };
        let is = |name: &str| Some(name.to_owned());

        assert_eq!(
            class(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
            is("UnknownTopicOrPartitionException")
        );
        assert_eq!(
            class(ErrorCode::KAFKA_STORAGE_ERROR),
            is("KafkaStorageException")
        );
        assert_eq!(
            class(ErrorCode::CLUSTER_AUTHORIZATION_FAILED),
            is("ClusterAuthorizationException")
        );
    }
}
