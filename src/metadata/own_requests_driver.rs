//! What a node asks the controller for itself: to register, to be counted on, to change in-sync sets. Each
//! request says how things are to be, so it may be sent again, and to another controller.

use std::time::Duration;

use super::controller::{ControllerRequest, ControllerRequestContext, Refusal};
use super::controller_handle_driver::ControllerHandle;
use super::controller_link_driver::ControllerLink;
use crate::model::BrokerId;
use crate::protocol::ErrorCode;
use crate::security::Principal;

/// How long a request of this node itself waits for a controller elsewhere: well below the session of a
/// broker, which its heartbeats keep alive.
pub(super) const ASK_TIMEOUT: Duration = Duration::from_secs(3);
/// How long another may take that is asked in its place.
const ASK_OTHERS_TIMEOUT: Duration = Duration::from_secs(1);

impl ControllerHandle {
    /// Asks for this node itself, and waits until all that the answer depends on is committed.
    ///
    /// The node is nobody in particular: it has no login for the controller yet.
    ///
    /// Where the controller that this node takes for the active one is not, or does not answer, the others
    /// are asked: this node may know of its successor last, as its own part of the quorum waits for a disk.
    /// If none is active the response says NOT_CONTROLLER; what became of the request is not known then.
    /// What a node asks for itself it may ask again.
    pub async fn ask<Q: ControllerRequest>(&self, request: Q) -> Q::Response {
        let Some(link) = &self.link else {
            return self.ask_for(Principal::ANONYMOUS, request).await;
        };
        let mut leader = self.published.leader.subscribe();
        let known = leader.borrow_and_update().0;
        let is_local = known == Some(link.local());
        let of_known = async {
            tokio::select! {
                answer = self.ask_one(link, known?, &request) => answer,
                _ = leader.changed() => None,
            }
        };
        tokio::pin!(of_known);
        let mut patience = ASK_TIMEOUT;
        loop {
            let is_over = match tokio::time::timeout(patience, &mut of_known).await {
                Ok(Some(response)) => return response,
                Ok(None) => true,
                // Whoever waits for this node's disk gets an answer in the end.
                Err(_) => !is_local,
            };
            for id in link.voters().filter(|id| Some(*id) != known) {
                let answer = self.ask_one(link, id, &request);
                let answer = tokio::time::timeout(ASK_OTHERS_TIMEOUT, answer).await;
                if let Ok(Some(response)) = answer {
                    return response;
                }
            }
            if is_over {
                return request.refuse(&Refusal::plain(ErrorCode::NOT_CONTROLLER));
            }
            patience = ASK_OTHERS_TIMEOUT;
        }
    }

    /// What the controller of the node `id` says, if it is the active one.
    async fn ask_one<Q: ControllerRequest>(
        &self,
        link: &ControllerLink,
        id: BrokerId,
        request: &Q,
    ) -> Option<Q::Response> {
        if id == link.local() {
            let context = ControllerRequestContext::unlimited(Principal::ANONYMOUS, Q::MAX_VERSION);
            let committed = self.committed(request.clone(), context).await;
            return committed.is_decided.then_some(committed.response);
        }
        let answer = link.ask(id, request).await;
        let answer =
            answer.inspect_err(|error| tracing::debug!(%error, "a controller was not reached"));
        let misdirected = request.refuse(&Refusal::plain(ErrorCode::NOT_CONTROLLER));
        answer.ok().filter(|response| *response != misdirected)
    }

    /// Asks for a broker, which no quota limits, and waits until all that the answer depends on is
    /// committed. `principal` is who the broker is on its connection.
    pub async fn ask_for<Q: ControllerRequest>(
        &self,
        principal: Principal,
        request: Q,
    ) -> Q::Response {
        let context = ControllerRequestContext::unlimited(principal, Q::MAX_VERSION);
        self.committed(request, context).await.response
    }
}
