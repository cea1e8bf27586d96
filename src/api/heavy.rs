//! Heavy requests: those whose arrays may take much work and memory. They are decoded and begun one at a
//! time, on a thread that no other connection waits for, once the memory that they may take is charged.
//! What brokers and controllers ask of each other is begun apart, and is not held up by what clients hold.
//! After that, any number of them wait for others at the same time.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;

use super::Api;
use super::context::RequestContext;
use super::route::Route;
use crate::network::{Elsewhere, Handling, Outcome, Pending};
use crate::protocol::reader::{MAX_HEAP_FACTOR, MIN_HEAP_BUDGET};

/// How many times its decoded form a request may take in memory: the form itself, what is made of it, and
/// the answer, as values and as bytes. A Fetch takes the most.
const PARTS: usize = 12;

/// Lets so much work be done at a time on threads that no connection waits for.
#[derive(Clone)]
pub(super) struct Lane(Arc<Semaphore>);

/// The right to work in a lane. It goes with the work to its thread: a connection that breaks meanwhile
/// does not let another begin.
type Turn = Option<OwnedSemaphorePermit>;

impl Lane {
    /// A lane for so many at a time.
    pub(super) fn of(width: usize) -> Self {
        Self(Arc::new(Semaphore::new(width)))
    }

    /// A lane as wide as the machine.
    pub(super) fn of_all_cores() -> Self {
        Self::of(std::thread::available_parallelism().map_or(1, usize::from))
    }

    async fn turn(&self) -> Turn {
        // It is never closed, so there is no error.
        Arc::clone(&self.0).acquire_owned().await.ok()
    }

    /// Does some work when it is its turn.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        let turn = self.turn().await;
        let done = elsewhere(move || (work(), turn)).await;
        done.0
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
        let memory = PARTS * most_heap(body.len(), context.limits.decoded_bytes);
        let memory = memory as u64;
        let asked = Instant::now();
        let is_of_brokers = route.is_of_brokers() && context.connection.is_of_brokers();
        let turn = if is_of_brokers {
            let turn = api.heavy_of_brokers.turn().await;
            context
                .charge
                .iter_mut()
                .for_each(|it| it.grow_at_once(memory));
            turn
        } else {
            let turn = api.heavy.turn().await;
            if let Some(charge) = &mut context.charge {
                charge.grow(memory).await;
            }
            turn
        };
        let waited = asked.elapsed();
        let begin = timed(move || (route.serve(&api, context, body), turn));
        let ((begun, turn), worked) = elsewhere(begin).await;
        let cost = Elsewhere { waited, worked };
        let pending = match begun {
            Err(error) => return Outcome::Close(route.malformed(&error)),
            Ok(Handling::Answer(frame)) => return Outcome::FromElsewhere(frame, cost),
            Ok(Handling::NoAnswer) => return Outcome::NoAnswer,
            Ok(Handling::Close(reason)) => return Outcome::Close(reason),
            Ok(Handling::Later(pending) | Handling::Pipelined(pending)) => pending,
        };
        drive_elsewhere(pending, turn, cost).await
    }))
}

/// Drives an answer whose steps may each take long. Between them it waits, mostly for others, so only the
/// first step needs the turn.
async fn drive_elsewhere(mut pending: Pending, mut turn: Turn, mut cost: Elsewhere) -> Outcome {
    let woken = Arc::new(Woken::default());
    loop {
        let waker = Waker::from(Arc::clone(&woken));
        let turn = turn.take();
        let step = timed(move || {
            let polled = pending.as_mut().poll(&mut Context::from_waker(&waker));
            drop(turn);
            (polled, pending)
        });
        let (polled, worked);
        ((polled, pending), worked) = elsewhere(step).await;
        cost.worked += worked;
        if let Poll::Ready(outcome) = polled {
            return match outcome {
                Outcome::Answer(frame) => Outcome::FromElsewhere(frame, cost),
                other => other,
            };
        }
        woken.0.notified().await;
    }
}

/// Remembers that a future was woken, also while nobody waits for that.
#[derive(Default)]
struct Woken(Notify);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.notify_one();
    }
}

/// Work that tells how long it took.
fn timed<T>(work: impl FnOnce() -> T) -> impl FnOnce() -> (T, Duration) {
    move || {
        let begun = Instant::now();
        (work(), begun.elapsed())
    }
}

/// Works on a thread that no connection waits for. What panics there, panics here.
async fn elsewhere<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
        // The process is ending.
        Err(_) => std::future::pending().await,
    }
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
