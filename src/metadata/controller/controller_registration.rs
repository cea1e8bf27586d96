//! ControllerRegistration: a controller makes its listeners and features known (KIP-919).

use super::Controller;
use super::decision::{Decision, Refusal};
use super::request::{Circumstances, ControllerRequest};
use crate::protocol::error_code::ErrorCode;
use crate::protocol::messages::controller_registration::{
    ControllerRegistrationRequest, ControllerRegistrationResponse,
};
use crate::protocol::messages::metadata_records::RegisterControllerRecord;
use crate::protocol::messages::metadata_records::controller::{
    ControllerEndpoint, ControllerFeature,
};

impl ControllerRequest for ControllerRegistrationRequest {
    fn decide(
        &self,
        controller: &mut Controller,
        _circumstances: Circumstances<'_>,
    ) -> Result<Decision<ControllerRegistrationResponse>, Refusal> {
        controller.register_controller(self)
    }

    fn refuse(&self, refusal: &Refusal) -> ControllerRegistrationResponse {
        ControllerRegistrationResponse {
            error_code: refusal.code,
            error_message: refusal.text(),
            ..ControllerRegistrationResponse::default()
        }
    }
}

impl Controller {
    /// Decides on a registration.
    ///
    /// # Errors
    /// UNSUPPORTED_VERSION: `metadata.version` is below 3.7.
    pub fn register_controller(
        &self,
        request: &ControllerRegistrationRequest,
    ) -> Result<Decision<ControllerRegistrationResponse>, Refusal> {
        if !self.image.metadata_version().registers_controllers() {
            return Err(Refusal::new(
                ErrorCode::UNSUPPORTED_VERSION,
                "The current MetadataVersion is too old to support controller registrations.",
            ));
        }
        let endpoints = request.listeners.iter().map(|listener| ControllerEndpoint {
            name: listener.name.clone(),
            host: listener.host.clone(),
            port: listener.port,
            security_protocol: listener.security_protocol,
        });
        let features = request.features.iter().map(|feature| ControllerFeature {
            name: feature.name.clone(),
            min_supported_version: feature.min_supported_version,
            max_supported_version: feature.max_supported_version,
        });
        let record = RegisterControllerRecord {
            controller_id: request.controller_id,
            incarnation_id: request.incarnation_id,
            zk_migration_ready: false,
            end_points: endpoints.collect(),
            features: features.collect(),
        };
        Ok(Decision {
            records: vec![record.into()],
            answer: ControllerRegistrationResponse::default(),
        })
    }
}
