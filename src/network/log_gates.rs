//! Gates for the log lines that peers can cause at will, so that each passes only now and then.

use crate::telemetry::LogGate;

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
