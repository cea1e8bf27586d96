//! UpdateFeatures (key 57), versions 0-2.
//!
//! Raises or lowers the finalised level of features.

use crate::protocol::{ErrorCode, Str};

api!(UpdateFeatures: UpdateFeaturesRequest -> UpdateFeaturesResponse);

message! {
    UpdateFeaturesRequest: versions 0-2, first flexible 0;

    pub struct UpdateFeaturesRequest {
        timeout_ms: i32 = 60_000,
        feature_updates: Vec<FeatureUpdateKey>,
        validate_only: bool [1+],
    }

    pub struct FeatureUpdateKey {
        feature: Str,
        max_version_level: i16,
        allow_downgrade: bool [0-0],
        upgrade_type: i8 [1+] = 1,
    }
}

message! {
    UpdateFeaturesResponse: versions 0-2, first flexible 0;

    pub struct UpdateFeaturesResponse {
        throttle_time_ms: i32,
        error_code: ErrorCode,
        error_message: Option<Str>,
        results: Vec<UpdatableFeatureResult> [0-1],
    }

    pub struct UpdatableFeatureResult {
        feature: Str,
        error_code: ErrorCode,
        error_message: Option<Str>,
    }
}
