//! What a leader asks the controller to make of in-sync sets (AlterPartition, KIP-497), in batches: one
//! request is under way at a time, and of each partition one change.
//!
//! A change ends when its fate is known: the controller took it or refused it, or the metadata has gone
//! past what it was based on. Until then the leader counts with both sets, so an answer that was lost, or
//! that says nothing of the change, does not end it: it is asked for again after a pause.
//!
//! A refusal says nothing of an earlier copy whose answer was lost: that may still be on its way, and be
//! taken once the follower may join again. All copies build on one partition epoch, so the change is then
//! *withdrawn*: the set that holds is asked for in another order, which raises that epoch, and after which no
//! copy is taken any more. (A set of one has no other order: our controller raises the epoch for it as well.)
//! Copies also end when the follower's process does, as they name its broker epoch.

use std::collections::BTreeMap;
use std::time::Duration;

use super::image::{MetadataImage, PartitionImage};
use crate::model::{BrokerId, LeaderEpoch, TopicIdPartition};
use crate::protocol::ErrorCode;
use crate::protocol::messages::alter_partition::{
    AlterPartitionRequest, AlterPartitionResponse, BrokerState, RequestPartitionData,
    RequestTopicData, ResponsePartitionData,
};

/// The most partitions of one request.
const MAX_PER_REQUEST: usize = 5_000;

/// The pause after the first request that left something open. Each further pause is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// The longest pause between requests.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// A change of an in-sync set to ask the controller for (AlterPartition).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IsrChange {
    /// The partition.
    pub partition: TopicIdPartition,
    /// The epoch of the leader that asks.
    pub leader_epoch: LeaderEpoch,
    /// The partition epoch that the change is based on.
    pub partition_epoch: i32,
    /// The new set: brokers with their epochs, -1 for an unknown one. The leader's own is filled in when
    /// the controller is asked.
    pub isr: Vec<(BrokerId, i64)>,
}

/// How a change ended that the controller has decided on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IsrOutcome {
    /// The controller took it: this is the in-sync set now, with its partition epoch.
    Taken {
        /// The in-sync set.
        isr: Vec<BrokerId>,
        /// The partition epoch.
        partition_epoch: i32,
    },
    /// The controller did not take it, and never will.
    Refused,
}

/// What the answer says of one change.
enum Fate {
    /// The leader is told.
    Known(IsrOutcome),
    /// What the leader knows of the partition is old. It goes on counting with both sets until the
    /// metadata tells it more.
    LeftToMetadata,
    /// Nothing is known yet; `is_unknown`: the controller knows no such partition.
    Open { is_unknown: bool },
}

/// A change that the controller has not decided on.
#[derive(Debug)]
struct OpenChange {
    change: IsrChange,
    /// Whether the controller has said that there is no such partition.
    is_unknown: bool,
    /// Whether a copy of the change was sent of which nothing was heard: it may yet be taken.
    has_copy: bool,
    /// Whether the controller has refused the change, and what is asked for is that no copy is taken.
    is_withdrawn: bool,
}

impl OpenChange {
    /// Whether the metadata has gone past what the change is based on: it was taken, or never will be.
    ///
    /// A partition that the image lacks may be too new for it, and one that the controller lacks may be too
    /// new for a controller that was replaced. If both lack it, it was deleted.
    fn is_overtaken(&self, image: &MetadataImage) -> bool {
        let id = &self.change.partition;
        match image.topics().partition(&id.topic_id, id.partition) {
            Some(state) => state.partition_epoch > self.change.partition_epoch,
            None => self.is_unknown,
        }
    }

    /// The partition as the change knows it, if that is how the image has it.
    fn base<'a>(&self, image: &'a MetadataImage) -> Option<&'a PartitionImage> {
        let id = &self.change.partition;
        let state = image.topics().partition(&id.topic_id, id.partition)?;
        (state.partition_epoch == self.change.partition_epoch).then_some(state)
    }

    /// Whether no copy of the change was taken, or can be: a broker that it adds has another process by now.
    fn is_void(&self, image: &MetadataImage) -> bool {
        let Some(state) = self.base(image) else {
            return false;
        };
        let mut added = self.change.isr.iter();
        added.any(|(broker, epoch)| {
            let registered = image.brokers().get(*broker);
            !state.isr.contains(broker) && registered.is_some_and(|it| it.epoch > *epoch)
        })
    }

    /// What the controller is asked for.
    fn request(
        &self,
        broker: BrokerId,
        broker_epoch: i64,
        image: &MetadataImage,
    ) -> RequestPartitionData {
        let base = self.base(image).filter(|_| self.is_withdrawn);
        let in_another_order = base.map(|state| {
            let mut isr: Vec<_> = state.isr.iter().map(|id| (*id, -1)).collect();
            isr.rotate_left(1);
            isr
        });
        let isr = in_another_order.as_ref().unwrap_or(&self.change.isr);
        request_data(&self.change, isr, broker, broker_epoch)
    }
}

/// Changes that the controller has not decided on yet.
#[derive(Debug, Default)]
pub struct PendingIsrChanges {
    ready: BTreeMap<TopicIdPartition, OpenChange>,
    /// The changes that the request under way names.
    sent: BTreeMap<TopicIdPartition, OpenChange>,
    failures: u32,
}

impl PendingIsrChanges {
    /// Adds a change. A leader asks for another one of a partition only when it knows of the one before,
    /// or when the metadata went past it: the newest counts.
    pub fn add(&mut self, change: IsrChange) {
        let open = OpenChange {
            change,
            is_unknown: false,
            has_copy: false,
            is_withdrawn: false,
        };
        self.ready.insert(open.change.partition, open);
    }

    /// Whether nothing waits to be asked for.
    pub fn is_empty(&self) -> bool {
        self.ready.is_empty()
    }

    /// The next request, with as many changes as one may carry; `None` if nothing is left to ask for,
    /// because the metadata in `image` is past it.
    pub fn next_request(
        &mut self,
        broker: BrokerId,
        broker_epoch: i64,
        image: &MetadataImage,
    ) -> Option<AlterPartitionRequest> {
        let mut topics: Vec<RequestTopicData> = Vec::new();
        while self.sent.len() < MAX_PER_REQUEST
            && let Some((partition, open)) = self.ready.pop_first()
        {
            if open.is_overtaken(image) {
                continue;
            }
            let data = open.request(broker, broker_epoch, image);
            self.sent.insert(partition, open);
            // Changes ascend by topic, so those of one topic are adjacent.
            match topics.last_mut() {
                Some(last) if last.topic_id == partition.topic_id => last.partitions.push(data),
                _ => topics.push(RequestTopicData {
                    topic_id: partition.topic_id,
                    partitions: vec![data],
                }),
            }
        }
        if topics.is_empty() {
            self.failures = 0;
            return None;
        }
        Some(AlterPartitionRequest {
            broker_id: broker.0,
            broker_epoch,
            topics,
        })
    }

    /// Takes an answer in, and returns the changes that have ended, by the metadata in `image`, which is no
    /// older than at the request. What is still open is asked for again, unless the leader wants something
    /// else by now.
    pub fn answered(
        &mut self,
        response: &AlterPartitionResponse,
        image: &MetadataImage,
    ) -> Vec<(IsrChange, IsrOutcome)> {
        let mut open = std::mem::take(&mut self.sent);
        let (mut ended, mut refused) = (Vec::new(), Vec::new());
        // An error of the whole request does not say what became of a copy whose answer was lost.
        let is_decided = !response.error_code.is_error();
        for topic in response.topics.iter().filter(|_| is_decided) {
            for answer in &topic.partitions {
                let partition = TopicIdPartition {
                    topic_id: topic.topic_id,
                    partition: answer.partition_index,
                };
                let Some(mut asked) = open.remove(&partition) else {
                    continue;
                };
                match fate(&asked, answer) {
                    Fate::Known(IsrOutcome::Refused) if asked.has_copy && !asked.is_void(image) => {
                        asked.is_withdrawn = true;
                        refused.push(asked);
                    }
                    Fate::Known(outcome) => ended.push((asked.change, outcome)),
                    Fate::LeftToMetadata => {}
                    Fate::Open { is_unknown } => {
                        asked.is_unknown = is_unknown;
                        // It was not taken where it is not known, or not decided on.
                        let is_answer =
                            is_unknown || answer.error_code == ErrorCode::NOT_CONTROLLER;
                        asked.has_copy |= !is_answer;
                        refused.push(asked);
                    }
                }
            }
        }
        // STALE_BROKER_EPOCH is the only error of a whole request that is an answer to it: any other may
        // stand for one that never came.
        let is_answered = response.error_code == ErrorCode::STALE_BROKER_EPOCH;
        for asked in open.values_mut() {
            asked.has_copy |= !is_answered;
        }
        open.extend(refused.into_iter().map(|it| (it.change.partition, it)));
        self.failures = if open.is_empty() {
            0
        } else {
            self.failures.saturating_add(1)
        };
        for (partition, asked) in open {
            self.ready.entry(partition).or_insert(asked);
        }
        ended
    }

    /// How long to wait before the next request.
    pub fn pause(&self) -> Duration {
        let Some(doublings) = self.failures.checked_sub(1) else {
            return Duration::ZERO;
        };
        let pause = FIRST_PAUSE.saturating_mul(1 << doublings.min(16));
        pause.min(LONGEST_PAUSE)
    }
}

fn request_data(
    change: &IsrChange,
    isr: &[(BrokerId, i64)],
    broker: BrokerId,
    broker_epoch: i64,
) -> RequestPartitionData {
    let states = isr.iter().map(|(id, epoch)| BrokerState {
        broker_id: id.0,
        broker_epoch: if *id == broker { broker_epoch } else { *epoch },
    });
    RequestPartitionData {
        partition_index: change.partition.partition,
        leader_epoch: change.leader_epoch.0,
        new_isr_with_epochs: states.collect(),
        partition_epoch: change.partition_epoch,
        // Whoever asks for a set has recovered, if it was elected uncleanly.
        leader_recovery_state: 0,
        ..RequestPartitionData::default()
    }
}

/// What an answer says of a change. It is as in Kafka, but for a partition that the controller does not
/// know, and a request that it calls invalid: Kafka then waits for metadata that may never come.
fn fate(asked: &OpenChange, answer: &ResponsePartitionData) -> Fate {
    let change = &asked.change;
    match answer.error_code {
        // An answer of another leader epoch comes with metadata that says more.
        ErrorCode::NONE if answer.leader_epoch != change.leader_epoch.0 => Fate::LeftToMetadata,
        ErrorCode::NONE if answer.partition_epoch < change.partition_epoch => Fate::LeftToMetadata,
        // A controller of Apache's raises no epoch for a leader that is alone: copies may still be taken.
        ErrorCode::NONE
            if asked.is_withdrawn && answer.partition_epoch == change.partition_epoch =>
        {
            Fate::Known(IsrOutcome::Refused)
        }
        ErrorCode::NONE => Fate::Known(IsrOutcome::Taken {
            isr: answer.isr.iter().copied().map(BrokerId).collect(),
            partition_epoch: answer.partition_epoch,
        }),
        // The epochs were right, so no copy of the change was taken before.
        ErrorCode::INELIGIBLE_REPLICA | ErrorCode::INVALID_REQUEST => {
            Fate::Known(IsrOutcome::Refused)
        }
        ErrorCode::FENCED_LEADER_EPOCH
        | ErrorCode::INVALID_UPDATE_VERSION
        | ErrorCode::NEW_LEADER_ELECTED => Fate::LeftToMetadata,
        code => Fate::Open {
            is_unknown: code == ErrorCode::UNKNOWN_TOPIC_ID
                || code == ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        },
    }
}

#[cfg(test)]
mod tests;
