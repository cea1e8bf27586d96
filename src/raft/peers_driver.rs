//! The seam between the quorum's thread and the other voters: how it asks, and how answers come back.

use std::sync::Arc;

use super::driver::{Command, Shared};
use super::effect::{Absence, Correlation, Input};
use super::message::{Request, Response};
use crate::model::BrokerId;

/// Carries requests to other voters. It never blocks: an answer, or the lack of one, comes by the slot.
pub trait Peers: Send {
    /// Asks a voter. At most one request to each voter is under way: a newer one takes the place of an
    /// older one, whose answer nobody waits for any more.
    fn ask(&mut self, to: BrokerId, request: Request, slot: AnswerSlot);
}

/// Where the answer of another voter goes. Dropped without one, it counts as silence.
#[derive(Debug)]
pub struct AnswerSlot {
    shared: Arc<Shared>,
    from: BrokerId,
    correlation: Correlation,
    is_filled: bool,
}

impl AnswerSlot {
    pub(super) fn new(shared: &Arc<Shared>, from: BrokerId, correlation: Correlation) -> Self {
        Self {
            shared: Arc::clone(shared),
            from,
            correlation,
            is_filled: false,
        }
    }

    /// The voter answered.
    pub fn answered(self, response: Response) {
        let (from, correlation) = (self.from, self.correlation);
        self.fill(Input::Responded {
            from,
            correlation,
            response,
        });
    }

    /// The voter did not answer.
    pub fn unreachable(self, absence: Absence) {
        let (to, correlation) = (self.from, self.correlation);
        self.fill(Input::Unreachable {
            to,
            correlation,
            absence,
        });
    }

    fn fill(mut self, input: Input) {
        self.is_filled = true;
        self.shared.command(Command::Input(input));
    }
}

impl Drop for AnswerSlot {
    fn drop(&mut self) {
        if !self.is_filled {
            self.shared.command(Command::Input(Input::Unreachable {
                to: self.from,
                correlation: self.correlation,
                absence: Absence::Silent,
            }));
        }
    }
}

/// The peers of a node that is the only voter: there are none.
#[derive(Clone, Copy, Debug)]
pub struct NoPeers;

impl Peers for NoPeers {
    fn ask(&mut self, to: BrokerId, _request: Request, _slot: AnswerSlot) {
        unreachable!("voter {to} is asked by a node that was opened without peers");
    }
}
