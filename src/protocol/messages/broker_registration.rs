//! BrokerRegistration (key 62), versions 0-4.
//!
//! A broker that starts makes itself known to the controller.

use crate::model::Uuid;
use crate::protocol::{ErrorCode, Str};

api!(BrokerRegistration: BrokerRegistrationRequest -> BrokerRegistrationResponse);

message! {
    BrokerRegistrationRequest: versions 0-4, first flexible 0;

    pub struct BrokerRegistrationRequest {
        broker_id: i32,
        cluster_id: Str,
        incarnation_id: Uuid,
        listeners: Vec<Listener>,
        features: Vec<Feature>,
        rack: Option<Str>,
        is_migrating_zk_broker: bool [1+],
        log_dirs: Vec<Uuid> [2+],
        previous_broker_epoch: i64 [3+] = -1,
    }

    pub struct Listener {
        name: Str,
        host: Str,
        port: u16,
        security_protocol: i16,
    }

    pub struct Feature {
        name: Str,
        min_supported_version: i16,
        max_supported_version: i16,
    }
}

message! {
    BrokerRegistrationResponse: versions 0-4, first flexible 0;

    pub struct BrokerRegistrationResponse {
        throttle_time_ms: i32,
        error_code: ErrorCode,
        broker_epoch: i64 = -1,
    }
}
