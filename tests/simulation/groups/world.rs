//! Time, consumers and their coordinator, in one event loop.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use broker::coordinator::group::Answer;
use broker::coordinator::shard::{Caller, Moment, Shard as _, Token};
use broker::model::Timestamp;
use broker::protocol::Str;

use super::consumer::{Consumer, PARTITIONS, Phase};
use super::coordinator::Coordinator;
use super::invariants::{Asked, Invariants};
use crate::random::Random;

const GROUPS: [&str; 2] = ["one", "two"];
/// How long a consumer waits for an answer: longer than any rebalance may take.
const PATIENCE: Duration = Duration::from_secs(7);

/// A consumer, what it waits for, and when it acts next.
struct Seat {
    consumer: Consumer,
    waits_for: Option<Token>,
    wake: Duration,
}

pub struct World {
    random: Random,
    start: Instant,
    elapsed: Duration,
    coordinator: Coordinator,
    seats: Vec<Seat>,
    asked: BTreeMap<Token, (usize, Asked)>,
    tokens: u64,
    invariants: Invariants,
    with_faults: bool,
}

impl World {
    pub fn new(seed: u64) -> Self {
        let start = Instant::now();
        let now = moment(start, Duration::ZERO);
        let mut seats = Vec::new();
        for number in 0..10_u64 {
            let group = GROUPS[usize::from(number % 2 == 1)];
            let is_static = number % 5 > 2;
            let instance_id = is_static.then(|| Str::from(format!("static-{number}")));
            seats.push(Seat {
                consumer: Consumer::new(group.into(), instance_id),
                waits_for: None,
                wake: Duration::from_millis(number * 100),
            });
        }
        Self {
            random: Random::new(seed),
            start,
            elapsed: Duration::ZERO,
            coordinator: Coordinator::new(now),
            seats,
            asked: BTreeMap::new(),
            tokens: 0,
            invariants: Invariants::default(),
            with_faults: true,
        }
    }

    pub fn run_with_faults(&mut self, seconds: u64) {
        self.with_faults = true;
        self.run(seconds);
    }

    pub fn run_without_faults(&mut self, seconds: u64) {
        self.with_faults = false;
        self.run(seconds);
    }

    fn run(&mut self, seconds: u64) {
        let end = self.elapsed + Duration::from_secs(seconds);
        while self.elapsed < end {
            self.step();
        }
    }

    fn now(&self) -> Moment {
        moment(self.start, self.elapsed)
    }

    /// The next event: a consumer acts, or a deadline comes; then what leaves, leaves.
    fn step(&mut self) {
        let seats = self.seats.iter().enumerate();
        let (index, wake) = seats
            .map(|(index, seat)| (index, seat.wake))
            .min_by_key(|(_, wake)| *wake)
            .expect("there are consumers");
        let deadline = self.coordinator.shard.next_deadline();
        let deadline = deadline.map(|due| due.saturating_duration_since(self.start));
        match deadline.filter(|due| *due <= wake) {
            Some(due) => {
                self.elapsed = self.elapsed.max(due);
                let now = self.now();
                self.coordinator.on_deadline(now);
            }
            None => {
                self.elapsed = self.elapsed.max(wake);
                self.act(index);
            }
        }
        for (group, partition) in self.coordinator.take_expired() {
            self.invariants.forget(group, partition);
        }
        let now = self.now();
        if self.random.one_in(30) {
            self.coordinator.check_reload(now);
        }
        self.leave();
    }

    fn act(&mut self, index: usize) {
        if self.with_faults && self.random.one_in(600) {
            return self.outage(index);
        }
        let seat = &mut self.seats[index];
        if self.with_faults && self.random.one_in(60) {
            // The process dies, and is started again a while later.
            seat.consumer.restart();
            seat.waits_for = None;
            seat.wake = self.elapsed + self.random.millis(100..8_000);
            return;
        }
        if seat.waits_for.take().is_some() {
            seat.consumer.on_silence();
        }
        let (version, request) = seat.consumer.next(&mut self.random, self.with_faults);
        self.tokens += 1;
        let token = Token(self.tokens);
        seat.waits_for = Some(token);
        seat.wake = self.elapsed + PATIENCE;
        let incarnation = self.coordinator.removals(&seat.consumer.group);
        let identity = seat.consumer.identity();
        let asked = self.invariants.ask(request, identity, incarnation);
        let caller = Caller {
            token,
            version,
            client_id: "client".into(),
            client_host: "/127.0.0.1".into(),
        };
        let now = moment(self.start, self.elapsed);
        self.coordinator.handle(now, &caller, &asked.request);
        self.asked.insert(token, (index, asked));
    }

    /// All consumers of a group die, and are away for so long that its offsets expire, and the group
    /// with them: what they make when they are back is another one, that begins with generation 1.
    fn outage(&mut self, index: usize) {
        let group = self.seats[index].consumer.group.clone();
        for seat in &mut self.seats {
            if seat.consumer.group == group {
                seat.consumer.restart();
                seat.waits_for = None;
                seat.wake = self.elapsed + self.random.millis(20_000..25_000);
            }
        }
    }

    /// Commits, perhaps fails, and lets the answers go that may.
    fn leave(&mut self) {
        let now = self.now();
        let answers = if self.with_faults && self.random.one_in(150) {
            self.coordinator.fail(now, &mut self.random)
        } else if self.with_faults {
            self.coordinator.commit(&mut self.random);
            self.coordinator.released()
        } else {
            self.coordinator.commit_all();
            self.coordinator.released()
        };
        for (token, answer) in answers {
            self.deliver(token, &answer);
        }
    }

    fn deliver(&mut self, token: Token, answer: &Answer) {
        let (index, asked) = self
            .asked
            .remove(&token)
            .expect("a request is answered once");
        self.invariants.check(&asked, answer);
        let seat = &mut self.seats[index];
        let is_lost = self.with_faults && self.random.one_in(40);
        if seat.waits_for != Some(token) || is_lost {
            return;
        }
        seat.waits_for = None;
        seat.consumer.on_answer(answer);
        let pause = match seat.consumer.phase {
            Phase::Work => self.random.millis(100..900),
            _ => self.random.millis(1..50),
        };
        seat.wake = self.elapsed + pause;
    }

    /// Every group has settled: one generation, and every partition has an owner in it.
    pub fn assert_settled(&self) {
        assert!(
            self.invariants.commits > 100,
            "{} commits",
            self.invariants.commits
        );
        assert!(
            self.invariants.assignments > 20,
            "{} assignments",
            self.invariants.assignments
        );
        for group in GROUPS {
            let seats = self
                .seats
                .iter()
                .filter(|seat| seat.consumer.group == group);
            let members: Vec<&Consumer> = seats.map(|seat| &seat.consumer).collect();
            for member in &members {
                assert_eq!(member.phase, Phase::Work, "{member:?}");
                assert_eq!(member.generation, members[0].generation, "{member:?}");
            }
            let owned = members
                .iter()
                .flat_map(|member| member.positions.keys().copied());
            let mut owned: Vec<u8> = owned.collect();
            owned.sort_unstable();
            assert_eq!(owned, (0..PARTITIONS).collect::<Vec<u8>>(), "of {group}");
        }
        // Only what was sent last may wait.
        assert!(
            self.asked.len() <= self.seats.len(),
            "{} wait",
            self.asked.len()
        );
    }
}

fn moment(start: Instant, elapsed: Duration) -> Moment {
    let ms = i64::try_from(elapsed.as_millis()).expect("a short run");
    Moment {
        instant: start + elapsed,
        timestamp: Timestamp(1_000_000 + ms),
    }
}
