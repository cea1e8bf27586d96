//! BrokerHeartbeat (key 63), versions 0-2: a broker says that it is alive. The controller decides; the
//! connection is remembered as the broker's, because its end may be the end of the broker.

use std::sync::Arc;

use super::context::RequestContext;
use super::{Api, controller_requests};
use crate::model::BrokerId;
use crate::protocol::messages::broker_heartbeat::{
    BrokerHeartbeatRequest, BrokerHeartbeatResponse,
};

/// Lets the controller decide.
pub(super) async fn handle(
    api: Arc<Api>,
    context: Arc<RequestContext>,
    request: BrokerHeartbeatRequest,
) -> BrokerHeartbeatResponse {
    let (broker, epoch) = (BrokerId(request.broker_id), request.broker_epoch);
    let broken = api.broken_connections().clone();
    let connection = Arc::clone(&context.connection);
    let response = controller_requests::handle_of_broker(api, context, request).await;
    if !response.error_code.is_error()
        && let Some(presence) = connection.companion(|| broken.presence(broker))
    {
        presence.note_epoch(epoch);
    }
    response
}
