//! BrokerRegistration: a broker makes itself known; it is fenced until it has caught up.
//!
//! A second process with the id of a broker that is alive is refused, with one exception: a process that
//! registers the same log directories holds their locks, so the one before it is dead. It need not wait for
//! the old session to expire.
//!
//! The broker tells the epoch in which it stopped in order. If that is not the one that it had last, its
//! logs may have lost their ends, or all: it leaves the in-sync sets, and is no eligible leader (KIP-966).

use std::time::Instant;

use super::Controller;
use super::decision::{Decision, Refusal};
use super::request::{Circumstances, ControllerRequest};
use crate::metadata::image::{BrokerImage, KRAFT_VERSION, METADATA_VERSION};
use crate::model::{BrokerId, DirectoryId, Offset, Uuid};
use crate::protocol::error_code::ErrorCode;
use crate::protocol::messages::broker_registration::{
    BrokerRegistrationRequest, BrokerRegistrationResponse, Feature,
};
use crate::protocol::messages::metadata_records::RegisterBrokerRecord;
use crate::protocol::messages::metadata_records::broker::{BrokerEndpoint, BrokerFeature};

/// Directory ids below this one stand for states, such as "not assigned".
const RESERVED_DIRECTORY_IDS: u8 = 100;

impl ControllerRequest for BrokerRegistrationRequest {
    fn decide(
        &self,
        controller: &mut Controller,
        circumstances: Circumstances<'_>,
    ) -> Result<Decision<BrokerRegistrationResponse>, Refusal> {
        controller.register_broker(self, circumstances.now)
    }

    fn refuse(&self, refusal: &Refusal) -> BrokerRegistrationResponse {
        BrokerRegistrationResponse {
            error_code: refusal.code,
            ..BrokerRegistrationResponse::default()
        }
    }
}

impl Controller {
    /// Decides on a registration.
    ///
    /// # Errors
    /// Another process is registered with the id, or the cluster cannot use the broker.
    pub(super) fn register_broker(
        &self,
        request: &BrokerRegistrationRequest,
        now: Instant,
    ) -> Result<Decision<BrokerRegistrationResponse>, Refusal> {
        let id = BrokerId(request.broker_id);
        let existing = self.image.brokers().get(id).map(|broker| &**broker);
        self.check_identity(request, existing, now)?;
        self.check_directories(request)?;
        self.check_features(request)?;
        check_listeners(request)?;
        let amended = existing.filter(|broker| broker.incarnation == request.incarnation_id);
        let mut records = Vec::new();
        if amended.is_none() {
            let is_clean =
                existing.is_some_and(|broker| broker.epoch == request.previous_broker_epoch);
            records.extend(if is_clean {
                self.departure_records(id)
            } else {
                self.unclean_departure_records(id)
            });
        }
        let epoch = match amended {
            Some(broker) => broker.epoch,
            None => self.next_offset.0,
        };
        let record = self.registration_record(request, amended, epoch);
        // This record comes last: if the controller fails in between, the broker is not registered, and
        // tries again.
        records.push(record.into());
        Ok(Decision {
            records,
            answer: BrokerRegistrationResponse {
                broker_epoch: epoch,
                ..BrokerRegistrationResponse::default()
            },
        })
    }

    fn check_identity(
        &self,
        request: &BrokerRegistrationRequest,
        existing: Option<&BrokerImage>,
        now: Instant,
    ) -> Result<(), Refusal> {
        let expected = &self.settings.cluster_id;
        if *request.cluster_id != **expected {
            return Err(Refusal::new(
                ErrorCode::INCONSISTENT_CLUSTER_ID,
                format!(
                    "Expected cluster ID {expected}, but got cluster ID {}",
                    request.cluster_id
                ),
            ));
        }
        // One that holds the same directories is the same broker after a restart: their locks let only one
        // run.
        let is_another_alive = existing.is_some_and(|broker| {
            broker.incarnation != request.incarnation_id
                && self.sessions.is_valid(broker.id, broker.epoch, now)
                && !holds_same_directories(broker, &request.log_dirs)
        });
        if is_another_alive {
            return Err(Refusal::new(
                ErrorCode::DUPLICATE_BROKER_REGISTRATION,
                "Another broker is registered with that broker id. If the broker was recently \
                 restarted this should self-resolve once the heartbeat manager expires the \
                 broker's session.",
            ));
        }
        if request.is_migrating_zk_broker {
            return Err(Refusal::new(
                ErrorCode::BROKER_ID_NOT_REGISTERED,
                "Controller does not support registering ZK brokers.",
            ));
        }
        Ok(())
    }

    fn check_directories(&self, request: &BrokerRegistrationRequest) -> Result<(), Refusal> {
        if !self.image.metadata_version().assigns_directories() {
            return Ok(());
        }
        if request.log_dirs.is_empty() {
            return Err(invalid("No directories specified in request"));
        }
        if request.log_dirs.iter().any(is_reserved) {
            return Err(invalid("Reserved directory ID in request"));
        }
        if sorted(&request.log_dirs)
            .windows(2)
            .any(|pair| pair[0] == pair[1])
        {
            return Err(invalid("Duplicate directory ID in request"));
        }
        // An id that another broker has comes from a copied directory.
        for broker in self.image.brokers().iter() {
            let shared = request
                .log_dirs
                .iter()
                .find(|id| broker.directories.contains(id));
            if let Some(directory) = shared.filter(|_| broker.id.0 != request.broker_id) {
                return Err(invalid(format!(
                    "Broker {} is already registered with directory {directory}",
                    broker.id
                )));
            }
        }
        Ok(())
    }

    /// Checks that the broker serves the level of every finalised feature. A feature that it does not name
    /// is served at level 0 only.
    fn check_features(&self, request: &BrokerRegistrationRequest) -> Result<(), Refusal> {
        let features = self.image.features();
        for feature in &request.features {
            // The quorum's own feature is not in the image; its only level here is 0.
            check_range(feature, features.level(&feature.name))?;
        }
        let is_named = |name: &str| {
            request
                .features
                .iter()
                .any(|feature| *feature.name == *name)
        };
        if !is_named(METADATA_VERSION) {
            return Err(invalid(format!(
                "Request features do not contain '{METADATA_VERSION}'"
            )));
        }
        for (name, level) in features.iter() {
            if name != KRAFT_VERSION && !is_named(name) {
                let unnamed = Feature {
                    name: name.to_owned().into(),
                    ..Feature::default()
                };
                check_range(&unnamed, level)?;
            }
        }
        Ok(())
    }

    fn registration_record(
        &self,
        request: &BrokerRegistrationRequest,
        amended: Option<&BrokerImage>,
        epoch: i64,
    ) -> RegisterBrokerRecord {
        let endpoints = request.listeners.iter().map(|listener| BrokerEndpoint {
            name: listener.name.clone(),
            host: listener.host.clone(),
            port: listener.port,
            security_protocol: listener.security_protocol,
        });
        let features = request.features.iter().map(|feature| BrokerFeature {
            name: feature.name.clone(),
            min_supported_version: feature.min_supported_version,
            max_supported_version: feature.max_supported_version,
        });
        RegisterBrokerRecord {
            broker_id: request.broker_id,
            incarnation_id: request.incarnation_id,
            broker_epoch: epoch,
            end_points: endpoints.collect(),
            features: features.collect(),
            rack: request.rack.clone(),
            fenced: amended.is_none_or(|broker| broker.fenced),
            in_controlled_shutdown: amended.is_some_and(|broker| broker.in_controlled_shutdown),
            log_dirs: if self.image.metadata_version().assigns_directories() {
                request.log_dirs.clone()
            } else {
                Vec::new()
            },
            ..RegisterBrokerRecord::default()
        }
    }

    /// Where the broker's registration stands in the log: once it has read this offset it has caught up.
    pub(super) fn registration_offset(&self, broker: &BrokerImage) -> Offset {
        // This controller did not see the registration. The epoch is the offset of its first record.
        let seen = self.registration_offsets.get(&broker.id).copied();
        seen.unwrap_or(Offset(broker.epoch))
    }

    /// Checks the epoch that a broker sends: another process may have registered since.
    ///
    /// # Errors
    /// STALE_BROKER_EPOCH.
    pub(super) fn check_broker_epoch(
        &self,
        id: BrokerId,
        epoch: i64,
    ) -> Result<&BrokerImage, Refusal> {
        let stale = |message| Err(Refusal::new(ErrorCode::STALE_BROKER_EPOCH, message));
        match self.image.brokers().get(id) {
            None => stale(format!("No broker registration found for broker id {id}")),
            Some(broker) if broker.epoch != epoch => stale(format!(
                "Expected broker epoch {}, but got broker epoch {epoch}",
                broker.epoch
            )),
            Some(broker) => Ok(broker),
        }
    }
}

fn check_listeners(request: &BrokerRegistrationRequest) -> Result<(), Refusal> {
    let unknown = request.listeners.iter().find(|listener| {
        let is_known = (0..=3).contains(&listener.security_protocol);
        !is_known || listener.name.is_empty()
    });
    match unknown {
        Some(listener) => Err(invalid(format!(
            "Unknown security protocol {} in listener {}",
            listener.security_protocol, listener.name
        ))),
        None => Ok(()),
    }
}

fn check_range(feature: &Feature, finalised: i16) -> Result<(), Refusal> {
    let (min, max) = (feature.min_supported_version, feature.max_supported_version);
    if (min..=max).contains(&finalised) {
        return Ok(());
    }
    Err(Refusal::new(
        ErrorCode::UNSUPPORTED_VERSION,
        format!(
            "Unable to register because the broker does not support finalized version {finalised} \
             of {}. The broker wants a version between {min} and {max}, inclusive.",
            feature.name
        ),
    ))
}

fn holds_same_directories(broker: &BrokerImage, log_dirs: &[DirectoryId]) -> bool {
    !log_dirs.is_empty() && sorted(&broker.directories) == sorted(log_dirs)
}

fn sorted(ids: &[DirectoryId]) -> Vec<DirectoryId> {
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    ids
}

fn is_reserved(id: &Uuid) -> bool {
    let bytes = id.as_bytes();
    bytes[..15].iter().all(|byte| *byte == 0) && bytes[15] < RESERVED_DIRECTORY_IDS
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(ErrorCode::INVALID_REGISTRATION, message)
}
