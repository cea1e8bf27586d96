//! What a Fetch is answered with, and what its session remembers of it.

use std::time::Instant;

use super::read::Done;
use super::{Fetch, Kind};
use crate::model::{BrokerId, LeaderEpoch, Offset};
use crate::protocol::error_code::ErrorCode;
use crate::protocol::payload::Payload;
use crate::replication::error::ReplicaError;
use crate::replication::fetch_session::{
    Answer, FetchSession, NO_SESSION, Outcome, PartitionRequest, TopicKey, TopicRef,
};
use crate::replication::threads::random_bytes;
use crate::storage::error::StorageError;
use crate::storage::leader_epochs::EpochEnd;
use crate::storage::transaction_index::AbortedTransaction;

/// The answer to a Fetch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FetchAnswer {
    /// An error of the session.
    pub error: ErrorCode,
    /// The session to use from now on, or [`NO_SESSION`].
    pub session_id: i32,
    /// In the order in which they were read.
    pub partitions: Vec<PartitionAnswer>,
}

/// The answer for one partition.
#[derive(Clone, Debug, PartialEq)]
pub struct PartitionAnswer {
    /// The topic, as the request names it.
    pub topic: TopicKey,
    /// The index.
    pub partition: i32,
    /// Why there is nothing else in the answer, if so.
    pub error: ErrorCode,
    /// [`Offset::NONE`] with an error, as the next two.
    pub high_watermark: Offset,
    /// See [`Self::high_watermark`].
    pub last_stable_offset: Offset,
    /// See [`Self::high_watermark`].
    pub log_start_offset: Offset,
    /// Where the reader's log and this one part.
    pub diverging: Option<EpochEnd>,
    /// The leader, for one who asked another broker.
    pub current_leader: Option<(BrokerId, LeaderEpoch)>,
    /// For readers of committed data: the aborted transactions in the records.
    pub aborted: Option<Vec<AbortedTransaction>>,
    /// The batches.
    pub records: Payload,
    /// There was no room for records.
    had_no_room: bool,
}

impl PartitionAnswer {
    pub fn refusal(topic: TopicKey, partition: i32, error: ErrorCode) -> Self {
        Self {
            topic,
            partition,
            error,
            high_watermark: Offset::NONE,
            last_stable_offset: Offset::NONE,
            log_start_offset: Offset::NONE,
            diverging: None,
            current_leader: None,
            aborted: None,
            records: Payload::EMPTY,
            had_no_room: false,
        }
    }

    /// Whether it must be told at once.
    pub fn is_urgent(&self) -> bool {
        self.error != ErrorCode::NONE || self.diverging.is_some()
    }

    fn for_session(&self) -> Answer {
        let outcome = if self.error != ErrorCode::NONE {
            Outcome::Error
        } else if self.diverging.is_some() {
            Outcome::Redirect
        } else if !self.records.is_empty() {
            Outcome::Records
        } else if self.had_no_room {
            Outcome::NoRoom
        } else {
            Outcome::CaughtUp
        };
        Answer {
            high_watermark: self.high_watermark,
            log_start_offset: self.log_start_offset,
            outcome,
        }
    }
}

impl Fetch {
    /// Takes what was read into the answers.
    pub fn take_results(&mut self, read: Vec<Done>) {
        for Done { job, read } in read {
            let had_no_room = match &read {
                None => !job.plan.is_empty(),
                Some(Ok(fetched)) => fetched.payload.is_empty() && !job.plan.is_empty(),
                Some(Err(_)) => false,
            };
            let item = &mut self.items[job.index];
            let mut answer =
                PartitionAnswer::refusal(item.topic.clone(), item.partition, ErrorCode::NONE);
            answer.high_watermark = job.plan.high_watermark;
            answer.last_stable_offset = job.plan.last_stable_offset;
            answer.log_start_offset = job.plan.log_start_offset;
            answer.diverging = job.plan.diverging;
            answer.had_no_room = had_no_room;
            match read {
                Some(Ok(fetched)) => {
                    answer.aborted = fetched.aborted;
                    answer.records = fetched.payload;
                }
                None => {}
                // Retention was quicker than the read: the next Fetch learns the new log start.
                Some(Err(ReplicaError::Storage(StorageError::SegmentDeleted))) => {
                    answer.had_no_room = true;
                }
                Some(Err(error)) => {
                    self.fetches.dirs.note_failure(&job.partition, &error);
                    let (topic, partition) = (answer.topic, answer.partition);
                    answer = PartitionAnswer::refusal(topic, partition, error.code());
                }
            }
            item.answer = Some(answer);
        }
    }

    /// Makes the answer, and has the session remember it.
    pub fn finish(mut self) -> FetchAnswer {
        let items = std::mem::take(&mut self.items);
        let mut slots = Vec::new();
        let mut partitions = Vec::new();
        for item in items {
            match (item.answer, &self.kind) {
                (Some(answer), _) => {
                    slots.push((item.slot, item.request));
                    partitions.push(answer);
                }
                (None, Kind::Incremental(session)) => {
                    session.lock().put_back([item.slot].into_iter());
                }
                (None, Kind::Sessionless | Kind::Full) => {}
            }
        }
        match &self.kind {
            Kind::Sessionless => FetchAnswer {
                error: ErrorCode::NONE,
                session_id: NO_SESSION,
                partitions,
            },
            Kind::Full => FetchAnswer {
                error: ErrorCode::NONE,
                session_id: self.create_session(&slots, &partitions),
                partitions,
            },
            Kind::Incremental(session) => {
                let mut session = session.lock();
                if !session.is_current(self.session.epoch) {
                    session.put_back(slots.iter().map(|(slot, _)| *slot));
                    return FetchAnswer {
                        error: ErrorCode::INVALID_FETCH_SESSION_EPOCH,
                        session_id: session.id(),
                        partitions: Vec::new(),
                    };
                }
                let answers: Vec<_> = slots
                    .iter()
                    .zip(&partitions)
                    .map(|((slot, _), answer)| (*slot, answer.for_session()))
                    .collect();
                let mut is_news = session.answered(&answers).into_iter();
                partitions.retain(|_| is_news.next().unwrap_or(false));
                FetchAnswer {
                    error: ErrorCode::NONE,
                    session_id: session.id(),
                    partitions,
                }
            }
        }
    }

    /// Has the next requests name only what changes, if there is room for another session.
    fn create_session(
        &self,
        slots: &[(u32, PartitionRequest)],
        partitions: &[PartitionAnswer],
    ) -> i32 {
        let now = Instant::now();
        let is_follower = self.params.follower.is_some();
        let random = || {
            let [first, second, third, fourth, ..] = random_bytes();
            u32::from_be_bytes([first, second, third, fourth])
        };
        let fill = |id| {
            let mut session = FetchSession::new(
                id,
                is_follower,
                self.session.uses_topic_ids,
                self.params.interest,
                now,
            );
            let mut answers = Vec::with_capacity(partitions.len());
            for ((_, request), answer) in slots.iter().zip(partitions) {
                let topic = match &answer.topic {
                    TopicKey::Id(id) => TopicRef::Id(*id),
                    TopicKey::Name(name) => TopicRef::Name(name),
                };
                let slot = session.update(topic, answer.partition, *request);
                answers.push((slot, answer.for_session()));
            }
            // They stay marked: nobody watched them while they were read.
            session.answered(&answers);
            session
        };
        let sessions = &self.fetches.sessions;
        sessions.create(is_follower, partitions.len(), now, random, fill)
    }
}
