//! The quorum's thread: takes what waits, gives it to the state machine, carries out its effects in
//! order, and hands what is committed to the listener.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::control_record;
use super::delivery::{Delivery, Step};
use super::driver::{Command, Mailbox, RaftError, Shared};
use super::effect::{Announcement, BatchContent, Effect, Input, LeaderBatch};
use super::election_state::ElectionState;
use super::event::{CommittedBatch, RaftEvent, RaftListener};
use super::full_disk_driver::with_reserve;
use super::log_driver::MetadataLog;
use super::node::RaftNode;
use super::peers_driver::{AnswerSlot, Peers};
use super::quorum_info::QuorumInfo;
use super::quorum_state_driver::QuorumStateStore;
use super::replies_driver::{FetchedSnapshot, Waiting};
use super::retention::{Retention, SnapshotInfo};
use super::snapshot::data_batch;
use super::voters::Voters;
use crate::model::{LeaderEpoch, Timestamp};
use crate::records::control::{self, Placement};

/// How often old snapshots and segments are looked for: the interval is Kafka's.
const CLEAN_INTERVAL: Duration = Duration::from_secs(60);

/// How long a power cut may take back what is remembered of the log's syncs: to make that durable, too,
/// with each commit would double its cost.
const MARK_INTERVAL: Duration = Duration::from_millis(100);

/// How long a leader that stops waits for another voter to take over; Kafka's time, too.
const HANDOVER_TIME: Duration = Duration::from_secs(5);

/// All that the thread owns.
pub(crate) struct RaftThread {
    pub(super) shared: Arc<Shared>,
    pub(super) stage: Stage,
    pub(super) node: RaftNode,
    pub(super) log: MetadataLog,
    pub(super) quorum_state: QuorumStateStore,
    pub(super) voters: Voters,
    pub(super) delivery: Delivery,
    /// The snapshots, ascending. The bootstrap snapshot is not among them, as it is no part of the log's
    /// history.
    pub(super) snapshots: Vec<SnapshotInfo>,
    pub(super) retention: Retention,
    pub(super) listener: Box<dyn RaftListener>,
    /// The epoch of which the listener was told that this node leads it.
    pub(super) told_leadership: Option<LeaderEpoch>,
    pub(super) effects: Vec<Effect>,
    pub(super) peers: Box<dyn Peers>,
    pub(super) waiting: Waiting,
    pub(super) fetched: FetchedSnapshot,
    /// Until when a node that is to stop waits for another leader.
    pub(super) stops_by: Option<Instant>,
    /// When old snapshots and segments are looked for next.
    pub(super) next_clean: Instant,
    /// When what is remembered of the log's syncs is to be durable, if it is not.
    pub(super) mark_due: Option<Instant>,
}

/// What the thread is about to do.
pub(super) enum Stage {
    /// To begin with what was found on the disk, and to tell the listener of this.
    Starting(Option<RaftEvent>),
    /// To take what waits, and what is due.
    Serving,
    /// To begin again, as there may be space on the disk by then.
    Full(Instant),
}

/// What the thread has woken up for.
struct Work {
    proposed: Option<(LeaderEpoch, Vec<Vec<Bytes>>)>,
    commands: Vec<Command>,
    is_closing: bool,
}

impl RaftThread {
    /// Runs until the quorum is closed or fails.
    pub(super) fn run(mut self) {
        let outcome = catch_unwind(AssertUnwindSafe(|| self.serve()));
        let failure = match outcome {
            Ok(outcome) => outcome.err().map(|error| error.to_string()),
            Err(_) => Some("a bug in the metadata quorum; the log tells where".to_owned()),
        };
        self.end(failure);
    }

    fn serve(&mut self) -> Result<(), RaftError> {
        while !self.advance()? {
            self.wait();
        }
        Ok(())
    }

    /// Does what there is to do now. Returns whether the quorum was closed; a full disk does not end it.
    ///
    /// # Errors
    /// The quorum can't go on: [`Self::end`] is to follow.
    pub(crate) fn advance(&mut self) -> Result<bool, RaftError> {
        let done = match &mut self.stage {
            Stage::Starting(first_event) => {
                let first_event = first_event.take();
                self.begin(first_event).map(|()| false)
            }
            Stage::Serving => self.turn(),
            Stage::Full(until) => {
                let until = *until;
                self.try_again(until)
            }
        };
        match done {
            Err(error) if error.is_full_disk() => {
                self.wait_for_space(&error);
                Ok(false)
            }
            done => done,
        }
    }

    /// Ends the quorum on this node, which was closed or has failed.
    pub(crate) fn end(&mut self, failure: Option<String>) {
        self.close_mailbox();
        if let Some(reason) = failure {
            tracing::error!(reason, "the metadata quorum stopped");
            self.listener.on_event(RaftEvent::Failed(reason));
        }
    }

    /// Takes nothing more. What waits for an answer learns that there will be none.
    fn close_mailbox(&self) {
        let mut mailbox = self.shared.mailbox.lock();
        mailbox.accumulator.close();
        mailbox.is_closed = true;
        let left = std::mem::take(&mut mailbox.commands);
        drop(mailbox);
        drop(left);
    }

    pub(super) fn begin(&mut self, first_event: Option<RaftEvent>) -> Result<(), RaftError> {
        if let Some(event) = first_event {
            self.listener.on_event(event);
        }
        self.step(Input::Started)?;
        self.tell_remembered_leader();
        self.catch_up()?;
        self.next_clean = self.now();
        self.mark_due = None;
        self.stage = Stage::Serving;
        Ok(())
    }

    /// Takes what waits, and does what is due. Returns whether the quorum was closed.
    fn turn(&mut self) -> Result<bool, RaftError> {
        let work = self.take();
        if let Some((epoch, batches)) = work.proposed {
            self.step(Input::Proposed { epoch, batches })?;
        }
        // Proposals come first: a leader that resigns drops those that it has not appended.
        for command in work.commands {
            self.obey(command)?;
        }
        let now = self.now();
        if self
            .node
            .next_deadline()
            .is_some_and(|deadline| deadline <= now)
        {
            self.node.on_deadline(now, &mut self.effects);
            self.carry_out_all()?;
        }
        if self.next_clean <= now {
            self.next_clean = now + CLEAN_INTERVAL;
            self.clean()?;
            let wall = self.wall();
            self.log.tend(wall)?;
        }
        self.catch_up()?;
        self.tend_mark()?;
        if work.is_closing && self.may_stop_now()? {
            let wall = self.wall();
            self.log.close(wall)?;
            return Ok(true);
        }
        Ok(false)
    }

    /// Tells the listener of a leader that the node found on its disk: as long as that leads, nothing
    /// changes that would be announced.
    fn tell_remembered_leader(&mut self) {
        let ElectionState { epoch, leader, .. } = self.node.election();
        if leader.is_some_and(|leader| leader != self.node.local().id) {
            let event = RaftEvent::LeaderChanged { leader, epoch };
            self.listener.on_event(event);
        }
    }

    /// Tells the state machine that the node stops, and whether that can be: a leader first hands over
    /// to another voter, if there is one that takes over in time.
    fn may_stop_now(&mut self) -> Result<bool, RaftError> {
        let deadline = match self.stops_by {
            Some(deadline) => deadline,
            None => {
                self.step(Input::ShutdownRequested)?;
                self.catch_up()?;
                let deadline = self.now() + HANDOVER_TIME;
                *self.stops_by.insert(deadline)
            }
        };
        Ok(self.node.may_stop() || deadline <= self.now())
    }

    /// Makes the mark of the log's syncs durable if that is due.
    fn tend_mark(&mut self) -> Result<(), RaftError> {
        let now = self.now();
        if self.mark_due.is_some_and(|due| due <= now) {
            self.log.sync_mark()?;
        }
        let due = self.mark_due.filter(|due| *due > now);
        let is_unsynced = self.log.has_unsynced_mark();
        self.mark_due = is_unsynced.then(|| due.unwrap_or(now + MARK_INTERVAL));
        Ok(())
    }

    /// Waits until there is something to do.
    fn wait(&self) {
        let deadline = self.wakes_at();
        let mut mailbox = self.shared.mailbox.lock();
        let is_idle = |mailbox: &mut Mailbox| !self.is_called(mailbox);
        self.shared
            .wake
            .wait_while_until(&mut mailbox, is_idle, deadline);
    }

    /// Whether [`Self::advance`] has something to do before [`Self::wakes_at`].
    pub(crate) fn has_work(&self) -> bool {
        self.is_called(&self.shared.mailbox.lock())
    }

    fn is_called(&self, mailbox: &Mailbox) -> bool {
        match self.stage {
            Stage::Starting(_) => true,
            Stage::Serving => {
                // Who is stopping already has heard that it is to.
                let is_told_to_stop = mailbox.is_closing && self.stops_by.is_none();
                is_told_to_stop || !mailbox.accumulator.is_empty() || !mailbox.commands.is_empty()
            }
            Stage::Full(_) => mailbox.is_closing,
        }
    }

    /// When there is something to do, even if nothing comes.
    pub(crate) fn wakes_at(&self) -> Instant {
        if let Stage::Full(until) = self.stage {
            return until;
        }
        let due = [self.node.next_deadline(), self.stops_by, self.mark_due];
        due.into_iter()
            .flatten()
            .fold(self.next_clean, Instant::min)
    }

    fn take(&self) -> Work {
        let mut mailbox = self.shared.mailbox.lock();
        Work {
            proposed: mailbox.accumulator.drain(),
            commands: std::mem::take(&mut mailbox.commands),
            is_closing: mailbox.is_closing,
        }
    }

    /// The time by which durations are measured.
    pub(super) fn now(&self) -> Instant {
        self.shared.clock.instant()
    }

    /// The time of day.
    pub(super) fn wall(&self) -> Timestamp {
        self.shared.clock.wall()
    }

    fn obey(&mut self, command: Command) -> Result<(), RaftError> {
        match command {
            // A newer one was fetched meanwhile: the log begins there, and knows nothing of this one.
            Command::SnapshotWritten(id) if id.offset < self.log.start_offset() => {
                Ok(self.shared.snapshots.delete(id)?)
            }
            Command::SnapshotWritten(id) => {
                self.learn_snapshot(id)?;
                self.step(Input::SnapshotWritten(id))?;
                self.roll_if_full()?;
                self.clean()
            }
            Command::Resign(epoch) => self.step(Input::ResignRequested { epoch }),
            Command::Input(input) => self.step(input),
            // Whoever asked has left: what it would be told took time from those who wait.
            Command::Requested { reply, .. } if reply.is_closed() => Ok(()),
            Command::Requested { request, reply } => {
                let input = self.waiting.enter(request, reply);
                self.step(input)
            }
        }
    }

    pub(super) fn step(&mut self, input: Input) -> Result<(), RaftError> {
        let now = self.now();
        self.node.handle(now, input, &mut self.effects);
        self.carry_out_all()
    }

    /// Carries out effects, and gives the state machine what comes of them, until nothing is left to do.
    fn carry_out_all(&mut self) -> Result<(), RaftError> {
        while !self.effects.is_empty() {
            for effect in std::mem::take(&mut self.effects) {
                if let Some(input) = self.carry_out(effect)? {
                    let now = self.now();
                    self.node.handle(now, input, &mut self.effects);
                }
            }
        }
        Ok(())
    }

    fn carry_out(&mut self, effect: Effect) -> Result<Option<Input>, RaftError> {
        match effect {
            Effect::Persist(state) => with_reserve(self.shared.reserve.as_deref(), || {
                Ok(self.quorum_state.save(&state, &self.voters)?)
            })?,
            Effect::Append(batch) => self.append(batch),
            Effect::AppendFetched(batch) => {
                self.check_voters_in(&batch.bytes)?;
                self.log.append(&batch.bytes);
            }
            Effect::Truncate(offset) => {
                let now = self.wall();
                self.log.truncate(offset, now)?;
            }
            Effect::Flush => {
                let now = self.wall();
                self.log.flush(now)?;
                return Ok(Some(Input::Flushed(self.log.end_offset())));
            }
            Effect::Commit(offset) => self.delivery.commit(offset),
            Effect::Announce(announcement) => self.announce(announcement),
            Effect::Halt(reason) => return Err(RaftError::Halted(reason)),
            Effect::Send {
                to,
                correlation,
                request,
            } => {
                let slot = AnswerSlot::new(&self.shared, to, correlation);
                self.peers.ask(to, request, slot);
            }
            Effect::Reply { token, response } => {
                self.waiting.answer(token, response, Bytes::new());
            }
            Effect::ReplyWithLog {
                token,
                from,
                max_bytes,
                response,
            } => self.reply_with_log(token, from, max_bytes, response)?,
            Effect::ReplyWithSnapshot {
                token,
                request,
                response,
            } => self.reply_with_snapshot(token, &request, response)?,
            Effect::StoreSnapshot {
                id,
                position,
                bytes,
                is_last,
            } => return self.store_snapshot(id, position, &bytes, is_last),
            Effect::RestartAtSnapshot(id) => self.restart_at_snapshot(id)?,
        }
        Ok(None)
    }

    /// A quorum whose members count different majorities is none.
    fn check_voters_in(&self, batch: &[u8]) -> Result<(), RaftError> {
        let current = self.node.election().epoch;
        match control_record::voters_in(batch) {
            // Earlier epochs may have had other voters, whose logs were taken over as they are.
            Some((epoch, theirs)) if epoch == current && theirs != self.voters => {
                let ours = &self.voters;
                Err(RaftError::Halted(format!(
                    "its leader was elected by the voters {theirs}, but controller.quorum.voters \
                     of this node names {ours}: set it alike on all nodes"
                )))
            }
            _ => Ok(()),
        }
    }

    fn append(&mut self, batch: LeaderBatch) {
        let append_time = self.wall();
        let placement = Placement {
            base_offset: batch.base_offset,
            leader_epoch: batch.epoch,
            timestamp: append_time,
        };
        let last_offset = batch.last_offset();
        let (bytes, records) = match batch.content {
            BatchContent::LeaderChange { voters, granting } => {
                let leader = self.node.local().id;
                let value = control_record::leader_change(leader, &voters, &granting);
                (control::leader_change(placement, &value), Vec::new())
            }
            BatchContent::Records(records) => (data_batch(placement, &records), records),
        };
        self.log.append(&bytes);
        self.delivery.wrote(CommittedBatch {
            base_offset: batch.base_offset,
            last_offset,
            epoch: batch.epoch,
            append_time,
            records,
        });
    }

    fn announce(&mut self, announcement: Announcement) {
        let event = match announcement {
            Announcement::BecameLeader {
                epoch,
                start_offset,
            } => {
                let mut mailbox = self.shared.mailbox.lock();
                // The first record of an epoch is the leader's own; proposals begin behind it.
                mailbox.accumulator.open(epoch, start_offset + 1);
                drop(mailbox);
                self.delivery.lead(epoch, start_offset);
                tracing::info!(%epoch, %start_offset, "leading the metadata quorum");
                let leader = Some(self.node.local().id);
                Some(RaftEvent::LeaderChanged { leader, epoch })
            }
            Announcement::Resigned { epoch } => {
                self.shared.mailbox.lock().accumulator.close();
                tracing::info!(%epoch, "no longer leading the metadata quorum");
                self.delivery.resign();
                // Who was never told of the leadership need not hear of its end.
                let told = self.told_leadership.take();
                told.map(|epoch| RaftEvent::Resigned { epoch })
            }
            Announcement::LeaderChanged { leader, epoch } => {
                Some(RaftEvent::LeaderChanged { leader, epoch })
            }
        };
        if let Some(event) = event {
            self.listener.on_event(event);
        }
    }

    /// Publishes the state of the quorum, then gives the listener what is committed, in this order: whoever
    /// hears of a commit finds it in the published state.
    fn catch_up(&mut self) -> Result<(), RaftError> {
        let info = QuorumInfo::of(&self.node, self.now(), self.wall());
        if info.newcomer != self.shared.info.load().newcomer
            && let Some(newcomer) = &info.newcomer
        {
            tracing::info!(%newcomer, "this voter has no vote yet");
        }
        self.shared.info.store(Arc::new(info));
        while let Some(step) = self.delivery.next() {
            match step {
                Step::Deliver(batch) => self.listener.on_event(RaftEvent::Committed(batch)),
                Step::Read { from, up_to } => {
                    let batches = self.log.read(from, up_to)?;
                    if batches.is_empty() {
                        break;
                    }
                    for batch in batches {
                        self.delivery.delivered(&batch);
                        self.listener.on_event(RaftEvent::Committed(batch));
                    }
                }
                Step::BecomeLeader {
                    epoch,
                    start_offset,
                } => {
                    self.told_leadership = Some(epoch);
                    self.listener.on_event(RaftEvent::BecameLeader {
                        epoch,
                        start_offset,
                    });
                }
            }
        }
        Ok(())
    }
}
