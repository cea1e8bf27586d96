//! The runtime with shards that have nothing to do with groups: each keeps a number. Whatever this
//! module needs beyond `Counter` would be missing in the trait.

mod counter;
pub(in crate::coordinator) mod replicas;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;

use self::counter::{Answer, Counter, CounterCommon, Request};
use self::replicas::{LOCAL, Replicas};
use super::*;
use crate::config::{BrokerConfig, Layers, Settings};
use crate::coordinator::shard::Token;
use crate::model::Offset;
use crate::protocol::Str;
use crate::protocol::messages::metadata_records::MetadataRecord;

const TOPIC: &str = "__counters";
/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(600);

impl<S: Shard> Runtime<S> {
    /// Lets no load begin until it is dropped, and waits for those that have begun or wait before it.
    pub(in crate::coordinator) async fn hold_loads(&self) -> OwnedSemaphorePermit {
        // Those that were just started get into the queue.
        tokio::task::yield_now().await;
        let all = thread::available_parallelism().map_or(1, usize::from);
        let loaders = Arc::clone(&self.services.loaders);
        let held = loaders.acquire_many_owned(u32::try_from(all).unwrap());
        held.await.unwrap()
    }

    /// How many requests wait in a shard.
    pub(in crate::coordinator) fn waiting_in(&self, partition: i32) -> usize {
        self.shards.load()[&partition].lock().waiters.in_shard()
    }

    /// Starts a second load of a shard, in the term of the first.
    pub(in crate::coordinator) fn load_again(&self, partition: i32) {
        let shard = Arc::clone(&self.shards.load()[&partition]);
        let term = shard.lock().term;
        shard.load_soon(term);
    }
}

struct World {
    counters: Runtime<Counter>,
    replicas: Replicas,
}

impl World {
    /// `replicas` hold the one partition of the topic.
    fn new(replicas: &[i32]) -> Self {
        let config = BrokerConfig::read(&Layers::of(&Settings::default())).unwrap();
        let started = Replicas::start(&config, TOPIC);
        let world = Self {
            counters: runtime(&started),
            replicas: started,
        };
        world.apply(&world.replicas.coordinator_topic(replicas));
        world
    }

    /// What another process would find: a new runtime on the same log.
    fn restart(&mut self) {
        self.counters = runtime(&self.replicas);
        let everything = self.replicas.everything();
        self.counters.apply(&everything, &self.replicas.image());
    }

    fn apply(&self, records: &[MetadataRecord]) {
        let delta = self.replicas.apply(records);
        self.counters.apply(&delta, &self.replicas.image());
    }

    fn submit(&self, request: Request) -> Submitted<Answer> {
        let caller = Caller {
            token: Token(0),
            version: 0,
            client_id: Str::EMPTY,
            client_host: Str::EMPTY,
        };
        self.counters.submit(0, caller, &request)
    }

    async fn ask(&self, request: Request) -> Answer {
        self.submit(request).answer().await
    }

    /// The number, once the shard is loaded.
    async fn number(&self) -> i64 {
        loop {
            match self.ask(Request::Read).await {
                Err(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS) => tokio::task::yield_now().await,
                read => return read.unwrap(),
            }
        }
    }

    async fn until_written(&self, end: i64) {
        while self.replicas.partition().end_offset() < Offset(end) {
            tokio::task::yield_now().await;
        }
    }
}

fn runtime(replicas: &Replicas) -> Runtime<Counter> {
    let settings = RuntimeSettings {
        topic: TOPIC,
        partition_count: 1,
        append_linger: Duration::ZERO,
        compression: CompressionSetting::NONE,
        commit_timeout: Duration::from_secs(60),
        load_buffer_bytes: 64,
    };
    let manager = replicas.manager.clone();
    let common = CounterCommon::default();
    Runtime::start(
        settings,
        common,
        BrokerId(LOCAL),
        manager,
        Handle::current(),
    )
}

fn is_waiting(submitted: &mut Submitted<Answer>) -> bool {
    match submitted {
        Submitted::Answered(_) => false,
        Submitted::Waiting(waiting) => waiting.is_empty(),
    }
}

#[tokio::test]
async fn what_is_decided_is_appended_and_loaded_again() {
    let mut world = World::new(&[LOCAL]);
    for expected in 1..=100 {
        assert_eq!(world.ask(Request::Add(1)).await, Ok(expected));
    }
    assert_eq!(world.replicas.partition().high_watermark(), Offset(100));

    world.restart();

    assert_eq!(world.number().await, 100);
    assert_eq!(world.ask(Request::Add(1)).await, Ok(101));
}

#[tokio::test]
async fn an_answer_waits_for_the_high_watermark_and_so_does_what_reads_it() {
    let world = World::new(&[LOCAL, 2]);
    let mut adding = world.submit(Request::Add(5));
    let mut reading = world.submit(Request::Read);
    world.until_written(1).await;
    assert!(is_waiting(&mut adding) && is_waiting(&mut reading));

    world.replicas.follower_catches_up();

    assert_eq!(adding.answer().await, Ok(5));
    assert_eq!(reading.answer().await, Ok(5));
}

#[tokio::test]
async fn an_append_that_fails_voids_what_was_decided() {
    let world = World::new(&[LOCAL, 2]);
    world.apply(&[Replicas::in_sync(&[LOCAL])]);
    assert_eq!(world.ask(Request::Add(5)).await, Ok(5));
    world.apply(&[world.replicas.config("min.insync.replicas", "2")]);

    let refused = world.ask(Request::Add(1)).await;

    assert_eq!(refused, Err(ErrorCode::COORDINATOR_NOT_AVAILABLE));
    assert_eq!(world.number().await, 5);
    assert_eq!(world.counters.common().metrics.failed_appends.get(), 1);
}

#[tokio::test]
async fn who_loses_leadership_sends_everybody_away_and_loads_when_it_leads_again() {
    let world = World::new(&[LOCAL, 2]);
    let waiting = world.submit(Request::WaitFor(7, LONG));
    let adding = world.submit(Request::Add(5));
    world.until_written(1).await;

    world.apply(&[Replicas::election(2)]);

    let away = Err(ErrorCode::NOT_COORDINATOR);
    assert_eq!(waiting.answer().await, away);
    assert_eq!(adding.answer().await, away);
    assert_eq!(world.ask(Request::Read).await, away);
    let wrong = world.ask(Request::Add(-1)).await;
    assert_eq!(wrong, Err(ErrorCode::INVALID_REQUEST));
    assert!(!world.counters.serves(0));
    world.apply(&[Replicas::in_sync(&[LOCAL]), Replicas::election(LOCAL)]);
    assert_eq!(world.number().await, 5);
}

#[tokio::test]
async fn who_waits_in_the_shard_is_answered_by_a_later_input_or_by_time() {
    let world = World::new(&[LOCAL]);
    let waiting = world.submit(Request::WaitFor(7, LONG));
    assert_eq!(world.ask(Request::Add(7)).await, Ok(7));
    assert_eq!(waiting.answer().await, Ok(7));

    let started = Instant::now();
    let short = Duration::from_millis(20);
    let timed_out = world.ask(Request::WaitFor(8, short)).await;

    assert_eq!(timed_out, Err(ErrorCode::REQUEST_TIMED_OUT));
    assert!(started.elapsed() >= short);
}

#[tokio::test]
async fn who_is_gone_while_it_waits_in_the_shard_is_forgotten_at_once() {
    let world = World::new(&[LOCAL]);
    let waiting: Vec<_> = (0..10)
        .map(|_| world.submit(Request::WaitFor(7, LONG)))
        .collect();
    assert_eq!(world.counters.waiting_in(0), 10);

    drop(waiting);

    assert_eq!(world.counters.waiting_in(0), 0);
    assert_eq!(world.ask(Request::Add(7)).await, Ok(7));
}

#[tokio::test]
async fn a_shard_catches_up_once_it_is_loaded_and_sees_what_all_share_before_it_decides() {
    let mut world = World::new(&[LOCAL]);
    assert_eq!(world.ask(Request::Add(5)).await, Ok(5));

    world.restart();
    world.counters.common().set_limit(6);

    assert_eq!(world.number().await, 5);
    assert_eq!(world.counters.common().catch_ups(), 1);
    let refused = world.ask(Request::Add(2)).await;
    assert_eq!(refused, Err(ErrorCode::INVALID_REQUEST));
    assert_eq!(world.ask(Request::Add(1)).await, Ok(6));
    assert_eq!(world.counters.common().total(), 6);
}
