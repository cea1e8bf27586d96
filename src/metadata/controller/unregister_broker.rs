//! UnregisterBroker: removes the registration of a broker that is gone for good.

use super::Controller;
use super::decision::{Decision, Refusal};
use super::request::{Circumstances, ControllerRequest};
use crate::model::BrokerId;
use crate::protocol::error_code::ErrorCode;
use crate::protocol::messages::metadata_records::UnregisterBrokerRecord;
use crate::protocol::messages::unregister_broker::{
    UnregisterBrokerRequest, UnregisterBrokerResponse,
};

impl ControllerRequest for UnregisterBrokerRequest {
    fn decide(
        &self,
        controller: &mut Controller,
        _circumstances: Circumstances<'_>,
    ) -> Result<Decision<UnregisterBrokerResponse>, Refusal> {
        controller.unregister_broker(self)
    }

    fn refuse(&self, refusal: &Refusal) -> UnregisterBrokerResponse {
        UnregisterBrokerResponse {
            error_code: refusal.code,
            error_message: refusal.text(),
            ..UnregisterBrokerResponse::default()
        }
    }
}

impl Controller {
    /// Decides whether the registration goes. A broker that is at work keeps it. (Kafka removes that as
    /// well: such a broker serves nobody until it is started again.)
    ///
    /// # Errors
    /// BROKER_ID_NOT_REGISTERED, or INVALID_REQUEST: the broker is at work.
    pub(super) fn unregister_broker(
        &self,
        request: &UnregisterBrokerRequest,
    ) -> Result<Decision<UnregisterBrokerResponse>, Refusal> {
        let id = BrokerId(request.broker_id);
        let Some(broker) = self.image.brokers().get(id) else {
            return Err(Refusal::new(
                ErrorCode::BROKER_ID_NOT_REGISTERED,
                format!("Broker ID {id} is not currently registered"),
            ));
        };
        if !broker.fenced {
            return Err(Refusal::new(
                ErrorCode::INVALID_REQUEST,
                format!("Broker {id} is at work: stop it, or wait until it is fenced"),
            ));
        }
        // Should it come back, nothing tells how it has stopped.
        let mut records = self.unclean_departure_records(id);
        let record = UnregisterBrokerRecord {
            broker_id: id.0,
            broker_epoch: broker.epoch,
        };
        records.push(record.into());
        Ok(Decision {
            records,
            answer: UnregisterBrokerResponse::default(),
        })
    }
}
