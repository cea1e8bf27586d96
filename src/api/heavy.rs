//! Heavy requests: those whose arrays may take much work and memory. They are decoded and begun one at
//! a time, where no other connection waits for the thread, and what they may take is taken from the
//! memory of requests first. What they wait for then, they wait for beside each other.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Context;

use bytes::Bytes;
use tokio::sync::Semaphore;
use tokio::task::block_in_place;

use super::Api;
use super::context::RequestContext;
use super::route::Route;
use crate::network::{Handling, Outcome, Pending};
use crate::protocol::reader::{MAX_HEAP_FACTOR, MIN_HEAP_BUDGET};

/// What a request may take, in times of its decoded form: that itself, what is made of it, and its
/// answer, as values and as bytes. A Fetch takes the most.
const PARTS: usize = 12;

/// Lets one heavy request begin at a time.
pub(super) struct HeavyLane(Semaphore);

impl Default for HeavyLane {
    fn default() -> Self {
        Self(Semaphore::new(1))
    }
}

/// Serves a heavy request; nothing else of its connection is started before it is answered.
pub(super) fn serve(
    api: &Arc<Api>,
    route: &'static Route,
    mut context: RequestContext,
    body: Bytes,
) -> Handling {
    let api = Arc::clone(api);
    Handling::Later(Box::pin(async move {
        // It is never closed, so there is no error.
        let mut turn = api.heavy.0.acquire().await.ok();
        let memory = PARTS * most_heap(body.len(), context.limits.decoded_bytes);
        if let Some(charge) = &mut context.charge {
            charge.grow(memory as u64).await;
        }
        let mut pending = match block_in_place(|| route.serve(&api, context, body)) {
            Err(error) => return Outcome::Close(route.malformed(&error)),
            Ok(Handling::Answer(frame)) => return Outcome::Answer(frame),
            Ok(Handling::NoAnswer) => return Outcome::NoAnswer,
            Ok(Handling::Close(reason)) => return Outcome::Close(reason),
            Ok(Handling::Later(pending) | Handling::Pipelined(pending)) => pending,
        };
        poll_fn(|context| {
            let polled = poll_in_place(&mut pending, context);
            // What is left is waiting, mostly.
            turn = None;
            polled
        })
        .await
    }))
}

fn poll_in_place(pending: &mut Pending, context: &mut Context<'_>) -> std::task::Poll<Outcome> {
    block_in_place(|| pending.as_mut().poll(context))
}

/// The heap that decoding so many bytes may take.
fn most_heap(bytes: usize, limit: usize) -> usize {
    let of_bytes = bytes.saturating_mul(MAX_HEAP_FACTOR);
    of_bytes.saturating_add(MIN_HEAP_BUDGET).min(limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heap_of_a_request_grows_with_its_bytes_up_to_the_limit() {
        assert_eq!(most_heap(0, 1 << 20), MIN_HEAP_BUDGET);
        assert_eq!(most_heap(1 << 10, 1 << 20), MIN_HEAP_BUDGET + (16 << 10));
        assert_eq!(most_heap(1 << 30, 1 << 20), 1 << 20);
    }
}
