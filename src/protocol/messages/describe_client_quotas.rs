//! DescribeClientQuotas (key 48), versions 0-1.
//!
//! Lists the quotas whose entities match.

use crate::protocol::{ErrorCode, Str};

api!(DescribeClientQuotas: DescribeClientQuotasRequest -> DescribeClientQuotasResponse);

message! {
    DescribeClientQuotasRequest: versions 0-1, first flexible 1;

    pub struct DescribeClientQuotasRequest {
        components: Vec<ComponentData>,
        /// Whether entities must not have other parts than those asked for.
        strict: bool,
    }

    pub struct ComponentData {
        entity_type: Str,
        /// 0 exactly, 1 the default, 2 any.
        match_type: i8,
        match_value: Option<Str>,
    }
}

message! {
    DescribeClientQuotasResponse: versions 0-1, first flexible 1;

    pub struct DescribeClientQuotasResponse {
        throttle_time_ms: i32,
        error_code: ErrorCode,
        error_message: Option<Str>,
        entries: Option<Vec<EntryData>>,
    }

    pub struct EntryData {
        entity: Vec<EntityData>,
        values: Vec<ValueData>,
    }

    pub struct EntityData {
        entity_type: Str,
        entity_name: Option<Str>,
    }

    pub struct ValueData {
        key: Str,
        value: f64,
    }
}
