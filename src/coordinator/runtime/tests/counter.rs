//! The smallest shard that uses all of the runtime: a number that is added to, read, and waited for.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::coordinator::shard::{
    Caller, Effects, Moment, Shard, ShardAnswer, ShardCommon, ShardRecord, ShardRequest, Token,
    UnreadRecord,
};
use crate::model::{Offset, ProducerId, TopicPartition};
use crate::protocol::ErrorCode;
use crate::telemetry::{CoordinatorMetrics, MetricRegistry};

/// What can be asked of a counter.
#[derive(Clone, Copy, Debug)]
pub(super) enum Request {
    Add(i64),
    Read,
    /// Answered when the number is at least this, or so much time has passed.
    WaitFor(i64, Duration),
}

/// The number.
pub(super) type Answer = Result<i64, ErrorCode>;

/// What the number becomes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Becomes(i64);

pub(super) struct CounterCommon {
    pub(super) metrics: CoordinatorMetrics,
    limit: AtomicI64,
    total: AtomicI64,
    catch_ups: AtomicI64,
}

#[derive(Default)]
pub(super) struct Counter {
    number: i64,
    limit: i64,
    /// The record that the number rests on.
    last: Offset,
    next_offset: Offset,
    waiting: Vec<(i64, Instant, Token)>,
}

impl Default for CounterCommon {
    fn default() -> Self {
        Self {
            metrics: CoordinatorMetrics::new(
                &mut MetricRegistry::new("test"),
                "counter",
                super::TOPIC,
            ),
            limit: AtomicI64::new(i64::MAX),
            total: AtomicI64::new(0),
            catch_ups: AtomicI64::new(0),
        }
    }
}

impl CounterCommon {
    pub(super) fn set_limit(&self, limit: i64) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    pub(super) fn total(&self) -> i64 {
        self.total.load(Ordering::Relaxed)
    }

    pub(super) fn catch_ups(&self) -> i64 {
        self.catch_ups.load(Ordering::Relaxed)
    }
}

impl ShardCommon for CounterCommon {
    type Tally = i64;

    fn metrics(&self) -> &CoordinatorMetrics {
        &self.metrics
    }

    fn count(&self, before: &i64, now: &i64) {
        self.total.fetch_add(now - before, Ordering::Relaxed);
    }
}

impl ShardRequest for Request {
    type Answer = Answer;

    fn may_write(&self) -> bool {
        matches!(self, Self::Add(_))
    }

    fn refuse(&self, error: ErrorCode) -> Answer {
        Err(error)
    }
}

impl ShardAnswer for Answer {
    fn fail(self, error: ErrorCode) -> Self {
        Err(error)
    }
}

impl ShardRecord for Becomes {
    fn to_bytes(&self) -> (Bytes, Option<Bytes>) {
        let value = Bytes::copy_from_slice(&self.0.to_be_bytes());
        (Bytes::from_static(b"number"), Some(value))
    }

    fn from_bytes(_key: Bytes, value: Option<Bytes>) -> Result<Self, UnreadRecord> {
        let value = value.as_deref().and_then(|value| value.try_into().ok());
        let value = value.ok_or_else(|| UnreadRecord::Unreadable("it is no number".to_owned()))?;
        Ok(Self(i64::from_be_bytes(value)))
    }
}

impl Counter {
    fn answer_who_waited(&mut self, effects: &mut Effects<Becomes, Answer>) {
        let (number, last) = (self.number, self.last);
        for (_, _, token) in self.waiting.extract_if(.., |it| it.0 <= number) {
            effects.reply(token, last, Ok(number));
        }
    }
}

impl Shard for Counter {
    const CONTENTS: &'static str = "counters";

    type Request = Request;
    type Answer = Answer;
    type Record = Becomes;
    type Common = CounterCommon;

    fn empty(_common: &CounterCommon, _max_record_bytes: usize) -> Self {
        Self {
            last: Offset::NONE,
            ..Self::default()
        }
    }

    fn set_max_record_bytes(&mut self, _common: &CounterCommon, _max_record_bytes: usize) {}

    fn replay(&mut self, offset: Offset, _producer_id: ProducerId, record: &Becomes) {
        self.number = record.0;
        self.last = offset;
    }

    fn begin(
        &mut self,
        _now: Moment,
        next_offset: Offset,
        _effects: &mut Effects<Becomes, Answer>,
    ) {
        self.next_offset = next_offset;
    }

    fn catch_up(
        &mut self,
        common: &CounterCommon,
        partition: &TopicPartition,
        _effects: &mut Effects<Becomes, Answer>,
    ) {
        assert_eq!(&*partition.topic, super::TOPIC);
        // The load of an empty log is none worth telling.
        let loaded = i64::from(self.next_offset > Offset::ZERO);
        common.catch_ups.fetch_add(loaded, Ordering::Relaxed);
    }

    fn refresh(&mut self, common: &CounterCommon) {
        self.limit = common.limit.load(Ordering::Relaxed);
    }

    fn check(
        _common: &CounterCommon,
        _caller: &Caller,
        request: &Request,
    ) -> Result<(), ErrorCode> {
        if matches!(request, Request::Add(more) if *more < 0) {
            return Err(ErrorCode::INVALID_REQUEST);
        }
        Ok(())
    }

    fn handle(
        &mut self,
        now: Moment,
        caller: &Caller,
        request: &Request,
        effects: &mut Effects<Becomes, Answer>,
    ) {
        match *request {
            Request::Add(more) if self.number + more > self.limit => {
                effects.reply(caller.token, Offset::NONE, Err(ErrorCode::INVALID_REQUEST));
            }
            Request::Add(more) => {
                let record = Becomes(self.number + more);
                let offset = self.next_offset;
                self.replay(offset, ProducerId::NONE, &record);
                self.next_offset = offset + 1;
                effects.records.push(record);
                effects.reply(caller.token, offset, Ok(self.number));
                self.answer_who_waited(effects);
            }
            Request::Read => effects.reply(caller.token, self.last, Ok(self.number)),
            Request::WaitFor(number, longest) => {
                let until = now.instant + longest;
                self.waiting.push((number, until, caller.token));
                self.answer_who_waited(effects);
            }
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.waiting.iter().map(|it| it.1).min()
    }

    fn on_deadline(&mut self, now: Moment, effects: &mut Effects<Becomes, Answer>) {
        for (_, _, token) in self.waiting.extract_if(.., |it| it.1 <= now.instant) {
            effects.reply(token, Offset::NONE, Err(ErrorCode::REQUEST_TIMED_OUT));
        }
    }

    fn abandon(self, error: ErrorCode, effects: &mut Effects<Becomes, Answer>) {
        for (_, _, token) in self.waiting {
            effects.reply(token, Offset::NONE, Err(error));
        }
    }

    fn tally(&self) -> &i64 {
        &self.number
    }
}
