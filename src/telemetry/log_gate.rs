//! Keeps peers from filling the log: a line that they can cause at will passes now and then, with the
//! number of lines that were kept back.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Lets one log line through in ten seconds and counts the others.
#[derive(Debug, Default)]
pub struct LogGate(Mutex<GateState>);

#[derive(Debug, Default)]
struct GateState {
    opened: Option<Instant>,
    suppressed: u64,
}

impl LogGate {
    const DISTANCE: Duration = Duration::from_secs(10);

    /// A gate that has seen nothing yet.
    pub const fn new() -> Self {
        Self(Mutex::new(GateState {
            opened: None,
            suppressed: 0,
        }))
    }

    /// Asks whether a line may be logged now: if so, how many were kept back since the last one.
    pub fn pass(&self) -> Option<u64> {
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
