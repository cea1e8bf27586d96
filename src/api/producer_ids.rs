//! Producer ids, handed out from blocks that the controller allocates (KIP-730).
//!
//! A block belongs to this broker alone, so ids of a block may be handed out without asking anyone;
//! what is left of it when the broker stops is never used again.

use std::time::Duration;

use tokio::sync::Mutex;

use super::Api;
use crate::model::ProducerId;
use crate::protocol::ErrorCode;
use crate::protocol::messages::allocate_producer_ids::AllocateProducerIdsRequest;
use crate::telemetry::LogGate;

/// How long a producer waits for those before it; then it comes again.
const PATIENCE: Duration = Duration::from_secs(5);

/// This broker's current block.
#[derive(Default)]
pub(super) struct ProducerIds {
    block: Mutex<Block>,
}

/// Ids from `next` on, `left` of them.
#[derive(Default)]
struct Block {
    next: i64,
    left: i32,
}

impl ProducerIds {
    /// An id that no producer has had.
    ///
    /// # Errors
    /// COORDINATOR_LOAD_IN_PROGRESS when no block can be had now: clients try again.
    pub(super) async fn next(&self, api: &Api) -> Result<ProducerId, ErrorCode> {
        // Who is before this one may wait for a controller that does not answer.
        let block = tokio::time::timeout(PATIENCE, self.block.lock()).await;
        let mut block = block.map_err(|_| ErrorCode::COORDINATOR_LOAD_IN_PROGRESS)?;
        if block.left == 0 {
            *block = allocate(api).await?;
        }
        let id = block.next;
        block.next += 1;
        block.left -= 1;
        Ok(ProducerId(id))
    }
}

/// Each client that asks meets the same refusal.
static REFUSALS: LogGate = LogGate::new();

async fn allocate(api: &Api) -> Result<Block, ErrorCode> {
    let request = AllocateProducerIdsRequest {
        broker_id: api.node_id().0,
        broker_epoch: api.broker_epoch(),
    };
    let response = api.controller().ask(request).await;
    if response.error_code.is_error() || response.producer_id_len <= 0 {
        if let Some(suppressed) = REFUSALS.pass() {
            tracing::warn!(
                error = response.error_code.name(),
                suppressed,
                "the controller gave no producer ids"
            );
        }
        return Err(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
    }
    Ok(Block {
        next: response.producer_id_start,
        left: response.producer_id_len,
    })
}
