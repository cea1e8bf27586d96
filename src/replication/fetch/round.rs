//! One look at the partitions of a Fetch: those that have no answer yet are found, checked, planned
//! and read.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use super::answer::PartitionAnswer;
use super::read::{Budget, Job, read_all};
use super::{Fetch, Item, Kind};
use crate::model::{BrokerId, LeaderEpoch, TopicIdPartition};
use crate::protocol::error_code::ErrorCode;
use crate::replication::error::ReplicaError;
use crate::replication::fetch_session::{ReadySlot, TopicKey};
use crate::replication::hosted::is_eligible;
use crate::replication::leadership::FollowerFetch;
use crate::replication::partition::{FetchPlan, Partition, Reader};

/// How many marked partitions are taken from a session at a time: when the answer is full, the
/// others keep their turn without having been touched.
const TAKEN_AT_ONCE: usize = 256;

fn item_of(ready: ReadySlot) -> Item {
    Item::new(ready.topic, ready.partition, ready.request, ready.slot)
}

/// What a look at the partitions has found.
#[derive(Debug, Default)]
pub struct Round {
    /// Bytes that could be sent.
    pub bytes: u64,
    /// Something must be told at once: an error, or that logs diverge.
    pub must_answer: bool,
}

impl Fetch {
    /// Adds marked partitions of the session, and has those that are there already read again. How
    /// many were taken.
    pub fn take_marked(&mut self) -> usize {
        let Kind::Incremental(session) = &self.kind else {
            return 0;
        };
        let taken = session.lock().take_ready(TAKEN_AT_ONCE);
        let count = taken.len();
        if count == 0 {
            return 0;
        }
        let slots = self.items.iter().map(|item| item.slot);
        let known: BTreeMap<u32, usize> = slots.zip(0..).collect();
        for ready in taken {
            match known.get(&ready.slot) {
                Some(&index) => self.items[index].answer = None,
                None => self.items.push(item_of(ready)),
            }
        }
        count
    }

    /// Without a session: the partitions that were marked, and those that had records, are read
    /// again. With one the marks are taken by [`Self::take_marked`].
    pub fn read_again_what_had_records(&mut self) {
        if !matches!(self.kind, Kind::Incremental(_)) {
            let mut marked = Vec::new();
            self.watch.take_ready(usize::MAX, &mut marked);
            for slot in marked {
                // Without a session slots are places in the request.
                if let Some(item) = self.items.get_mut(slot as usize) {
                    item.answer = None;
                }
            }
        }
        for item in &mut self.items {
            if item
                .answer
                .as_ref()
                .is_some_and(|answer| !answer.records.is_empty())
            {
                item.answer = None;
            }
        }
    }

    /// Answers all partitions that have no answer, as far as the limits allow.
    pub async fn round(
        &mut self,
        mut taken: usize,
        authorize: &(impl Fn(&str) -> bool + Sync),
    ) -> Round {
        loop {
            let jobs = self.plan(authorize);
            let budget = Budget::after(self.bytes(), self.params.max_bytes);
            let read = read_all(jobs, budget).await;
            self.take_results(read);
            let has_room = self.bytes() < u64::from(self.params.max_bytes);
            // As long as there is room, all that is marked is looked at, a part at a time.
            if !has_room || taken < TAKEN_AT_ONCE {
                break;
            }
            taken = self.take_marked();
        }
        let mut answers = self.items.iter().filter_map(|item| item.answer.as_ref());
        Round {
            bytes: self.bytes(),
            must_answer: answers.any(PartitionAnswer::is_urgent),
        }
    }

    fn bytes(&self) -> u64 {
        let answers = self.items.iter().filter_map(|item| item.answer.as_ref());
        answers.map(|answer| answer.records.len() as u64).sum()
    }

    /// Plans the reads; what is refused is answered at once.
    fn plan(&mut self, authorize: &impl Fn(&str) -> bool) -> Vec<Job> {
        let mut items = std::mem::take(&mut self.items);
        let mut jobs = Vec::new();
        for (index, item) in items.iter_mut().enumerate() {
            if item.answer.is_some() {
                continue;
            }
            match self.plan_one(item, authorize) {
                Ok((partition, plan)) => jobs.push(Job {
                    index,
                    partition,
                    plan,
                    max_bytes: u32::try_from(item.request.max_bytes).unwrap_or(0),
                }),
                Err(code) => item.answer = Some(self.refusal(item, code)),
            }
        }
        self.items = items;
        jobs
    }

    fn plan_one(
        &self,
        item: &mut Item,
        authorize: &impl Fn(&str) -> bool,
    ) -> Result<(Arc<Partition>, FetchPlan), ErrorCode> {
        let partition = match &item.found {
            Some(found) => found.clone(),
            None => {
                let found = self.find(item, authorize);
                self.watch_in_session(item, found.as_ref().ok());
                item.found = Some(found.clone());
                found
            }
        }?;
        let reader = Reader {
            interest: self.params.interest,
            only_leader: self.params.only_leader,
            follower: self.params.follower.map(|follower| follower.id),
        };
        let mut plan = partition.plan_fetch(&item.request, reader);
        if let Ok(planned) = &mut plan
            && planned.diverging.is_none()
            && !std::mem::replace(&mut item.is_noted, true)
        {
            if let Err(error) = self.note_follower(item, &partition) {
                plan = Err(error);
            } else {
                planned.high_watermark = partition.high_watermark();
            }
        }
        match plan {
            Ok(plan) => Ok((partition, plan)),
            Err(error) => {
                self.fetches.dirs.note_failure(&partition, &error);
                Err(error.code())
            }
        }
    }

    /// Finds the partition, and whether the client may read it.
    fn find(
        &self,
        item: &Item,
        authorize: &impl Fn(&str) -> bool,
    ) -> Result<Arc<Partition>, ErrorCode> {
        let hosted = &self.fetches.hosted;
        let image = hosted.image();
        let topics = image.topics();
        let topic_id = match &item.topic {
            TopicKey::Id(id) => {
                let topic = topics.by_id(id).ok_or(ErrorCode::UNKNOWN_TOPIC_ID)?;
                if !authorize(&topic.name) {
                    return Err(ErrorCode::TOPIC_AUTHORIZATION_FAILED);
                }
                *id
            }
            TopicKey::Name(name) => {
                if !authorize(name) {
                    return Err(ErrorCode::TOPIC_AUTHORIZATION_FAILED);
                }
                let id = topics.id_of(name);
                id.ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?
            }
        };
        let id = TopicIdPartition {
            topic_id,
            partition: item.partition,
        };
        hosted.partition(&id).map_err(|error| error.code())
    }

    /// Has the session's slot watch the partition, if it does not yet.
    fn watch_in_session(&self, item: &Item, partition: Option<&Arc<Partition>>) {
        let Kind::Incremental(session) = &self.kind else {
            return;
        };
        let mut session = session.lock();
        let Some(subscription) = session.subscription_mut(item.slot) else {
            return;
        };
        let watchers = partition.map(|partition| partition.watchers());
        let is_there = match (&*subscription, watchers) {
            (Some(subscription), Some(watchers)) => subscription.is_to(watchers),
            (None, None) => true,
            _ => false,
        };
        if !is_there {
            let interest = self.params.interest;
            *subscription = watchers.map(|it| it.subscribe(&self.watch, item.slot, interest));
        }
    }

    /// Without a session: watches all partitions from now on. False: it does already.
    pub fn watch_all(&mut self) -> bool {
        if matches!(self.kind, Kind::Incremental(_)) {
            return false;
        }
        let interest = self.params.interest;
        let mut is_any_new = false;
        for item in &mut self.items {
            if let (None, Some(Ok(partition))) = (&item.subscription, &item.found) {
                let watchers = partition.watchers();
                item.subscription = Some(watchers.subscribe(&self.watch, item.slot, interest));
                item.answer = None;
                is_any_new = true;
            }
        }
        is_any_new
    }

    /// A follower's Fetch says how far it is.
    fn note_follower(&self, item: &Item, partition: &Partition) -> Result<(), ReplicaError> {
        let Some(follower) = self.params.follower else {
            return Ok(());
        };
        let fetches = &self.fetches;
        let fetch = FollowerFetch {
            id: follower.id,
            end_offset: item.request.fetch_offset,
            log_start_offset: item.request.log_start_offset,
            broker_epoch: follower.epoch,
            is_eligible: is_eligible(&fetches.hosted.image(), follower.id, follower.epoch),
            at: Instant::now(),
            session: self.clock.clone(),
        };
        if let Some(change) = partition.follower_fetched(&fetch)? {
            fetches.listener.isr_change_wanted(change);
        }
        Ok(())
    }

    fn refusal(&self, item: &Item, code: ErrorCode) -> PartitionAnswer {
        let mut refusal = PartitionAnswer::refusal(item.topic.clone(), item.partition, code);
        let tells_leader = [
            ErrorCode::NOT_LEADER_OR_FOLLOWER,
            ErrorCode::FENCED_LEADER_EPOCH,
        ];
        if tells_leader.contains(&code) {
            refusal.current_leader = self.current_leader(item);
        }
        refusal
    }

    /// The leader by the metadata, for a client that asked the wrong broker (KIP-951).
    fn current_leader(&self, item: &Item) -> Option<(BrokerId, LeaderEpoch)> {
        let image = self.fetches.hosted.image();
        let topic = match &item.topic {
            TopicKey::Id(id) => image.topics().by_id(id),
            TopicKey::Name(name) => image.topics().by_name(name),
        }?;
        let state = topic.partition(item.partition)?;
        Some((state.leader, state.leader_epoch))
    }
}
