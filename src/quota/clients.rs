//! The quotas of all clients: limits, and what was used of them.

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::limits::{Limits, QuotaKind};
use super::rate::SampledRate;
use super::token_bucket::TokenBucket;
use super::usage::Usage;
use crate::security::Principal;

/// How many kinds of quotas there are.
const QUOTA_KINDS: usize = 4;

/// Over how many windows of time a rate is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// How many windows are looked at: 1 or above.
    pub count: u32,
    /// The length of one window.
    pub length: Duration,
}

/// The windows of clients, and those of changes by the controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuotaWindows {
    /// `quota.window.num` and `quota.window.size.seconds`.
    pub clients: Window,
    /// `controller.quota.window.num` and `controller.quota.window.size.seconds`.
    pub controller: Window,
}

/// The quotas of all clients.
#[derive(Debug)]
pub struct ClientQuotas {
    windows: QuotaWindows,
    /// One bit for each [`QuotaKind`]: whether any limit of it is set. Requests look here before they take
    /// the lock.
    active: AtomicU8,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    limits: [Limits; QUOTA_KINDS],
    rates: [Usage<SampledRate>; 3],
    buckets: Usage<TokenBucket>,
}

impl Window {
    /// The time that all windows cover.
    pub(super) fn whole(self) -> Duration {
        self.length * self.count
    }
}

impl ClientQuotas {
    /// Begins without limits. What is remembered of clients takes about `max_bytes` at most.
    pub fn new(windows: QuotaWindows, max_bytes: usize) -> Self {
        let of_each = max_bytes / QUOTA_KINDS;
        let state = State {
            limits: Default::default(),
            rates: std::array::from_fn(|_| Usage::new(of_each)),
            buckets: Usage::new(of_each),
        };
        Self {
            windows,
            active: AtomicU8::new(0),
            state: Mutex::new(state),
        }
    }

    /// Whether any limit of the kind is set. While none is, all other calls change nothing and limit
    /// nobody.
    pub fn is_active(&self, kind: QuotaKind) -> bool {
        self.active.load(Ordering::Relaxed) & bit(kind) != 0
    }

    /// Replaces the limits of a kind. What clients have used so far stays counted.
    pub fn set_limits(&self, kind: QuotaKind, limits: Limits) {
        let is_empty = limits.is_empty();
        self.state.lock().limits[kind as usize] = limits;
        if is_empty {
            self.active.fetch_and(!bit(kind), Ordering::Relaxed);
        } else {
            self.active.fetch_or(bit(kind), Ordering::Relaxed);
        }
    }

    /// Counts what a client used, and returns how long the client has to wait for it. `kind` is not
    /// [`QuotaKind::ControllerMutation`], which [`MutationQuota`](super::MutationQuota) counts.
    pub fn charge(
        &self,
        kind: QuotaKind,
        principal: &Principal,
        client_id: &str,
        amount: f64,
        now: Instant,
    ) -> Duration {
        if !self.is_active(kind) {
            return Duration::ZERO;
        }
        let window = self.windows.clients;
        let state = &mut *self.state.lock();
        let Some(found) = state.limits[kind as usize].find(&principal.name, client_id) else {
            return Duration::ZERO;
        };
        let rate = state.rates[kind as usize].of(
            found.user,
            found.client_id,
            SampledRate::default,
            |rate| rate.is_idle(window, now),
        );
        let wait = rate.record(amount, found.limit, window, now);
        match kind {
            // As in Kafka: one slow request must not keep its client out for minutes.
            QuotaKind::Request => wait.min(window.length),
            _ => wait,
        }
    }

    /// The most that a client may use at once without a wait; `None` if it is not limited.
    pub fn most_at_once(
        &self,
        kind: QuotaKind,
        principal: &Principal,
        client_id: &str,
    ) -> Option<f64> {
        if !self.is_active(kind) {
            return None;
        }
        let window = self.windows.clients;
        let state = self.state.lock();
        let found = state.limits[kind as usize].find(&principal.name, client_id)?;
        Some(found.limit * f64::from(window.count - 1) * window.length.as_secs_f64())
    }

    /// Counts `partitions` that the controller is to change. If `is_strict` and earlier changes exceeded
    /// the limit, nothing is counted.
    ///
    /// # Errors
    /// How long the client has to wait. Where the quota is not strict, the partitions are counted all the
    /// same.
    pub(super) fn charge_mutation(
        &self,
        principal: &Principal,
        client_id: &str,
        partitions: f64,
        is_strict: bool,
        now: Instant,
    ) -> Result<(), Duration> {
        let window = self.windows.controller;
        let state = &mut *self.state.lock();
        let limits = &state.limits[QuotaKind::ControllerMutation as usize];
        let Some(found) = limits.find(&principal.name, client_id) else {
            return Ok(());
        };
        let limit = found.limit;
        let bucket = state.buckets.of(
            found.user,
            found.client_id,
            || TokenBucket::full(limit, window, now),
            // A bucket that was filled under another limit may count as full a little early or late.
            |bucket| bucket.is_full(limit, window, now),
        );
        if is_strict {
            return bucket.take(partitions, limit, window, now);
        }
        match bucket.take_anyway(partitions, limit, window, now) {
            Duration::ZERO => Ok(()),
            wait => Err(wait),
        }
    }
}

fn bit(kind: QuotaKind) -> u8 {
    1 << kind as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    const USER: Principal = Principal::ANONYMOUS;

    fn quotas() -> ClientQuotas {
        let window = Window {
            count: 11,
            length: Duration::from_secs(1),
        };
        let windows = QuotaWindows {
            clients: window,
            controller: window,
        };
        ClientQuotas::new(windows, 1 << 20)
    }

    fn limit(client_id: &str, limit: f64) -> Limits {
        let entity = vec![(Arc::from("client-id"), Some(Arc::from(client_id)))];
        Limits::of([(&entity, "k", limit)], "k")
    }

    #[test]
    fn a_kind_is_active_while_a_limit_of_it_is_set() {
        let quotas = quotas();

        quotas.set_limits(QuotaKind::Fetch, limit("c", 1.0));
        assert!(quotas.is_active(QuotaKind::Fetch) && !quotas.is_active(QuotaKind::Produce));
        quotas.set_limits(QuotaKind::Fetch, Limits::default());
        assert!(!quotas.is_active(QuotaKind::Fetch));
    }

    #[test]
    fn a_client_waits_for_its_own_use_only() {
        let quotas = quotas();
        quotas.set_limits(QuotaKind::Produce, limit("c", 100.0));
        let now = Instant::now();
        let charge = |client, amount| quotas.charge(QuotaKind::Produce, &USER, client, amount, now);

        assert_eq!(charge("d", 1e9), Duration::ZERO);
        assert_eq!(charge("c", 1_100.0), Duration::from_secs(1));
        assert_eq!(
            quotas.most_at_once(QuotaKind::Produce, &USER, "c"),
            Some(1_000.0)
        );
        assert_eq!(quotas.most_at_once(QuotaKind::Produce, &USER, "d"), None);
    }

    #[test]
    fn the_name_of_the_principal_is_the_user_of_a_limit() {
        let quotas = quotas();
        let entity = vec![(Arc::from("user"), Some(Arc::from("alice")))];
        quotas.set_limits(QuotaKind::Produce, Limits::of([(&entity, "k", 100.0)], "k"));
        let alice = Principal {
            name: "alice".into(),
            ..USER
        };
        let most = |principal| quotas.most_at_once(QuotaKind::Produce, principal, "c");

        assert_eq!(most(&alice), Some(1_000.0));
        assert_eq!(most(&USER), None);
    }

    #[test]
    fn a_wait_for_time_is_a_window_at_most() {
        let quotas = quotas();
        quotas.set_limits(QuotaKind::Request, limit("c", 1.0));

        let wait = quotas.charge(QuotaKind::Request, &USER, "c", 1e6, Instant::now());

        assert_eq!(wait, Duration::from_secs(1));
    }
}
