//! How many partitions one request may have the controller create and delete (KIP-599).

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::clients::ClientQuotas;
use super::limits::QuotaKind;
use crate::security::Principal;

/// The quota is exceeded: the client has to wait before more is changed for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuotaExceeded;

/// The quota that one request to the controller is charged to. Clones share what was charged.
#[derive(Clone, Debug, Default)]
pub struct MutationQuota(Option<Arc<Charged>>);

#[derive(Debug)]
struct Charged {
    quotas: Arc<ClientQuotas>,
    principal: Principal,
    client_id: String,
    is_strict: bool,
    /// The end of the wait that the last charge made necessary.
    wait_until: Mutex<Option<Instant>>,
}

impl MutationQuota {
    /// A quota that is never exceeded.
    pub fn unlimited() -> Self {
        Self(None)
    }

    /// The quota for a request of `principal` and `client_id`. If it `is_strict`, changes beyond the limit
    /// are refused; otherwise they are made, and the client waits afterwards.
    pub fn new(
        quotas: &Arc<ClientQuotas>,
        principal: &Principal,
        client_id: &str,
        is_strict: bool,
    ) -> Self {
        if !quotas.is_active(QuotaKind::ControllerMutation) {
            return Self::unlimited();
        }
        Self(Some(Arc::new(Charged {
            quotas: Arc::clone(quotas),
            principal: principal.clone(),
            client_id: client_id.to_owned(),
            is_strict,
            wait_until: Mutex::new(None),
        })))
    }

    /// Counts `partitions` that are about to be changed.
    ///
    /// # Errors
    /// The quota is strict and exceeded: the partitions must not be changed.
    pub fn charge(&self, partitions: usize, now: Instant) -> Result<(), QuotaExceeded> {
        let Some(charged) = &self.0 else {
            return Ok(());
        };
        let outcome = charged.quotas.charge_mutation(
            &charged.principal,
            &charged.client_id,
            partitions as f64,
            charged.is_strict,
            now,
        );
        let Err(wait) = outcome else {
            return Ok(());
        };
        *charged.wait_until.lock() = Some(now + wait);
        if charged.is_strict {
            Err(QuotaExceeded)
        } else {
            Ok(())
        }
    }

    /// How long the client has to wait from `now` on.
    pub fn wait(&self, now: Instant) -> Duration {
        let until = self
            .0
            .as_ref()
            .and_then(|charged| *charged.wait_until.lock());
        until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Limits, QuotaWindows, Window};
    use super::*;

    fn quotas(limit: f64) -> Arc<ClientQuotas> {
        let window = Window {
            count: 10,
            length: Duration::from_secs(1),
        };
        let windows = QuotaWindows {
            clients: window,
            controller: window,
        };
        let quotas = ClientQuotas::new(windows, 1 << 20);
        let entity = vec![(Arc::from("user"), None)];
        let limits = Limits::of([(&entity, "k", limit)], "k");
        quotas.set_limits(QuotaKind::ControllerMutation, limits);
        Arc::new(quotas)
    }

    #[test]
    fn a_strict_request_is_refused_what_an_older_one_waits_for() {
        let now = Instant::now();
        let (strict, lenient) = (quotas(1.0), quotas(1.0));
        let of =
            |quotas, is_strict| MutationQuota::new(quotas, &Principal::ANONYMOUS, "c", is_strict);

        let (first, second) = (of(&strict, true), of(&strict, true));
        assert_eq!(first.charge(15, now), Ok(()));
        assert_eq!(first.wait(now), Duration::ZERO, "it was not refused");
        assert_eq!(second.charge(1, now), Err(QuotaExceeded));
        assert_eq!(second.wait(now), Duration::from_secs(5));

        let older = of(&lenient, false);
        assert_eq!(older.charge(15, now), Ok(()));
        assert_eq!(older.wait(now), Duration::from_secs(5));
    }

    #[test]
    fn without_limits_nothing_is_charged() {
        let quotas = quotas(1.0);
        quotas.set_limits(QuotaKind::ControllerMutation, Limits::default());
        let request = MutationQuota::new(&quotas, &Principal::ANONYMOUS, "c", true);

        assert_eq!(request.charge(usize::MAX, Instant::now()), Ok(()));
        assert!(request.0.is_none());
    }
}
