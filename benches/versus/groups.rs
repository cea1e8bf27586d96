//! Groups: a storm of members that join at once, commits of offsets, and loading them after a kill.
//! The same raw requests for both brokers, as clients of the libraries would be the limit here.
//!
//! Both brokers need [`SETTINGS`] besides their own.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use broker::network::{Client, ClientOptions};
use broker::protocol::messages::find_coordinator::FindCoordinatorRequest;
use broker::protocol::messages::heartbeat::HeartbeatRequest;
use broker::protocol::messages::join_group::{
    JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse,
};
use broker::protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
    OffsetCommitResponse,
};
use broker::protocol::messages::offset_fetch::{OffsetFetchRequest, OffsetFetchRequestGroup};
use broker::protocol::messages::sync_group::{SyncGroupRequest, SyncGroupRequestAssignment};
use broker::protocol::{Decode as _, ErrorCode, Reader, Request as _, ResponseHeader, Str};
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{Barrier, Notify};
use tokio::task::{JoinSet, LocalSet};

use crate::rival::Rival;
use crate::table::{Bound, Table};
use crate::topics;

type Rivals = [Box<dyn Rival>];

/// What both brokers are started with, besides where they are.
pub const SETTINGS: [(&str, &str); 1] = [("group.initial.rebalance.delay.ms", "0")];

const ROUNDS: usize = 3;
/// Of the storm; as many partitions.
const MEMBERS: usize = 500;
/// How often a member asks whether to join again: no group agrees sooner.
const HEARTBEAT_INTERVAL: Duration = Duration::from_millis(100);
/// Who commit at the same time, each in a group of its own.
const COMMITTERS: usize = 32;
const COMMITS_EACH: usize = 4_800;
/// Of a client that does not wait for each.
const IN_FLIGHT: usize = 16;
/// The commits that are loaded: of one group, in requests of so many partitions.
const LOADED_COMMITS: usize = 1_000_000;
const LOADED_PARTITIONS: i32 = 100;
const LOADING_CLIENTS: usize = 8;
/// Longer than anything here takes.
const LIMIT: Duration = Duration::from_secs(300);

/// Runs clients, all on this thread: the other core is the broker's.
pub fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    LocalSet::new().block_on(&runtime, work)
}

/// A connection that waits long for answers.
pub async fn connect(bootstrap: &str) -> Client {
    let options = ClientOptions {
        request_timeout: LIMIT,
        ..ClientOptions::default()
    };
    Client::connect(bootstrap, options)
        .await
        .expect("the broker listens")
}

/// Waits until the group's coordinator answers.
async fn ready(bootstrap: &str, group: &str) {
    let mut client = connect(bootstrap).await;
    let find = FindCoordinatorRequest {
        coordinator_keys: vec![Str::copy_from(group)],
        ..FindCoordinatorRequest::default()
    };
    let fetch = OffsetFetchRequest {
        groups: vec![OffsetFetchRequestGroup {
            group_id: Str::copy_from(group),
            topics: None,
            ..OffsetFetchRequestGroup::default()
        }],
        ..OffsetFetchRequest::default()
    };
    loop {
        let found = client.call(&find, 4).await.expect("it is answered");
        if !found.coordinators[0].error_code.is_error() {
            let told = client.call(&fetch, 8).await.expect("it is answered");
            if !told.groups[0].error_code.is_error() {
                return;
            }
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// From the last first JoinGroup of 500 members to the moment when all have their partition.
pub fn join_storm(rivals: &mut Rivals, table: &mut Table) {
    let mut times = vec![Vec::new(); rivals.len()];
    for rival in rivals.iter_mut() {
        rival.start();
    }
    for round in 0..ROUNDS {
        for (rival, times) in rivals.iter_mut().zip(&mut times) {
            let storm = storm(rival.bootstrap(), format!("storm-{round}"));
            times.push(run(storm).as_secs_f64());
        }
    }
    for rival in rivals.iter_mut() {
        rival.kill();
    }
    let what = "500 members join: last join to all settled";
    table.add(what, "s", &times, Bound::AtMost(0.5));
}

/// What the members of a storm share.
struct Storm {
    group: Str,
    start: Barrier,
    last_join: Mutex<Option<Instant>>,
    /// How many have their partition, by generation.
    settled: Mutex<BTreeMap<i32, usize>>,
    all_settled: Notify,
}

async fn storm(bootstrap: String, group: String) -> Duration {
    ready(&bootstrap, &group).await;
    let storm = Arc::new(Storm {
        group: Str::from(group),
        start: Barrier::new(MEMBERS),
        last_join: Mutex::default(),
        settled: Mutex::default(),
        all_settled: Notify::new(),
    });
    let mut members = JoinSet::new();
    for _ in 0..MEMBERS {
        let client = connect(&bootstrap).await;
        members.spawn_local(member(client, Arc::clone(&storm)));
    }
    tokio::time::timeout(LIMIT, storm.all_settled.notified())
        .await
        .expect("the members settle");
    let settled = Instant::now();
    let last_join = storm.last_join.lock().expect("all have joined");
    settled - last_join
}

async fn member(mut client: Client, storm: Arc<Storm>) {
    let mut id = Str::EMPTY;
    storm.start.wait().await;
    *storm.last_join.lock() = Some(Instant::now());
    loop {
        let joined = join(&mut client, &storm.group, &id).await;
        id = joined.member_id.clone();
        if joined.error_code.is_error() || !sync(&mut client, &storm.group, &joined).await {
            continue;
        }
        let settled = {
            let mut settled = storm.settled.lock();
            let count = settled.entry(joined.generation_id).or_default();
            *count += 1;
            *count
        };
        if settled == MEMBERS {
            storm.all_settled.notify_one();
        }
        let heartbeat = HeartbeatRequest {
            group_id: storm.group.clone(),
            generation_id: joined.generation_id,
            member_id: id.clone(),
            ..HeartbeatRequest::default()
        };
        loop {
            tokio::time::sleep(HEARTBEAT_INTERVAL).await;
            let answer = client.call(&heartbeat, 4).await.expect("it is answered");
            if answer.error_code.is_error() {
                break;
            }
        }
    }
}

async fn join(client: &mut Client, group: &Str, id: &Str) -> JoinGroupResponse {
    let request = JoinGroupRequest {
        group_id: group.clone(),
        session_timeout_ms: 60_000,
        rebalance_timeout_ms: 60_000,
        member_id: id.clone(),
        protocol_type: "consumer".into(),
        protocols: vec![JoinGroupRequestProtocol {
            name: "range".into(),
            // Of the size of a subscription to a topic.
            metadata: Bytes::from_static(&[0; 32]),
        }],
        ..JoinGroupRequest::default()
    };
    client.call(&request, 7).await.expect("it is answered")
}

/// The leader gives each member one partition. False: the member has to join again.
async fn sync(client: &mut Client, group: &Str, joined: &JoinGroupResponse) -> bool {
    let assignments = joined
        .members
        .iter()
        .map(|member| SyncGroupRequestAssignment {
            member_id: member.member_id.clone(),
            assignment: Bytes::from_static(&[0; 32]),
        });
    let request = SyncGroupRequest {
        group_id: group.clone(),
        generation_id: joined.generation_id,
        member_id: joined.member_id.clone(),
        protocol_type: joined.protocol_type.clone(),
        protocol_name: joined.protocol_name.clone(),
        assignments: assignments.collect(),
        ..SyncGroupRequest::default()
    };
    let synced = client.call(&request, 5).await.expect("it is answered");
    synced.error_code == ErrorCode::NONE
}

fn commit(group: &str, partitions: i32, offset: i64) -> OffsetCommitRequest {
    let partitions = (0..partitions).map(|partition_index| OffsetCommitRequestPartition {
        partition_index,
        committed_offset: offset,
        committed_metadata: Some(Str::EMPTY),
        ..OffsetCommitRequestPartition::default()
    });
    OffsetCommitRequest {
        group_id: Str::copy_from(group),
        topics: vec![OffsetCommitRequestTopic {
            name: "committed".into(),
            partitions: partitions.collect(),
            ..OffsetCommitRequestTopic::default()
        }],
        ..OffsetCommitRequest::default()
    }
}

/// What each client commits.
#[derive(Clone, Copy)]
struct Commits {
    partitions: i32,
    count: usize,
    /// Sent before their answers are awaited.
    in_flight: usize,
}

async fn commit_all(bootstrap: String, group: String, commits: Commits) {
    let mut client = connect(&bootstrap).await;
    let mut offset = 0;
    for _ in 0..commits.count / commits.in_flight {
        for _ in 0..commits.in_flight {
            let request = commit(&group, commits.partitions, offset);
            client.send(&request, 8).await.expect("it is sent");
            offset += 1;
        }
        for _ in 0..commits.in_flight {
            let (_, answer) = client.receive().await.expect("it is answered");
            let answer = committed(answer).topics;
            let error = answer[0].partitions[0].error_code;
            assert_eq!(error, ErrorCode::NONE, "commit {offset} of {group}");
        }
    }
}

fn committed(answer: Bytes) -> OffsetCommitResponse {
    let mut reader = Reader::new(answer);
    let header_version = OffsetCommitRequest::KEY.response_header_version(8);
    ResponseHeader::decode(&mut reader, header_version).expect("a header");
    OffsetCommitResponse::decode(&mut reader, 8).expect("an answer")
}

/// A client for each of `groups` commits.
async fn commits_of_all(bootstrap: &str, groups: impl Iterator<Item = String>, commits: Commits) {
    let mut all = JoinSet::new();
    for group in groups {
        all.spawn_local(commit_all(bootstrap.to_owned(), group, commits));
    }
    all.join_all().await;
}

/// Commits of one partition each in each of many groups, each after the one before is answered, and
/// as by a consumer that does not wait (`commitAsync`).
pub fn offset_commits(rivals: &mut Rivals, table: &mut Table) {
    for rival in rivals.iter_mut() {
        rival.start();
        topics::create_single(&rival.bootstrap(), "committed", 1);
    }
    for (in_flight, how) in [(1, "one at a time"), (IN_FLIGHT, "several in flight")] {
        commits_in_flight(rivals, in_flight, how, table);
    }
    for rival in rivals.iter_mut() {
        rival.kill();
    }
}

fn commits_in_flight(rivals: &mut Rivals, in_flight: usize, how: &str, table: &mut Table) {
    let commits = Commits {
        partitions: 1,
        count: COMMITS_EACH,
        in_flight,
    };
    let mut rates = vec![Vec::new(); rivals.len()];
    let mut costs = vec![Vec::new(); rivals.len()];
    for round in 0..=ROUNDS {
        for (place, rival) in rivals.iter_mut().enumerate() {
            let bootstrap = rival.bootstrap();
            run(ready(&bootstrap, "committer-0"));
            let (begun, cpu) = (Instant::now(), rival.cpu());
            let groups = (0..COMMITTERS).map(|n| format!("committer-{n}"));
            run(commits_of_all(&bootstrap, groups, commits));
            let count = (COMMITTERS * COMMITS_EACH) as f64;
            // The first round warms up.
            if round > 0 {
                rates[place].push(count / begun.elapsed().as_secs_f64());
                costs[place].push((rival.cpu() - cpu) * 1e6 / count);
            }
        }
    }
    let what = format!("offset commits, {how}");
    table.add(&what, "/s", &rates, Bound::AtLeast(3.0));
    let what = format!("broker CPU per offset commit, {how}");
    table.add(&what, "us", &costs, Bound::AtMost(0.25));
}

/// A broker is killed after a million commits: from its start to the first offset it tells.
pub fn reload(rivals: &mut Rivals, table: &mut Table) {
    let mut times = vec![Vec::new(); rivals.len()];
    let commits = Commits {
        partitions: LOADED_PARTITIONS,
        count: LOADED_COMMITS / usize::try_from(LOADED_PARTITIONS).unwrap_or(1) / LOADING_CLIENTS,
        in_flight: 1,
    };
    for (rival, times) in rivals.iter_mut().zip(&mut times) {
        rival.start();
        let bootstrap = rival.bootstrap();
        topics::create_single(&bootstrap, "committed", LOADED_PARTITIONS);
        run(ready(&bootstrap, "loaded"));
        let group = std::iter::repeat_n("loaded".to_owned(), LOADING_CLIENTS);
        run(commits_of_all(&bootstrap, group, commits));
        for _ in 0..ROUNDS {
            rival.kill();
            let begun = Instant::now();
            rival.start();
            run(ready(&bootstrap, "loaded"));
            times.push(begun.elapsed().as_secs_f64());
        }
        rival.kill();
    }
    let what = "kill -9 to the first offset told, 1 million commits";
    table.add(what, "s", &times, Bound::AtMost(0.5));
}
