//! JoinGroup, SyncGroup, Heartbeat and LeaveGroup, through the life of a group in each version of
//! JoinGroup; the other APIs answer in all their versions at each stage.

use std::time::{Duration, Instant};

use broker::protocol::messages::find_coordinator::FindCoordinatorRequest;
use broker::protocol::messages::heartbeat::HeartbeatRequest;
use broker::protocol::messages::join_group::{
    JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse,
};
use broker::protocol::messages::leave_group::{LeaveGroupRequest, MemberIdentity};
use broker::protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
    OffsetCommitResponse,
};
use broker::protocol::messages::sync_group::{SyncGroupRequest, SyncGroupRequestAssignment};
use broker::protocol::{ApiKey, ErrorCode, Str};
use bytes::Bytes;

use super::pair::{Both, Pair};
use super::side::Side;
use super::topics::{create, topic};

/// How long a coordinator may take to load its groups, and a group to see who joins.
const LIMIT: Duration = Duration::from_secs(30);
/// The first version of JoinGroup in which a member asks for its id first (KIP-394).
const FIRST_WITH_ID: i16 = 4;
/// The first version of JoinGroup with static members (KIP-345).
const FIRST_STATIC: i16 = 5;
/// A consumer's subscription to the topic `joined`.
const SUBSCRIPTION: &[u8] = b"\0\0\0\0\0\x01\0\x06joined\xff\xff\xff\xff";
const SESSION_MS: i32 = 60_000;

pub fn compare(pair: &mut Pair) {
    create(pair, &[topic("joined", 2, &[])]);
    write_first(pair);
    for version in pair.versions(ApiKey::JoinGroup) {
        let group = format!("life-{version}");
        wait_for_coordinator(pair, &group);
        refusals(pair, version, &group);
        life(pair, version, &group);
        if version >= FIRST_STATIC {
            let group = format!("static-{version}");
            wait_for_coordinator(pair, &group);
            static_life(pair, version, &group);
        }
        two(pair, version, &format!("two-{version}"));
    }
}

/// A member as each broker knows it.
#[derive(Clone)]
pub struct Member {
    pub group: Str,
    /// Ours and Apache's id.
    ids: [Str; 2],
    pub generation: i32,
    instance: Option<Str>,
}

impl Member {
    pub fn id(&self, side: &Side) -> Str {
        self.ids[usize::from(side.is_apache)].clone()
    }
}

/// Commits until both brokers do. What clients have written to the topic of groups is in the way of the
/// coordinators: each notices at its first write, and loads again.
fn write_first(pair: &mut Pair) {
    wait_for_coordinator(pair, "first");
    let commit = OffsetCommitRequest {
        group_id: Str::from_static("first"),
        topics: vec![OffsetCommitRequestTopic {
            name: Str::from_static("joined"),
            partitions: vec![OffsetCommitRequestPartition::default()],
            ..OffsetCommitRequestTopic::default()
        }],
        ..OffsetCommitRequest::default()
    };
    let started = Instant::now();
    loop {
        let both = pair.call(2, |_| commit.clone()).expect("OffsetCommit");
        let code = |answer: &OffsetCommitResponse| answer.topics[0].partitions[0].error_code;
        let codes = [code(&both.0), code(&both.1)];
        if codes == [ErrorCode::NONE; 2] {
            return;
        }
        assert!(started.elapsed() < LIMIT, "{codes:?}");
    }
}

/// Waits until both brokers serve the group, and know of no member.
pub fn wait_for_coordinator(pair: &mut Pair, group: &str) {
    let find = FindCoordinatorRequest {
        key: Str::from(group.to_owned()),
        ..FindCoordinatorRequest::default()
    };
    // A heartbeat would be told that all is well while Apache still loads.
    let sync = SyncGroupRequest {
        group_id: find.key.clone(),
        ..SyncGroupRequest::default()
    };
    let is_served =
        |code| [ErrorCode::UNKNOWN_MEMBER_ID, ErrorCode::INVALID_GROUP_ID].contains(&code);
    let started = Instant::now();
    loop {
        // The first makes the topic of groups.
        pair.call(2, |_| find.clone()).expect("FindCoordinator");
        let (ours, apache) = pair.call(0, |_| sync.clone()).expect("SyncGroup");
        if is_served(ours.error_code) && is_served(apache.error_code) {
            return;
        }
        assert!(started.elapsed() < LIMIT, "{group}: {ours:?} {apache:?}");
    }
}

fn join(group: &str) -> JoinGroupRequest {
    JoinGroupRequest {
        group_id: Str::from(group.to_owned()),
        session_timeout_ms: SESSION_MS,
        rebalance_timeout_ms: SESSION_MS,
        protocol_type: Str::from_static("consumer"),
        protocols: vec![protocol("range"), protocol("other")],
        ..JoinGroupRequest::default()
    }
}

fn protocol(name: &'static str) -> JoinGroupRequestProtocol {
    JoinGroupRequestProtocol {
        name: Str::from_static(name),
        metadata: Bytes::from_static(SUBSCRIPTION),
    }
}

/// Joins of nobody, as they are refused.
fn refusals(pair: &mut Pair, version: i16, group: &str) {
    for session_timeout_ms in [-1, 0, 5_999, 1_800_001] {
        let case = format!("a session of {session_timeout_ms} ms");
        pair.compare(&case, version, |_| JoinGroupRequest {
            session_timeout_ms,
            ..join(group)
        });
    }
    pair.compare("an empty group id", version, |_| join(""));
    pair.compare("an unknown member", version, |_| JoinGroupRequest {
        member_id: Str::from_static("nobody"),
        ..join(group)
    });
    pair.compare("no protocols", version, |_| JoinGroupRequest {
        protocols: vec![],
        ..join(group)
    });
    pair.compare("no protocol type", version, |_| JoinGroupRequest {
        protocol_type: Str::default(),
        ..join(group)
    });
    pair.compare("nothing", version, |_| JoinGroupRequest {
        group_id: Str::from(group.to_owned()),
        ..JoinGroupRequest::default()
    });
    let nobody = Member {
        group: Str::from(group.to_owned()),
        ids: ["nobody"; 2].map(Str::from_static),
        generation: 0,
        instance: None,
    };
    calls(pair, "a group that is not there", &nobody);
    let unnamed = Member {
        group: Str::default(),
        ..nobody
    };
    calls(pair, "a group without a name", &unnamed);
}

/// All that a member can ask, besides joining and leaving.
fn calls(pair: &mut Pair, case: &str, member: &Member) {
    pair.compare_all(case, |side| heartbeat(side, member));
    pair.compare_all(case, |side| sync(side, member, false));
}

pub fn heartbeat(side: &Side, member: &Member) -> HeartbeatRequest {
    HeartbeatRequest {
        group_id: member.group.clone(),
        generation_id: member.generation,
        member_id: member.id(side),
        group_instance_id: None,
    }
}

fn sync(side: &Side, member: &Member, leads: bool) -> SyncGroupRequest {
    let assignment = SyncGroupRequestAssignment {
        member_id: member.id(side),
        assignment: Bytes::from_static(b"assigned"),
    };
    SyncGroupRequest {
        group_id: member.group.clone(),
        generation_id: member.generation,
        member_id: member.id(side),
        protocol_type: Some(Str::from_static("consumer")),
        protocol_name: Some(Str::from_static("range")),
        assignments: if leads { vec![assignment] } else { vec![] },
        ..SyncGroupRequest::default()
    }
}

/// Joins as a new member of one; `None` if one of the brokers refuses.
pub fn joined(
    pair: &mut Pair,
    version: i16,
    case: &str,
    request: &JoinGroupRequest,
) -> Option<Member> {
    let both = pair.compare(case, version, |_| request.clone());
    let mut member = member(request, both)?;
    if version >= FIRST_WITH_ID && request.group_instance_id.is_none() {
        let known = member.clone();
        let both = pair.compare(&format!("{case}, with an id"), version, |side| {
            JoinGroupRequest {
                member_id: known.id(side),
                ..request.clone()
            }
        });
        member = self::member(request, both)?;
    }
    Some(member)
}

fn member(request: &JoinGroupRequest, both: Both<JoinGroupResponse>) -> Option<Member> {
    let (ours, apache) = (both.ours?, both.apache?);
    Some(Member {
        group: request.group_id.clone(),
        generation: ours.generation_id,
        ids: [ours.member_id, apache.member_id],
        instance: request.group_instance_id.clone(),
    })
}

/// Joins alone, in the newest version, and takes what it is assigned.
pub fn stable(pair: &mut Pair, group: &str) -> Member {
    wait_for_coordinator(pair, group);
    let version = pair.newest(ApiKey::JoinGroup);
    let member = joined(pair, version, "a join", &join(group)).expect("both let it in");
    let version = pair.newest(ApiKey::SyncGroup);
    pair.compare("a leader's assignment", version, |side| {
        sync(side, &member, true)
    });
    member
}

/// A member alone: it joins, asks for all that it may and may not, joins again, and leaves.
fn life(pair: &mut Pair, version: i16, group: &str) {
    let Some(member) = joined(pair, version, "a first join", &join(group)) else {
        return;
    };
    strangers(pair, "before the sync", &member);
    pair.compare_all("a sync of the leader", |side| sync(side, &member, true));
    calls(pair, "a stable group", &member);
    strangers(pair, "in a stable group", &member);
    for (case, kind, name) in [
        ("a sync of another type", "connect", "range"),
        ("a sync of another protocol", "consumer", "other"),
        ("a sync of an unknown protocol", "consumer", "nonsense"),
    ] {
        pair.compare_all(case, |side| SyncGroupRequest {
            protocol_type: Some(Str::from_static(kind)),
            protocol_name: Some(Str::from_static(name)),
            ..sync(side, &member, false)
        });
    }
    pair.compare_all("a sync without a protocol", |side| SyncGroupRequest {
        protocol_type: None,
        protocol_name: None,
        ..sync(side, &member, false)
    });
    joins_again(pair, version, group, &member);
}

/// Requests of members that are not in the group, or in another generation of it.
fn strangers(pair: &mut Pair, when: &str, member: &Member) {
    for generation in [-1, member.generation - 1, member.generation + 1] {
        let other = Member {
            generation,
            ..member.clone()
        };
        calls(pair, &format!("generation {generation} {when}"), &other);
    }
    for id in ["", "nobody"] {
        let other = Member {
            ids: [id; 2].map(Str::from_static),
            ..member.clone()
        };
        calls(pair, &format!("the member {id:?} {when}"), &other);
    }
}

fn joins_again(pair: &mut Pair, version: i16, group: &str, member: &Member) {
    let known = |side: &Side| JoinGroupRequest {
        member_id: member.id(side),
        ..join(group)
    };
    let case = "a join of another protocol type";
    pair.compare(case, version, |side| JoinGroupRequest {
        protocol_type: Str::from_static("connect"),
        ..known(side)
    });
    let both = pair.compare("a leader joins again", version, known);
    let Some(member) = self::member(&join(group), both) else {
        return;
    };
    pair.compare_all("a heartbeat before the sync", |side| {
        heartbeat(side, &member)
    });
    pair.compare_all("a sync after joining again", |side| {
        sync(side, &member, true)
    });
    let both = pair.compare("a join with other metadata", version, |side| {
        JoinGroupRequest {
            protocols: vec![protocol("other")],
            ..JoinGroupRequest {
                member_id: member.id(side),
                ..join(group)
            }
        }
    });
    let Some(member) = self::member(&join(group), both) else {
        return;
    };
    leave(pair, &member);
    calls(pair, "after leaving", &member);
}

/// Leaves that change nothing, and one that does.
fn leave(pair: &mut Pair, member: &Member) {
    let request = |id: Str, instance: Option<&'static str>| LeaveGroupRequest {
        group_id: member.group.clone(),
        member_id: id.clone(),
        members: vec![MemberIdentity {
            member_id: id,
            group_instance_id: instance.map(Str::from_static),
            reason: Some(Str::from_static("enough")),
        }],
    };
    for id in ["", "nobody"] {
        for instance in [None, Some("nothing")] {
            let case = format!("the member {id:?} of {instance:?} leaves");
            pair.compare_all(&case, |_| request(Str::from_static(id), instance));
        }
    }
    pair.compare_all("a member leaves that is not static", |side| {
        request(member.id(side), Some("nothing"))
    });
    pair.compare_all("a member of another group leaves", |side| {
        LeaveGroupRequest {
            group_id: Str::from_static("absent"),
            ..request(member.id(side), None)
        }
    });
    pair.compare_all("a member of no group leaves", |side| LeaveGroupRequest {
        group_id: Str::default(),
        ..request(member.id(side), None)
    });
    for version in pair.versions(ApiKey::LeaveGroup).skip(3) {
        pair.compare("nobody leaves", version, |_| LeaveGroupRequest {
            group_id: member.group.clone(),
            ..LeaveGroupRequest::default()
        });
    }
    // The first version takes it out of the group; for the others it is not there.
    pair.compare_all("the member leaves", |side| request(member.id(side), None));
}

/// A static member: it comes back under another id, which fences the one that it had.
fn static_life(pair: &mut Pair, version: i16, group: &str) {
    let request = JoinGroupRequest {
        group_instance_id: Some(Str::from_static("first")),
        ..join(group)
    };
    let Some(old) = joined(pair, version, "a static member joins", &request) else {
        return;
    };
    pair.compare_all("a static leader's sync", |side| as_static(side, &old));
    let Some(new) = joined(pair, version, "a static member comes back", &request) else {
        return;
    };
    for (case, member) in [("the old id", &old), ("the new id", &new)] {
        for instance in [Some("first"), Some("second"), None] {
            let case = format!("{case} as {instance:?}");
            pair.compare_all(&case, |side| HeartbeatRequest {
                group_instance_id: instance.map(Str::from_static),
                ..heartbeat(side, member)
            });
        }
        pair.compare_all(case, |side| as_static(side, member));
        pair.compare(&format!("a join of {case}"), version, |side| {
            JoinGroupRequest {
                member_id: member.id(side),
                ..request.clone()
            }
        });
    }
    for version in pair.versions(ApiKey::LeaveGroup).skip(3) {
        for (id, instance) in [("nobody", "first"), ("", "second"), ("", "first")] {
            let case = format!("the member {id:?} of {instance:?} leaves");
            pair.compare(&case, version, |_| LeaveGroupRequest {
                group_id: new.group.clone(),
                members: vec![MemberIdentity {
                    member_id: Str::from_static(id),
                    group_instance_id: Some(Str::from_static(instance)),
                    reason: None,
                }],
                ..LeaveGroupRequest::default()
            });
        }
    }
}

fn as_static(side: &Side, member: &Member) -> SyncGroupRequest {
    SyncGroupRequest {
        group_instance_id: member.instance.clone(),
        ..sync(side, member, true)
    }
}

/// A second member joins: the first hears of it, joins again and shares.
fn two(pair: &mut Pair, version: i16, group: &str) {
    let first = stable(pair, group);
    pair.change_connection();
    let request = join(group);
    let mut ids = None;
    if version >= FIRST_WITH_ID {
        let both = pair.compare("a second member asks for its id", version, |_| {
            request.clone()
        });
        ids = member(&request, both);
    }
    pair.send(version, |side| JoinGroupRequest {
        member_id: ids
            .as_ref()
            .map_or_else(Str::default, |known| known.id(side)),
        ..request.clone()
    });
    pair.change_connection();
    await_rebalance(pair, &first);
    pair.compare_all("a heartbeat while another joins", |side| {
        heartbeat(side, &first)
    });
    pair.compare_all("a sync while another joins", |side| {
        sync(side, &first, true)
    });
    let both = pair.compare("the first joins with the second", version, |side| {
        JoinGroupRequest {
            member_id: first.id(side),
            ..join(group)
        }
    });
    let first = member(&join(group), both).expect("both brokers let it in");
    pair.change_connection();
    let both = pair.compare_answers::<JoinGroupRequest>("the second is in the group", version);
    let second = member(&join(group), both).expect("both brokers let it in");
    pair.change_connection();
    shares(pair, &first, &second);
}

/// Asks on for the first member until both groups wait for it.
fn await_rebalance(pair: &mut Pair, first: &Member) {
    let started = Instant::now();
    loop {
        let (ours, apache) = pair
            .call(3, |side| heartbeat(side, first))
            .expect("Heartbeat");
        if [ours.error_code, apache.error_code] == [ErrorCode::REBALANCE_IN_PROGRESS; 2] {
            return;
        }
        assert!(started.elapsed() < LIMIT, "{ours:?} {apache:?}");
    }
}

/// The second's sync waits for the first's, which leads.
fn shares(pair: &mut Pair, first: &Member, second: &Member) {
    let version = pair.newest(ApiKey::SyncGroup);
    pair.change_connection();
    pair.send(version, |side| sync(side, second, false));
    pair.change_connection();
    pair.compare("the leader shares out", version, |side| {
        let mut request = sync(side, first, true);
        request.assignments.push(SyncGroupRequestAssignment {
            member_id: second.id(side),
            assignment: Bytes::from_static(b"also assigned"),
        });
        request
    });
    pair.change_connection();
    pair.compare_answers::<SyncGroupRequest>("the second gets its share", version);
    pair.change_connection();
    calls(pair, "the first of two", first);
    calls(pair, "the second of two", second);
}
