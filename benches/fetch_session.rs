//! What an incremental Fetch costs in its session: with few partitions that have news, and with all.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use broker::model::{LeaderEpoch, Offset, TopicId};
use broker::replication::delayed::{Advance, Interest, Watchers};
use broker::replication::fetch_session::{
    Answer, FetchSession, Outcome, PartitionRequest, TopicRef,
};
use criterion::{Criterion, criterion_group, criterion_main};

const PARTITIONS: u32 = 5_000;
const TOPIC: TopicId = TopicId::from_bytes([7; 16]);

struct Setup {
    session: FetchSession,
    partitions: Vec<Arc<Watchers>>,
    offset: i64,
}

impl Setup {
    fn new() -> Self {
        let mut session = FetchSession::new(1, None, true, Interest::HighWatermark, Instant::now());
        let mut partitions = Vec::new();
        for partition in 0..PARTITIONS {
            let slot = session.update(TopicRef::Id(TOPIC), partition.cast_signed(), request(0));
            let watchers = Arc::new(Watchers::default());
            let subscription = watchers.subscribe(session.watch(), slot, Interest::HighWatermark);
            *session.subscription_mut(slot).expect("just added") = Some(subscription);
            partitions.push(watchers);
        }
        session.take_ready(usize::MAX);
        Self {
            session,
            partitions,
            offset: 0,
        }
    }

    /// Appends to `count` partitions, then serves one Fetch: the client's new offsets, the look at
    /// what is ready, the decision what to send.
    fn fetch(&mut self, count: usize) -> usize {
        let advance = Advance {
            high_watermark_bytes: 100,
            ..Advance::default()
        };
        let step = self.partitions.len() / count;
        for watchers in self.partitions.iter().step_by(step) {
            watchers.notify(&advance).wake();
        }
        let (offset, epoch) = (self.offset, self.session.epoch());
        self.session
            .begin(epoch, None, true, Interest::HighWatermark)
            .expect("the next epoch");
        for partition in (0..PARTITIONS).step_by(step) {
            let asked = request(offset);
            self.session
                .update(TopicRef::Id(TOPIC), partition.cast_signed(), asked);
        }
        self.offset += 1;
        let ready = self.session.take_ready(usize::MAX);
        let answer = Answer {
            high_watermark: Offset(self.offset),
            log_start_offset: Offset::ZERO,
            outcome: Outcome::CaughtUp,
        };
        let answers: Vec<_> = ready.iter().map(|ready| (ready.slot, answer)).collect();
        self.session
            .answered(&answers)
            .into_iter()
            .filter(|&sent| sent)
            .count()
    }
}

fn request(fetch_offset: i64) -> PartitionRequest {
    PartitionRequest {
        fetch_offset: Offset(fetch_offset),
        max_bytes: 1 << 20,
        current_leader_epoch: LeaderEpoch(3),
        last_fetched_epoch: LeaderEpoch(3),
        log_start_offset: Offset::NONE,
    }
}

fn incremental(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("incremental_fetch_of_5000");
    for count in [1, 10, 5_000] {
        let mut setup = Setup::new();
        assert_eq!(setup.fetch(count), count);
        group.bench_function(format!("{count}_ready"), |bencher| {
            bencher.iter(|| black_box(setup.fetch(count)));
        });
    }
    group.finish();
}

criterion_group!(benches, incremental);
criterion_main!(benches);
