//! One request at a time to each replica, with a time limit, and a pause after a failure.
//!
//! An answer counts only while its request is the one under way.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::effect::Correlation;
use crate::model::BrokerId;

/// What happens with one replica. A replica that is not in the map is idle.
#[derive(Clone, Copy, Debug)]
enum Connection {
    Waiting {
        correlation: Correlation,
        until: Instant,
    },
    BackingOff {
        until: Instant,
    },
}

impl Connection {
    fn until(self) -> Instant {
        match self {
            Self::Waiting { until, .. } | Self::BackingOff { until } => until,
        }
    }
}

/// The state of all connections to other replicas.
#[derive(Clone, Debug)]
pub struct Connections {
    request_timeout: Duration,
    retry_backoff: Duration,
    last_correlation: Correlation,
    busy: BTreeMap<BrokerId, Connection>,
}

impl Connections {
    /// Connections that are all idle.
    pub fn new(request_timeout: Duration, retry_backoff: Duration) -> Self {
        Self {
            request_timeout,
            retry_backoff,
            last_correlation: Correlation::default(),
            busy: BTreeMap::new(),
        }
    }

    /// Whether a request can be sent to the replica now.
    pub fn is_idle(&self, to: BrokerId) -> bool {
        !self.busy.contains_key(&to)
    }

    /// Whether a request is under way to anyone.
    pub fn is_any_waiting(&self) -> bool {
        let mut busy = self.busy.values();
        busy.any(|connection| matches!(connection, Connection::Waiting { .. }))
    }

    /// Begins a request to an idle replica.
    pub fn start(&mut self, now: Instant, to: BrokerId) -> Correlation {
        self.last_correlation.0 += 1;
        let correlation = self.last_correlation;
        let until = now + self.request_timeout;
        let before = self
            .busy
            .insert(to, Connection::Waiting { correlation, until });
        assert!(before.is_none(), "a replica gets one request at a time");
        correlation
    }

    /// Takes an answer, and returns whether it belongs to the request under way, which is done then.
    pub fn finish(&mut self, from: BrokerId, correlation: Correlation) -> bool {
        let matches = self.is_waiting_for(from, correlation);
        if matches {
            self.busy.remove(&from);
        }
        matches
    }

    /// Notes that a request failed: the next one waits. False if it is not the request under way.
    pub fn fail(&mut self, now: Instant, to: BrokerId, correlation: Correlation) -> bool {
        let matches = self.is_waiting_for(to, correlation);
        if matches {
            self.back_off(now, to);
        }
        matches
    }

    /// Lets the next request wait for the back-off.
    pub fn back_off(&mut self, now: Instant, to: BrokerId) {
        let until = now + self.retry_backoff;
        self.busy.insert(to, Connection::BackingOff { until });
    }

    /// Forgets all requests and pauses, because a new role asks other questions.
    pub fn reset(&mut self) {
        self.busy.clear();
    }

    /// Ends requests and pauses whose time is over.
    pub fn expire(&mut self, now: Instant) {
        let retry_backoff = self.retry_backoff;
        self.busy.retain(|_, connection| match *connection {
            Connection::Waiting { until, .. } if until <= now => {
                let until = now + retry_backoff;
                *connection = Connection::BackingOff { until };
                true
            }
            Connection::Waiting { .. } => true,
            Connection::BackingOff { until } => until > now,
        });
    }

    /// When [`Self::expire`] has something to do.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.busy
            .values()
            .map(|connection| connection.until())
            .min()
    }

    fn is_waiting_for(&self, replica: BrokerId, expected: Correlation) -> bool {
        matches!(self.busy.get(&replica),
            Some(Connection::Waiting { correlation, .. }) if *correlation == expected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VOTER: BrokerId = BrokerId(2);

    fn connections() -> Connections {
        Connections::new(Duration::from_secs(2), Duration::from_millis(20))
    }

    #[test]
    fn an_answer_to_a_request_that_was_given_up_does_not_count() {
        let mut connections = connections();
        let now = Instant::now();
        let first = connections.start(now, VOTER);
        connections.reset();
        let second = connections.start(now, VOTER);

        assert!(!connections.finish(VOTER, first));
        assert!(!connections.is_idle(VOTER));
        assert!(connections.finish(VOTER, second));
        assert!(connections.is_idle(VOTER));
    }

    #[test]
    fn a_request_without_an_answer_is_tried_again_after_a_pause() {
        let mut connections = connections();
        let start = Instant::now();
        connections.start(start, VOTER);

        let timed_out = connections.next_deadline().unwrap();
        connections.expire(timed_out);
        assert!(!connections.is_idle(VOTER));
        let paused = connections.next_deadline().unwrap();
        connections.expire(paused);

        assert_eq!(timed_out - start, Duration::from_secs(2));
        assert_eq!(paused - timed_out, Duration::from_millis(20));
        assert!(connections.is_idle(VOTER));
    }
}
