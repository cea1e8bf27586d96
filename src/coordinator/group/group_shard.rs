//! The shard of groups: all groups of one partition of `__consumer_offsets`, and the entries for requests
//! and events. See [`Shard`] for how it runs.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Instant;

use super::answer::Answer;
use super::classic::Join;
use super::common::GroupCommon;
use super::context::Context;
use super::effects::Effects;
use super::foreign::{ForeignGroup, foreign_group};
use super::group_state::Group;
use super::memory::SpareBytes;
use super::request::Request;
use super::settings::GroupSettings;
use super::tally::Tally;
use super::timers::{Deadline, Ring, Timer, Timers};
use crate::coordinator::shard::{Caller, Moment, Shard, ShardRequest as _, TransactionOutcome};
use crate::model::{Offset, ProducerId, TopicPartition};
use crate::protocol::messages::offsets_records::{
    OffsetCommitKey, OffsetCommitValue, OffsetsRecord,
};
use crate::protocol::{ErrorCode, Str};

/// All groups of one partition of `__consumer_offsets`.
///
/// [`Shard`] says how it runs. Besides what all shards are told, this one is told of deleted topics
/// ([`Self::topics_deleted`]).
#[derive(Debug)]
pub struct GroupShard {
    settings: Arc<GroupSettings>,
    next_offset: Offset,
    groups: BTreeMap<Str, Group>,
    /// The groups with pending offsets, by the producer whose transaction is open.
    open_transactions: BTreeMap<ProducerId, BTreeSet<Str>>,

    // The fields below are volatile.
    timers: Timers,
    expiry: Deadline,
    /// The group after which the search for expired offsets goes on.
    expired_up_to: Option<Str>,
    /// How many more bytes all shards may take.
    spare_bytes: SpareBytes,
    tally: Tally,
}

impl GroupShard {
    /// A shard to which nothing was replayed yet.
    pub fn new(settings: Arc<GroupSettings>) -> Self {
        Self {
            settings,
            next_offset: Offset::ZERO,
            groups: BTreeMap::new(),
            open_transactions: BTreeMap::new(),
            timers: Timers::default(),
            expiry: Deadline::default(),
            expired_up_to: None,
            spare_bytes: SpareBytes::UNLIMITED,
            tally: Tally::default(),
        }
    }

    /// The offset of the next record: the log's end, once all effects are carried out.
    pub fn next_offset(&self) -> Offset {
        self.next_offset
    }

    /// Tells before an input how many more bytes all shards may take: clients whose joins, assignments and
    /// commits exceed that are told to come again. Until this is called there is no limit.
    pub fn set_spare_bytes(&mut self, spare_bytes: SpareBytes) {
        self.spare_bytes = spare_bytes;
    }

    pub(super) fn spare_bytes(&self) -> SpareBytes {
        self.spare_bytes
    }

    pub(super) fn tally_mut(&mut self) -> &mut Tally {
        &mut self.tally
    }

    pub(super) fn settings(&self) -> &GroupSettings {
        &self.settings
    }

    pub(super) fn group(&self, id: &str) -> Option<&Group> {
        self.groups.get(id)
    }

    /// All groups, by id.
    pub(super) fn groups(&self) -> impl Iterator<Item = &Group> {
        self.groups.values()
    }

    pub(super) fn groups_from(&self, start: Bound<&Str>) -> impl Iterator<Item = &Group> {
        self.groups
            .range::<Str, _>((start, Bound::Unbounded))
            .map(|(_, group)| group)
    }

    /// Changes a group, if it exists.
    fn change<R>(&mut self, id: &str, act: impl FnOnce(&mut Group) -> R) -> Option<R> {
        let group = self.groups.get_mut(id)?;
        self.tally.discount(group);
        let result = act(group);
        self.tally.count(group);
        Some(result)
    }

    /// Changes a group, which is made if nothing is known of it. `id` may be a slice of a frame.
    pub(super) fn upsert<R>(&mut self, id: &str, act: impl FnOnce(&mut Group) -> R) -> R {
        if !self.groups.contains_key(id) {
            let id = Str::copy_from(id);
            let group = Group::new(id.clone());
            self.tally.count(&group);
            self.groups.insert(id, group);
        }
        self.change(id, act).expect("it was just put in")
    }

    /// Lets a group act with a context, if it exists.
    pub(super) fn with_group<R>(
        &mut self,
        id: &str,
        now: Moment,
        effects: &mut Effects,
        act: impl FnOnce(&mut Group, &mut Context<'_>) -> R,
    ) -> Option<R> {
        let group = self.groups.get_mut(id)?;
        self.tally.discount(group);
        let offset_before = self.next_offset;
        let mut context = Context {
            now,
            settings: &self.settings,
            timers: &mut self.timers,
            effects,
            next_offset: &mut self.next_offset,
            spare_bytes: self.spare_bytes,
            rebalances: &mut self.tally.rebalances,
            refused_members: &mut self.tally.refused_members,
        };
        let result = act(group, &mut context);
        if self.next_offset != offset_before {
            group.last_offset = Offset(self.next_offset.0 - 1);
        }
        self.tally.count(group);
        Some(result)
    }

    /// Replays a record and gives it to the runtime; returns its offset.
    pub(super) fn decide(&mut self, record: OffsetsRecord, effects: &mut Effects) -> Offset {
        let offset = self.next_offset;
        self.replay(offset, ProducerId::NONE, &record);
        effects.records.push(record);
        offset
    }

    /// Replays records and gives them to the runtime; returns the offset of the last,
    /// [`Offset::NONE`] if there are none.
    pub(super) fn emit(&mut self, records: Vec<OffsetsRecord>, effects: &mut Effects) -> Offset {
        let decided = records
            .into_iter()
            .map(|record| self.decide(record, effects));
        decided.last().unwrap_or(Offset::NONE)
    }

    /// Removes what a group of another type has left, if a classic member may take its id.
    pub(super) fn take_over_foreign(&mut self, id: &str, effects: &mut Effects) {
        let foreign = self.group(id).and_then(|group| group.foreign.as_ref());
        let tombstones = foreign.map_or_else(Vec::new, |foreign| foreign.tombstones());
        self.emit(tombstones, effects);
    }

    fn on_expiry(&mut self, at: Instant, now: Moment, effects: &mut Effects) {
        let mut expiry = self.expiry;
        let ring = self
            .timers
            .ring(&mut expiry, at, now.instant, || Timer::Expiry);
        self.expiry = expiry;
        if ring == Ring::Nothing {
            return;
        }
        let from = self.expired_up_to.take();
        self.expired_up_to = self.expire(now, from.as_ref(), effects);
        self.schedule_expiry(now);
    }

    /// Schedules the search for expired offsets: the rest of a round at once, the next round after the
    /// interval.
    fn schedule_expiry(&mut self, now: Moment) {
        let due = match self.expired_up_to {
            Some(_) => now.instant,
            None => now.instant + self.settings.offsets_retention_check_interval,
        };
        self.timers.set(&mut self.expiry, due, || Timer::Expiry);
    }

    fn clear_up_timers(&mut self) {
        if !self.timers.is_crowded() {
            return;
        }
        let (groups, expiry) = (&self.groups, &self.expiry);
        self.timers.clear_up(|timer, at| match timer {
            Timer::Expiry => expiry.is_armed_at(at),
            Timer::Session { group, .. } | Timer::Join { group } | Timer::Sync { group } => groups
                .get(group)
                .is_some_and(|group| group.classic.is_armed(timer, at)),
        });
    }
}

impl Shard for GroupShard {
    const CONTENTS: &'static str = "groups and offsets";

    type Request = Request;
    type Answer = Answer;
    type Record = OffsetsRecord;
    type Common = GroupCommon;

    fn empty(common: &GroupCommon, max_record_bytes: usize) -> Self {
        Self::new(common.settings(max_record_bytes))
    }

    fn set_max_record_bytes(&mut self, common: &GroupCommon, max_record_bytes: usize) {
        self.settings = common.settings(max_record_bytes);
    }

    fn replay(&mut self, offset: Offset, producer_id: ProducerId, record: &OffsetsRecord) {
        self.next_offset = offset + 1;
        match record {
            OffsetsRecord::OffsetCommit(key, value) => {
                self.replay_offset(offset, producer_id, key, value.as_ref());
            }
            OffsetsRecord::LegacyOffsetCommit(key, value) => {
                let key = OffsetCommitKey {
                    group: key.group.clone(),
                    topic: key.topic.clone(),
                    partition: key.partition,
                };
                let value = value.as_ref().map(|value| OffsetCommitValue {
                    offset: value.offset,
                    metadata: value.metadata.clone(),
                    commit_timestamp: value.commit_timestamp,
                    ..OffsetCommitValue::default()
                });
                self.replay_offset(offset, producer_id, &key, value.as_ref());
            }
            OffsetsRecord::GroupMetadata(key, Some(value)) => {
                self.upsert(&key.group, |group| {
                    group.last_offset = offset;
                    group.classic.replay(value);
                });
            }
            OffsetsRecord::GroupMetadata(key, None) => {
                self.change(&key.group, |group| {
                    group.last_offset = offset;
                    group.classic.replay_tombstone();
                });
                self.drop_if_bare(&key.group);
            }
            other => self.replay_foreign(offset, other),
        }
    }

    fn replay_transaction_end(
        &mut self,
        offset: Offset,
        producer_id: ProducerId,
        outcome: TransactionOutcome,
    ) {
        self.next_offset = offset + 1;
        let ids = self.open_transactions.remove(&producer_id);
        for id in ids.into_iter().flatten() {
            self.change(&id, |group| {
                group.last_offset = offset;
                group.offsets.replay_transaction_end(producer_id, outcome);
            });
            self.drop_if_bare(&id);
        }
    }

    /// Starts the timers. It may rebalance groups that are larger than the config allows by now.
    fn begin(&mut self, now: Moment, next_offset: Offset, effects: &mut Effects) {
        self.next_offset = next_offset;
        let ids: Vec<Str> = self.groups.keys().cloned().collect();
        for id in ids {
            self.with_group(&id, now, effects, |group, context| {
                group.classic.begin(context)
            });
        }
        self.schedule_expiry(now);
    }

    /// Removes the offsets of topics that were deleted while the shard was not loaded.
    fn catch_up(
        &mut self,
        common: &GroupCommon,
        partition: &TopicPartition,
        effects: &mut Effects,
    ) {
        let image = common.image();
        let count = self.delete_orphans(|name| image.topics().id_of(name), effects);
        if count > 0 {
            tracing::info!(%partition, count, "removing offsets of topics that are gone");
        }
    }

    fn check(common: &GroupCommon, caller: &Caller, request: &Request) -> Result<(), ErrorCode> {
        request.check(caller.version, &common.session_timeouts())
    }

    fn refresh(&mut self, common: &GroupCommon) {
        self.set_spare_bytes(common.spare_bytes());
    }

    fn handle(&mut self, now: Moment, caller: &Caller, request: &Request, effects: &mut Effects) {
        let timeouts = self.settings.session_timeouts();
        if let Err(error) = request.check(caller.version, &timeouts) {
            effects.reply(caller.token, Offset::NONE, request.refuse(error));
            return;
        }
        match request {
            Request::JoinGroup { request, entropy } => {
                let entropy = *entropy;
                let join = Join {
                    caller,
                    request,
                    entropy,
                };
                self.join_group(now, &join, effects);
            }
            Request::SyncGroup(request) => self.sync_group(now, caller, request, effects),
            Request::Heartbeat(request) => self.heartbeat(now, caller, request, effects),
            Request::LeaveGroup(request) => self.leave_group(now, caller, request, effects),
            Request::OffsetCommit(request) => self.offset_commit(now, caller, request, effects),
            Request::OffsetFetch {
                group,
                require_stable,
            } => self.offset_fetch(caller, group, *require_stable, effects),
            Request::OffsetDelete(request) => self.offset_delete(caller, request, effects),
            Request::DescribeGroups(ids) => self.describe_groups(caller, ids, effects),
            Request::ListGroups(request) => self.list_groups(caller, request, effects),
            Request::DeleteGroups(ids) => self.delete_groups(caller, ids, effects),
        }
        self.clear_up_timers();
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.timers.next()
    }

    fn on_deadline(&mut self, now: Moment, effects: &mut Effects) {
        // Timers that become due by what is done here wait for the next call, so that requests come in
        // between.
        let mut due = Vec::new();
        while let Some(entry) = self.timers.pop(now.instant) {
            due.push(entry);
        }
        for (at, timer) in due {
            match &timer {
                Timer::Expiry => self.on_expiry(at, now, effects),
                Timer::Session { group, .. } | Timer::Join { group } | Timer::Sync { group } => {
                    self.with_group(group, now, effects, |group, context| {
                        group.classic.on_timer(&timer, at, context);
                    });
                }
            }
        }
    }

    fn abandon(self, error: ErrorCode, effects: &mut Effects) {
        for group in self.groups.values() {
            group.classic.abandon(error, effects);
        }
    }

    fn tally(&self) -> &Tally {
        &self.tally
    }
}

/// Replaying records.
impl GroupShard {
    fn replay_offset(
        &mut self,
        offset: Offset,
        producer_id: ProducerId,
        key: &OffsetCommitKey,
        value: Option<&OffsetCommitValue>,
    ) {
        if value.is_none() && !self.groups.contains_key(&key.group) {
            return;
        }
        let is_pending = value.is_some() && producer_id != ProducerId::NONE;
        let id = self.upsert(&key.group, |group| {
            group.last_offset = offset;
            group.offsets.replay(offset, producer_id, key, value);
            is_pending.then(|| group.classic.id().clone())
        });
        if let Some(id) = id {
            let groups = self.open_transactions.entry(producer_id).or_default();
            groups.insert(id);
        } else if value.is_none() {
            self.drop_if_bare(&key.group);
        }
    }

    fn replay_foreign(&mut self, offset: Offset, record: &OffsetsRecord) {
        let Some((id, group_type)) = foreign_group(record) else {
            return;
        };
        self.upsert(id, |group| {
            group.last_offset = offset;
            let new = || Box::new(ForeignGroup::new(group_type));
            let foreign = group.foreign.get_or_insert_with(new);
            foreign.replay(record);
            if foreign.is_empty() {
                group.foreign = None;
            }
        });
        self.drop_if_bare(id);
    }

    /// Drops a group of which nothing is left.
    fn drop_if_bare(&mut self, id: &str) {
        if self.groups.get(id).is_some_and(Group::is_bare)
            && let Some(group) = self.groups.remove(id)
        {
            self.tally.discount(&group);
        }
    }
}
