//! What the network counts for metrics, and the gates that keep hostile peers from filling the log.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// The number now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn add(&self, count: u64) {
        if count > 0 {
            self.0.fetch_add(count, Ordering::Relaxed);
        }
    }
}

/// What happened since the broker started.
#[derive(Debug, Default)]
pub struct Counters {
    /// Connections accepted and served.
    pub accepted: Counter,
    /// Connections refused because their address had too many.
    pub refused_by_ip: Counter,
    /// Times that accepting failed for lack of descriptors or memory.
    pub accept_failures: Counter,
    /// Requests started.
    pub requests: Counter,
    /// Bytes of these requests, without their size fields.
    pub request_bytes: Counter,
    /// Connections closed because their bytes were no requests of an allowed size.
    pub malformed: Counter,
    /// Connections closed because they stopped sending or reading, or did not log in in time.
    pub stalled: Counter,
    /// Connections closed because they were idle.
    pub idle: Counter,
    /// Connections ended by a panic: each is a bug.
    pub panics: Counter,
}

/// Lets one log line through in ten seconds and counts the others.
#[derive(Debug, Default)]
pub(super) struct LogGate(Mutex<GateState>);

#[derive(Debug, Default)]
struct GateState {
    opened: Option<Instant>,
    suppressed: u64,
}

impl LogGate {
    const DISTANCE: Duration = Duration::from_secs(10);

    /// How many lines were kept back since the last, if one may pass now.
    pub(super) fn pass(&self) -> Option<u64> {
        let mut state = self.0.lock();
        if state
            .opened
            .is_some_and(|opened| opened.elapsed() < Self::DISTANCE)
        {
            state.suppressed += 1;
            return None;
        }
        state.opened = Some(Instant::now());
        Some(std::mem::take(&mut state.suppressed))
    }
}

/// One gate for each kind of line that a peer can cause at will.
#[derive(Debug, Default)]
pub(super) struct LogGates {
    pub(super) malformed: LogGate,
    pub(super) stalled: LogGate,
    pub(super) refused: LogGate,
    pub(super) too_many: LogGate,
    pub(super) accept: LogGate,
    pub(super) panic: LogGate,
    pub(super) records: LogGate,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_lets_the_first_line_pass_and_keeps_the_next() {
        let gate = LogGate::default();

        assert_eq!(gate.pass(), Some(0));
        assert_eq!(gate.pass(), None);
    }
}
