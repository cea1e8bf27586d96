//! The config of followers: how they fetch from their leaders.

use super::view::View;

/// How followers fetch from their leaders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplicationConfig {
    /// Connections that fetch from each leader: 1 or above.
    pub num_replica_fetchers: i32,
    /// Bytes that a follower asks for of each partition: 0 or above.
    pub replica_fetch_max_bytes: i32,
    /// Bytes that a follower waits for.
    pub replica_fetch_min_bytes: i32,
    /// How long a follower waits for them.
    pub replica_fetch_wait_max_ms: i32,
    /// Bytes that a follower asks for altogether: 0 or above.
    pub replica_fetch_response_max_bytes: i32,
    /// How long a follower waits after an error: 0 or above.
    pub replica_fetch_backoff_ms: i32,
    /// How long a follower waits for an answer: no less than `replica.fetch.wait.max.ms`.
    pub replica_socket_timeout_ms: i32,
    /// Whether consumers are sent to replicas in their rack (`replica.selector.class`, KIP-392).
    pub prefers_near_replicas: bool,
}

/// The only value of `replica.selector.class` that selects anything: Kafka's own class.
pub(super) const RACK_AWARE_SELECTOR: &str =
    "org.apache.kafka.common.replica.RackAwareReplicaSelector";

impl ReplicationConfig {
    pub(super) fn read(view: &View<'_>) -> Self {
        let selector = view.optional_text("replica.selector.class");
        Self {
            num_replica_fetchers: view.int("num.replica.fetchers"),
            replica_fetch_max_bytes: view.int("replica.fetch.max.bytes"),
            replica_fetch_min_bytes: view.int("replica.fetch.min.bytes"),
            replica_fetch_wait_max_ms: view.int("replica.fetch.wait.max.ms"),
            replica_fetch_response_max_bytes: view.int("replica.fetch.response.max.bytes"),
            replica_fetch_backoff_ms: view.int("replica.fetch.backoff.ms"),
            replica_socket_timeout_ms: view.int("replica.socket.timeout.ms"),
            prefers_near_replicas: selector.as_deref() == Some(RACK_AWARE_SELECTOR),
        }
    }
}
