//! The answers of a connection that are still being made, in the order of their requests.
//!
//! Either any number of requests of one API that overlaps, up to a depth and a number of bytes, or one
//! request that stands alone.

use std::collections::VecDeque;
use std::task::{Context, Poll};
use std::time::Instant;

use super::close::CloseReason;
use super::handler::{Outcome, Pending};
use super::write::Output;
use crate::protocol::ResponseFrame;
use crate::telemetry::{RequestClock, RequestTimes};

/// Requests of one connection that may wait at once. Java clients keep 5 in flight, librdkafka any number;
/// with a round trip of 1 ms to the followers, 64 still allow 64,000 requests a second.
const DEPTH: usize = 64;
/// Bytes of those requests. Their memory is given back long before they are answered: this bounds what one
/// connection can have appended and not yet replicated.
const BYTES: usize = 16 << 20;

/// Answers in the making.
#[derive(Default)]
pub(super) struct Pipeline {
    slots: VecDeque<Slot>,
    bytes: usize,
    /// The API of the answers in the making, if it overlaps: more requests of it may join.
    overlapping: Option<i16>,
}

struct Slot {
    answer: Answer,
    bytes: usize,
    clock: RequestClock,
}

enum Answer {
    Waiting(Pending),
    Made(Outcome),
}

impl Pipeline {
    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Whether a request may be started now; `overlapping` is its API, if that overlaps.
    pub(super) fn has_room(&self, overlapping: Option<i16>) -> bool {
        let may_join = overlapping.is_some() && overlapping == self.overlapping;
        self.slots.is_empty() || (may_join && self.slots.len() < DEPTH && self.bytes < BYTES)
    }

    /// Adds an answer that is made already, behind others that are not.
    pub(super) fn push_made(&mut self, frame: ResponseFrame, clock: RequestClock) {
        self.slots.push_back(Slot {
            answer: Answer::Made(Outcome::Answer(frame)),
            bytes: 0,
            clock,
        });
    }

    /// Ends the connection after all earlier answers; nothing is started any more.
    pub(super) fn push_close(&mut self, reason: CloseReason, clock: RequestClock) {
        self.slots.push_back(Slot {
            answer: Answer::Made(Outcome::Close(reason)),
            bytes: 0,
            clock,
        });
        self.overlapping = None;
    }

    /// Adds the answer to a request of so many bytes, and sets it going: what it does now is still a part of
    /// serving it.
    pub(super) fn push(
        &mut self,
        context: &mut Context<'_>,
        pending: Pending,
        (bytes, overlapping): (usize, Option<i16>),
        mut clock: RequestClock,
    ) {
        let mut answer = Answer::Waiting(pending);
        answer.poll(context);
        clock.served = Instant::now();
        clock.made = clock.served;
        self.slots.push_back(Slot {
            answer,
            bytes,
            clock,
        });
        self.bytes += bytes;
        self.overlapping = overlapping;
    }

    /// Drives all answers, and moves those at the front that are made to the output. Requests without an answer
    /// end then, which `times` notes. Returns when there were any.
    ///
    /// # Errors
    /// The handler's wish to close the connection, once all earlier answers are in the output.
    pub(super) fn poll(
        &mut self,
        context: &mut Context<'_>,
        output: &mut Output,
        times: &RequestTimes,
    ) -> Result<Option<Instant>, CloseReason> {
        if self.slots.is_empty() {
            return Ok(None);
        }
        // The clock is read once for all that have been made meanwhile.
        let mut now = None;
        for slot in &mut self.slots {
            if slot.answer.poll(context) {
                slot.clock.made = *now.get_or_insert_with(Instant::now);
            }
        }
        let mut moved = None;
        while let Some(Slot {
            answer: Answer::Made(_),
            ..
        }) = self.slots.front()
        {
            let slot = self.slots.pop_front().expect("it was just seen");
            self.bytes -= slot.bytes;
            let now = *now.get_or_insert_with(Instant::now);
            moved = Some(now);
            let clock = RequestClock {
                queued: now,
                ..slot.clock
            };
            match slot.answer {
                Answer::Made(Outcome::Answer(frame)) => output.push_answer(frame, clock),
                Answer::Made(Outcome::FromElsewhere(frame, cost)) => {
                    output.push_answer(frame, clock.served_elsewhere(cost.waited, cost.worked));
                }
                Answer::Made(Outcome::Close(reason)) => return Err(reason),
                Answer::Made(Outcome::NoAnswer) => times.note(&clock, now),
                Answer::Waiting(_) => {}
            }
        }
        Ok(moved)
    }
}

impl Answer {
    /// Drives it. Returns true once: when it has been made.
    fn poll(&mut self, context: &mut Context<'_>) -> bool {
        if let Self::Waiting(pending) = self
            && let Poll::Ready(outcome) = pending.as_mut().poll(context)
        {
            *self = Self::Made(outcome);
            return true;
        }
        false
    }
}
