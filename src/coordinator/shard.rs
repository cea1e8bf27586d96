//! What a shard of a coordinator is: the state of one partition of the coordinator's topic, as a pure
//! type. `runtime/` runs any; each kind of coordinator has one.
//!
//! # How a shard runs
//! Decide, replay, append. [`Shard::handle`] reads the state and decides; the records that it decides on
//! are replayed at once, so that the next decision sees them, and are given to the runtime in
//! [`Effects`], to be appended in their order, those of many decisions in one batch. Offsets follow on
//! each other from the log's end: the shard is the only writer of its partition, but for transaction
//! markers.
//!
//! An answer says in [`Reply::after`] on which record it rests: it leaves when the high watermark is
//! above that offset, at once if there is none ([`Offset::NONE`]). The runtime never has to know why.
//!
//! If an append fails, or leadership is lost, the runtime calls [`Shard::abandon`], which answers
//! everybody who waits in the shard, fails the answers that it still holds back with
//! [`ShardAnswer::fail`], drops the shard, and loads a new one from the log: nothing is undone.

use std::time::Instant;

use bytes::Bytes;

use crate::model::{Offset, ProducerId, Timestamp, TopicPartition};
use crate::protocol::{ErrorCode, Str};
use crate::telemetry::CoordinatorMetrics;

/// The state of one partition of a coordinator's topic.
///
/// Loading: [`Self::empty`], then [`Self::replay`] and [`Self::replay_transaction_end`] for all that is in
/// the log, then [`Self::begin`] and [`Self::catch_up`]. Running: [`Self::handle`] and
/// [`Self::on_deadline`], each after [`Self::refresh`]. The end: [`Self::abandon`].
pub trait Shard: Sized + Send + 'static {
    /// What the shard keeps, for log lines: as in "groups and offsets".
    const CONTENTS: &'static str;

    /// What can be asked.
    type Request: ShardRequest<Answer = Self::Answer>;
    /// What is answered.
    type Answer: ShardAnswer;
    /// What is written.
    type Record: ShardRecord;
    /// What all shards of one coordinator share.
    type Common: ShardCommon;

    /// A shard to which nothing has been replayed. The value of a record that it writes takes at most
    /// `max_record_bytes`.
    fn empty(common: &Self::Common, max_record_bytes: usize) -> Self;

    /// The topic's limit on batches has changed, and with it that on the value of a record.
    fn set_max_record_bytes(&mut self, common: &Self::Common, max_record_bytes: usize);

    /// Takes a record of the log into the state, while loading: in the order of offsets, which may
    /// have gaps. `producer_id` is that of a transactional batch, [`ProducerId::NONE`] otherwise.
    fn replay(&mut self, offset: Offset, producer_id: ProducerId, record: &Self::Record);

    /// Takes a transaction marker into the state. A log without transactional batches has none.
    fn replay_transaction_end(
        &mut self,
        _offset: Offset,
        _producer_id: ProducerId,
        _outcome: TransactionOutcome,
    ) {
    }

    /// The log is loaded: `next_offset` is its end, the offset of the first record that is decided.
    fn begin(
        &mut self,
        now: Moment,
        next_offset: Offset,
        effects: &mut Effects<Self::Record, Self::Answer>,
    );

    /// Decides what follows from what happened elsewhere while the shard was not loaded: once after
    /// [`Self::begin`], as soon as it may write.
    fn catch_up(
        &mut self,
        common: &Self::Common,
        partition: &TopicPartition,
        effects: &mut Effects<Self::Record, Self::Answer>,
    );

    /// Takes from what the shards share what the next decision depends on.
    fn refresh(&mut self, common: &Self::Common);

    /// Whether there is something wrong with the request whatever a shard holds: clients are told of
    /// that also where no shard could decide.
    ///
    /// # Errors
    /// What is wrong.
    fn check(
        common: &Self::Common,
        caller: &Caller,
        request: &Self::Request,
    ) -> Result<(), ErrorCode>;

    /// Decides a request. The answer comes with these effects, or with those of a later input.
    fn handle(
        &mut self,
        now: Moment,
        caller: &Caller,
        request: &Self::Request,
        effects: &mut Effects<Self::Record, Self::Answer>,
    );

    /// When [`Self::on_deadline`] has work to do, at the latest. It may turn out to have none.
    fn next_deadline(&self) -> Option<Instant>;

    /// Does what is due at `now`.
    fn on_deadline(&mut self, now: Moment, effects: &mut Effects<Self::Record, Self::Answer>);

    /// Answers everybody who waits in the shard with `error`. The state is dropped: it is that of
    /// records which may not have been written.
    fn abandon(self, error: ErrorCode, effects: &mut Effects<Self::Record, Self::Answer>);

    /// What the shard holds, and has done since it was made.
    fn tally(&self) -> &<Self::Common as ShardCommon>::Tally;
}

/// A request, for what one shard keeps.
pub trait ShardRequest {
    /// Its answer.
    type Answer;

    /// Whether deciding it may make records.
    fn may_write(&self) -> bool;

    /// The answer of a coordinator that cannot take the request now: `error` is
    /// COORDINATOR_LOAD_IN_PROGRESS, NOT_COORDINATOR or the like.
    fn refuse(&self, error: ErrorCode) -> Self::Answer;
}

/// An answer, which may rest on records that are not written yet.
pub trait ShardAnswer: Send + 'static {
    /// What to send in its place when a record that it rests on was not written. `error` is
    /// COORDINATOR_NOT_AVAILABLE, NOT_COORDINATOR or the like. What was refused anyway stays refused
    /// for its reason.
    #[must_use]
    fn fail(self, error: ErrorCode) -> Self;
}

/// A record of a shard's log.
pub trait ShardRecord: Sized + Send + Sync + 'static {
    /// Key and value as they are written; a tombstone has no value.
    fn to_bytes(&self) -> (Bytes, Option<Bytes>);

    /// Reads what was written, perhaps by a newer version.
    ///
    /// # Errors
    /// Why the record is passed over.
    fn from_bytes(key: Bytes, value: Option<Bytes>) -> Result<Self, String>;
}

/// What all shards of one coordinator share: settings, memory, metrics.
pub trait ShardCommon: Send + Sync + 'static {
    /// What a shard holds and has done, in numbers; those of a shard that is not loaded by default.
    type Tally: Copy + Default + PartialEq + Send;

    /// Where loads and appends are counted.
    fn metrics(&self) -> &CoordinatorMetrics;

    /// Counts what has changed in a shard.
    fn count(&self, before: &Self::Tally, now: &Self::Tally);
}

/// The time of an input, on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// For timers; never goes back.
    pub instant: Instant,
    /// For what is written.
    pub timestamp: Timestamp,
}

/// Names a request that waits for its answer. The runtime gives it, and keeps who it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub u64);

/// Who asks, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Names the request in the answer's [`Reply`].
    pub token: Token,
    /// The version of the request's API.
    pub version: i16,
    /// From the request's header; empty where it is null.
    pub client_id: Str,
    /// The address that the request came from, as Kafka writes it: `/127.0.0.1`.
    pub client_host: Str,
}

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionOutcome {
    /// What was pending counts.
    Commit,
    /// What was pending never was.
    Abort,
}

/// An answer, and when it may leave.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply<A> {
    /// Whose answer it is. Every token is answered once.
    pub token: Token,
    /// The answer leaves when the high watermark is above this offset; [`Offset::NONE`]: at once.
    pub after: Offset,
    /// The answer, as it is if nothing fails until then; [`ShardAnswer::fail`] if something does.
    pub answer: A,
}

/// What a shard wants done after one or more inputs, as values; the runtime empties it. A shard never
/// does it itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Effects<R, A> {
    /// To be appended in this order. They may be split over batches: each is whole.
    pub records: Vec<R>,
    /// To be sent, each after its offset.
    pub replies: Vec<Reply<A>>,
}

impl<R, A> Effects<R, A> {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.replies.is_empty()
    }

    /// Answers the request `token` once `after` is committed.
    pub fn reply(&mut self, token: Token, after: Offset, answer: impl Into<A>) {
        self.replies.push(Reply {
            token,
            after,
            answer: answer.into(),
        });
    }
}

impl<R, A> Default for Effects<R, A> {
    fn default() -> Self {
        Self {
            records: Vec::new(),
            replies: Vec::new(),
        }
    }
}
