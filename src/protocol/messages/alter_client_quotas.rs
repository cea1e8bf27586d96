//! AlterClientQuotas (key 49), versions 0-1.
//!
//! Sets and removes quotas.

use crate::protocol::{ErrorCode, Str};

api!(AlterClientQuotas: AlterClientQuotasRequest -> AlterClientQuotasResponse);

message! {
    AlterClientQuotasRequest: versions 0-1, first flexible 1;

    pub struct AlterClientQuotasRequest {
        entries: Vec<RequestEntryData>,
        validate_only: bool,
    }

    pub struct RequestEntryData {
        entity: Vec<EntityData>,
        ops: Vec<OpData>,
    }

    pub struct EntityData {
        entity_type: Str,
        entity_name: Option<Str>,
    }

    pub struct OpData {
        key: Str,
        value: f64,
        /// Whether the quota is removed instead of set.
        remove: bool,
    }
}

message! {
    AlterClientQuotasResponse: versions 0-1, first flexible 1;

    pub struct AlterClientQuotasResponse {
        throttle_time_ms: i32,
        entries: Vec<ResponseEntryData>,
    }

    pub struct ResponseEntryData {
        error_code: ErrorCode,
        error_message: Option<Str>,
        entity: Vec<EntityData>,
    }
}
