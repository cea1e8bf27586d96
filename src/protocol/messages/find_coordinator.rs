//! FindCoordinator (key 10), versions 0-6.
//!
//! Tells which broker coordinates a group or a transactional id.
//!
//! Versions: 1 adds the type of key (0 group, 1 transaction, 2 share); 4 asks for many keys at
//! once; 6 serves share groups.

use crate::protocol::{ErrorCode, Str};

api!(FindCoordinator: FindCoordinatorRequest -> FindCoordinatorResponse);

message! {
    FindCoordinatorRequest: versions 0-6, first flexible 3;

    pub struct FindCoordinatorRequest {
        key: Str [0-3],
        /// 0 group, 1 transaction, 2 share group.
        key_type: i8 [1+],
        coordinator_keys: Vec<Str> [4+],
    }
}

message! {
    FindCoordinatorResponse: versions 0-6, first flexible 3;

    pub struct FindCoordinatorResponse {
        throttle_time_ms: i32 [1+],
        error_code: ErrorCode [0-3],
        error_message: Option<Str> [1-3],
        node_id: i32 [0-3],
        host: Str [0-3],
        port: i32 [0-3],
        coordinators: Vec<Coordinator> [4+],
    }

    pub struct Coordinator {
        key: Str,
        node_id: i32,
        host: Str,
        port: i32,
        error_code: ErrorCode,
        error_message: Option<Str>,
    }
}
