//! The seam between requests and decisions: an implementation beside each decision says how a request is
//! decided, and how it is refused as a whole.
//!
//! A request is its wire form and a context that the wire does not carry: so the broker that a client talks
//! to and the controller that decides need not be the same node.

use std::collections::BTreeSet;
use std::time::Instant;

use bytes::Bytes;

use super::Controller;
use super::decision::{Decision, Refusal};
use super::placement::Entropy;
use crate::metadata::image::MetadataImage;
use crate::protocol::{ErrorCode, Request, Str};
use crate::quota::MutationQuota;
use crate::security::Principal;

/// What the controller must know of a request beside its body.
#[derive(Clone, Debug)]
pub struct ControllerRequestContext {
    /// Who asks: the principal of the connection that the request came on.
    pub principal: Principal,
    /// The version that the request was written in: some answers depend on it.
    pub version: i16,
    /// How many partitions the principal may create and delete.
    pub quota: MutationQuota,
    /// Those names in the request that stand for a host and are an address, or have one. The broker looks
    /// them up, since the controller waits for no name service.
    pub hosts: BTreeSet<Str>,
    /// Who sent the request, if that was a client of this node.
    pub sender: Option<RequestSender>,
}

/// The client that a request is forwarded for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestSender {
    /// The name that the client gives itself.
    pub client_id: Str,
    /// The address that the client connects from: 4 bytes, or 16 of IPv6.
    pub address: Bytes,
}

impl ControllerRequestContext {
    /// The context of a request of `principal` that no quota limits.
    pub fn unlimited(principal: Principal, version: i16) -> Self {
        Self {
            principal,
            version,
            quota: MutationQuota::unlimited(),
            hosts: BTreeSet::new(),
            sender: None,
        }
    }
}

/// What a decision may use beside the controller's state and the request.
pub struct Circumstances<'a> {
    /// The request's context.
    pub context: &'a ControllerRequestContext,
    /// The time of the decision.
    pub now: Instant,
    /// Random bytes, for ids and the placement of replicas.
    pub entropy: Entropy<'a>,
}

/// A request that the controller decides.
pub trait ControllerRequest: Request<Response: Send> + Clone + Send + 'static {
    /// The first version whose clients know THROTTLING_QUOTA_EXCEEDED (KIP-599). What older ones ask for
    /// beyond the quota is done, and they wait afterwards.
    const FIRST_THROTTLED: i16 = 0;

    /// Decides what becomes of the request. The controller's metadata changes only when the records
    /// of the decision are replayed.
    ///
    /// # Errors
    /// Why the whole request is refused.
    fn decide(
        &self,
        controller: &mut Controller,
        circumstances: Circumstances<'_>,
    ) -> Result<Decision<Self::Response>, Refusal>;

    /// The answer in which the whole request is refused.
    fn refuse(&self, refusal: &Refusal) -> Self::Response;

    /// Whether a node with this image has seen what the answer tells was made or removed. A client finds it
    /// there at once, as it expects.
    fn is_seen(&self, _answer: &Self::Response, _image: &MetadataImage) -> bool {
        true
    }

    /// How many milliseconds the request may wait to be decided; 0 or less for no limit.
    fn timeout_ms(&self) -> i32 {
        0
    }
}

/// Counts partitions that are about to be created or deleted.
///
/// # Errors
/// THROTTLING_QUOTA_EXCEEDED.
pub(super) fn charge(
    quota: &MutationQuota,
    partitions: usize,
    now: Instant,
) -> Result<(), Refusal> {
    let exceeded = |_| Refusal::plain(ErrorCode::THROTTLING_QUOTA_EXCEEDED);
    quota.charge(partitions, now).map_err(exceeded)
}
