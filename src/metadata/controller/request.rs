//! What can be asked of the controller: every request to it is decided, or refused as a whole,
//! by an implementation that stands beside its decision.
//!
//! A request is its wire form and a context that the wire does not carry, so that the broker that a
//! client talks to and the controller that decides need not be the same node.

use std::collections::BTreeSet;
use std::time::Instant;

use super::Controller;
use super::decision::{Decision, Refusal};
use super::placement::Entropy;
use crate::protocol::{ErrorCode, Request, Str};
use crate::quota::MutationQuota;

/// What the controller is told of a request beside its body.
#[derive(Clone, Debug)]
pub struct ControllerRequestContext {
    /// The version that the request was written in: some answers depend on it.
    pub version: i16,
    /// What its principal may create and delete.
    pub quota: MutationQuota,
    /// Of the names in the request that stand for a host, those that are an address or have one. The
    /// controller itself waits for no name service.
    pub hosts: BTreeSet<Str>,
}

impl ControllerRequestContext {
    /// Of a request of this version that nothing limits: one of the cluster's own.
    pub fn unlimited(version: i16) -> Self {
        Self {
            version,
            quota: MutationQuota::unlimited(),
            hosts: BTreeSet::new(),
        }
    }
}

/// What a decision may use beside the controller's state and the request.
pub struct Circumstances<'a> {
    /// What came with the request.
    pub context: &'a ControllerRequestContext,
    /// The time of the decision.
    pub now: Instant,
    /// Chance, for ids and the placement of replicas.
    pub entropy: Entropy<'a>,
}

/// A request that the controller decides.
pub trait ControllerRequest: Request<Response: Send> + Clone + Send + 'static {
    /// The first version whose clients know THROTTLING_QUOTA_EXCEEDED (KIP-599). Older ones get what
    /// they ask for, and wait afterwards.
    const FIRST_THROTTLED: i16 = 0;

    /// Decides what becomes of the request. The controller's metadata changes only when the records
    /// of the decision are replayed.
    ///
    /// # Errors
    /// The whole request is refused.
    fn decide(
        &self,
        controller: &mut Controller,
        circumstances: Circumstances<'_>,
    ) -> Result<Decision<Self::Response>, Refusal>;

    /// The answer in which the whole request is refused.
    fn refuse(&self, refusal: &Refusal) -> Self::Response;

    /// For how many milliseconds the request may wait to be decided; 0 or less for no limit.
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
