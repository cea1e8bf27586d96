//! DeleteTopics (key 20), versions 1-6.
//!
//! Deletes topics, by name or by id.
//!
//! Versions: 4 is flexible; 5 adds error messages; 6 deletes by id too.

use crate::model::Uuid;
use crate::protocol::{ErrorCode, Str};

api!(DeleteTopics: DeleteTopicsRequest -> DeleteTopicsResponse);

message! {
    DeleteTopicsRequest: versions 1-6, first flexible 4;

    pub struct DeleteTopicsRequest {
        topics: Vec<DeleteTopicState> [6+],
        topic_names: Vec<Str> [1-5],
        timeout_ms: i32,
    }

    pub struct DeleteTopicState {
        name: Option<Str>,
        topic_id: Uuid,
    }
}

message! {
    DeleteTopicsResponse: versions 1-6, first flexible 4;

    pub struct DeleteTopicsResponse {
        throttle_time_ms: i32,
        responses: Vec<DeletableTopicResult>,
    }

    pub struct DeletableTopicResult {
        name: Option<Str> [null 6+],
        topic_id: Uuid [6+],
        error_code: ErrorCode,
        error_message: Option<Str> [5+],
    }
}
