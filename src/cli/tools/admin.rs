//! What tools share that have the cluster change something.

use super::ending::Ending;
use crate::client::{Cluster, ClusterError};
use crate::protocol::{ErrorCode, Str};

/// How long the cluster may work on a request.
pub(super) fn timeout_ms(cluster: &Cluster) -> i32 {
    let timeout = cluster.options().request_timeout.as_millis();
    i32::try_from(timeout).unwrap_or(i32::MAX)
}

/// The only error that is worth another attempt: whatever else is refused is told at once.
pub(super) fn not_controller(mut codes: impl Iterator<Item = ErrorCode>) -> ErrorCode {
    codes
        .find(|code| *code == ErrorCode::NOT_CONTROLLER)
        .unwrap_or(ErrorCode::NONE)
}

/// # Errors
/// The cluster's own words for an error.
pub(super) fn accepted(code: ErrorCode, message: Option<Str>) -> Result<(), Ending> {
    if code.is_error() {
        return Err(ClusterError::Refused { code, message }.into());
    }
    Ok(())
}

/// The class of Kafka's exception for an error, with its package, as Java prints it.
pub(super) fn exception(code: ErrorCode) -> String {
    let name = code.name();
    let name = match code {
        ErrorCode::REQUEST_TIMED_OUT => "TIMEOUT",
        ErrorCode::UNKNOWN_SERVER_ERROR => "UNKNOWN_SERVER",
        ErrorCode::KAFKA_STORAGE_ERROR => "KAFKA_STORAGE",
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
