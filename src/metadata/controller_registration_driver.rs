//! Makes this controller known to the active one (KIP-919): its listeners and features, again in each run.
//! The active controller registers itself.

use std::sync::Arc;
use std::time::Duration;

use super::controller_handle_driver::ControllerHandle;
use super::driver::Published;
use crate::model::BrokerId;
use crate::protocol::messages::controller_registration::ControllerRegistrationRequest;

/// The pauses between attempts; the first is for the answer to be published, too.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Registers until the metadata has this incarnation.
pub async fn register_controller(
    controller: ControllerHandle,
    published: Arc<Published>,
    request: ControllerRegistrationRequest,
) {
    let id = BrokerId(request.controller_id);
    let is_known = || {
        let image = published.image();
        let known = image.controllers().get(id);
        known.is_some_and(|known| known.incarnation == request.incarnation_id)
    };
    let mut offset = published.offset();
    // An error means that the process stops. Before the first image nothing is known.
    if offset.wait_for(|offset| offset.0 >= 0).await.is_err() {
        return;
    }
    let mut pause = FIRST_PAUSE;
    while !is_known() {
        let response = controller.ask(request.clone()).await;
        if response.error_code.is_error() {
            let (code, message) = (response.error_code.name(), response.error_message);
            tracing::debug!(
                code,
                ?message,
                "the active controller does not register this one"
            );
        }
        let _ = tokio::time::timeout(pause, offset.wait_for(|_| is_known())).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    tracing::info!("registered with the active controller");
}
