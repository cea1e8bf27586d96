//! The answer to a Fetch.

use crate::model::{BrokerId, LeaderEpoch, Offset};
use crate::protocol::error_code::ErrorCode;
use crate::protocol::payload::Payload;
use crate::replication::fetch_session::{Answer, Outcome, TopicKey};
use crate::replication::partition::FetchPlan;
use crate::storage::leader_epochs::EpochEnd;
use crate::storage::transaction_index::AbortedTransaction;

/// The answer to a Fetch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FetchAnswer {
    /// The error of the session, if it has one.
    pub error: ErrorCode,
    /// The session to use from now on, or [`crate::replication::fetch_session::NO_SESSION`].
    pub session_id: i32,
    /// The partitions, in the order in which they were read.
    pub partitions: Vec<PartitionAnswer>,
}

/// The answer for one partition.
#[derive(Clone, Debug, PartialEq)]
pub struct PartitionAnswer {
    /// The topic, as the request names it.
    pub topic: TopicKey,
    /// The partition's index.
    pub partition: i32,
    /// Why the answer has nothing else; NONE if it has.
    pub error: ErrorCode,
    /// The high watermark; like the next two, [`Offset::NONE`] with an error.
    pub high_watermark: Offset,
    /// The last stable offset.
    pub last_stable_offset: Offset,
    /// The log start offset.
    pub log_start_offset: Offset,
    /// Where the reader's log and this one part, if they do.
    pub diverging: Option<EpochEnd>,
    /// The replica that a consumer had better read.
    pub preferred: Option<BrokerId>,
    /// The leader, for a client that asked another broker.
    pub current_leader: Option<(BrokerId, LeaderEpoch)>,
    /// For readers of committed data: the aborted transactions in the records.
    pub aborted: Option<Vec<AbortedTransaction>>,
    /// The records.
    pub records: Payload,
    /// Why it has no records, if there are some.
    pub(super) left_out: Option<LeftOut>,
}

/// Why an answer has no records of a partition, though there are some.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LeftOut {
    /// The limits of the answer left no room for them.
    NoRoom,
    /// Too many files were lent to answers.
    NoDescriptor,
    /// The follower is throttled, and more has been sent than the rate allows.
    Throttled,
}

impl PartitionAnswer {
    /// An answer with nothing but an error.
    pub(super) fn refusal(topic: TopicKey, partition: i32, error: ErrorCode) -> Self {
        Self {
            topic,
            partition,
            error,
            high_watermark: Offset::NONE,
            last_stable_offset: Offset::NONE,
            log_start_offset: Offset::NONE,
            diverging: None,
            preferred: None,
            current_leader: None,
            aborted: None,
            records: Payload::EMPTY,
            left_out: None,
        }
    }

    /// An answer with the offsets of a partition, without records.
    pub(super) fn standing(topic: TopicKey, partition: i32, plan: &FetchPlan) -> Self {
        Self {
            high_watermark: plan.high_watermark,
            last_stable_offset: plan.last_stable_offset,
            log_start_offset: plan.log_start_offset,
            diverging: plan.diverging,
            preferred: plan.preferred,
            ..Self::refusal(topic, partition, ErrorCode::NONE)
        }
    }

    /// Whether the client must be told at once.
    pub(super) fn is_urgent(&self) -> bool {
        self.error != ErrorCode::NONE || self.sends_elsewhere()
    }

    /// Whether the reader must do something else than read on here.
    fn sends_elsewhere(&self) -> bool {
        self.diverging.is_some() || self.preferred.is_some()
    }

    /// What a session has to remember of the answer.
    pub(super) fn for_session(&self) -> Answer {
        let outcome = if self.error != ErrorCode::NONE {
            Outcome::Error
        } else if self.sends_elsewhere() {
            Outcome::Redirect
        } else if !self.records.is_empty() {
            Outcome::Records
        } else if self.left_out.is_some() {
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
