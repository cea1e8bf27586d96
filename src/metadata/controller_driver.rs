//! The controller's thread: takes questions, lets the controller decide, appends the records of
//! many decisions as one batch, and answers when they are committed.
//!
//! If an append is refused or a decision cannot be replayed, the state is dropped and this node
//! resigns; when it leads again the controller is made anew from what is committed.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::controller::{
    Controller, ControllerSettings, LogBatches, MAX_BYTES_PER_BATCH, MAX_RECORDS_PER_BATCH,
    Refusal, activation_records,
};
use super::driver::MetadataConfig;
use super::image::MetadataImage;
use crate::model::{LeaderEpoch, Offset};
use crate::protocol::ErrorCode;
use crate::protocol::messages::controller_registration::ControllerRegistrationRequest;
use crate::protocol::messages::metadata_records::{MetadataRecord, NoOpRecord};
use crate::raft::Raft;

/// The inputs of the controller's thread.
pub(super) enum ControllerInput {
    /// This node leads the quorum: `image` is all that was committed before its epoch.
    Activate {
        epoch: LeaderEpoch,
        image: Box<MetadataImage>,
        next_offset: Offset,
        has_open_transaction: bool,
    },
    /// This node leads no more.
    Resigned {
        epoch: LeaderEpoch,
    },
    /// All up to this offset is committed.
    Committed(Offset),
    /// Somebody wants something decided.
    Ask(Box<dyn Question>),
    Stop,
}

/// Something to be decided: a request of any type, boxed for the channel.
pub(super) trait Question: Send {
    /// Lets the controller decide. A refusal is an answer, too.
    fn decide(self: Box<Self>, controller: &mut Controller, now: Instant) -> Decided;
    /// Answers that no controller is here to decide.
    fn refuse(self: Box<Self>, refusal: &Refusal);
}

/// An answer that waits for a commit.
pub(super) trait Answer: Send {
    /// Sends the answer: everything up to `Ok(offset)` is committed. With an error it is not known whether
    /// the records ever will be.
    fn deliver(self: Box<Self>, outcome: Result<Offset, &Refusal>);
}

/// What the controller decided on a question.
pub(super) struct Decided {
    pub(super) records: Vec<MetadataRecord>,
    pub(super) answer: Box<dyn Answer>,
}

/// The answer of a decision that nobody asked for, such as fencing a silent broker.
struct Unasked;

impl Answer for Unasked {
    fn deliver(self: Box<Self>, _outcome: Result<Offset, &Refusal>) {}
}

/// The controller, for as long as this node leads.
struct Active {
    epoch: LeaderEpoch,
    controller: Controller,
    /// Answers by the offset whose commit they wait for, ascending.
    waiting: VecDeque<(Offset, Box<dyn Answer>)>,
    /// Records that were replayed, but not yet handed to the quorum.
    unsent: Vec<Bytes>,
    unsent_bytes: usize,
    /// The offset that the first unsent record gets.
    next_unsent: Offset,
    last_append: Instant,
}

/// The state of the controller's thread.
pub(super) struct ControllerThread {
    inputs: mpsc::Receiver<ControllerInput>,
    raft: Raft,
    settings: Arc<ControllerSettings>,
    bootstrap: Vec<MetadataRecord>,
    registration: ControllerRegistrationRequest,
    max_idle: Option<Duration>,
    active: Option<Active>,
    /// The newest epoch of which this thread was told that it has ended. Such news may come before the
    /// loader has replayed what a controller of that epoch begins with: that one then never begins.
    resigned: LeaderEpoch,
    committed: Offset,
}

impl ControllerThread {
    pub(super) fn new(
        inputs: mpsc::Receiver<ControllerInput>,
        raft: Raft,
        config: MetadataConfig,
    ) -> Self {
        Self {
            inputs,
            raft,
            settings: Arc::new(config.controller),
            bootstrap: config.bootstrap,
            registration: config.registration,
            max_idle: config.max_idle_interval,
            active: None,
            resigned: LeaderEpoch::NONE,
            committed: Offset::NONE,
        }
    }

    /// Runs until it is told to stop.
    pub(super) fn run(mut self) {
        loop {
            let first = match self.next_deadline() {
                None => self
                    .inputs
                    .recv()
                    .map_err(|_| RecvTimeoutError::Disconnected),
                Some(deadline) => {
                    let timeout = deadline.saturating_duration_since(Instant::now());
                    self.inputs.recv_timeout(timeout)
                }
            };
            let mut next = match first {
                Ok(input) => Some(input),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => Some(ControllerInput::Stop),
            };
            // Everything that waits is decided before anything is handed over: one batch and one sync for
            // all.
            while let Some(input) = next {
                if matches!(input, ControllerInput::Stop) {
                    self.drop_state(&no_controller());
                    return;
                }
                self.take(input);
                next = self.inputs.try_recv().ok();
            }
            self.act(Self::on_time);
            self.act(Self::flush);
        }
    }

    fn take(&mut self, input: ControllerInput) {
        match input {
            ControllerInput::Activate {
                epoch,
                image,
                next_offset,
                has_open_transaction,
            } => {
                // The quorum has a newer epoch: whatever this one would write is refused.
                if epoch <= self.resigned {
                    return;
                }
                self.activate(epoch, *image, next_offset);
                self.act(|thread| thread.begin(has_open_transaction));
            }
            ControllerInput::Resigned { epoch } => {
                self.resigned = self.resigned.max(epoch);
                if self
                    .active
                    .as_ref()
                    .is_some_and(|active| active.epoch == epoch)
                {
                    tracing::info!(epoch = epoch.0, "the controller resigns");
                    self.drop_state(&no_controller());
                }
            }
            ControllerInput::Committed(offset) => {
                self.committed = offset;
                self.answer();
            }
            ControllerInput::Ask(question) => self.ask(question),
            ControllerInput::Stop => unreachable!("the loop ends before"),
        }
    }

    fn activate(&mut self, epoch: LeaderEpoch, image: MetadataImage, next_offset: Offset) {
        self.drop_state(&no_controller());
        let now = Instant::now();
        tracing::info!(epoch = epoch.0, %next_offset, "the controller becomes active");
        self.active = Some(Active {
            epoch,
            controller: Controller::new(Arc::clone(&self.settings), image, next_offset, now),
            waiting: VecDeque::new(),
            unsent: Vec::new(),
            unsent_bytes: 0,
            next_unsent: next_offset,
            last_append: now,
        });
    }

    /// Appends what a new controller must write before it takes questions.
    fn begin(&mut self, has_open_transaction: bool) -> Result<(), String> {
        let Some(active) = &self.active else {
            return Ok(());
        };
        let (image, min_in_sync) = (
            active.controller.image(),
            active.controller.static_min_in_sync(),
        );
        let first = activation_records(image, has_open_transaction, &self.bootstrap, min_in_sync);
        self.append(first, Box::new(Unasked))?;
        // A reader that takes the bootstrap transaction as a whole gets it as one batch.
        self.flush()?;
        self.register_controller()
    }

    /// Registers this node as a controller, unless it is registered like that already.
    fn register_controller(&mut self) -> Result<(), String> {
        let Some(active) = &self.active else {
            return Ok(());
        };
        let known = active
            .controller
            .image()
            .controllers()
            .get(self.settings.node_id);
        if known.is_some_and(|known| known.incarnation == self.registration.incarnation_id) {
            return Ok(());
        }
        match active.controller.register_controller(&self.registration) {
            Ok(decision) => self.append(decision.records, Box::new(Unasked)),
            // Below metadata.version 3.7 controllers are not registered.
            Err(_) => Ok(()),
        }
    }

    fn ask(&mut self, question: Box<dyn Question>) {
        let Some(active) = &mut self.active else {
            question.refuse(&no_controller());
            return;
        };
        let decided = question.decide(&mut active.controller, Instant::now());
        self.act(|thread| thread.append(decided.records, decided.answer));
    }

    /// Does what is due by time: fences silent brokers, holds elections, and gives an idle log a record, so
    /// that a leader which can commit no more is found out.
    fn on_time(&mut self) -> Result<(), String> {
        let now = Instant::now();
        while let Some(active) = &self.active {
            let Some((id, decision)) = active.controller.fence_expired_broker(now) else {
                break;
            };
            tracing::warn!(broker = id.0, "fenced: no heartbeat for a whole session");
            self.append(decision.records, Box::new(Unasked))?;
        }
        while let Some(active) = &mut self.active
            && let Some(decision) = active.controller.elect_periodically(now)
        {
            let count = decision.records.len();
            tracing::info!(count, "partitions get other leaders: it was time to look");
            self.append(decision.records, Box::new(Unasked))?;
        }
        // One step at a time: others are heard in between.
        if let Some(active) = &mut self.active
            && let Some(decision) = active.controller.hand_over_drained()
        {
            let count = decision.records.len();
            tracing::info!(count, "drained brokers hand partitions over");
            self.append(decision.records, Box::new(Unasked))?;
        }
        let is_idle = |active: &Active| {
            self.max_idle
                .is_some_and(|max| now.duration_since(active.last_append) >= max)
        };
        if !self.active.as_ref().is_some_and(is_idle) {
            return Ok(());
        }
        // On a full disk such records would use up what is reserved for those that make room. The only
        // voter has no majority to lose.
        if self.settings.quorum.len() <= 1 && self.raft.lives_on_reserve() {
            if let Some(active) = &mut self.active {
                active.last_append = now;
            }
            return Ok(());
        }
        self.append(vec![NoOpRecord {}.into()], Box::new(Unasked))
    }

    fn next_deadline(&self) -> Option<Instant> {
        let active = self.active.as_ref()?;
        let idle = self.max_idle.map(|max| active.last_append + max);
        let session = active.controller.next_deadline();
        let election = active.controller.next_periodic_election();
        let drain = active.controller.is_handing_over().then(Instant::now);
        let due = idle.into_iter().chain(session).chain(election);
        due.chain(drain).min()
    }

    /// Replays the records of one decision and queues them for the log.
    fn append(
        &mut self,
        records: Vec<MetadataRecord>,
        answer: Box<dyn Answer>,
    ) -> Result<(), String> {
        let Some(active) = &mut self.active else {
            answer.deliver(Err(&no_controller()));
            return Ok(());
        };
        let version = active.controller.image().metadata_version();
        let log = LogBatches::new(records, version);
        let replayed = active.controller.replay(&log.records);
        // An answer without records waits, too: the state that it saw may not be committed yet.
        let last = active.controller.next_offset() + -1;
        active.waiting.push_back((last, answer));
        replayed.map_err(|error| format!("a decision cannot be replayed: {error}"))?;
        for batch in log.batches {
            self.hand_over(batch)?;
        }
        if self
            .active
            .as_ref()
            .is_some_and(|active| active.unsent.is_empty())
        {
            self.answer();
        }
        Ok(())
    }

    /// Adds a batch to what is unsent, which is sent first if both together are too large.
    fn hand_over(&mut self, batch: Vec<Bytes>) -> Result<(), String> {
        let size: usize = batch.iter().map(Bytes::len).sum();
        if self.active.as_ref().is_some_and(|active| {
            active.unsent.len() + batch.len() > MAX_RECORDS_PER_BATCH
                || active.unsent_bytes + size > MAX_BYTES_PER_BATCH
        }) {
            self.flush()?;
        }
        if let Some(active) = &mut self.active {
            active.unsent.extend(batch);
            active.unsent_bytes += size;
        }
        Ok(())
    }

    /// Hands what is unsent to the quorum as one batch.
    fn flush(&mut self) -> Result<(), String> {
        let Some(active) = &mut self.active else {
            return Ok(());
        };
        if active.unsent.is_empty() {
            return Ok(());
        }
        let batch = std::mem::take(&mut active.unsent);
        let count = i64::try_from(batch.len()).expect("records fit memory");
        active.unsent_bytes = 0;
        active.next_unsent = active.next_unsent + count;
        active.last_append = Instant::now();
        let expected = active.next_unsent + -1;
        let last = self.raft.append(active.epoch, batch);
        let last = last.map_err(|error| error.to_string())?;
        if last != expected {
            // The decisions have taken epochs of brokers from the offsets that their records were to get.
            return Err(format!(
                "the log gave offset {last} to what was decided for {expected}"
            ));
        }
        Ok(())
    }

    /// Sends every answer whose records are committed.
    fn answer(&mut self) {
        let Some(active) = &mut self.active else {
            return;
        };
        while let Some((_, answer)) = active
            .waiting
            .pop_front_if(|(offset, _)| *offset <= self.committed)
        {
            answer.deliver(Ok(self.committed));
        }
    }

    /// Runs `action`. If it fails, the state may be beyond repair: it is dropped, and this node resigns.
    fn act(&mut self, action: impl FnOnce(&mut Self) -> Result<(), String>) {
        let Err(reason) = action(self) else {
            return;
        };
        tracing::error!(reason, "the controller drops its state and resigns");
        let epoch = self.active.as_ref().map(|active| active.epoch);
        self.drop_state(&no_controller());
        if let Some(epoch) = epoch {
            self.raft.resign(epoch);
        }
    }

    fn drop_state(&mut self, refusal: &Refusal) {
        let Some(active) = self.active.take() else {
            return;
        };
        for (_, answer) in active.waiting {
            answer.deliver(Err(refusal));
        }
    }
}

fn no_controller() -> Refusal {
    Refusal::plain(ErrorCode::NOT_CONTROLLER)
}
