//! How a heartbeat finds the active controller. A node may hear of a new one last, as its own part of the quorum
//! waits for a slow disk: its broker would be fenced. So the other controllers are asked, too. A heartbeat says
//! only how things are, so a copy that arrives late does no harm; other requests go where the quorum says.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::controller::{ControllerRequest, Refusal};
use super::controller_handle_driver::ControllerHandle;
use super::controller_link_driver::ControllerLink;
use crate::model::BrokerId;
use crate::protocol::ErrorCode;
use crate::protocol::messages::broker_heartbeat::{
    BrokerHeartbeatRequest, BrokerHeartbeatResponse,
};

/// How long the controller that is taken for the active one may take before others are asked.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long the others may take, all at once.
const PATIENCE_WITH_OTHERS: Duration = Duration::from_secs(1);

impl ControllerHandle {
    /// Sends a heartbeat of this node's broker to the active controller. If none is found the response says
    /// NOT_CONTROLLER; what became of the heartbeat is not known then.
    pub(super) async fn heartbeat(
        &self,
        request: BrokerHeartbeatRequest,
    ) -> BrokerHeartbeatResponse {
        let Some(link) = &self.link else {
            return self.ask(request).await;
        };
        let mut leader = self.published.leader.subscribe();
        let known = leader.borrow_and_update().0;
        let usual = self.ask(request.clone());
        tokio::pin!(usual);
        let found = async {
            let mut patience = PATIENCE;
            loop {
                let answer = tokio::time::timeout(patience, &mut usual).await.ok();
                if let Some(response) = &answer
                    && !is_misdirected(response)
                {
                    return response.clone();
                }
                let found = self.ask_others(link, known, &request).await;
                if let Some(response) = found.or(answer) {
                    return response;
                }
                // Whoever waits for this node's disk gets an answer in the end.
                patience = PATIENCE_WITH_OTHERS;
            }
        };
        tokio::select! {
            response = found => response,
            // The next heartbeat goes there at once.
            _ = leader.wait_for(|told| told.0.is_some() && told.0 != known) => {
                request.refuse(&Refusal::plain(ErrorCode::NOT_CONTROLLER))
            }
        }
    }

    /// The answer of whichever controller but the one that is `known` is the active one.
    async fn ask_others(
        &self,
        link: &Arc<ControllerLink>,
        known: Option<BrokerId>,
        request: &BrokerHeartbeatRequest,
    ) -> Option<BrokerHeartbeatResponse> {
        let mut asked = JoinSet::new();
        for id in link.voters().filter(|id| Some(*id) != known) {
            if id == link.local() {
                let (handle, request) = (self.clone(), request.clone());
                asked.spawn(async move { Ok(handle.ask_here(request).await) });
            } else {
                let (link, request) = (Arc::clone(link), request.clone());
                asked.spawn(async move { link.ask(id, &request).await });
            }
        }
        let first = async {
            while let Some(answer) = asked.join_next().await {
                if let Ok(Ok(response)) = answer
                    && !is_misdirected(&response)
                {
                    return Some(response);
                }
            }
            None
        };
        let in_time = tokio::time::timeout(PATIENCE_WITH_OTHERS, first).await;
        in_time.ok().flatten()
    }
}

fn is_misdirected(response: &BrokerHeartbeatResponse) -> bool {
    response.error_code == ErrorCode::NOT_CONTROLLER
}
