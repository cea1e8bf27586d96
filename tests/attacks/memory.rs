//! What clients can make the broker hold: no more than its bounds, and nothing aborts.

use std::cmp::Reverse;
use std::thread;
use std::time::{Duration, Instant};

use broker::protocol::messages::alter_client_quotas::{
    AlterClientQuotasRequest, EntityData, OpData, RequestEntryData,
};
use broker::protocol::messages::api_versions::ApiVersionsRequest;
use broker::protocol::messages::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource,
};
use broker::protocol::messages::heartbeat::HeartbeatRequest;
use broker::protocol::messages::join_group::{JoinGroupRequest, JoinGroupRequestProtocol};
use broker::protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use broker::protocol::messages::produce::ProduceRequest;
use broker::protocol::{ErrorCode, Str};
use bytes::Bytes;

use crate::filler::{Filler, How, arrays, requests};
use crate::victim::{MIB, Victim, is_strict, within};
use crate::wire::{Wire, coordinate_groups, create_topic, encoded, encoded_as};

/// The budget of requests by default, and what the broker may take beside its bounds.
const BUDGET: usize = 256 * MIB;
const BESIDE: usize = 64 * MIB;
/// The largest requests, of the newest versions and of the others. With 2 MiB arrays may take all that
/// they may.
const NEWEST: usize = 2 * MIB;
const OLDER: usize = MIB / 16;

fn many(strict: usize) -> usize {
    if is_strict() { strict } else { strict / 20 }
}

fn assert_below(victim: &Victim, before: usize, bound: usize, what: &str) {
    let peak = victim.memory("VmHWM");
    println!(
        "{what}: {} MiB became {} MiB, {} MiB at the most",
        before / MIB,
        victim.memory("VmRSS") / MIB,
        peak / MIB
    );
    assert!(peak < before + bound + BESIDE, "{what}");
}

/// Allows the process so much more than it has now, and ends it where it would take more.
fn limit_memory(victim: &Victim, more: usize) {
    use rustix::process::{Pid, Resource, Rlimit, prlimit};

    let pid = i32::try_from(victim.broker.pid())
        .ok()
        .and_then(Pid::from_raw);
    for (resource, figure) in [(Resource::As, "VmSize"), (Resource::Data, "VmData")] {
        let bytes = Some((victim.memory(figure) + more) as u64);
        let limit = Rlimit {
            current: bytes,
            maximum: bytes,
        };
        prlimit(pid, resource, limit).expect("the process is ours");
    }
}

/// Each API and version with each of its arrays filled to the limit, under a limit of memory.
#[test]
fn full_arrays_of_every_api_take_no_more_than_the_budget_and_hold_nobody_up() {
    let largest = (NEWEST + 1024).to_string();
    let victim = Victim::start_with(&[
        ("socket.request.max.bytes", &largest),
        ("auto.create.topics.enable", "false"),
        ("group.initial.rebalance.delay.ms", "0"),
    ]);
    create_topic(victim.address(), "t", 1);
    coordinate_groups(victim.address());
    let before = victim.memory("VmRSS");
    // An arena of the allocator, and the threads that heavy work runs on, take address space.
    limit_memory(&victim, BUDGET + BESIDE + 1024 * MIB);
    let witness = victim.witness();
    let mut cases = Vec::new();
    for (key, schema) in requests() {
        let newest = *key.valid_versions().end();
        for version in key.valid_versions() {
            let most = if version == newest { NEWEST } else { OLDER };
            // In a build that is slow the newest version is enough.
            if !is_strict() && version != newest {
                continue;
            }
            for path in arrays(schema, version) {
                for how in if is_strict() {
                    &How::ALL[..]
                } else {
                    &How::ALL[2..]
                } {
                    let request = Filler::request((key, schema), version, &path, most, *how);
                    let begin = Instant::now();
                    let answer = Wire::connect(victim.address()).exchange(&request);
                    let case = format!("{key} version {version}, {path:?}, {how:?}");
                    cases.push((begin.elapsed(), answer.map(|it| it.len()), case));
                }
            }
        }
    }

    cases.sort_unstable_by_key(|(took, ..)| Reverse(*took));
    for (took, answer, case) in &cases[..6] {
        println!("{case}: {answer:?} in {took:?}");
    }
    let what = format!("{} full requests", cases.len());
    witness.finish(&what);
    assert_below(&victim, before, BUDGET, &what);
}

/// A small request for a large answer.
fn of_large_answers() -> DescribeConfigsRequest {
    let broker = DescribeConfigsResource {
        resource_type: 4,
        resource_name: "1".into(),
        configuration_keys: None,
    };
    DescribeConfigsRequest {
        resources: vec![broker],
        include_synonyms: true,
        include_documentation: true,
    }
}

/// Very many peers send so much of `requests` as is taken, and never read.
fn attack_and_never_read(what: &str, requests: &[u8]) {
    let victim = Victim::start_with(&[("socket.send.buffer.bytes", "16384")]);
    let before = victim.memory("VmRSS");
    let witness = victim.witness();
    let begin = Instant::now();
    let mut deaf: Vec<Wire> = (0..many(4_000))
        .map(|n| {
            let ip = [127, 0, 0, 2 + (n % 2) as u8];
            Wire::deaf(ip, victim.address()).expect("there is a place")
        })
        .collect();
    for peer in &mut deaf {
        peer.send_what_fits(requests);
    }
    // Until nothing changes any more.
    let look = || (victim.memory("VmRSS"), victim.sockets());
    let (mut seen, mut since) = (look(), Instant::now());
    while since.elapsed() < Duration::from_secs(2) {
        thread::sleep(Duration::from_millis(100));
        let now = look();
        if now.0.abs_diff(seen.0) >= MIB || now.1 != seen.1 {
            (seen, since) = (now, Instant::now());
        }
    }
    println!("{what} of {} peers: {:?}", deaf.len(), begin.elapsed());
    // Where memory is used up, others have theirs when some of those who read nothing are closed.
    let begin = Instant::now();
    let answer = Wire::connect(victim.address()).call(&of_large_answers(), 4);
    assert_eq!(answer.results[0].error_code, ErrorCode::NONE);
    let waited = begin.elapsed();
    println!("{what}: others have theirs after {waited:?}");
    witness.finish(what);
    assert_below(&victim, before, BUDGET, what);
    assert!(waited < within(Duration::from_secs(1)), "{what}");
}

#[test]
fn large_answers_that_nobody_reads_are_held_back() {
    let request = encoded(&of_large_answers(), 4);
    attack_and_never_read("large answers", &request.repeat(50));
}

#[test]
fn small_answers_that_nobody_reads_are_held_back() {
    let request = encoded(&ApiVersionsRequest::default(), 0);
    attack_and_never_read("small answers", &request.repeat(4000));
}

/// Answers of some bytes each, which take several times as much to be kept.
#[test]
fn tiny_answers_that_nobody_reads_are_held_back() {
    let heartbeat = HeartbeatRequest {
        group_id: "group".into(),
        ..HeartbeatRequest::default()
    };
    let request = encoded(&heartbeat, 0);
    attack_and_never_read("tiny answers", &request.repeat(20_000));
}

#[test]
fn names_of_clients_under_quotas_take_no_more_than_their_bound() {
    let victim = Victim::start_with(&[]);
    let quota = AlterClientQuotasRequest {
        entries: vec![RequestEntryData {
            entity: vec![EntityData {
                entity_type: "client-id".into(),
                entity_name: None,
            }],
            ops: vec![OpData {
                key: "producer_byte_rate".into(),
                value: 1e6,
                remove: false,
            }],
        }],
        validate_only: false,
    };
    let mut peer = Wire::connect(victim.address());
    peer.call(&quota, 1);
    let before = victim.memory("VmRSS");
    let witness = victim.witness();
    let produce = ProduceRequest {
        acks: 1,
        timeout_ms: 1000,
        ..ProduceRequest::default()
    };
    let names = many(20_000);
    for n in 0..names {
        let name = Str::from(format!("{n:030000}"));
        let sent = encoded_as(Some(name), &produce, 9);
        peer.exchange(&sent).expect("an answer");
    }
    witness.finish("names of clients");
    let what = format!("{names} names of 30 KB");
    assert_below(&victim, before, 64 * MIB, &what);
}

#[test]
fn groups_with_long_texts_take_no_more_than_their_bound() {
    let victim = Victim::start_with(&[]);
    create_topic(victim.address(), "t", 1);
    coordinate_groups(victim.address());
    let before = victim.memory("VmRSS");
    let witness = victim.witness();
    let text = Str::from("x".repeat(2000));
    let groups = many(100_000);
    let mut peer = Wire::connect(victim.address());
    let mut refused = 0;
    for first in (0..groups).step_by(500) {
        for n in first..first + 500 {
            let partition = OffsetCommitRequestPartition {
                committed_metadata: Some(text.clone()),
                ..OffsetCommitRequestPartition::default()
            };
            let request = OffsetCommitRequest {
                group_id: Str::from(format!("group-{n}")),
                generation_id_or_member_epoch: -1,
                topics: vec![OffsetCommitRequestTopic {
                    name: "t".into(),
                    partitions: vec![partition],
                    ..OffsetCommitRequestTopic::default()
                }],
                ..OffsetCommitRequest::default()
            };
            peer.send(&encoded(&request, 7)).expect("it is read");
        }
        for _ in 0..500 {
            let answer = peer.receive().expect("an answer");
            refused += usize::from(answer[answer.len() - 2..] != [0, 0]);
        }
    }
    witness.finish("groups with long texts");
    let what = format!("{groups} groups with 2 KB each, {refused} refused");
    assert_below(&victim, before, 512 * MIB, &what);
}

#[test]
fn members_take_no_more_than_their_bound() {
    let victim = Victim::start_with(&[("group.initial.rebalance.delay.ms", "3600000")]);
    coordinate_groups(victim.address());
    let before = victim.memory("VmRSS");
    let witness = victim.witness();
    let members = many(200_000);
    let mut peer = Wire::connect(victim.address());
    let join = |group: usize| {
        let request = JoinGroupRequest {
            group_id: Str::from(format!("group-{group}")),
            session_timeout_ms: 1_800_000,
            rebalance_timeout_ms: i32::MAX,
            protocol_type: "consumer".into(),
            protocols: vec![JoinGroupRequestProtocol {
                name: "range".into(),
                metadata: Bytes::from_static(&[0; 100]),
            }],
            ..JoinGroupRequest::default()
        };
        // Each is told its id, and asked to come again with it.
        encoded(&request, 5)
    };
    for first in (0..members).step_by(500) {
        for n in first..first + 500 {
            peer.send(&join(n % 1000)).expect("it is read");
        }
        for _ in 0..500 {
            peer.receive().expect("an answer");
        }
    }
    witness.finish("members");
    assert_below(&victim, before, 128 * MIB, &format!("{members} members"));
}
