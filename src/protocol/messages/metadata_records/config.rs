//! Configs of resources, and client quotas.

use crate::protocol::Str;

message! {
    ConfigRecord: versions 0, first flexible 0;

    /// A config is set, or removed if the value is `None`.
    pub struct ConfigRecord {
        resource_type: i8,
        resource_name: Str,
        name: Str,
        value: Option<Str>,
    }
}

message! {
    ClientQuotaRecord: versions 0, first flexible 0;

    /// A quota is set or removed.
    pub struct ClientQuotaRecord {
        entity: Vec<EntityData>,
        key: Str,
        value: f64,
        remove: bool,
    }

    pub struct EntityData {
        entity_type: Str,
        entity_name: Option<Str>,
    }
}
