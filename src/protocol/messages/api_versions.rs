//! ApiVersions (key 18), versions 0-5.
//!
//! Tells which APIs and versions a listener serves, and which features are finalised. It has to be
//! understood before anything is known of the other side, so its response never has a flexible
//! header, and an unknown version is answered in version 0.
//!
//! Versions: 3 is flexible and tells the client's software; 4 allows features to start at 0; 5 can
//! demand a cluster id and node id, and answers REBOOTSTRAP_REQUIRED to a mismatch (KIP-1242).

use crate::protocol::{ErrorCode, Str};

api!(ApiVersions: ApiVersionsRequest -> ApiVersionsResponse);

message! {
    ApiVersionsRequest: versions 0-5, first flexible 3;

    pub struct ApiVersionsRequest {
        client_software_name: Str [3+],
        client_software_version: Str [3+],
        cluster_id: Option<Str> [5+],
        node_id: i32 [5+] = -1,
    }
}

message! {
    ApiVersionsResponse: versions 0-5, first flexible 3;

    pub struct ApiVersionsResponse {
        error_code: ErrorCode,
        api_keys: Vec<ApiVersion>,
        throttle_time_ms: i32 [1+],
    }
    tagged {
        0 => supported_features: Vec<SupportedFeatureKey> [3+],
        1 => finalized_features_epoch: i64 [3+] = -1,
        2 => finalized_features: Vec<FinalizedFeatureKey> [3+],
        3 => zk_migration_ready: bool [3+],
    }

    pub struct ApiVersion {
        api_key: i16,
        min_version: i16,
        max_version: i16,
    }

    pub struct SupportedFeatureKey {
        name: Str,
        min_version: i16,
        max_version: i16,
    }

    pub struct FinalizedFeatureKey {
        name: Str,
        max_version_level: i16,
        min_version_level: i16,
    }
}
