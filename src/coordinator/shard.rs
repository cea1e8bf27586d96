//! What a shard of a coordinator is: the state of one partition of the coordinator's topic, as a pure type.
//! Each kind of coordinator has one; `runtime/` runs any.
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
    /// What the shard keeps, for log lines, such as "groups and offsets".
    const CONTENTS: &'static str;

    /// The requests that the shard decides.
    type Request: ShardRequest<Answer = Self::Answer>;
    /// The answers that the shard gives.
    type Answer: ShardAnswer;
    /// The records that the shard writes.
    type Record: ShardRecord;
    /// What all shards of one coordinator share.
    type Common: ShardCommon;

    /// A shard to which nothing was replayed yet. The value of a record that it writes takes at most
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

    /// Begins to run, after the log was loaded. `next_offset` is its end: the offset of the first record
    /// that the shard decides.
    fn begin(
        &mut self,
        now: Moment,
        next_offset: Offset,
        effects: &mut Effects<Self::Record, Self::Answer>,
    );

    /// Decides what follows from events elsewhere while the shard was not loaded. It is called once after
    /// [`Self::begin`], as soon as the shard may write.
    fn catch_up(
        &mut self,
        common: &Self::Common,
        partition: &TopicPartition,
        effects: &mut Effects<Self::Record, Self::Answer>,
    );

    /// Takes over what the next decision needs of the shared state.
    fn refresh(&mut self, common: &Self::Common);

    /// Checks whether the request is wrong whatever a shard holds. Clients are told of such a fault even
    /// where no shard could decide.
    ///
    /// # Errors
    /// The answer that names the fault.
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

    /// What the shard holds, and has done since it was made, in numbers.
    fn tally(&self) -> &<Self::Common as ShardCommon>::Tally;
}

/// A request to one shard.
pub trait ShardRequest {
    /// The answer to this kind of request.
    type Answer;

    /// Whether deciding it may make records.
    fn may_write(&self) -> bool;

    /// The answer of a coordinator that cannot take the request now. `error` is
    /// COORDINATOR_LOAD_IN_PROGRESS, NOT_COORDINATOR or the like.
    fn refuse(&self, error: ErrorCode) -> Self::Answer;
}

/// An answer, which may rest on records that are not written yet.
pub trait ShardAnswer: Send + 'static {
    /// The answer to send in its place when a record that it rests on was not written. `error` is
    /// COORDINATOR_NOT_AVAILABLE, NOT_COORDINATOR or the like. A request that was refused anyway stays
    /// refused for its own reason.
    #[must_use]
    fn fail(self, error: ErrorCode) -> Self;
}

/// A record of a shard's log.
pub trait ShardRecord: Sized + Send + Sync + 'static {
    /// The record's key and value as they are written; a tombstone has no value.
    fn to_bytes(&self) -> (Bytes, Option<Bytes>);

    /// Reads a record, which a newer version may have written.
    ///
    /// # Errors
    /// What it is instead.
    fn from_bytes(key: Bytes, value: Option<Bytes>) -> Result<Self, UnreadRecord>;
}

/// Why a record of the log was not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnreadRecord {
    /// Its type is not known: something that a newer version keeps, and this one does without.
    #[error("{0}")]
    UnknownType(String),
    /// Its type is known, and it cannot be read: what it says is missing without it.
    #[error("{0}")]
    Unreadable(String),
}

/// What all shards of one coordinator share: settings, memory, metrics.
pub trait ShardCommon: Send + Sync + 'static {
    /// What a shard holds and has done, in numbers. The default is that of a shard that is not loaded.
    type Tally: Copy + Default + PartialEq + Send;

    /// The metrics of loads and appends.
    fn metrics(&self) -> &CoordinatorMetrics;

    /// Counts in the metrics what has changed in a shard.
    fn count(&self, before: &Self::Tally, now: &Self::Tally);
}

/// The time of an input, on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The monotonic clock, for timers.
    pub instant: Instant,
    /// The time by the wall clock, which records get.
    pub timestamp: Timestamp,
}

/// Names a request that waits for its answer. The runtime draws it, and knows who waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub u64);

/// The client that asks, and the version of its request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The name by which the answer's [`Reply`] refers to the request.
    pub token: Token,
    /// The version of the request's API.
    pub version: i16,
    /// The client id in the request's header; empty if it is null.
    pub client_id: Str,
    /// The address that the request came from, as Kafka writes it: `/127.0.0.1`.
    pub client_host: Str,
}

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionOutcome {
    /// The pending offsets count.
    Commit,
    /// The pending offsets are dropped.
    Abort,
}

/// An answer, and when it may leave.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply<A> {
    /// The request that it answers. Every token is answered once.
    pub token: Token,
    /// The answer leaves when the high watermark is above this offset; [`Offset::NONE`]: at once.
    pub after: Offset,
    /// The answer if nothing fails until then; otherwise [`ShardAnswer::fail`] makes another of it.
    pub answer: A,
}

/// What a shard wants done after one or more inputs, as values. The runtime carries it out, and empties it.
#[derive(Clone, Debug, PartialEq)]
pub struct Effects<R, A> {
    /// Records to be appended in this order. They may be split over several batches.
    pub records: Vec<R>,
    /// Answers to be sent, each when its offset is committed.
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
