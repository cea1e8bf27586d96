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

/// What the thread is told.
pub(super) enum ControllerInput {
    /// This node leads the quorum: `image` is all that is committed before.
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

/// Something to be decided.
pub(super) trait Question: Send {
    /// Asks the controller. A refusal is an answer, too.
    fn decide(self: Box<Self>, controller: &mut Controller, now: Instant) -> Decided;
    /// There is no controller here that could decide.
    fn refuse(self: Box<Self>, refusal: &Refusal);
}

/// An answer that waits for a commit.
pub(super) trait Answer: Send {
    /// Everything up to `Ok(offset)` is committed; or it is not known whether it ever will be.
    fn deliver(self: Box<Self>, outcome: Result<Offset, &Refusal>);
}

/// What a question led to.
pub(super) struct Decided {
    pub(super) records: Vec<MetadataRecord>,
    pub(super) answer: Box<dyn Answer>,
}

/// An answer that nobody waits for.
struct Unasked;

impl Answer for Unasked {
    fn deliver(self: Box<Self>, _outcome: Result<Offset, &Refusal>) {}
}

/// The controller while this node leads.
struct Active {
    epoch: LeaderEpoch,
    controller: Controller,
    /// Answers by the offset that they wait for, ascending.
    waiting: VecDeque<(Offset, Box<dyn Answer>)>,
    /// Records that were replayed and are not handed to the quorum yet.
    unsent: Vec<Bytes>,
    unsent_bytes: usize,
    /// The offset that the first unsent record gets.
    next_unsent: Offset,
    last_append: Instant,
}

/// All that the thread owns.
pub(super) struct ControllerThread {
    inputs: mpsc::Receiver<ControllerInput>,
    raft: Raft,
    settings: Arc<ControllerSettings>,
    bootstrap: Vec<MetadataRecord>,
    registration: ControllerRegistrationRequest,
    max_idle: Option<Duration>,
    active: Option<Active>,
    /// The newest epoch that this node leads no more. It is told before the loader has replayed what
    /// a controller of that epoch begins with.
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
            // All that waits is decided before anything is handed over: one batch, one sync.
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

    /// What a new controller appends before it listens to others.
    fn begin(&mut self, has_open_transaction: bool) -> Result<(), String> {
        let Some(active) = &self.active else {
            return Ok(());
        };
        let image = active.controller.image();
        let first = activation_records(image, has_open_transaction, &self.bootstrap);
        self.append(first, Box::new(Unasked))?;
        // A reader that takes the bootstrap transaction as a whole gets it as one batch.
        self.flush()?;
        self.register_controller()
    }

    /// Makes this node known as a controller, unless it is already.
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

    /// What is due without being asked: silent brokers are fenced, and an idle log gets a record,
    /// so that a leader that can commit no more is found out.
    fn on_time(&mut self) -> Result<(), String> {
        let now = Instant::now();
        while let Some(active) = &self.active {
            let Some((id, decision)) = active.controller.fence_expired_broker(now) else {
                break;
            };
            tracing::warn!(broker = id.0, "fenced: no heartbeat for a whole session");
            self.append(decision.records, Box::new(Unasked))?;
        }
        let is_idle = |active: &Active| {
            self.max_idle
                .is_some_and(|max| now.duration_since(active.last_append) >= max)
        };
        if self.active.as_ref().is_some_and(is_idle) {
            self.append(vec![NoOpRecord {}.into()], Box::new(Unasked))?;
        }
        Ok(())
    }

    fn next_deadline(&self) -> Option<Instant> {
        let active = self.active.as_ref()?;
        let idle = self.max_idle.map(|max| active.last_append + max);
        let session = active.controller.next_deadline();
        idle.into_iter().chain(session).min()
    }

    /// Takes the records of one decision into the state and, sooner or later, into the log.
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
        // Also an answer without records waits: it saw what is not committed yet.
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

    /// Adds to what is unsent, sending it first if it grew too large.
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

    /// Hands what is unsent to the quorum, as one batch.
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
            // Epochs of brokers were taken from the offsets that the records should have got.
            return Err(format!(
                "the log gave offset {last} to what was decided for {expected}"
            ));
        }
        Ok(())
    }

    /// Lets every answer leave whose records are committed.
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

    /// Does something after which the state may be beyond repair.
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
