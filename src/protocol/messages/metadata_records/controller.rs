//! The registrations of controllers.

use crate::model::Uuid;
use crate::protocol::Str;

message! {
    RegisterControllerRecord: versions 0, first flexible 0;

    /// A controller has registered.
    pub struct RegisterControllerRecord {
        controller_id: i32,
        incarnation_id: Uuid,
        zk_migration_ready: bool,
        end_points: Vec<ControllerEndpoint>,
        features: Vec<ControllerFeature>,
    }

    pub struct ControllerEndpoint {
        name: Str,
        host: Str,
        port: u16,
        security_protocol: i16,
    }

    pub struct ControllerFeature {
        name: Str,
        min_supported_version: i16,
        max_supported_version: i16,
    }
}

message! {
    UnregisterControllerRecord: versions 0, first flexible 0;

    /// The registration of a controller is removed. Kafka knows the record from 4.4 on.
    pub struct UnregisterControllerRecord {
        controller_id: i32,
    }
}
