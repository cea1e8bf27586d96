//! How long requests take, by API and by stage: histograms that many threads raise at once, without a lock, and
//! without allocating but for the first request of a kind.
//!
//! A request passes each stage once, and all of them are noted when it has ended. Most stages of most requests
//! take less than the first bound: their bucket is not written, because the others and the number of requests
//! tell what it holds.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::striped;

/// The stages of a request, in their order; `Total` is all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It waits for its turn, read and not begun.
    Queue,
    /// It is served.
    Local,
    /// Its answer waits for others: replicas, records, members, the controller, or a thread that may block.
    Remote,
    /// Its client is held up for a quota, after the answer.
    Throttle,
    /// Its answer waits for those of earlier requests.
    ResponseQueue,
    /// Its answer is on its way into the socket.
    Send,
    /// From its last byte that was read to the last byte of its answer that was sent.
    Total,
}

impl Stage {
    /// All stages.
    pub const ALL: [Self; 7] = [
        Self::Queue,
        Self::Local,
        Self::Remote,
        Self::Throttle,
        Self::ResponseQueue,
        Self::Send,
        Self::Total,
    ];

    /// The stage's name, as a label.
    pub fn name(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Local => "local",
            Self::Remote => "remote",
            Self::Throttle => "throttle",
            Self::ResponseQueue => "response_queue",
            Self::Send => "send",
            Self::Total => "total",
        }
    }
}

/// The upper bounds of the buckets, in microseconds. One more bucket has no bound.
pub const BOUNDS_US: [u64; 17] = [
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000, 5_000_000, 10_000_000,
];

/// The number of buckets.
pub const BUCKETS: usize = BOUNDS_US.len() + 1;
/// The buckets of a stage, and its sum.
const CELLS_OF_STAGE: usize = BUCKETS + 1;
const CELLS_OF_KIND: usize = Stage::ALL.len() * CELLS_OF_STAGE;

/// The API key of Fetch, whose requests by brokers and controllers are counted apart, as in Kafka.
const FETCH: i16 = 1;

/// What a request is: an API, with the fetches of brokers and controllers apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestKind(u16);

/// The moments of a request so far.
#[derive(Clone, Copy, Debug)]
pub struct RequestClock {
    /// What it is; `None` for an API that nobody serves.
    pub kind: Option<RequestKind>,
    /// When its last byte was read.
    pub received: Instant,
    /// When it was begun.
    pub begun: Instant,
    /// When it was served as far as it could be at once.
    pub served: Instant,
    /// When its answer was made.
    pub made: Instant,
    /// When the answers of all earlier requests were made.
    pub queued: Instant,
}

impl RequestClock {
    /// A request that is begun now.
    pub fn new(kind: Option<RequestKind>, received: Instant, begun: Instant) -> Self {
        Self {
            kind,
            received,
            begun,
            served: begun,
            made: begun,
            queued: begun,
        }
    }

    /// The request if a part of its wait was one for its turn elsewhere, and another the work there.
    #[must_use]
    pub fn served_elsewhere(self, waited: Duration, worked: Duration) -> Self {
        let begun = (self.begun + waited).min(self.made);
        // What was done at once is a part of serving it as well.
        let at_once = self.served.saturating_duration_since(self.begun);
        Self {
            begun,
            served: (begun + at_once + worked).min(self.made),
            ..self
        }
    }

    /// The request once it was served by `at`, with its answer.
    #[must_use]
    pub fn served_by(self, at: Instant) -> Self {
        Self {
            served: at,
            made: at,
            queued: at,
            ..self
        }
    }
}

/// The histograms of all kinds of requests.
#[derive(Debug)]
pub struct RequestTimes {
    /// The kind of each API key.
    kinds: Vec<Option<RequestKind>>,
    /// The name of each kind.
    names: Vec<&'static str>,
    /// For each stripe, the cells of each kind that it has seen: most APIs are never asked.
    stripes: Vec<Box<[OnceLock<Box<Cells>>]>>,
}

type Cells = [AtomicU64; CELLS_OF_KIND];

/// One histogram as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    /// How many durations lie between each bound and the one before.
    pub counts: [u64; BUCKETS],
    /// All durations, in nanoseconds.
    pub sum_ns: u64,
}

impl RequestTimes {
    /// Nothing yet. `apis` are the API keys that are served, with their names.
    pub fn new(apis: impl IntoIterator<Item = (i16, &'static str)>) -> Self {
        let (mut kinds, mut names) = (Vec::new(), vec!["FetchFollower"]);
        for (key, name) in apis {
            let index = usize::try_from(key).expect("API keys are not negative");
            if kinds.len() <= index {
                kinds.resize(index + 1, None);
            }
            let number = u16::try_from(names.len()).expect("there are few APIs");
            kinds[index] = Some(RequestKind(number));
            names.push(if key == FETCH { "FetchConsumer" } else { name });
        }
        let stripe = || names.iter().map(|_| OnceLock::new()).collect();
        Self {
            kinds,
            stripes: (0..striped::count()).map(|_| stripe()).collect(),
            names,
        }
    }

    /// The kind of requests with this API key; `None` if nobody serves them.
    pub fn kind(&self, api_key: i16, is_of_brokers: bool) -> Option<RequestKind> {
        if api_key == FETCH && is_of_brokers {
            return Some(RequestKind(0));
        }
        let index = usize::try_from(api_key).ok()?;
        self.kinds.get(index).copied().flatten()
    }

    /// All kinds with their names, as Kafka has them.
    pub fn kinds(&self) -> impl Iterator<Item = (RequestKind, &'static str)> {
        let names = self.names.iter().copied();
        names
            .enumerate()
            .map(|(index, name)| (RequestKind(index as u16), name))
    }

    /// Notes a request whose answer was sent by `sent`, or that has none and ended then.
    pub fn note(&self, clock: &RequestClock, sent: Instant) {
        let Some(kind) = clock.kind else {
            return;
        };
        let cells = self.mine(kind);
        let stages = [
            (Stage::Queue, clock.received, clock.begun),
            (Stage::Local, clock.begun, clock.served),
            (Stage::Remote, clock.served, clock.made),
            (Stage::ResponseQueue, clock.made, clock.queued),
            (Stage::Send, clock.queued, sent),
        ];
        for (stage, begin, end) in stages {
            add(cells, stage, end.saturating_duration_since(begin));
        }
        let total = sent.saturating_duration_since(clock.received);
        // The first bucket of the total is what tells the number of requests.
        if bucket(total) == 0 {
            cell(cells, Stage::Total, 0).fetch_add(1, Ordering::Relaxed);
        }
        add(cells, Stage::Total, total);
    }

    /// Notes for how long a request's client is held up.
    pub fn note_throttle(&self, kind: RequestKind, time: Duration) {
        add(self.mine(kind), Stage::Throttle, time);
    }

    /// How many requests of a kind have ended.
    pub fn count(&self, kind: RequestKind) -> u64 {
        (0..BUCKETS)
            .map(|at| self.sum_of(kind, Stage::Total, at))
            .sum()
    }

    /// The histogram of a stage, of which `count` requests of the kind have ended.
    pub fn histogram(&self, kind: RequestKind, stage: Stage, count: u64) -> Histogram {
        let mut counts = [0; BUCKETS];
        for (at, in_bucket) in counts.iter_mut().enumerate() {
            *in_bucket = self.sum_of(kind, stage, at);
        }
        if stage != Stage::Total {
            let beyond: u64 = counts[1..].iter().sum();
            counts[0] = count.saturating_sub(beyond);
        }
        Histogram {
            counts,
            sum_ns: self.sum_of(kind, stage, BUCKETS),
        }
    }

    /// The cells of a kind on this thread's stripe.
    fn mine(&self, kind: RequestKind) -> &Cells {
        let stripe = &self.stripes[striped::mine(self.stripes.len())];
        stripe[usize::from(kind.0)]
            .get_or_init(|| Box::new([const { AtomicU64::new(0) }; CELLS_OF_KIND]))
    }

    fn sum_of(&self, kind: RequestKind, stage: Stage, at: usize) -> u64 {
        let seen = self
            .stripes
            .iter()
            .filter_map(|it| it[usize::from(kind.0)].get());
        seen.map(|cells| cell(cells, stage, at).load(Ordering::Relaxed))
            .sum()
    }
}

impl Histogram {
    /// The number of durations.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// What has come since an earlier reading of the same histogram.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut since = self.clone();
        for (now, before) in since.counts.iter_mut().zip(earlier.counts) {
            *now = now.saturating_sub(before);
        }
        since.sum_ns = since.sum_ns.saturating_sub(earlier.sum_ns);
        since
    }

    /// The duration in seconds below which this part of all durations lies; within a bucket they count as
    /// spread evenly, and those beyond the last bound as lying on it. `None` if there are none.
    pub fn quantile(&self, part: f64) -> Option<f64> {
        let count = self.count();
        if count == 0 {
            return None;
        }
        let rank = part * count as f64;
        let (mut below, mut lower) = (0.0, 0.0);
        for (in_bucket, bound) in self.counts.iter().zip(BOUNDS_US) {
            let (in_bucket, upper) = (*in_bucket as f64, bound as f64 / 1e6);
            if in_bucket > 0.0 && below + in_bucket >= rank {
                return Some(
                    lower + (upper - lower) * ((rank - below) / in_bucket).clamp(0.0, 1.0),
                );
            }
            (below, lower) = (below + in_bucket, upper);
        }
        Some(lower)
    }
}

/// The bucket that a duration falls into.
fn bucket(time: Duration) -> usize {
    let ns = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    if ns <= BOUNDS_US[0] * 1_000 {
        return 0;
    }
    BOUNDS_US.partition_point(|bound| bound * 1_000 < ns)
}

fn add(cells: &Cells, stage: Stage, time: Duration) {
    if time.is_zero() {
        return;
    }
    let ns = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    cell(cells, stage, BUCKETS).fetch_add(ns, Ordering::Relaxed);
    let bucket = bucket(time);
    if bucket > 0 {
        cell(cells, stage, bucket).fetch_add(1, Ordering::Relaxed);
    }
}

fn cell(cells: &Cells, stage: Stage, at: usize) -> &AtomicU64 {
    &cells[stage as usize * CELLS_OF_STAGE + at]
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRODUCE: i16 = 0;

    fn times() -> RequestTimes {
        RequestTimes::new([(PRODUCE, "Produce"), (FETCH, "Fetch"), (18, "ApiVersions")])
    }

    fn clock(kind: Option<RequestKind>, start: Instant) -> RequestClock {
        let after = |us| start + Duration::from_micros(us);
        RequestClock {
            kind,
            received: start,
            begun: after(0),
            served: after(60),
            made: after(5_060),
            queued: after(5_061),
        }
    }

    #[test]
    fn each_stage_of_a_request_falls_into_its_bucket() {
        let (times, start) = (times(), Instant::now());
        let kind = times.kind(PRODUCE, false).unwrap();

        times.note(&clock(Some(kind), start), start + Duration::from_secs(60));
        times.note_throttle(kind, Duration::from_millis(3));

        let count = times.count(kind);
        assert_eq!(count, 1);
        let bucket = |stage| {
            let read = times.histogram(kind, stage, count);
            assert_eq!(read.count(), 1, "{stage:?}");
            read.counts.iter().position(|count| *count == 1).unwrap()
        };
        assert_eq!(bucket(Stage::Queue), 0);
        assert_eq!(bucket(Stage::Local), 1);
        assert_eq!(bucket(Stage::Remote), 6, "5 ms are within 5 ms");
        assert_eq!(bucket(Stage::ResponseQueue), 0);
        assert_eq!(bucket(Stage::Throttle), 6);
        assert_eq!(bucket(Stage::Send), BUCKETS - 1);
        assert_eq!(bucket(Stage::Total), BUCKETS - 1);
        assert_eq!(times.histogram(kind, Stage::Local, 1).sum_ns, 60_000);
        assert_eq!(
            times.histogram(kind, Stage::Total, 1).sum_ns,
            60_000_000_000
        );
    }

    #[test]
    fn work_elsewhere_is_no_wait_for_others() {
        let start = Instant::now();
        let us = Duration::from_micros;

        let clock = clock(None, start).served_elsewhere(us(1_000), us(3_000));

        assert_eq!(clock.begun - clock.received, us(1_000));
        assert_eq!(clock.served - clock.begun, us(3_060));
        assert_eq!(clock.made - clock.served, us(1_000));
        let too_much = clock.served_elsewhere(us(9_000), us(9_000));
        assert_eq!((too_much.begun, too_much.served), (clock.made, clock.made));
    }

    #[test]
    fn requests_that_take_no_time_at_all_are_counted() {
        let (times, now) = (times(), Instant::now());
        let kind = times.kind(18, false);

        for _ in 0..3 {
            times.note(&RequestClock::new(kind, now, now), now);
        }

        let kind = kind.unwrap();
        assert_eq!(times.count(kind), 3);
        for stage in Stage::ALL {
            let read = times.histogram(kind, stage, 3);
            assert_eq!((read.counts[0], read.sum_ns), (3, 0), "{stage:?}");
        }
    }

    #[test]
    fn fetches_of_followers_are_apart_and_unknown_apis_are_nothing() {
        let times = times();
        let names: Vec<_> = times.kinds().map(|(_, name)| name).collect();

        assert_eq!(
            names,
            ["FetchFollower", "Produce", "FetchConsumer", "ApiVersions"]
        );
        assert_ne!(times.kind(FETCH, true), times.kind(FETCH, false));
        assert_eq!(times.kind(PRODUCE, true), times.kind(PRODUCE, false));
        for key in [-1, 2, 99] {
            assert_eq!(times.kind(key, false), None, "{key}");
        }
        let now = Instant::now();
        times.note(&RequestClock::new(None, now, now), now);
    }

    #[test]
    fn durations_of_all_threads_add_up() {
        let (times, start) = (times(), Instant::now());
        let kind = times.kind(PRODUCE, false);

        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1_000 {
                        times.note(&clock(kind, start), start + Duration::from_millis(6));
                    }
                });
            }
        });

        let kind = kind.unwrap();
        assert_eq!(times.count(kind), 4_000);
        assert_eq!(times.histogram(kind, Stage::Remote, 4_000).counts[6], 4_000);
    }

    #[test]
    fn quantiles_lie_within_their_bucket_and_are_of_what_came_since() {
        let mut before = Histogram {
            counts: [0; BUCKETS],
            sum_ns: 0,
        };
        assert_eq!(before.quantile(0.5), None);
        before.counts[10] = 1_000;
        let mut now = before.clone();
        now.counts[4] = 50;
        now.counts[BUCKETS - 1] = 50;

        let since = now.since(&before);

        assert_eq!(since.count(), 100);
        let median = since.quantile(0.25).unwrap();
        assert!((0.000_5..=0.001).contains(&median), "{median}");
        assert_eq!(since.quantile(0.99), Some(10.0));
    }
}
