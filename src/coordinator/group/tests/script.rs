//! Plays inputs to a shard, and writes down what comes of them.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::coordinator::group::{Answer, Effects, GroupSettings, GroupShard, Request, SpareBytes};
use crate::coordinator::shard::{Caller, Moment, Reply, Shard as _, Token};
use crate::model::{Offset, ProducerId, Timestamp, Uuid};
use crate::protocol::Str;
use crate::protocol::messages::heartbeat::HeartbeatRequest;
use crate::protocol::messages::join_group::{
    JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse,
};
use crate::protocol::messages::leave_group::{LeaveGroupRequest, MemberIdentity};
use crate::protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use crate::protocol::messages::offset_fetch::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use crate::protocol::messages::offsets_records::{GroupMetadataValue, OffsetsRecord};
use crate::protocol::messages::sync_group::{SyncGroupRequest, SyncGroupRequestAssignment};

/// The wall clock at the start of every script.
const EPOCH_MS: i64 = 1_000_000;
pub(super) const TOPIC_ID: Uuid = Uuid::from_bytes([7; 16]);

pub(super) fn settings() -> GroupSettings {
    GroupSettings {
        initial_rebalance_delay: Duration::from_millis(3_000),
        min_session_timeout_ms: 6_000,
        max_session_timeout_ms: 1_800_000,
        max_size: 1_000,
        offsets_retention_ms: 3_600_000,
        offsets_retention_check_interval: Duration::from_secs(600),
        offset_metadata_max_size: 10,
        max_record_bytes: 10_000,
        max_group_bytes: 100_000,
        reserved_bytes: 0,
    }
}

/// Plays inputs to a shard, and writes down what comes of them.
pub(super) struct Script {
    pub(super) shard: GroupShard,
    /// What members may take in memory.
    pub(super) member_memory: usize,
    /// What offsets, and groups that nobody is in, may take in memory.
    pub(super) offset_memory: usize,
    settings: Arc<GroupSettings>,
    start: Instant,
    elapsed: Duration,
    tokens: u64,
    joins: u8,
    pub(super) log: Vec<OffsetsRecord>,
    text: String,
}

impl Script {
    pub(super) fn new() -> Self {
        Self::with(settings())
    }

    pub(super) fn with(settings: GroupSettings) -> Self {
        let settings = Arc::new(settings);
        let mut script = Self {
            shard: GroupShard::new(Arc::clone(&settings)),
            member_memory: usize::MAX,
            offset_memory: usize::MAX,
            settings,
            start: Instant::now(),
            elapsed: Duration::ZERO,
            tokens: 0,
            joins: 0,
            log: Vec::new(),
            text: String::new(),
        };
        let mut effects = Effects::default();
        script.shard.begin(script.now(), Offset::ZERO, &mut effects);
        assert!(effects.is_empty());
        script
    }

    pub(super) fn now(&self) -> Moment {
        let ms = i64::try_from(self.elapsed.as_millis()).expect("a short script");
        Moment {
            instant: self.start + self.elapsed,
            timestamp: Timestamp(EPOCH_MS + ms),
        }
    }

    /// Forgets what has happened: a script is about what comes next.
    pub(super) fn silence(&mut self) {
        self.text.clear();
    }

    /// The text must be `expected`, apart from indentation.
    pub(super) fn check(&mut self, expected: &str) {
        let lines = expected
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty());
        let expected: Vec<&str> = lines.collect();
        let found: Vec<&str> = self.text.lines().collect();
        assert_eq!(found, expected, "\n{}", self.text);
        self.text.clear();
    }

    /// Lets time pass up to `ms` after the start, and every deadline on the way come.
    pub(super) fn at(&mut self, ms: u64) {
        let end = Duration::from_millis(ms);
        while let Some(due) = self.shard.next_deadline() {
            if due > self.start + end {
                break;
            }
            self.elapsed = self.elapsed.max(due - self.start);
            let mut effects = Effects::default();
            self.shard.on_deadline(self.now(), &mut effects);
            if !effects.is_empty() {
                let line = format!("at {}", self.elapsed.as_millis());
                self.note(&line, effects);
            }
        }
        self.elapsed = self.elapsed.max(end);
    }

    pub(super) fn request(&mut self, line: &str, version: i16, client: &str, request: &Request) {
        self.tokens += 1;
        let caller = Caller {
            token: Token(self.tokens),
            version,
            client_id: Str::copy_from(client),
            client_host: "/127.0.0.1".into(),
        };
        let mut effects = Effects::default();
        let taken = *self.shard.tally();
        self.shard.set_spare_bytes(SpareBytes {
            members: self.member_memory.saturating_sub(taken.member_bytes),
            offsets: self.offset_memory.saturating_sub(taken.offset_bytes),
        });
        self.shard
            .handle(self.now(), &caller, request, &mut effects);
        let line = format!("{}: {line}", self.tokens);
        self.note(&line, effects);
    }

    pub(super) fn join(&mut self, version: i16, request: JoinGroupRequest) {
        self.joins += 1;
        let line = format!("join v{version} {}", shorten(&request.member_id));
        let entropy = [self.joins; 16];
        let request = Request::JoinGroup { request, entropy };
        self.request(line.trim_end(), version, "c", &request);
    }

    pub(super) fn sync(&mut self, generation_id: i32, member: &str, assignments: &[(&str, &str)]) {
        let assignments = assignments
            .iter()
            .map(|(member, text)| SyncGroupRequestAssignment {
                member_id: Str::copy_from(&id(member)),
                assignment: Bytes::copy_from_slice(text.as_bytes()),
            });
        let request = SyncGroupRequest {
            group_id: "g".into(),
            generation_id,
            member_id: Str::copy_from(&id(member)),
            assignments: assignments.collect(),
            ..SyncGroupRequest::default()
        };
        let line = format!("sync {generation_id} {member}");
        self.request(&line, 3, "c", &Request::SyncGroup(request));
    }

    pub(super) fn heartbeat(&mut self, generation_id: i32, member: &str) {
        let request = HeartbeatRequest {
            group_id: "g".into(),
            generation_id,
            member_id: Str::copy_from(&id(member)),
            group_instance_id: None,
        };
        let line = format!("heartbeat {generation_id} {member}");
        self.request(&line, 4, "c", &Request::Heartbeat(request));
    }

    pub(super) fn leave(&mut self, version: i16, members: &[(&str, Option<&str>)]) {
        let first = members.first().map_or("", |(member, _)| member);
        let members = members.iter().map(|(member, instance)| MemberIdentity {
            member_id: Str::copy_from(&id(member)),
            group_instance_id: instance.map(Str::copy_from),
            reason: Some("because".into()),
        });
        let request = LeaveGroupRequest {
            group_id: "g".into(),
            member_id: Str::copy_from(&id(first)),
            members: members.collect(),
        };
        let line = format!("leave v{version}");
        self.request(&line, version, "c", &Request::LeaveGroup(request));
    }

    /// Commits an offset of partition 0 of `t`.
    pub(super) fn commit(&mut self, version: i16, generation: i32, member: &str, offset: i64) {
        let request = commit_of(generation, member, offset);
        let line = format!("commit v{version} {generation} {member}");
        self.request(
            line.trim_end(),
            version,
            "c",
            &Request::OffsetCommit(request),
        );
    }

    pub(super) fn fetch(&mut self, topic_id: Uuid, require_stable: bool) {
        let topic = OffsetFetchRequestTopics {
            name: "t".into(),
            topic_id,
            partition_indexes: vec![0],
        };
        let group = OffsetFetchRequestGroup {
            group_id: "g".into(),
            topics: Some(vec![topic]),
            ..OffsetFetchRequestGroup::default()
        };
        let request = Request::OffsetFetch {
            group,
            require_stable,
        };
        self.request("fetch", 10, "c", &request);
    }

    /// A new shard of what the log has, begun now.
    pub(super) fn reload(&mut self) {
        let mut shard = GroupShard::new(Arc::clone(&self.settings));
        for (offset, record) in (0..).zip(&self.log) {
            shard.replay(Offset(offset), ProducerId::NONE, record);
        }
        let next_offset = self.shard.next_offset();
        self.shard = shard;
        let mut effects = Effects::default();
        self.shard.begin(self.now(), next_offset, &mut effects);
        self.note("reload", effects);
    }

    /// A member alone in a Stable group, at generation 1: `c#1`, or static.
    pub(super) fn stable(&mut self, instance_id: Option<&str>) {
        self.join(3, join_as("", instance_id));
        let ms = u64::try_from(self.elapsed.as_millis()).expect("a short script");
        self.at(ms + 3_000);
        let name = format!("{}#{}", instance_id.unwrap_or("c"), self.joins);
        self.sync(1, &name, &[(&name, "a")]);
        self.silence();
    }

    pub(super) fn note(&mut self, line: &str, effects: Effects) {
        writeln!(self.text, "{line}").expect("a string takes all");
        for record in &effects.records {
            writeln!(self.text, "= {}", show_record(record)).expect("a string takes all");
        }
        for Reply {
            token,
            after,
            answer,
        } in &effects.replies
        {
            let after = match after.0 {
                -1 => String::new(),
                offset => format!(" after {offset}"),
            };
            let answer = show_answer(answer);
            writeln!(self.text, "-> {}{after}: {answer}", token.0).expect("a string takes all");
        }
        self.log.extend(effects.records);
    }
}

pub(super) fn commit_of(generation: i32, member: &str, offset: i64) -> OffsetCommitRequest {
    let partition = OffsetCommitRequestPartition {
        partition_index: 0,
        committed_offset: offset,
        ..OffsetCommitRequestPartition::default()
    };
    OffsetCommitRequest {
        group_id: "g".into(),
        generation_id_or_member_epoch: generation,
        member_id: Str::copy_from(&id(member)),
        topics: vec![OffsetCommitRequestTopic {
            name: "t".into(),
            topic_id: TOPIC_ID,
            partitions: vec![partition],
        }],
        ..OffsetCommitRequest::default()
    }
}

/// A member's JoinGroup: of a consumer, with 10 s of session and 60 s of rebalance.
pub(super) fn join_as(member: &str, instance_id: Option<&str>) -> JoinGroupRequest {
    JoinGroupRequest {
        group_id: "g".into(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 60_000,
        member_id: Str::copy_from(&id(member)),
        group_instance_id: instance_id.map(Str::copy_from),
        protocol_type: "consumer".into(),
        protocols: protocols(&[("range", "s")]),
        reason: None,
    }
}

pub(super) fn protocols(of: &[(&str, &str)]) -> Vec<JoinGroupRequestProtocol> {
    let protocols = of.iter().map(|(name, metadata)| JoinGroupRequestProtocol {
        name: Str::copy_from(name),
        metadata: Bytes::copy_from_slice(metadata.as_bytes()),
    });
    protocols.collect()
}

/// The whole of a member id that is written as `client#number`.
pub(super) fn id(short: &str) -> String {
    let Some((client, number)) = short.split_once('#') else {
        return short.to_owned();
    };
    let byte: u8 = number.parse().expect("the number of a join");
    let (h, x) = (format!("{byte:02x}"), byte & 0x0f);
    let (version, variant) = (0x40 | x, 0x80 | (byte & 0x3f));
    let node = h.repeat(6);
    format!("{client}-{h}{h}{h}{h}-{h}{h}-{version:02x}{h}-{variant:02x}{h}-{node}")
}

fn shorten(full: &str) -> String {
    let Some(split) = full.len().checked_sub(37) else {
        return full.to_owned();
    };
    let number = u8::from_str_radix(&full[split + 1..split + 3], 16).expect("a test's id");
    format!("{}#{number}", &full[..split])
}

fn text(bytes: &Bytes) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn show_record(record: &OffsetsRecord) -> String {
    match record {
        OffsetsRecord::GroupMetadata(key, None) => format!("{} removed", key.group),
        OffsetsRecord::GroupMetadata(key, Some(value)) => {
            format!("{} {}", key.group, show_group(value))
        }
        OffsetsRecord::OffsetCommit(key, value) => {
            let value = value.as_ref().map_or("removed".to_owned(), |value| {
                let expires = match value.expire_timestamp {
                    -1 => String::new(),
                    at => format!(" until {at}"),
                };
                format!("at {} {:?}{expires}", value.offset, value.metadata)
            });
            format!("{} {}-{} {value}", key.group, key.topic, key.partition)
        }
        other => format!("{other:?}"),
    }
}

fn show_group(value: &GroupMetadataValue) -> String {
    let members = value.members.iter().map(|member| {
        let (id, assignment) = (shorten(&member.member_id), text(&member.assignment));
        format!("{id}:{}:{assignment}", text(&member.subscription))
    });
    let members: Vec<String> = members.collect();
    format!(
        "{} {}/{} led by {} since {} [{}]",
        value.generation,
        value.protocol_type,
        value.protocol.as_ref().map_or("-", |name| name.as_str()),
        value
            .leader
            .as_ref()
            .map_or("-".to_owned(), |id| shorten(id)),
        value.current_state_timestamp - EPOCH_MS,
        members.join(" ")
    )
}

fn show_answer(answer: &Answer) -> String {
    match answer {
        Answer::JoinGroup(response) if response.error_code.is_error() => {
            format!("{} {}", response.error_code, shorten(&response.member_id))
                .trim_end()
                .to_owned()
        }
        Answer::JoinGroup(response) => show_joined(response),
        Answer::SyncGroup(response) if response.error_code.is_error() => {
            response.error_code.to_string()
        }
        Answer::SyncGroup(response) => format!("assigned {:?}", text(&response.assignment)),
        Answer::Heartbeat(response) => response.error_code.to_string(),
        Answer::LeaveGroup(response) => {
            let members = response.members.iter().map(|member| {
                let instance = member
                    .group_instance_id
                    .as_ref()
                    .map_or("", |id| id.as_str());
                format!(
                    " {}{instance}:{}",
                    shorten(&member.member_id),
                    member.error_code
                )
            });
            format!("{}{}", response.error_code, members.collect::<String>())
        }
        Answer::OffsetCommit(response) => {
            let partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
            let codes = partitions.map(|partition| partition.error_code.to_string());
            codes.collect::<Vec<_>>().join(" ")
        }
        Answer::OffsetFetch(response) => {
            let topics = response.topics.iter().flat_map(|topic| {
                topic.partitions.iter().map(move |partition| {
                    let at = partition.committed_offset;
                    let (index, error) = (partition.partition_index, partition.error_code);
                    format!(" {}-{index}:{at}:{error}", topic.name)
                })
            });
            format!("{}{}", response.error_code, topics.collect::<String>())
        }
        Answer::DeleteGroups(results) => {
            let results = results.iter();
            let shown = results.map(|it| format!("{} {}", it.group_id, it.error_code));
            shown.collect::<Vec<_>>().join(" ")
        }
        other => format!("{other:?}"),
    }
}

fn show_joined(response: &JoinGroupResponse) -> String {
    let members = response
        .members
        .iter()
        .map(|member| format!("{}:{}", shorten(&member.member_id), text(&member.metadata)));
    let members: Vec<String> = members.collect();
    format!(
        "{} joined {} {} led by {} [{}]{}",
        shorten(&response.member_id),
        response.generation_id,
        response
            .protocol_name
            .as_ref()
            .map_or("-", |name| name.as_str()),
        shorten(&response.leader),
        members.join(" "),
        if response.skip_assignment {
            " skip"
        } else {
            ""
        }
    )
}
