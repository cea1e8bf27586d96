//! One process of a node: its quorum, what that tells and asks, and what it is asked.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use broker::doubles::{CrashDisk, SteppedClock, SteppedRaft};
use broker::model::{BrokerId, LeaderEpoch, Offset};
use broker::raft::{
    AnswerSlot, Correlation, Peers, RaftConfig, RaftError, RaftEvent, RaftListener, Request,
    RequestToken, Served,
};

use super::lies::Lies;
use super::state_machines::StateMachine;
use crate::hooked_disk::HookedDisk;

/// A request that leaves.
pub struct Sent {
    /// What the node's clock shows.
    pub at: Instant,
    /// How much its disk had done before.
    pub operations: u64,
    pub to: BrokerId,
    pub request: Request,
    pub slot: AnswerSlot,
}

/// A request that is being served.
struct Serving {
    token: RequestToken,
    request: Request,
    answer: Pin<Box<dyn Future<Output = Served>>>,
}

/// What the quorum tells.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<RaftEvent>>>);

impl RaftListener for Told {
    fn on_event(&mut self, event: RaftEvent) {
        self.0.lock().expect("nobody panics").push(event);
    }
}

/// What the quorum asks the other voters.
#[derive(Clone)]
struct Outbox {
    sent: Arc<Mutex<Vec<Sent>>>,
    clock: SteppedClock,
    disk: CrashDisk,
}

impl Peers for Outbox {
    fn ask(&mut self, to: BrokerId, request: Request, slot: AnswerSlot) {
        self.sent.lock().expect("nobody panics").push(Sent {
            at: self.clock.shown(),
            operations: self.disk.operations(),
            to,
            request,
            slot,
        });
    }
}

/// See the module.
pub struct Process {
    pub stepped: SteppedRaft,
    pub state: StateMachine,
    /// The epoch that it leads, as its quorum has told.
    pub leads: Option<LeaderEpoch>,
    pub is_stopping: bool,
    /// Who has asked for the log since the last step.
    pub fetching: Vec<usize>,
    told: Told,
    outbox: Outbox,
    /// The newest request to each voter: nobody waits for answers to older ones.
    calls: BTreeMap<BrokerId, (Correlation, AnswerSlot)>,
    serving: Vec<Serving>,
}

impl Process {
    pub fn start(
        config: &RaftConfig,
        disk: &CrashDisk,
        lies: &Lies,
        clock: &SteppedClock,
    ) -> Result<Self, RaftError> {
        let told = Told::default();
        let outbox = Outbox {
            sent: Arc::default(),
            clock: clock.clone(),
            disk: disk.clone(),
        };
        let hooked = HookedDisk {
            disk: Arc::new(disk.clone()),
            hooks: lies.clone(),
        };
        let stepped = SteppedRaft::open(
            config,
            Arc::new(hooked),
            clock,
            Box::new(told.clone()),
            Box::new(outbox.clone()),
        )?;
        Ok(Self {
            stepped,
            state: StateMachine::default(),
            leads: None,
            is_stopping: false,
            fetching: Vec::new(),
            told,
            outbox,
            calls: BTreeMap::new(),
            serving: Vec::new(),
        })
    }

    /// What was told since the last time.
    pub fn take_told(&self) -> Vec<RaftEvent> {
        std::mem::take(&mut self.told.0.lock().expect("nobody panics"))
    }

    /// What was asked since the last time.
    pub fn take_sent(&self) -> Vec<Sent> {
        std::mem::take(&mut self.outbox.sent.lock().expect("nobody panics"))
    }

    /// Waits for the answer to a request, and no longer for that to the one before.
    pub fn expect_answer(&mut self, of: BrokerId, correlation: Correlation, slot: AnswerSlot) {
        self.calls.insert(of, (correlation, slot));
    }

    /// Where an answer goes, if anybody waits for it.
    pub fn take_call(&mut self, of: BrokerId, correlation: Correlation) -> Option<AnswerSlot> {
        let is_awaited = self
            .calls
            .get(&of)
            .is_some_and(|call| call.0 == correlation);
        if !is_awaited {
            return None;
        }
        self.calls.remove(&of).map(|(_, slot)| slot)
    }

    /// Hands over the request of another replica.
    pub fn serve(&mut self, token: RequestToken, request: Request) {
        let raft = self.stepped.raft.clone();
        let asked = request.clone();
        let mut answer: Pin<Box<dyn Future<Output = Served>>> =
            Box::pin(async move { raft.serve(asked).await });
        let mut context = Context::from_waker(Waker::noop());
        // It is under way once it was looked at.
        if answer.as_mut().poll(&mut context).is_pending() {
            self.serving.push(Serving {
                token,
                request,
                answer,
            });
        }
    }

    /// The answers that there are.
    pub fn take_answers(&mut self) -> Vec<(RequestToken, Request, Served)> {
        let mut context = Context::from_waker(Waker::noop());
        let mut answers = Vec::new();
        self.serving.retain_mut(|serving| {
            let Poll::Ready(served) = serving.answer.as_mut().poll(&mut context) else {
                return true;
            };
            answers.push((serving.token, serving.request.clone(), served));
            false
        });
        answers
    }

    /// Up to where its state machine was given everything.
    pub fn delivered(&self) -> Offset {
        self.state.next_offset()
    }
}
