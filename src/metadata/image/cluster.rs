//! The brokers and controllers that have registered.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::metadata::image::{Change, MetadataVersion, ReplayError};
use crate::model::{BrokerId, DirectoryId, Uuid};
use crate::protocol::messages::metadata_records::broker::{BrokerEndpoint, BrokerFeature};
use crate::protocol::messages::metadata_records::controller::{
    ControllerEndpoint, ControllerFeature,
};
use crate::protocol::messages::metadata_records::{
    BrokerRegistrationChangeRecord, RegisterBrokerRecord, RegisterControllerRecord,
    UnregisterBrokerRecord, UnregisterControllerRecord,
};

/// An endpoint that a node listens on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The listener's name, unique within the node.
    pub listener: Arc<str>,
    /// The advertised host.
    pub host: Arc<str>,
    /// The advertised port.
    pub port: u16,
    /// Kafka's number of the security protocol: 0 PLAINTEXT, 1 SSL, 2 SASL_PLAINTEXT, 3 SASL_SSL.
    pub security_protocol: i16,
}

/// The levels of a feature that a node serves, both ends included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeatureRange {
    /// The feature's name.
    pub name: Arc<str>,
    /// The lowest level.
    pub min: i16,
    /// The highest level.
    pub max: i16,
}

/// A broker's registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerImage {
    /// The broker's `node.id`.
    pub id: BrokerId,
    /// The offset of the registration's first record: no two registrations have the same.
    pub epoch: i64,
    /// The id of the broker's process: each start chooses another.
    pub incarnation: Uuid,
    /// The broker's listeners, without those of controllers.
    pub endpoints: Vec<Endpoint>,
    /// The features that the broker serves.
    pub features: Vec<FeatureRange>,
    /// The broker's `broker.rack`.
    pub rack: Option<Arc<str>>,
    /// Whether the broker is fenced: it leads nothing then, and is shown to no client.
    pub fenced: bool,
    /// Whether the broker hands its partitions over in order to stop.
    pub in_controlled_shutdown: bool,
    /// The broker's log directories that are online, ascending.
    pub directories: Vec<DirectoryId>,
    /// Directories that take no new replicas; `None` until the broker has told (KIP-1066).
    pub cordoned_directories: Option<Vec<DirectoryId>>,
    /// A flag of logs that were migrated from ZooKeeper: it is kept, and means nothing here.
    pub is_migrating_zk_broker: bool,
}

impl BrokerImage {
    /// The endpoint of a listener.
    pub fn endpoint(&self, listener: &str) -> Option<&Endpoint> {
        self.endpoints
            .iter()
            .find(|endpoint| &*endpoint.listener == listener)
    }

    /// Whether the broker may lead partitions and be in their in-sync sets.
    pub fn is_active(&self) -> bool {
        !self.fenced && !self.in_controlled_shutdown
    }

    /// Whether the broker has a directory that takes new replicas.
    pub fn takes_new_replicas(&self) -> bool {
        let Some(cordoned) = &self.cordoned_directories else {
            return true;
        };
        self.directories.is_empty() || self.directories.iter().any(|id| !cordoned.contains(id))
    }

    /// The directory that a new replica on this broker begins with: the only one, or "not assigned yet" if
    /// the broker has a choice.
    pub fn default_directory(&self) -> DirectoryId {
        match self.directories.as_slice() {
            [] => Uuid::ZERO,
            [only] => *only,
            _ => Uuid::UNASSIGNED_DIRECTORY,
        }
    }

    fn from_record(record: &RegisterBrokerRecord) -> Self {
        let mut directories = record.log_dirs.clone();
        directories.sort_unstable();
        let endpoint = |from: &BrokerEndpoint| Endpoint {
            listener: Arc::from(&*from.name),
            host: Arc::from(&*from.host),
            port: from.port,
            security_protocol: from.security_protocol,
        };
        let feature = |from: &BrokerFeature| FeatureRange {
            name: Arc::from(&*from.name),
            min: from.min_supported_version,
            max: from.max_supported_version,
        };
        Self {
            id: BrokerId(record.broker_id),
            epoch: record.broker_epoch,
            incarnation: record.incarnation_id,
            endpoints: record.end_points.iter().map(endpoint).collect(),
            features: record.features.iter().map(feature).collect(),
            rack: record.rack.as_deref().map(Arc::from),
            fenced: record.fenced,
            in_controlled_shutdown: record.in_controlled_shutdown,
            directories,
            cordoned_directories: record.cordoned_log_dirs.clone(),
            is_migrating_zk_broker: record.is_migrating_zk_broker,
        }
    }

    /// The record that states this whole registration.
    pub fn to_record(&self, version: MetadataVersion) -> RegisterBrokerRecord {
        let endpoint = |from: &Endpoint| BrokerEndpoint {
            name: (&from.listener).into(),
            host: (&from.host).into(),
            port: from.port,
            security_protocol: from.security_protocol,
        };
        let feature = |from: &FeatureRange| BrokerFeature {
            name: (&from.name).into(),
            min_supported_version: from.min,
            max_supported_version: from.max,
        };
        let directories = if version.assigns_directories() {
            self.directories.clone()
        } else {
            Vec::new()
        };
        RegisterBrokerRecord {
            broker_id: self.id.0,
            is_migrating_zk_broker: self.is_migrating_zk_broker,
            incarnation_id: self.incarnation,
            broker_epoch: self.epoch,
            end_points: self.endpoints.iter().map(endpoint).collect(),
            features: self.features.iter().map(feature).collect(),
            rack: self.rack.as_ref().map(Into::into),
            fenced: self.fenced,
            in_controlled_shutdown: self.in_controlled_shutdown,
            log_dirs: directories,
            cordoned_log_dirs: self
                .cordoned_directories
                .clone()
                .filter(|_| version.cordons_directories()),
        }
    }
}

/// A controller's registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControllerImage {
    /// The controller's `node.id`.
    pub id: BrokerId,
    /// The id of the controller's process: each start chooses another.
    pub incarnation: Uuid,
    /// The controllers' listeners.
    pub endpoints: Vec<Endpoint>,
    /// The features that the controller serves.
    pub features: Vec<FeatureRange>,
    /// A flag of logs that were migrated from ZooKeeper: it is kept, and means nothing here.
    pub zk_migration_ready: bool,
}

impl ControllerImage {
    fn from_record(record: &RegisterControllerRecord) -> Self {
        let endpoint = |from: &ControllerEndpoint| Endpoint {
            listener: Arc::from(&*from.name),
            host: Arc::from(&*from.host),
            port: from.port,
            security_protocol: from.security_protocol,
        };
        let feature = |from: &ControllerFeature| FeatureRange {
            name: Arc::from(&*from.name),
            min: from.min_supported_version,
            max: from.max_supported_version,
        };
        Self {
            id: BrokerId(record.controller_id),
            incarnation: record.incarnation_id,
            endpoints: record.end_points.iter().map(endpoint).collect(),
            features: record.features.iter().map(feature).collect(),
            zk_migration_ready: record.zk_migration_ready,
        }
    }

    /// The record that states this whole registration.
    pub fn to_record(&self) -> RegisterControllerRecord {
        let endpoint = |from: &Endpoint| ControllerEndpoint {
            name: (&from.listener).into(),
            host: (&from.host).into(),
            port: from.port,
            security_protocol: from.security_protocol,
        };
        let feature = |from: &FeatureRange| ControllerFeature {
            name: (&from.name).into(),
            min_supported_version: from.min,
            max_supported_version: from.max,
        };
        RegisterControllerRecord {
            controller_id: self.id.0,
            incarnation_id: self.incarnation,
            zk_migration_ready: self.zk_migration_ready,
            end_points: self.endpoints.iter().map(endpoint).collect(),
            features: self.features.iter().map(feature).collect(),
        }
    }
}

/// All brokers, by id.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BrokersImage {
    brokers: Arc<BTreeMap<BrokerId, Arc<BrokerImage>>>,
}

impl BrokersImage {
    /// The registration of a broker.
    pub fn get(&self, id: BrokerId) -> Option<&Arc<BrokerImage>> {
        self.brokers.get(&id)
    }

    /// All registrations by ascending id, fenced ones too.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<BrokerImage>> {
        self.brokers.values()
    }

    /// How many brokers are registered.
    pub fn len(&self) -> usize {
        self.brokers.len()
    }

    /// Whether no broker is registered.
    pub fn is_empty(&self) -> bool {
        self.brokers.is_empty()
    }

    /// Whether a broker is registered and may lead partitions.
    pub fn is_active(&self, id: BrokerId) -> bool {
        self.get(id).is_some_and(|broker| broker.is_active())
    }

    pub(in crate::metadata) fn register(
        &mut self,
        record: &RegisterBrokerRecord,
        changes: &mut dyn FnMut(Change),
    ) {
        self.put(BrokerImage::from_record(record), changes);
    }

    pub(in crate::metadata) fn unregister(
        &mut self,
        record: &UnregisterBrokerRecord,
        changes: &mut dyn FnMut(Change),
    ) -> Result<(), ReplayError> {
        let id = BrokerId(record.broker_id);
        self.registered(id, record.broker_epoch)?;
        let previous = Arc::make_mut(&mut self.brokers).remove(&id);
        changes(Change::Broker { id, previous });
        Ok(())
    }

    pub(in crate::metadata) fn set_fenced(
        &mut self,
        id: BrokerId,
        epoch: i64,
        fenced: bool,
        changes: &mut dyn FnMut(Change),
    ) -> Result<(), ReplayError> {
        let broker = BrokerImage {
            fenced,
            ..self.registered(id, epoch)?.clone()
        };
        self.put(broker, changes);
        Ok(())
    }

    pub(in crate::metadata) fn change(
        &mut self,
        record: &BrokerRegistrationChangeRecord,
        changes: &mut dyn FnMut(Change),
    ) -> Result<(), ReplayError> {
        let invalid = |field, value: i8| ReplayError::InvalidField {
            record: "BrokerRegistrationChangeRecord",
            field,
            value: value.to_string(),
        };
        let mut broker = self
            .registered(BrokerId(record.broker_id), record.broker_epoch)?
            .clone();
        broker.fenced = match record.fenced {
            -1 => false,
            0 => broker.fenced,
            1 => true,
            other => return Err(invalid("Fenced", other)),
        };
        broker.in_controlled_shutdown = match record.in_controlled_shutdown {
            0 => broker.in_controlled_shutdown,
            1 => true,
            other => return Err(invalid("InControlledShutdown", other)),
        };
        // An empty list means that the directories stay as they are: no broker is without one.
        if !record.log_dirs.is_empty() {
            broker.directories.clone_from(&record.log_dirs);
            broker.directories.sort_unstable();
        }
        if let Some(cordoned) = &record.cordoned_log_dirs {
            broker.cordoned_directories = Some(cordoned.clone());
        }
        self.put(broker, changes);
        Ok(())
    }

    fn registered(&self, id: BrokerId, epoch: i64) -> Result<&BrokerImage, ReplayError> {
        let broker = self.get(id).ok_or(ReplayError::UnknownBroker(id))?;
        if broker.epoch != epoch {
            return Err(ReplayError::WrongBrokerEpoch {
                broker: id,
                epoch,
                registered: broker.epoch,
            });
        }
        Ok(broker)
    }

    fn put(&mut self, broker: BrokerImage, changes: &mut dyn FnMut(Change)) {
        let id = broker.id;
        let previous = Arc::make_mut(&mut self.brokers).insert(id, Arc::new(broker));
        changes(Change::Broker { id, previous });
    }
}

/// All controllers, by id.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ControllersImage {
    controllers: Arc<BTreeMap<BrokerId, Arc<ControllerImage>>>,
}

impl ControllersImage {
    /// The registration of a controller.
    pub fn get(&self, id: BrokerId) -> Option<&Arc<ControllerImage>> {
        self.controllers.get(&id)
    }

    /// All registrations by ascending id.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<ControllerImage>> {
        self.controllers.values()
    }

    pub(in crate::metadata) fn register(
        &mut self,
        record: &RegisterControllerRecord,
        changes: &mut dyn FnMut(Change),
    ) {
        let controller = ControllerImage::from_record(record);
        let id = controller.id;
        Arc::make_mut(&mut self.controllers).insert(id, Arc::new(controller));
        changes(Change::Controller(id));
    }

    pub(in crate::metadata) fn unregister(
        &mut self,
        record: &UnregisterControllerRecord,
        changes: &mut dyn FnMut(Change),
    ) -> Result<(), ReplayError> {
        let id = BrokerId(record.controller_id);
        if Arc::make_mut(&mut self.controllers).remove(&id).is_none() {
            return Err(ReplayError::UnknownController(id));
        }
        changes(Change::Controller(id));
        Ok(())
    }
}
