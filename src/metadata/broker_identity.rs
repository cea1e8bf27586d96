//! What this broker tells the controller of itself when it registers.

use std::time::Duration;

use super::image::SUPPORTED_FEATURES;
use crate::model::{BrokerId, DirectoryId, Uuid};
use crate::protocol::messages::broker_registration::{
    BrokerRegistrationRequest, Feature, Listener,
};

/// What the broker tells the controller of itself.
#[derive(Clone, Debug)]
pub struct BrokerIdentity {
    /// The broker's `node.id`.
    pub id: BrokerId,
    /// The id of the cluster that the broker belongs to.
    pub cluster_id: String,
    /// The id of this process: each start chooses another.
    pub incarnation: Uuid,
    /// The advertised listeners, without those of controllers.
    pub listeners: Vec<Listener>,
    /// The broker's `broker.rack`.
    pub rack: Option<String>,
    /// The ids of the broker's log directories that are online.
    pub log_dirs: Vec<DirectoryId>,
    /// The epoch that the broker had when it last stopped cleanly; -1 if it did not (KIP-966).
    pub previous_epoch: i64,
    /// `broker.heartbeat.interval.ms`.
    pub heartbeat_interval: Duration,
    /// `initial.broker.registration.timeout.ms`.
    pub registration_timeout: Duration,
}

impl BrokerIdentity {
    /// The registration request.
    pub fn registration(&self) -> BrokerRegistrationRequest {
        let features = SUPPORTED_FEATURES.iter();
        let features = features.map(|(name, min, max)| Feature {
            name: (*name).into(),
            min_supported_version: *min,
            max_supported_version: *max,
        });
        BrokerRegistrationRequest {
            broker_id: self.id.0,
            cluster_id: self.cluster_id.clone().into(),
            incarnation_id: self.incarnation,
            listeners: self.listeners.clone(),
            features: features.collect(),
            rack: self.rack.clone().map(Into::into),
            is_migrating_zk_broker: false,
            log_dirs: self.log_dirs.clone(),
            previous_broker_epoch: self.previous_epoch,
        }
    }
}
