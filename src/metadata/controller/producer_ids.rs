//! AllocateProducerIds: a broker gets a block of producer ids that no other broker will ever get.

use super::Controller;
use super::decision::{Decision, Refusal};
use super::request::{Circumstances, ControllerRequest};
use crate::model::BrokerId;
use crate::protocol::error_code::ErrorCode;
use crate::protocol::messages::allocate_producer_ids::{
    AllocateProducerIdsRequest, AllocateProducerIdsResponse,
};
use crate::protocol::messages::metadata_records::ProducerIdsRecord;

/// How many ids a block has, as in Kafka.
const BLOCK_SIZE: i32 = 1_000;

impl ControllerRequest for AllocateProducerIdsRequest {
    fn decide(
        &self,
        controller: &mut Controller,
        _circumstances: Circumstances<'_>,
    ) -> Result<Decision<AllocateProducerIdsResponse>, Refusal> {
        controller.allocate_producer_ids(self)
    }

    fn refuse(&self, refusal: &Refusal) -> AllocateProducerIdsResponse {
        AllocateProducerIdsResponse {
            error_code: refusal.code,
            ..AllocateProducerIdsResponse::default()
        }
    }
}

impl Controller {
    /// Decides which block a broker gets.
    ///
    /// # Errors
    /// STALE_BROKER_EPOCH, or UNKNOWN_SERVER_ERROR when all ids are used up.
    pub(super) fn allocate_producer_ids(
        &self,
        request: &AllocateProducerIdsRequest,
    ) -> Result<Decision<AllocateProducerIdsResponse>, Refusal> {
        self.check_broker_epoch(BrokerId(request.broker_id), request.broker_epoch)?;
        let first = self.image.next_producer_id().map_or(0, |id| id.0);
        let Some(next) = first.checked_add(i64::from(BLOCK_SIZE)) else {
            return Err(Refusal::new(
                ErrorCode::UNKNOWN_SERVER_ERROR,
                "Exhausted all producerIds as the next block's end producerId has exceeded the \
                 int64 type limit",
            ));
        };
        let record = ProducerIdsRecord {
            broker_id: request.broker_id,
            broker_epoch: request.broker_epoch,
            next_producer_id: next,
        };
        Ok(Decision {
            records: vec![record.into()],
            answer: AllocateProducerIdsResponse {
                producer_id_start: first,
                producer_id_len: BLOCK_SIZE,
                ..AllocateProducerIdsResponse::default()
            },
        })
    }
}
