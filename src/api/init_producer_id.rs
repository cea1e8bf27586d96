//! InitProducerId (key 22), versions 0-5: an id for an idempotent producer.
//!
//! Transactions are not served yet: a transactional id is refused with an error that clients take
//! as final. Version 3 lets a producer state the id and epoch that it has.

use std::sync::Arc;

use super::Api;
use super::context::RequestContext;
use crate::model::ProducerId;
use crate::protocol::ErrorCode;
use crate::protocol::messages::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};

/// The epoch that a producer states which has none.
const NO_EPOCH: i16 = -1;

/// Hands out a new producer id with epoch 0.
///
/// A producer without a transactional id always gets a new one, whatever it states: only
/// transactional ids have an epoch to raise.
pub async fn handle(
    api: Arc<Api>,
    _context: Arc<RequestContext>,
    request: InitProducerIdRequest,
) -> InitProducerIdResponse {
    let id = match check(&request) {
        Ok(()) => api.producer_ids.next(&api).await,
        Err(error) => Err(error),
    };
    match id {
        Ok(id) => InitProducerIdResponse {
            producer_id: id.0,
            producer_epoch: 0,
            ..InitProducerIdResponse::default()
        },
        Err(error_code) => InitProducerIdResponse {
            error_code,
            producer_id: ProducerId::NONE.0,
            producer_epoch: NO_EPOCH,
            ..InitProducerIdResponse::default()
        },
    }
}

fn check(request: &InitProducerIdRequest) -> Result<(), ErrorCode> {
    let has_id = request.producer_id != ProducerId::NONE.0;
    let has_epoch = request.producer_epoch != NO_EPOCH;
    match &request.transactional_id {
        _ if has_id != has_epoch => Err(ErrorCode::INVALID_REQUEST),
        None => Ok(()),
        Some(id) if id.is_empty() => Err(ErrorCode::INVALID_REQUEST),
        // Clients do not retry after this error: the attempt ends, instead of looping.
        Some(_) => Err(ErrorCode::UNSUPPORTED_VERSION),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Str;

    #[test]
    fn an_id_without_an_epoch_is_refused_and_the_reverse() {
        let request = |producer_id, producer_epoch| InitProducerIdRequest {
            producer_id,
            producer_epoch,
            ..InitProducerIdRequest::default()
        };

        assert_eq!(check(&request(-1, -1)), Ok(()));
        assert_eq!(check(&request(5, 0)), Ok(()));
        assert_eq!(check(&request(5, -1)), Err(ErrorCode::INVALID_REQUEST));
        assert_eq!(check(&request(-1, 0)), Err(ErrorCode::INVALID_REQUEST));
    }

    #[test]
    fn a_transactional_id_gets_an_error_that_is_not_retried() {
        let request = InitProducerIdRequest {
            transactional_id: Some(Str::from("mine")),
            ..InitProducerIdRequest::default()
        };

        let error = check(&request).unwrap_err();

        assert!(!error.is_retriable());
    }
}
