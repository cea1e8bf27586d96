//! A driver in memory: the log, how far it is committed, and the answers that wait for that.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use broker::coordinator::group::{Answer, Effects, GroupSettings, GroupShard, Request};
use broker::coordinator::shard::{Caller, Moment, Reply, Shard as _, ShardAnswer as _, Token};
use broker::model::{Offset, ProducerId};
use broker::protocol::messages::describe_groups::DescribedGroup;
use broker::protocol::messages::list_groups::ListGroupsRequest;
use broker::protocol::messages::offset_fetch::{OffsetFetchRequestGroup, OffsetFetchResponseGroup};
use broker::protocol::messages::offsets_records::OffsetsRecord;
use broker::protocol::{ErrorCode, Str};

use crate::random::Random;

/// A token that the world gives to nobody.
const OWN: Token = Token(u64::MAX);

pub struct Coordinator {
    settings: Arc<GroupSettings>,
    pub shard: GroupShard,
    log: Vec<OffsetsRecord>,
    /// How many records are committed.
    committed: usize,
    held: Vec<Reply<Answer>>,
    /// How often a group was removed: one that is made again begins with generation 1.
    removals: BTreeMap<Str, u64>,
    /// Offsets that expired and were not taken notice of yet.
    expired: Vec<(Str, i32)>,
}

/// What a shard knows that a reload must bring back.
#[derive(Debug, PartialEq)]
struct Picture {
    offsets: Vec<OffsetFetchResponseGroup>,
    /// Of groups between generations only the id.
    groups: Vec<(Str, Option<DescribedGroup>)>,
}

impl Coordinator {
    pub fn new(now: Moment) -> Self {
        let settings = Arc::new(GroupSettings {
            initial_rebalance_delay: Duration::from_millis(500),
            min_session_timeout_ms: 1_000,
            max_session_timeout_ms: 60_000,
            max_size: 6,
            offsets_retention_ms: 6_000,
            offsets_retention_check_interval: Duration::from_secs(5),
            offset_metadata_max_size: 100,
            max_record_bytes: 100_000,
            max_group_bytes: 1_000_000,
            reserved_bytes: 0,
        });
        let mut shard = GroupShard::new(Arc::clone(&settings));
        shard.begin(now, Offset::ZERO, &mut Effects::default());
        Self {
            settings,
            shard,
            log: Vec::new(),
            committed: 0,
            held: Vec::new(),
            removals: BTreeMap::new(),
            expired: Vec::new(),
        }
    }

    pub fn handle(&mut self, now: Moment, caller: &Caller, request: &Request) {
        let mut effects = Effects::default();
        self.shard.handle(now, caller, request, &mut effects);
        self.take(effects);
    }

    pub fn on_deadline(&mut self, now: Moment) {
        let mut effects = Effects::default();
        self.shard.on_deadline(now, &mut effects);
        self.take(effects);
    }

    /// How often the group was removed.
    pub fn removals(&self, group: &str) -> u64 {
        self.removals.get(group).copied().unwrap_or(0)
    }

    /// The offsets that have expired since the last time.
    pub fn take_expired(&mut self) -> Vec<(Str, i32)> {
        std::mem::take(&mut self.expired)
    }

    fn take(&mut self, effects: Effects) {
        for record in &effects.records {
            match record {
                OffsetsRecord::GroupMetadata(key, None) => {
                    *self.removals.entry(key.group.clone()).or_default() += 1;
                }
                OffsetsRecord::OffsetCommit(key, None) => {
                    self.expired.push((key.group.clone(), key.partition));
                }
                _ => {}
            }
        }
        self.log.extend(effects.records);
        self.held.extend(effects.replies);
        let end = i64::try_from(self.log.len()).expect("a short log");
        assert_eq!(self.shard.next_offset(), Offset(end));
    }

    /// Commits some of what is not committed yet.
    pub fn commit(&mut self, random: &mut Random) {
        self.committed += random.below(self.log.len() - self.committed + 1);
    }

    pub fn commit_all(&mut self) {
        self.committed = self.log.len();
    }

    /// The answers that may leave.
    pub fn released(&mut self) -> Vec<(Token, Answer)> {
        let committed = i64::try_from(self.committed).expect("a short log");
        let (free, held) = std::mem::take(&mut self.held)
            .into_iter()
            .partition(|reply| reply.after.0 < committed);
        self.held = held;
        let free: Vec<Reply<Answer>> = free;
        free.into_iter()
            .map(|reply| (reply.token, reply.answer))
            .collect()
    }

    /// Loses leadership: what is not committed may be cut off, and what is left is loaded again.
    pub fn fail(&mut self, now: Moment, random: &mut Random) -> Vec<(Token, Answer)> {
        let error = ErrorCode::NOT_COORDINATOR;
        let mut answers = self.released();
        answers.extend(
            self.held
                .drain(..)
                .map(|reply| (reply.token, reply.answer.fail(error))),
        );
        let cut = self.committed + random.below(self.log.len() - self.committed + 1);
        self.log.truncate(cut);
        self.committed = cut;
        let compacted = random.one_in(2);
        let shard = self.load(compacted);
        let old = std::mem::replace(&mut self.shard, shard);
        let mut effects = Effects::default();
        old.abandon(error, &mut effects);
        answers.extend(
            effects
                .replies
                .into_iter()
                .map(|reply| (reply.token, reply.answer)),
        );
        let mut effects = Effects::default();
        self.shard.begin(
            now,
            Offset(i64::try_from(cut).expect("short")),
            &mut effects,
        );
        self.take(effects);
        answers
    }

    fn load(&self, compacted: bool) -> GroupShard {
        let mut shard = GroupShard::new(Arc::clone(&self.settings));
        let mut last = BTreeMap::new();
        for (index, record) in self.log.iter().enumerate() {
            last.insert(record.encode(record.max_version()).0, index);
        }
        for (index, record) in self.log.iter().enumerate() {
            let (key, value) = record.encode(record.max_version());
            if !compacted || (last[&key] == index && value.is_some()) {
                let offset = Offset(i64::try_from(index).expect("a short log"));
                shard.replay(offset, ProducerId::NONE, record);
            }
        }
        shard
    }

    /// A shard that is loaded now knows what this one does.
    pub fn check_reload(&mut self, now: Moment) {
        let (live, known) = picture(&mut self.shard, now, None);
        for compacted in [false, true] {
            let mut loaded = self.load(compacted);
            let (loaded, _) = picture(&mut loaded, now, Some(&known));
            assert_eq!(loaded, live, "compacted: {compacted}");
        }
    }
}

/// `known` says which groups are to be described; of the running shard those that are settled.
fn picture(shard: &mut GroupShard, now: Moment, known: Option<&[Str]>) -> (Picture, Vec<Str>) {
    let Answer::ListGroups(Ok(listed)) = ask(
        shard,
        now,
        &Request::ListGroups(ListGroupsRequest::default()),
    ) else {
        panic!("groups can be listed");
    };
    let ids: Vec<Str> = listed.iter().map(|group| group.group_id.clone()).collect();
    let is_settled = |group: &DescribedGroup| matches!(&*group.group_state, "Stable" | "Empty");
    let Answer::DescribeGroups(described) = ask(shard, now, &Request::DescribeGroups(ids.clone()))
    else {
        panic!("groups can be described");
    };
    let settled: Vec<Str> = match known {
        Some(known) => known.to_vec(),
        None => described
            .iter()
            .filter(|group| is_settled(group))
            .map(|group| group.group_id.clone())
            .collect(),
    };
    let groups = described.into_iter().map(|mut group| {
        group
            .members
            .sort_by(|one, other| one.member_id.cmp(&other.member_id));
        let id = group.group_id.clone();
        let is_shown = settled.contains(&id);
        (id, is_shown.then_some(group))
    });
    let groups = groups.collect();
    let offsets = ids.iter().map(|id| {
        let group = OffsetFetchRequestGroup {
            group_id: id.clone(),
            topics: None,
            ..OffsetFetchRequestGroup::default()
        };
        let require_stable = true;
        match ask(
            shard,
            now,
            &Request::OffsetFetch {
                group,
                require_stable,
            },
        ) {
            Answer::OffsetFetch(fetched) => fetched,
            other => panic!("{other:?}"),
        }
    });
    let offsets = offsets.collect();
    (Picture { offsets, groups }, settled)
}

fn ask(shard: &mut GroupShard, now: Moment, request: &Request) -> Answer {
    let caller = Caller {
        token: OWN,
        version: 6,
        client_id: Str::EMPTY,
        client_host: Str::EMPTY,
    };
    let mut effects = Effects::default();
    shard.handle(now, &caller, request, &mut effects);
    assert!(effects.records.is_empty(), "it only reads");
    effects.replies.remove(0).answer
}
