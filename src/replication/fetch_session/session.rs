//! One fetch session: its partitions, what the client knows of them, and which may have news.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use super::{FollowerIdentity, INITIAL_EPOCH, SessionError, TopicKey, TopicRef, next_epoch};
use crate::model::{LeaderEpoch, Offset, TopicId};
use crate::replication::delayed::{FetchWatch, Interest, Subscription};
use crate::replication::leadership::SessionClock;

/// What a request asks of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionRequest {
    /// The offset to read from.
    pub fetch_offset: Offset,
    /// The most bytes of this partition in the answer (`partition_max_bytes`).
    pub max_bytes: i32,
    /// The leader epoch the client believes in; [`LeaderEpoch::NONE`] skips the check.
    pub current_leader_epoch: LeaderEpoch,
    /// The epoch of the record before `fetch_offset`; [`LeaderEpoch::NONE`] skips the check.
    pub last_fetched_epoch: LeaderEpoch,
    /// The follower's log start offset; consumers have none.
    pub log_start_offset: Offset,
}

/// The answer for a partition, as far as the session is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The high watermark in the answer.
    pub high_watermark: Offset,
    /// The log start offset in the answer.
    pub log_start_offset: Offset,
    /// The kind of the answer.
    pub outcome: Outcome,
}

/// The kinds of answer that a session tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Everything was read, and there are no records.
    CaughtUp,
    /// There may be records, but the limits of the request left no room for them.
    NoRoom,
    /// The answer has records.
    Records,
    /// The answer has a diverging epoch or a preferred replica, on which the client must act.
    Redirect,
    /// The answer is an error code.
    Error,
}

/// A partition that may have news, for the next answer to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadySlot {
    /// The partition's slot in the session.
    pub slot: u32,
    /// The partition's topic.
    pub topic: TopicKey,
    /// The topic's name, if it is known and the session names topics by id.
    pub name: Option<Arc<str>>,
    /// The partition's index.
    pub partition: i32,
    /// What the client asks of the partition.
    pub request: PartitionRequest,
}

#[derive(Debug)]
struct CachedPartition {
    topic: TopicKey,
    /// What the topic was called when it was there, if it is named by id.
    name: Option<Arc<str>>,
    partition: i32,
    request: PartitionRequest,
    /// The high watermark of the last answer; [`Offset::NONE`] makes the next answer differ.
    high_watermark: Offset,
    log_start_offset: Offset,
    subscription: Option<Subscription>,
}

/// The partitions of one client, with what it was told last of each.
#[derive(Debug)]
pub struct FetchSession {
    id: i32,
    epoch: i32,
    /// The follower whose session it is, with the epoch of its last request.
    follower: Option<FollowerIdentity>,
    interest: Interest,
    index: TopicIndex,
    /// The partitions by slot; `None` for one that was forgotten.
    slots: Vec<Option<CachedPartition>>,
    free: Vec<u32>,
    watch: Arc<FetchWatch>,
    clock: Arc<SessionClock>,
}

impl FetchSession {
    /// A session without partitions, for the full request that begins it.
    pub fn new(
        id: i32,
        follower: Option<FollowerIdentity>,
        uses_topic_ids: bool,
        interest: Interest,
        now: Instant,
    ) -> Self {
        Self {
            id,
            epoch: next_epoch(INITIAL_EPOCH),
            follower,
            interest,
            index: if uses_topic_ids {
                TopicIndex::ById(BTreeMap::new())
            } else {
                TopicIndex::ByName(BTreeMap::new())
            },
            slots: Vec::new(),
            free: Vec::new(),
            watch: Arc::default(),
            clock: Arc::new(SessionClock::new(now)),
        }
    }

    /// The session's id: above 0.
    pub fn id(&self) -> i32 {
        self.id
    }

    /// The epoch of the next request.
    pub fn epoch(&self) -> i32 {
        self.epoch
    }

    /// Whether the session is a follower's, which no consumer's may displace.
    pub fn is_follower(&self) -> bool {
        self.follower.is_some()
    }

    /// How many partitions the session has.
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Whether the session has no partitions.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The watch on which the partitions mark their news.
    pub fn watch(&self) -> &Arc<FetchWatch> {
        &self.watch
    }

    /// The clock that tells when the session was last used, for the progress of followers.
    pub fn clock(&self) -> &Arc<SessionClock> {
        &self.clock
    }

    /// Takes the next incremental request. [`Self::update`] and [`Self::forget`] follow for its partitions.
    pub fn begin(
        &mut self,
        epoch: i32,
        follower: Option<FollowerIdentity>,
        uses_topic_ids: bool,
        interest: Interest,
    ) -> Result<(), SessionError> {
        if follower.map(|it| it.id) != self.follower.map(|it| it.id) {
            return Err(SessionError::NotFound);
        }
        if epoch != self.epoch {
            return Err(SessionError::InvalidEpoch);
        }
        if uses_topic_ids != matches!(self.index, TopicIndex::ById(_)) {
            return Err(SessionError::TopicIds);
        }
        self.epoch = next_epoch(epoch);
        // A follower may begin before it is registered. What it has counts once its epoch is known, though
        // its requests name no partition again.
        if interest != self.interest || follower != self.follower {
            self.interest = interest;
            self.follower = follower;
            self.look_at_all_again();
        }
        Ok(())
    }

    /// Whether the request of `epoch` is still the newest, and may be answered.
    pub fn is_current(&self, epoch: i32) -> bool {
        self.epoch == next_epoch(epoch)
    }

    /// Up to where the reader may see partitions.
    pub fn interest(&self) -> Interest {
        self.interest
    }

    fn look_at_all_again(&mut self) {
        for (slot, cached) in (0..).zip(&mut self.slots) {
            if let Some(cached) = cached {
                cached.subscription = None;
                self.watch.mark(slot);
            }
        }
    }

    /// Adds a partition, or changes what is asked of it, and marks it. Returns its slot.
    ///
    /// # Panics
    /// The topic is not named as the session names topics: [`Self::begin`] refuses such requests.
    pub fn update(&mut self, topic: TopicRef<'_>, partition: i32, asked: PartitionRequest) -> u32 {
        let slot = match self.index.find(topic, partition) {
            Some(slot) => {
                self.cached_mut(slot).request = asked;
                slot
            }
            None => self.add(topic.to_key(), partition, asked),
        };
        self.watch.mark(slot);
        slot
    }

    fn add(&mut self, topic: TopicKey, partition: i32, request: PartitionRequest) -> u32 {
        let cached = Some(CachedPartition {
            topic: topic.clone(),
            name: None,
            partition,
            request,
            high_watermark: Offset::NONE,
            log_start_offset: Offset::NONE,
            subscription: None,
        });
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = cached;
                slot
            }
            None => {
                self.slots.push(cached);
                u32::try_from(self.slots.len() - 1).expect("a request has less than 2^32 bytes")
            }
        };
        self.index.insert(topic, partition, slot);
        slot
    }

    /// Remembers what the topic of a slot is called, for when no topic has its id any more.
    pub fn note_name(&mut self, slot: u32, name: Option<&Arc<str>>) {
        if let Some(Some(cached)) = self.slots.get_mut(slot as usize)
            && cached.name.is_none()
        {
            cached.name = name.cloned();
        }
    }

    /// Removes a partition, if the session has it.
    pub fn forget(&mut self, topic: TopicRef<'_>, partition: i32) {
        if let Some(slot) = self.index.remove(topic, partition) {
            self.slots[slot as usize] = None;
            self.free.push(slot);
        }
    }

    /// Takes up to `limit` partitions that may have news, the longest marked first, so that none starves.
    /// Each must be given to [`Self::answered`] or [`Self::put_back`].
    pub fn take_ready(&self, limit: usize) -> Vec<ReadySlot> {
        let mut slots = Vec::new();
        self.watch.take_ready(limit, &mut slots);
        slots
            .into_iter()
            .filter_map(|slot| self.ready(slot))
            .collect()
    }

    fn ready(&self, slot: u32) -> Option<ReadySlot> {
        let cached = self.slots.get(slot as usize)?.as_ref()?;
        Some(ReadySlot {
            slot,
            topic: cached.topic.clone(),
            name: cached.name.clone(),
            partition: cached.partition,
            request: cached.request,
        })
    }

    /// The subscription of a slot, to be checked and renewed.
    pub fn subscription_mut(&mut self, slot: u32) -> Option<&mut Option<Subscription>> {
        let cached = self.slots.get_mut(slot as usize)?.as_mut()?;
        Some(&mut cached.subscription)
    }

    /// Puts slots back that get no answer after all: they keep their turn.
    pub fn put_back(&self, slots: impl DoubleEndedIterator<Item = u32> + Clone) {
        self.watch.put_back(slots);
    }

    /// Decides for each slot that was taken whether its answer is worth sending, and remembers the answer.
    /// Slots that got no room keep their turn; those that got records go behind all others.
    pub fn answered(&mut self, answers: &[(u32, Answer)]) -> Vec<bool> {
        let has_no_room = |answer: &Answer| answer.outcome == Outcome::NoRoom;
        let waiting = answers.iter().filter(|(_, answer)| has_no_room(answer));
        self.put_back(waiting.map(|&(slot, _)| slot));
        answers
            .iter()
            .map(|(slot, answer)| self.is_news(*slot, answer))
            .collect()
    }

    fn is_news(&mut self, slot: u32, answer: &Answer) -> bool {
        let Some(Some(cached)) = self.slots.get_mut(slot as usize) else {
            return false;
        };
        let differs = cached.high_watermark != answer.high_watermark
            || cached.log_start_offset != answer.log_start_offset;
        cached.log_start_offset = answer.log_start_offset;
        cached.high_watermark = match answer.outcome {
            // The end of the error will be news then.
            Outcome::Error => Offset::NONE,
            _ => answer.high_watermark,
        };
        if answer.outcome != Outcome::CaughtUp {
            self.watch.mark(slot);
        }
        differs || !matches!(answer.outcome, Outcome::CaughtUp | Outcome::NoRoom)
    }

    fn cached_mut(&mut self, slot: u32) -> &mut CachedPartition {
        self.slots[slot as usize]
            .as_mut()
            .expect("the index knows no forgotten partition")
    }
}

/// The slots by partition, which are found without building a key.
#[derive(Debug)]
enum TopicIndex {
    ById(BTreeMap<TopicId, Partitions>),
    ByName(BTreeMap<Arc<str>, Partitions>),
}

type Partitions = BTreeMap<i32, u32>;

impl TopicIndex {
    fn find(&self, topic: TopicRef<'_>, partition: i32) -> Option<u32> {
        let partitions = match (self, topic) {
            (Self::ById(topics), TopicRef::Id(id)) => topics.get(&id),
            (Self::ByName(topics), TopicRef::Name(name)) => topics.get(name),
            _ => unreachable!("a session names topics in one way"),
        };
        partitions?.get(&partition).copied()
    }

    fn insert(&mut self, topic: TopicKey, partition: i32, slot: u32) {
        let partitions = match (self, topic) {
            (Self::ById(topics), TopicKey::Id(id)) => topics.entry(id).or_default(),
            (Self::ByName(topics), TopicKey::Name(name)) => topics.entry(name).or_default(),
            _ => unreachable!("a session names topics in one way"),
        };
        partitions.insert(partition, slot);
    }

    fn remove(&mut self, topic: TopicRef<'_>, partition: i32) -> Option<u32> {
        match (self, topic) {
            (Self::ById(topics), TopicRef::Id(id)) => {
                let partitions = topics.get_mut(&id)?;
                let slot = partitions.remove(&partition);
                if partitions.is_empty() {
                    topics.remove(&id);
                }
                slot
            }
            (Self::ByName(topics), TopicRef::Name(name)) => {
                let partitions = topics.get_mut(name)?;
                let slot = partitions.remove(&partition);
                if partitions.is_empty() {
                    topics.remove(name);
                }
                slot
            }
            _ => unreachable!("a session names topics in one way"),
        }
    }
}
