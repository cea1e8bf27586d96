//! What a classic group costs its coordinator: a heartbeat, at any number of members; and 500 members
//! that join at once, and get their assignments.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use broker::coordinator::group::{Answer, Effects, GroupSettings, GroupShard, Request};
use broker::coordinator::shard::{Caller, Moment, Shard as _, Token};
use broker::model::{Offset, Timestamp};
use broker::protocol::Str;
use broker::protocol::messages::heartbeat::HeartbeatRequest;
use broker::protocol::messages::join_group::{JoinGroupRequest, JoinGroupRequestProtocol};
use broker::protocol::messages::sync_group::{SyncGroupRequest, SyncGroupRequestAssignment};
use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

struct Setup {
    shard: GroupShard,
    start: Instant,
    elapsed: Duration,
    tokens: u64,
    effects: Effects,
}

impl Setup {
    fn new() -> Self {
        let settings = GroupSettings {
            initial_rebalance_delay: Duration::from_secs(3),
            min_session_timeout_ms: 6_000,
            max_session_timeout_ms: 1_800_000,
            max_size: usize::MAX,
            offsets_retention_ms: i64::MAX,
            offsets_retention_check_interval: Duration::from_secs(600),
            offset_metadata_max_size: 4_096,
            max_record_bytes: 100 << 20,
            max_group_bytes: 1 << 30,
            reserved_bytes: 0,
        };
        let mut setup = Self {
            shard: GroupShard::new(Arc::new(settings)),
            start: Instant::now(),
            elapsed: Duration::ZERO,
            tokens: 0,
            effects: Effects::default(),
        };
        let now = setup.now();
        setup.shard.begin(now, Offset::ZERO, &mut setup.effects);
        setup
    }

    fn now(&self) -> Moment {
        Moment {
            instant: self.start + self.elapsed,
            timestamp: Timestamp(1_000_000),
        }
    }

    fn ask(&mut self, version: i16, request: &Request) {
        self.tokens += 1;
        let caller = Caller {
            token: Token(self.tokens),
            version,
            client_id: "consumer".into(),
            client_host: "/127.0.0.1".into(),
        };
        let now = self.now();
        self.shard.handle(now, &caller, request, &mut self.effects);
    }

    /// Lets time pass, and timers come up.
    fn pass(&mut self, time: Duration) {
        self.elapsed += time;
        let now = self.now();
        if self
            .shard
            .next_deadline()
            .is_some_and(|due| due <= now.instant)
        {
            self.shard.on_deadline(now, &mut self.effects);
        }
    }

    /// `count` members join a new group; their ids, the leader's first.
    fn join(&mut self, count: u64) -> Vec<Str> {
        for number in 0..count {
            let mut entropy = [0; 16];
            entropy[8..].copy_from_slice(&number.to_be_bytes());
            let request = JoinGroupRequest {
                group_id: "group".into(),
                session_timeout_ms: 45_000,
                rebalance_timeout_ms: 300_000,
                protocol_type: "consumer".into(),
                protocols: vec![JoinGroupRequestProtocol {
                    name: "range".into(),
                    metadata: Bytes::from_static(&[0; 60]),
                }],
                ..JoinGroupRequest::default()
            };
            self.ask(3, &Request::JoinGroup { request, entropy });
        }
        while self.effects.replies.is_empty() {
            self.pass(Duration::from_secs(3));
        }
        let answers = self.effects.replies.drain(..).map(|reply| reply.answer);
        let mut ids = Vec::new();
        for answer in answers {
            let Answer::JoinGroup(joined) = answer else {
                panic!("{answer:?}");
            };
            if joined.leader == joined.member_id {
                ids.insert(0, joined.member_id);
            } else {
                ids.push(joined.member_id);
            }
        }
        assert_eq!(ids.len() as u64, count);
        ids
    }

    fn sync(&mut self, ids: &[Str]) {
        for (number, id) in ids.iter().enumerate().rev() {
            let assignments = ids.iter().map(|member| SyncGroupRequestAssignment {
                member_id: member.clone(),
                assignment: Bytes::from_static(&[0; 40]),
            });
            let is_leader = number == 0;
            let request = SyncGroupRequest {
                group_id: "group".into(),
                generation_id: 1,
                member_id: id.clone(),
                assignments: assignments
                    .take(if is_leader { ids.len() } else { 0 })
                    .collect(),
                ..SyncGroupRequest::default()
            };
            self.ask(3, &Request::SyncGroup(request));
        }
        assert_eq!(self.effects.replies.len(), ids.len());
        self.effects.replies.clear();
    }
}

fn heartbeat(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("heartbeat");
    for count in [10, 100, 1_000, 10_000] {
        let mut setup = Setup::new();
        let ids = setup.join(count);
        setup.sync(&ids);
        let requests: Vec<Request> = ids
            .iter()
            .map(|id| {
                Request::Heartbeat(HeartbeatRequest {
                    group_id: "group".into(),
                    generation_id: 1,
                    member_id: id.clone(),
                    group_instance_id: None,
                })
            })
            .collect();
        // Each member sends one every three seconds.
        let pause = Duration::from_secs(3) / u32::try_from(count).expect("a small number");
        let mut next = 0;
        group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
            bencher.iter(|| {
                setup.pass(pause);
                setup.ask(4, &requests[next]);
                next = (next + 1) % requests.len();
                black_box(&setup.effects.replies);
                setup.effects.replies.clear();
            });
        });
        assert!(setup.effects.records.len() < 3, "nobody was lost");
    }
    group.finish();
}

fn join_storm(criterion: &mut Criterion) {
    criterion.bench_function("join_and_sync_of_500", |bencher| {
        bencher.iter(|| {
            let mut setup = Setup::new();
            let ids = setup.join(500);
            setup.sync(&ids);
            setup.effects.records.len()
        });
    });
}

criterion_group!(benches, heartbeat, join_storm);
criterion_main!(benches);
