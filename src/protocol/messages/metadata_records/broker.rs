//! The registrations of brokers, their features and fencing.

use crate::model::Uuid;
use crate::protocol::Str;

message! {
    RegisterBrokerRecord: versions 0-4, first flexible 0;

    /// A broker has registered; its epoch is the offset of this record.
    pub struct RegisterBrokerRecord {
        broker_id: i32,
        is_migrating_zk_broker: bool [2+],
        incarnation_id: Uuid,
        broker_epoch: i64,
        end_points: Vec<BrokerEndpoint>,
        features: Vec<BrokerFeature>,
        rack: Option<Str>,
        fenced: bool = true,
        in_controlled_shutdown: bool [1+],
    }
    tagged {
        0 => log_dirs: Vec<Uuid> [3+],
        1 => cordoned_log_dirs: Option<Vec<Uuid>> [4+],
    }

    pub struct BrokerEndpoint {
        name: Str,
        host: Str,
        port: u16,
        security_protocol: i16,
    }

    pub struct BrokerFeature {
        name: Str,
        min_supported_version: i16,
        max_supported_version: i16,
    }
}

message! {
    UnregisterBrokerRecord: versions 0, first flexible 0;

    /// The registration of a broker is removed.
    pub struct UnregisterBrokerRecord {
        broker_id: i32,
        broker_epoch: i64,
    }
}

message! {
    FenceBrokerRecord: versions 0, first flexible 0;

    /// A broker is fenced: superseded by [`BrokerRegistrationChangeRecord`].
    pub struct FenceBrokerRecord {
        id: i32,
        epoch: i64,
    }
}

message! {
    UnfenceBrokerRecord: versions 0, first flexible 0;

    /// A broker is unfenced: superseded by [`BrokerRegistrationChangeRecord`].
    pub struct UnfenceBrokerRecord {
        id: i32,
        epoch: i64,
    }
}

message! {
    BrokerRegistrationChangeRecord: versions 0-3, first flexible 0;

    /// What has changed of a registration; the default of a field means that it has not.
    pub struct BrokerRegistrationChangeRecord {
        broker_id: i32,
        broker_epoch: i64,
    }
    tagged {
        0 => fenced: i8,
        1 => in_controlled_shutdown: i8 [1+],
        2 => log_dirs: Vec<Uuid> [2+],
        3 => cordoned_log_dirs: Option<Vec<Uuid>> [3+],
    }
}
