//! BrokerHeartbeat (key 63), versions 0-2.
//!
//! A broker keeps its registration alive, and asks to be unfenced or to shut down.
//!
//! Versions: 2 tells cordoned log directories.

use crate::model::Uuid;
use crate::protocol::ErrorCode;

api!(BrokerHeartbeat: BrokerHeartbeatRequest -> BrokerHeartbeatResponse);

message! {
    BrokerHeartbeatRequest: versions 0-2, first flexible 0;

    pub struct BrokerHeartbeatRequest {
        broker_id: i32,
        broker_epoch: i64 = -1,
        current_metadata_offset: i64,
        /// Whether the broker asks to be fenced, and not to be unfenced.
        want_fence: bool,
        want_shut_down: bool,
    }
    tagged {
        0 => offline_log_dirs: Vec<Uuid> [1+],
        1 => cordoned_log_dirs: Option<Vec<Uuid>> [2+],
    }
}

message! {
    BrokerHeartbeatResponse: versions 0-2, first flexible 0;

    pub struct BrokerHeartbeatResponse {
        throttle_time_ms: i32,
        error_code: ErrorCode,
        is_caught_up: bool,
        is_fenced: bool = true,
        should_shut_down: bool,
    }
}
