//! Quotas at the edge: what a request used is counted, its answer tells the client for how long to wait,
//! and its connection starts nothing before (KIP-13, KIP-124, KIP-219).

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::time::{Duration, Instant};

use super::Api;
use super::context::RequestContext;
use crate::quota::{MutationQuota, QuotaKind};

/// Measures the time that the broker works on a request, if that is limited for any client.
pub(super) struct Meter(Option<Duration>);

impl Meter {
    pub(super) fn new(api: &Api) -> Self {
        let is_limited = api.quotas().is_active(QuotaKind::Request);
        Self(is_limited.then_some(Duration::ZERO))
    }

    /// Does some of the work.
    pub(super) fn work<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let Some(spent) = &mut self.0 else {
            return work();
        };
        let begin = Instant::now();
        let done = work();
        *spent += begin.elapsed();
        done
    }

    /// Drives a future to its end, and counts the time of its polls. The time between them is a wait, and
    /// no work.
    pub(super) async fn drive<F: Future>(&mut self, future: F) -> F::Output {
        let mut future = pin!(future);
        if self.0.is_none() {
            return future.await;
        }
        poll_fn(|context| self.work(|| future.as_mut().poll(context))).await
    }
}

impl Api {
    /// Counts the time of a request, and mutes its connection for that or for `wait`, whichever is longer.
    /// Returns the answer's `throttle_time_ms`.
    pub(super) fn settle(&self, context: &RequestContext, meter: &Meter, wait: Duration) -> i32 {
        let by_time = meter.0.map_or(Duration::ZERO, |spent| {
            let percent = spent.as_secs_f64() * 100.0;
            self.charge(context, QuotaKind::Request, percent)
        });
        self.mute(context, wait.max(by_time))
    }

    /// Counts what a request used, and returns how long its client has to wait for it.
    pub(super) fn charge(
        &self,
        context: &RequestContext,
        kind: QuotaKind,
        amount: f64,
    ) -> Duration {
        if !self.quotas().is_active(kind) {
            return Duration::ZERO;
        }
        let (principal, client_id) = (context.principal(), context.client_id());
        self.quotas()
            .charge(kind, principal, client_id, amount, Instant::now())
    }

    /// The quota for the changes that a request asks of the controller. Clients of versions from
    /// `strict_since` on know THROTTLING_QUOTA_EXCEEDED; older ones only wait.
    pub(super) fn mutation_quota(
        &self,
        context: &RequestContext,
        strict_since: i16,
    ) -> MutationQuota {
        let is_strict = context.version() >= strict_since;
        MutationQuota::new(
            self.quotas(),
            context.principal(),
            context.client_id(),
            is_strict,
        )
    }

    /// Starts no further request of the connection for this long. Returns the answer's `throttle_time_ms`.
    pub(super) fn mute(&self, context: &RequestContext, wait: Duration) -> i32 {
        if wait.is_zero() {
            return 0;
        }
        let metrics = self.metrics();
        metrics.throttled_requests.inc();
        let is_of_brokers = context.connection.is_of_brokers();
        let times = &metrics.request_times;
        if let Some(kind) = times.kind(context.header.api_key, is_of_brokers) {
            times.note_throttle(kind, wait);
        }
        // The connection of a broker that forwards is not its client's.
        if context.forwarded_for.is_none() {
            context.connection.mute_for(wait);
        }
        i32::try_from(wait.as_millis()).unwrap_or(i32::MAX)
    }
}
