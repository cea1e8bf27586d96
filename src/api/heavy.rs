//! Heavy requests: those whose arrays may take much work and memory. They are decoded and begun one at a
//! time, on a thread that no other connection waits for, once the memory that they may take is charged.
//! After that, any number of them wait for others at the same time.

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

/// How many times its decoded form a request may take in memory: the form itself, what is made of it, and
/// the answer, as values and as bytes. A Fetch takes the most.
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
        // The semaphore is never closed, so there is no error.
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
            // What is left is mostly waiting: the next heavy request may begin.
            turn = None;
            polled
        })
        .await
    }))
}

fn poll_in_place(pending: &mut Pending, context: &mut Context<'_>) -> std::task::Poll<Outcome> {
    block_in_place(|| pending.as_mut().poll(context))
}

/// The most heap that decoding `bytes` may take.
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
