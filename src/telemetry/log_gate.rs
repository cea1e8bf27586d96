//! Keeps peers from filling the log: a line that they can cause at will passes now and then, with the
//! number of lines that were kept back.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Lets one log line through in ten seconds, or a few, and counts the others.
#[derive(Debug)]
pub struct LogGate {
    /// How many lines may pass in [`Self::DISTANCE`].
    most: u32,
    state: Mutex<GateState>,
}

#[derive(Debug)]
struct GateState {
    opened: Option<Instant>,
    passed: u32,
    suppressed: u64,
}

impl Default for LogGate {
    fn default() -> Self {
        Self::new()
    }
}

impl LogGate {
    const DISTANCE: Duration = Duration::from_secs(10);

    /// A gate that has seen nothing yet.
    pub const fn new() -> Self {
        Self::of_many(1)
    }

    /// A gate for lines that each tell of something else, as what an operator asks for in one command:
    /// it lets so many pass.
    pub const fn of_many(most: u32) -> Self {
        Self {
            most,
            state: Mutex::new(GateState {
                opened: None,
                passed: 0,
                suppressed: 0,
            }),
        }
    }

    /// Asks whether a line may be logged now: if so, how many were kept back since the last one.
    pub fn pass(&self) -> Option<u64> {
        let mut state = self.state.lock();
        if state
            .opened
            .is_none_or(|opened| opened.elapsed() >= Self::DISTANCE)
        {
            state.opened = Some(Instant::now());
            state.passed = 0;
        }
        if state.passed == self.most {
            state.suppressed += 1;
            return None;
        }
        state.passed += 1;
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

    #[test]
    fn a_gate_of_many_lets_so_many_pass() {
        let gate = LogGate::of_many(3);

        let passed = (0..10).filter(|_| gate.pass().is_some()).count();

        assert_eq!(passed, 3);
    }
}
