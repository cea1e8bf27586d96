//! Vote (key 52), BeginQuorumEpoch (53), EndQuorumEpoch (54), FetchSnapshot (59), and Fetch (1) of the
//! metadata log: what the members of the quorum ask each other.
//!
//! The wire form is translated where the state machine is (`raft::wire`): a member asks and answers by the
//! same messages.

use super::Api;
pub(super) use crate::raft::wire::Incoming;

/// Hands the request to the quorum, and answers for it.
pub(super) async fn handle<R: Incoming>(api: &Api, request: R) -> R::Response {
    let addresses = api.quorum_addresses();
    let asked = match request.read(addresses) {
        Ok(asked) => asked,
        Err(refused) => return refused,
    };
    let served = api.raft().serve(asked.clone()).await;
    R::answer(addresses, &asked, &served.response, served.records)
}
