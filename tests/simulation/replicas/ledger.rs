//! What of a partition is committed, and what must hold of it: it is never changed, and lost only as Kafka's
//! rules allow.
//!
//! A record counts as committed from when the high watermark of a leader has passed it. It may be lost only if
//! no replica that may lead without loss (of the in-sync set, or an eligible leader replica; if there is none,
//! the last leader) has it any more,
//! and each of these has an excuse: its disk was replaced, or the power failed and the topic does not sync
//! what it acknowledges (`flush.messages`); or a topic that allows it got a leader from elsewhere. What then
//! goes on is checked as strictly as before, from there on.

use std::collections::{BTreeMap, BTreeSet};

use broker::metadata::image::PartitionImage;
use broker::model::{BrokerId, LeaderEpoch, Offset};

use super::shadow::{Entry, Shadow};

/// Who may lead without loss; if that is nobody, the last leader, which Kafka takes for as good
/// (KIP-966: it was alone in sync when it went).
pub fn may_lead(state: &PartitionImage) -> Vec<BrokerId> {
    let in_sync = state.isr.iter().chain(&state.elr);
    let in_sync: Vec<BrokerId> = in_sync.copied().collect();
    if in_sync.is_empty() {
        return state.last_known_elr.to_vec();
    }
    in_sync
}

/// How a topic is configured.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    pub name: &'static str,
    pub min_in_sync: i32,
    /// `flush.messages=1`.
    pub syncs: bool,
    /// `unclean.leader.election.enable`.
    pub unclean: bool,
}

/// One partition, as all replicas together must have it.
#[derive(Debug)]
pub struct Ledger {
    pub rules: Rules,
    /// What is committed.
    pub committed: Shadow,
    /// The logs of all replicas, by broker, also while these are down.
    pub logs: BTreeMap<BrokerId, Shadow>,
    /// What each broker takes for committed of its log.
    watermarks: BTreeMap<BrokerId, Offset>,
    /// What any log ever had at an offset in an epoch, with the epoch of what was before.
    seen: BTreeMap<(Offset, LeaderEpoch), (LeaderEpoch, Entry)>,
    leaders: BTreeMap<LeaderEpoch, BrokerId>,
    /// By process and epoch: how far a leader has committed.
    led: BTreeMap<(BrokerId, u64, LeaderEpoch), Offset>,
    /// The replicas that have lost records in a way that the topic does not guard against.
    excused: BTreeSet<BrokerId>,
    /// The replicas whose logs can't be looked at: their directories have failed. What was written last may
    /// be in them.
    pub unseen: BTreeSet<BrokerId>,
    /// A leader of an older epoch may commit what is lost: something was given up since.
    valid_from: LeaderEpoch,
    /// Next sequence number of each producer.
    sequences: BTreeMap<i64, i32>,
    /// Committed records that were given up, and how often.
    pub given_up: BTreeSet<(i64, i32)>,
    pub losses: usize,
    /// How many batches of producers were told to be committed.
    pub acknowledged: BTreeSet<(i64, i32)>,
}

impl Ledger {
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            committed: Shadow::default(),
            logs: BTreeMap::new(),
            watermarks: BTreeMap::new(),
            seen: BTreeMap::new(),
            leaders: BTreeMap::new(),
            led: BTreeMap::new(),
            excused: BTreeSet::new(),
            unseen: BTreeSet::new(),
            valid_from: LeaderEpoch(0),
            sequences: BTreeMap::new(),
            given_up: BTreeSet::new(),
            losses: 0,
            acknowledged: BTreeSet::new(),
        }
    }

    /// Whether anything was lost that had been committed, as the rules allow.
    pub fn has_losses(&self) -> bool {
        self.losses > 0 || self.valid_from > LeaderEpoch(0)
    }

    /// A log has grown: log matching, by induction over its batches. `known` of them were looked at before.
    pub fn on_log(&mut self, node: BrokerId, known: usize) {
        let entries = &self.logs[&node].entries;
        for place in known..entries.len() {
            let entry = entries[place];
            let before = place.checked_sub(1).map(|place| entries[place].epoch);
            let before = before.unwrap_or(LeaderEpoch::NONE);
            assert!(
                before <= entry.epoch,
                "{node}: epochs of a log never go back"
            );
            let at = (entry.base, entry.epoch);
            let (epoch, other) = *self.seen.entry(at).or_insert((before, entry));
            assert!(
                epoch == before && other == entry,
                "logs do not match: {node} has {entry:?} after epoch {before} of {}, elsewhere {other:?} is after epoch {epoch}",
                self.rules.name
            );
        }
    }

    /// A broker leads.
    pub fn on_leader(&mut self, node: BrokerId, epoch: LeaderEpoch) {
        let first = *self.leaders.entry(epoch).or_insert(node);
        assert_eq!(
            first, node,
            "two brokers lead {} in epoch {epoch}",
            self.rules.name
        );
    }

    /// How far a replica takes its log for committed. `led` is its process and epoch, if it leads.
    pub fn on_watermark(
        &mut self,
        node: BrokerId,
        led: Option<(u64, LeaderEpoch)>,
        watermark: Offset,
        state: &PartitionImage,
        is_excused: impl Fn(BrokerId) -> bool,
    ) {
        if let Some((process, epoch)) = led {
            let before = self.led.entry((node, process, epoch)).or_insert(watermark);
            assert!(
                watermark >= *before,
                "the high watermark of leader {node} went from {before} to {watermark} in epoch {epoch}"
            );
            *before = watermark;
            if epoch >= self.valid_from {
                self.commit(node, watermark, state, is_excused);
            }
        }
        let before = self.watermarks.insert(node, watermark);
        if before != Some(watermark) {
            self.check_prefix(node, watermark);
        }
    }

    /// What a replica takes for committed whose process has not read its own registration. It serves nobody,
    /// so nobody hears of it; and it may not know what the process before it has asked the controller for.
    pub fn on_unheard(&mut self, node: BrokerId, watermark: Offset) {
        self.watermarks.insert(node, watermark);
    }

    /// A leader has committed all below an offset.
    fn commit(
        &mut self,
        leader: BrokerId,
        watermark: Offset,
        state: &PartitionImage,
        is_excused: impl Fn(BrokerId) -> bool,
    ) {
        let before = self.committed.end();
        if watermark <= before {
            return;
        }
        let log = &self.logs[&leader].entries;
        let first = log.partition_point(|entry| entry.base < before);
        for entry in &log[first..] {
            if entry.base >= watermark {
                break;
            }
            assert!(entry.last < watermark, "whole batches are committed");
            let (producer, sequence) = entry.producer;
            if producer >= 0 {
                // A leader that has lost all of a producer takes any number for the first.
                let first = if self.losses > 0 { sequence } else { 0 };
                let next = self.sequences.entry(producer).or_insert(first);
                // What was acknowledged and given up is not sent again.
                while *next < sequence && self.given_up.contains(&(producer, *next)) {
                    *next += 1;
                }
                assert!(
                    sequence == *next,
                    "{entry:?} of {} is committed, where sequence number {next} comes next",
                    self.rules.name
                );
                *next = sequence + 1;
            }
            self.committed.entries.push(*entry);
        }
        self.give_up_what_is_lost(state, ("a leader commits", self.valid_from), &is_excused);
        self.check_in_sync(state, is_excused);
    }

    /// What a replica takes for committed is.
    fn check_prefix(&self, node: BrokerId, watermark: Offset) {
        let log = &self.logs[&node];
        let below = log.entries.iter().rev();
        let below = below.skip_while(|entry| entry.base >= watermark);
        let end = self.committed.end();
        for entry in below.filter(|entry| entry.base < end).take(3) {
            // Of an epoch before something was given up.
            let may_differ = entry.epoch < self.valid_from;
            assert!(
                may_differ || self.committed.has(entry),
                "{node} takes {entry:?} of {} for committed: {:?} is",
                self.rules.name,
                self.committed.at(entry.base)
            );
        }
    }

    /// A consumer is given these batches.
    pub fn on_consumed(&self, node: BrokerId, read: &[Entry]) {
        for entry in read {
            // A leader that has not heard of what was given up.
            let may_differ = entry.epoch < self.valid_from;
            assert!(
                may_differ || self.committed.has(entry),
                "a consumer reads {entry:?} of {} from {node}, which is not committed",
                self.rules.name
            );
        }
    }

    /// A producer is told that its batch is committed.
    pub fn on_acknowledged(&mut self, epoch: LeaderEpoch, producer: i64, sequence: i32) {
        let batch = (producer, sequence);
        if epoch < self.valid_from {
            self.given_up.insert(batch);
        }
        let next = self.sequences.get(&producer).copied().unwrap_or(0);
        assert!(
            sequence < next || self.given_up.contains(&batch),
            "{batch:?} of {} is acknowledged, and not committed",
            self.rules.name
        );
        self.acknowledged.insert(batch);
    }

    /// At the end: what was acknowledged is there, once.
    pub fn check_acknowledged(&self) {
        let mut found = BTreeSet::new();
        for entry in self
            .committed
            .entries
            .iter()
            .filter(|entry| entry.producer.0 >= 0)
        {
            assert!(found.insert(entry.producer), "{entry:?} is there twice");
        }
        let lost = self.acknowledged.iter();
        let lost = lost.filter(|batch| !found.contains(batch) && !self.given_up.contains(batch));
        let lost: Vec<_> = lost.collect();
        assert!(
            lost.is_empty(),
            "acknowledged by {}, and lost: {lost:?}",
            self.rules.name
        );
    }

    /// The controller's log says something else of the partition.
    pub fn on_change(
        &mut self,
        before: Option<&PartitionImage>,
        state: &PartitionImage,
        is_excused: impl Fn(BrokerId) -> bool,
        is_another: impl Fn(&BrokerId) -> bool,
    ) {
        let name = self.rules.name;
        let isr = &state.isr;
        assert!(
            isr.iter().all(|id| state.replicas.contains(id)),
            "the in-sync set of {name} has strangers: {state:?}"
        );
        let has_leader = state.leader != BrokerId::NONE;
        assert!(
            !has_leader || isr.contains(&state.leader),
            "the leader of {name} is not in sync: {state:?}"
        );
        let mut reason = "an in-sync set changes";
        if let Some(before) = before {
            assert!(before.leader_epoch <= state.leader_epoch, "{name}");
            assert!(before.partition_epoch < state.partition_epoch, "{name}");
            // Who is taken in by the same change has all that is committed, which is looked at below.
            let is_reassigned = before.is_reassigning() && !state.is_reassigning();
            // The last leader, when those that were eligible have all come back after an unclean stop.
            let has_nobody = before.isr.is_empty() && before.elr.iter().all(&is_another);
            let is_last = has_nobody && before.last_known_elr.contains(&state.leader);
            let is_safe = may_lead(before).contains(&state.leader) || is_reassigned || is_last;
            if has_leader && before.leader != state.leader && !is_safe {
                assert!(
                    self.rules.unclean,
                    "{} was elected for {name} from outside the in-sync set: {before:?}",
                    state.leader
                );
                reason = "an unclean election";
            }
        }
        if reason == "an unclean election" {
            self.excused.extend(isr.iter().copied());
            // What the leader before it still commits is not kept.
            self.valid_from = state.leader_epoch;
        }
        self.give_up_what_is_lost(state, (reason, state.leader_epoch), &is_excused);
        self.check_in_sync(state, is_excused);
    }

    /// A broker has started again. `lost` says that it may have lost records in a way that excuses it.
    pub fn on_restart(
        &mut self,
        node: BrokerId,
        may_have_lost: bool,
        state: &PartitionImage,
        is_excused: impl Fn(BrokerId) -> bool,
    ) {
        if may_have_lost {
            self.excused.insert(node);
        }
        self.watermarks.remove(&node);
        let next = LeaderEpoch(state.leader_epoch.0 + 1);
        self.give_up_what_is_lost(state, ("a broker starts", next), &is_excused);
    }

    /// If nobody that may lead has all that is committed, the rest is given up: who has lost it needs an
    /// excuse.
    fn give_up_what_is_lost(
        &mut self,
        state: &PartitionImage,
        (reason, from): (&str, LeaderEpoch),
        is_excused: &impl Fn(BrokerId) -> bool,
    ) {
        let may_lead = may_lead(state);
        // Nobody leads before an election that may lose records.
        if may_lead.is_empty() {
            return;
        }
        let has = |id: &BrokerId, entry: &Entry| {
            let log = self.logs.get(id);
            self.unseen.contains(id) || log.is_some_and(|log| log.has(entry))
        };
        let kept = self
            .committed
            .entries
            .iter()
            .rposition(|entry| may_lead.iter().any(|id| has(id, entry)));
        let kept = kept.map_or(0, |place| place + 1);
        let is_caught_up = kept == self.committed.entries.len();
        if !is_caught_up {
            for id in &may_lead {
                assert!(
                    self.excused.contains(id),
                    "committed records of {} are lost, as {reason}: {id} has no excuse for it, {state:?}",
                    self.rules.name
                );
            }
            for entry in self.committed.entries.drain(kept..) {
                self.given_up.insert(entry.producer);
            }
            self.losses += 1;
            self.valid_from = self.valid_from.max(from);
            self.sequences.clear();
            for entry in &self.committed.entries {
                let (producer, sequence) = entry.producer;
                self.sequences.insert(producer, sequence + 1);
            }
        }
        // Who has everything again needs an excuse of its own the next time. What the process before it has
        // said that it has may still count, as long as nobody has heard of the one that is there.
        let (committed, logs) = (&self.committed, &self.logs);
        if let Some(last) = committed.entries.last() {
            self.excused
                .retain(|id| is_excused(*id) || logs.get(id).is_none_or(|log| !log.has(last)));
        }
    }

    /// Who is in sync has all that is committed, unless it has an excuse: its process is gone, and the
    /// controller does not know yet.
    fn check_in_sync(&self, state: &PartitionImage, is_excused: impl Fn(BrokerId) -> bool) {
        let Some(last) = self.committed.entries.last() else {
            return;
        };
        for id in state.isr.iter().chain(&state.elr) {
            let log = self.logs.get(id);
            let has_all = self.unseen.contains(id) || log.is_some_and(|log| log.has(last));
            assert!(
                has_all || self.excused.contains(id) && is_excused(*id),
                "{id} is in sync for {} and lacks {last:?}: {state:?}",
                self.rules.name
            );
        }
    }
}
