//! One partition of a Fetch: it is found, checked, planned, read and answered.

use std::sync::Arc;
use std::time::Instant;

use super::answer::{LeftOut, PartitionAnswer};
use super::job::{Done, Filled, Read};
use super::request::FetchParams;
use crate::metadata::image::{MetadataImage, TopicsImage};
use crate::model::{BrokerId, LeaderEpoch, TopicIdPartition};
use crate::protocol::error_code::ErrorCode;
use crate::replication::delayed::{FetchWatch, Subscription};
use crate::replication::error::ReplicaError;
use crate::replication::fetch_session::{PartitionRequest, ReadySlot, TopicKey};
use crate::replication::hosted::{Hosted, is_eligible};
use crate::replication::leadership::{FollowerFetch, SessionClock};
use crate::replication::partition::{FetchPlan, Heard, IsrChange, Partition, Reader};
use crate::replication::throttle::Throttle;
use crate::storage::error::StorageError;

/// A partition of a Fetch.
pub struct Item {
    topic: TopicKey,
    /// The name of a topic that is asked for by id: what a session remembered, or the metadata says.
    name: Option<Arc<str>>,
    partition: i32,
    /// What the request asks of the partition.
    pub request: PartitionRequest,
    /// The partition's slot in the session; without one, its place in the request.
    pub slot: u32,
    /// The partition; `None` if it was not looked up yet. An error is its answer.
    found: Option<Result<Arc<Partition>, ErrorCode>>,
    /// Watches the partition for this Fetch, if that has no session.
    subscription: Option<Subscription>,
    /// The answer; `None` if the partition must be read, for the first time or again.
    pub answer: Option<PartitionAnswer>,
    /// Whether the follower's progress was noted, which happens once for each request.
    is_noted: bool,
    /// Whether the partition could not be looked at for a follower, so that its progress was not noted.
    is_unheard: bool,
    /// When a follower that is throttled may be sent more.
    throttled_until: Option<Instant>,
}

/// What a look at a partition needs to know.
pub struct Look<'a> {
    /// The request: who asks, and within which limits.
    pub params: &'a FetchParams,
    /// The partitions on this broker.
    pub hosted: &'a Hosted,
    /// The metadata, which says which should be here.
    pub image: &'a MetadataImage,
    /// The clock of a follower's session.
    pub clock: Option<&'a Arc<SessionClock>>,
    /// The throttle of what is sent to followers.
    pub throttle: &'a Throttle,
    /// The current time.
    pub now: Instant,
}

/// Findings that others must be told of.
#[derive(Default)]
pub struct Findings {
    /// Logs that could not be read.
    pub failures: Vec<(Arc<Partition>, ReplicaError)>,
    /// Changes of in-sync sets that a follower's progress makes possible.
    pub isr_changes: Vec<IsrChange>,
    /// Bytes of records that are sent to a follower that is throttled.
    pub throttled_bytes: u64,
}

impl Item {
    /// A partition that was not looked up yet.
    pub fn new(topic: TopicKey, partition: i32, request: PartitionRequest, slot: u32) -> Self {
        Self {
            topic,
            name: None,
            partition,
            request,
            slot,
            found: None,
            subscription: None,
            answer: None,
            is_noted: false,
            is_unheard: false,
            throttled_until: None,
        }
    }

    /// A partition of a session that may have news.
    pub fn of(ready: ReadySlot) -> Self {
        Self {
            name: ready.name,
            ..Self::new(ready.topic, ready.partition, ready.request, ready.slot)
        }
    }

    /// Looks the partition up, unless that was done before. Returns whether it did.
    pub fn find(&mut self, look: &Look<'_>) -> bool {
        let is_first = self.found.is_none();
        if is_first {
            self.found = Some(self.look_up(look));
        }
        is_first
    }

    /// The partition, if it was found.
    pub fn found(&self) -> Option<&Arc<Partition>> {
        self.found.as_ref()?.as_ref().ok()
    }

    /// The name of the topic, if it is known and the request does not say it.
    pub fn name(&self) -> Option<&Arc<str>> {
        self.name.as_ref()
    }

    fn look_up(&mut self, look: &Look<'_>) -> Result<Arc<Partition>, ErrorCode> {
        let topics = look.image.topics();
        let topic_id = match &self.topic {
            TopicKey::Id(id) => {
                let Some(topic) = topics.by_id(id) else {
                    return Err(self.why_gone(topics));
                };
                self.name.get_or_insert_with(|| Arc::clone(&topic.name));
                *id
            }
            TopicKey::Name(name) => {
                let id = topics.id_of(name);
                id.ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?
            }
        };
        let id = TopicIdPartition {
            topic_id,
            partition: self.partition,
        };
        look.hosted.partition(&id).map_err(|error| error.code())
    }

    /// What is said of an id that no topic has: a session may have known whose it was.
    fn why_gone(&self, topics: &TopicsImage) -> ErrorCode {
        let Some(name) = &self.name else {
            return ErrorCode::UNKNOWN_TOPIC_ID;
        };
        let successor = topics.by_name(name);
        if successor.is_some_and(|topic| topic.partition(self.partition).is_some()) {
            ErrorCode::INCONSISTENT_TOPIC_ID
        } else {
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
        }
    }

    /// Plans the read of a partition that was looked up. `None` if it is refused, which is its answer.
    pub fn plan(
        &mut self,
        look: &Look<'_>,
        findings: &mut Findings,
    ) -> Option<(Arc<Partition>, FetchPlan)> {
        let code = match self.found.clone()? {
            Err(code) => code,
            Ok(partition) => match self.plan_in(&partition, look, findings) {
                Ok(plan) if self.is_held_up(&plan, look) => {
                    let mut standing =
                        PartitionAnswer::standing(self.topic.clone(), self.partition, &plan);
                    standing.left_out = Some(LeftOut::Throttled);
                    self.answer = Some(standing);
                    return None;
                }
                Ok(plan) => return Some((partition, plan)),
                Err(error) => {
                    let code = error.code();
                    findings.failures.push((partition, error));
                    code
                }
            },
        };
        self.answer = Some(self.refusal(code, look.image));
        None
    }

    fn plan_in(
        &mut self,
        partition: &Partition,
        look: &Look<'_>,
        findings: &mut Findings,
    ) -> Result<FetchPlan, ReplicaError> {
        let params = look.params;
        let reader = Reader {
            interest: params.interest,
            only_leader: params.only_leader,
            follower: params.follower.map(|follower| follower.id),
            near: params.near.as_deref().unwrap_or_default(),
        };
        self.is_unheard = false;
        let mut plan = partition.plan_fetch(&self.request, reader)?;
        self.is_unheard = params.follower.is_some() && plan.checked_in.is_none();
        if let Some(epoch) = plan.checked_in
            && plan.diverging.is_none()
            && !self.is_noted
        {
            let heard = self.note_follower(partition, epoch, look)?;
            self.is_noted = heard.is_some();
            self.is_unheard = heard.is_none();
            findings
                .isr_changes
                .extend(heard.and_then(|heard| heard.change));
            plan.high_watermark = partition.high_watermark();
        }
        Ok(plan)
    }

    /// Whether there are records that a throttled follower may not be sent yet.
    fn is_held_up(&mut self, plan: &FetchPlan, look: &Look<'_>) -> bool {
        let may_be = plan.is_throttled && !plan.is_empty();
        let until = may_be.then(|| look.throttle.blocked_until(look.now));
        self.throttled_until = until.flatten();
        self.throttled_until.is_some()
    }

    /// Notes how far a follower is, as its Fetch says.
    fn note_follower(
        &self,
        partition: &Partition,
        checked_in: LeaderEpoch,
        look: &Look<'_>,
    ) -> Result<Option<Heard>, ReplicaError> {
        let Some(follower) = look.params.follower else {
            return Ok(Some(Heard { change: None }));
        };
        let fetch = FollowerFetch {
            id: follower.id,
            end_offset: self.request.fetch_offset,
            log_start_offset: self.request.log_start_offset,
            broker_epoch: follower.epoch,
            at: look.now,
            session: look.clock.cloned(),
        };
        partition.follower_fetched(checked_in, &fetch, || {
            let (image, id) = (look.hosted.image(), partition.id());
            is_eligible(&image, &id, follower.id, follower.epoch)
        })
    }

    fn refusal(&self, code: ErrorCode, image: &MetadataImage) -> PartitionAnswer {
        let mut refusal = PartitionAnswer::refusal(self.topic.clone(), self.partition, code);
        let tells_leader = [
            ErrorCode::NOT_LEADER_OR_FOLLOWER,
            ErrorCode::FENCED_LEADER_EPOCH,
        ];
        if tells_leader.contains(&code) {
            refusal.current_leader = self.current_leader(image);
        }
        refusal
    }

    /// The leader, as the metadata says, for a client that asked the wrong broker (KIP-951).
    fn current_leader(&self, image: &MetadataImage) -> Option<(BrokerId, LeaderEpoch)> {
        let topic = match &self.topic {
            TopicKey::Id(id) => image.topics().by_id(id),
            TopicKey::Name(name) => image.topics().by_name(name),
        }?;
        let state = topic.partition(self.partition)?;
        Some((state.leader, state.leader_epoch))
    }

    /// Takes what was read into the answer.
    pub fn take(&mut self, Done { job, read }: Done, findings: &mut Findings) {
        let mut answer = PartitionAnswer::standing(self.topic.clone(), self.partition, &job.plan);
        let left_out = |reason| (!job.plan.is_empty()).then_some(reason);
        match read {
            Read::NoRoom => answer.left_out = left_out(LeftOut::NoRoom),
            Read::NoDescriptor => answer.left_out = left_out(LeftOut::NoDescriptor),
            Read::Made(Ok(fetched)) => {
                if fetched.payload.is_empty() {
                    answer.left_out = left_out(LeftOut::NoRoom);
                }
                if job.plan.is_throttled {
                    findings.throttled_bytes += fetched.payload.len() as u64;
                }
                answer.aborted = fetched.aborted;
                answer.records = fetched.payload;
            }
            // Retention was quicker than the read. The next Fetch learns the new log start.
            Read::Made(Err(ReplicaError::Storage(StorageError::SegmentDeleted))) => {
                answer.left_out = Some(LeftOut::NoRoom);
            }
            Read::Made(Err(error)) => {
                let topic = self.topic.clone();
                answer = PartitionAnswer::refusal(topic, self.partition, error.code());
                findings.failures.push((job.partition, error));
            }
        }
        self.answer = Some(answer);
    }

    /// Watches the partition from now on, and has it read again. Returns false if it is watched already, or
    /// there is nothing to watch.
    pub fn watch(&mut self, watch: &Arc<FetchWatch>, params: &FetchParams) -> bool {
        if self.subscription.is_some() {
            return false;
        }
        let Some(Ok(partition)) = &self.found else {
            return false;
        };
        let watchers = partition.watchers();
        self.subscription = Some(watchers.subscribe(watch, self.slot, params.interest));
        self.answer = None;
        true
    }

    /// Whether the follower must be looked at again, or ask again: an answer without an error says that what
    /// its Fetch has told of its log was heard.
    pub fn is_unheard(&self) -> bool {
        self.is_unheard
    }

    /// Takes the answer out. Of one that was not heard it is an error, for those who must have one.
    pub fn take_answer(&mut self) -> Option<PartitionAnswer> {
        let answer = self.answer.take()?;
        if !self.is_unheard {
            return Some(answer);
        }
        let (topic, error) = (self.topic.clone(), ErrorCode::KAFKA_STORAGE_ERROR);
        Some(PartitionAnswer::refusal(topic, self.partition, error))
    }

    /// Counts the answer as traffic of the topic.
    pub fn count(&self, answer: &PartitionAnswer, is_of_follower: bool) {
        let Some(traffic) = self.found().and_then(|partition| partition.traffic()) else {
            return;
        };
        if answer.error != ErrorCode::NONE {
            traffic.fetch_refused();
        } else if is_of_follower {
            traffic.fetched(0);
        } else {
            traffic.fetched(answer.records.len() as u64);
        }
    }

    /// What the answer has of records.
    pub fn filled(&self) -> Filled {
        let answer = self.answer.as_ref();
        let bytes = answer.map_or(0, |answer| answer.records.len() as u64);
        Filled {
            bytes,
            partitions: usize::from(bytes > 0),
        }
    }

    /// When a follower that is throttled may be sent more, if it waits for that.
    pub fn throttled_until(&self) -> Option<Instant> {
        let answer = self.answer.as_ref();
        let is_left_out = answer.is_some_and(|it| it.left_out == Some(LeftOut::Throttled));
        self.throttled_until.filter(|_| is_left_out)
    }

    /// Whether the answer lacks records because too many files were lent.
    pub fn lacks_descriptor(&self) -> bool {
        let answer = self.answer.as_ref();
        answer.is_some_and(|answer| answer.left_out == Some(LeftOut::NoDescriptor))
    }
}
