//! BrokerHeartbeat: a broker says that it is alive, has caught up, or wants to stop. Brokers that fall
//! silent are fenced.

use std::time::Instant;

use super::Controller;
use super::decision::{Decision, Refusal};
use super::leadership::registration_change;
use super::partition_change::{Departure, Movement};
use super::request::{Circumstances, ControllerRequest};
use super::sessions::BrokerState;
use crate::metadata::image::BrokerImage;
use crate::model::{BrokerId, DirectoryId, Offset};
use crate::protocol::messages::broker_heartbeat::{
    BrokerHeartbeatRequest, BrokerHeartbeatResponse,
};
use crate::protocol::messages::metadata_records::MetadataRecord;

impl ControllerRequest for BrokerHeartbeatRequest {
    fn decide(
        &self,
        controller: &mut Controller,
        circumstances: Circumstances<'_>,
    ) -> Result<Decision<BrokerHeartbeatResponse>, Refusal> {
        controller.broker_heartbeat(self, circumstances.now)
    }

    fn refuse(&self, refusal: &Refusal) -> BrokerHeartbeatResponse {
        BrokerHeartbeatResponse {
            error_code: refusal.code,
            ..BrokerHeartbeatResponse::default()
        }
    }
}

impl Controller {
    /// Decides what a heartbeat changes, and notes it in the broker's session.
    ///
    /// # Errors
    /// STALE_BROKER_EPOCH: another process is registered with the id, or none.
    pub(super) fn broker_heartbeat(
        &mut self,
        request: &BrokerHeartbeatRequest,
        now: Instant,
    ) -> Result<Decision<BrokerHeartbeatResponse>, Refusal> {
        let id = BrokerId(request.broker_id);
        let epoch = request.broker_epoch;
        let broker = self.check_broker_epoch(id, epoch)?;
        let registered_at = self.registration_offset(broker);
        let current = self.sessions.state(id);
        let next = self.next_state(id, current, request, registered_at);
        let mut records = if current == next {
            Vec::new()
        } else {
            match next {
                BrokerState::Fenced | BrokerState::ShutdownNow => self.fence_records(id, epoch),
                BrokerState::Unfenced => self.unfence_records(id, epoch),
                BrokerState::ControlledShutdown => self.controlled_shutdown_records(id, epoch),
            }
        };
        records.extend(self.directory_records(broker, request));
        // After the checks: a heartbeat that is refused keeps no session alive.
        self.sessions
            .touch(id, Offset(request.current_metadata_offset), now);
        // Others must have read these records before the broker may stop.
        if next == BrokerState::ControlledShutdown {
            let count = i64::try_from(records.len()).expect("records fit memory");
            self.sessions
                .begin_shutdown(id, self.next_offset + (count - 1));
        }
        Ok(Decision {
            records,
            answer: BrokerHeartbeatResponse {
                is_caught_up: request.current_metadata_offset >= registered_at.0,
                is_fenced: next.is_fenced(),
                should_shut_down: next == BrokerState::ShutdownNow,
                ..BrokerHeartbeatResponse::default()
            },
        })
    }

    fn next_state(
        &self,
        id: BrokerId,
        current: BrokerState,
        request: &BrokerHeartbeatRequest,
        registered_at: Offset,
    ) -> BrokerState {
        let has_caught_up = request.current_metadata_offset >= registered_at.0;
        match current {
            BrokerState::Fenced if request.want_shut_down => BrokerState::ShutdownNow,
            BrokerState::Fenced if !request.want_fence && has_caught_up => BrokerState::Unfenced,
            BrokerState::Fenced => BrokerState::Fenced,
            BrokerState::Unfenced if request.want_shut_down => {
                // A broker that leads nothing, or asks to be fenced, need not hand anything over.
                if request.want_fence || !self.index.leads_any(id) {
                    BrokerState::ShutdownNow
                } else {
                    BrokerState::ControlledShutdown
                }
            }
            BrokerState::Unfenced if request.want_fence => BrokerState::Fenced,
            BrokerState::Unfenced => BrokerState::Unfenced,
            BrokerState::ControlledShutdown => {
                if !self.index.leads_any(id) && self.sessions.have_seen_shutdown(id) {
                    BrokerState::ShutdownNow
                } else {
                    BrokerState::ControlledShutdown
                }
            }
            BrokerState::ShutdownNow => BrokerState::ShutdownNow,
        }
    }

    /// The records for directories that went offline or were cordoned.
    fn directory_records(
        &self,
        broker: &BrokerImage,
        request: &BrokerHeartbeatRequest,
    ) -> Vec<MetadataRecord> {
        let version = self.image.metadata_version();
        let mut records = Vec::new();
        let is_offline = |id: &DirectoryId| request.offline_log_dirs.contains(id);
        if version.assigns_directories() && broker.directories.iter().any(is_offline) {
            records.extend(self.offline_directory_records(broker, &request.offline_log_dirs));
            let online = broker
                .directories
                .iter()
                .copied()
                .filter(|id| !is_offline(id));
            records.push(registration_change(broker.id, broker.epoch, |change| {
                change.log_dirs = online.collect();
            }));
        }
        if let Some(cordoned) = &request.cordoned_log_dirs {
            let is_new = broker.cordoned_directories.as_ref() != Some(cordoned);
            if version.cordons_directories() && is_new {
                records.push(registration_change(broker.id, broker.epoch, |change| {
                    change.cordoned_log_dirs = Some(cordoned.clone());
                }));
            }
        }
        records
    }

    /// The records that take replicas in offline directories out of leadership and in-sync sets.
    fn offline_directory_records(
        &self,
        broker: &BrokerImage,
        offline: &[DirectoryId],
    ) -> Vec<MetadataRecord> {
        let topics = self.image.topics();
        let affected = self.index.in_sync_on(broker.id).filter(|(topic, index)| {
            let partition = topics.partition(topic, *index);
            let directory = partition.and_then(|state| state.directory_of(broker.id));
            directory.is_some_and(|directory| offline.contains(&directory))
        });
        let mut records = Vec::new();
        let movement = Movement::leaving(broker.id, Departure::Kept);
        self.leadership_changes(movement, affected, &mut records);
        records
    }

    /// Fences a broker whose process is gone, if it was registered last with this epoch.
    pub fn fence_gone_broker(&self, id: BrokerId, epoch: i64) -> Option<Decision<()>> {
        let registered = self.image.brokers().get(id)?;
        let is_this = registered.epoch == epoch && !registered.fenced;
        is_this.then(|| Decision {
            records: self.fence_records(id, epoch),
            answer: (),
        })
    }

    /// Fences one broker whose session has expired. It fences one at a time, because who may lead instead
    /// depends on what fencing the last one did.
    pub fn fence_expired_broker(&self, now: Instant) -> Option<(BrokerId, Decision<()>)> {
        let (id, epoch) = self.sessions.expired(now)?;
        let decision = Decision {
            records: self.fence_records(id, epoch),
            answer: (),
        };
        Some((id, decision))
    }

    /// When [`Self::fence_expired_broker`] may next have something to do.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.sessions.next_deadline()
    }
}
