//! The metadata image at 100,000 partitions: one change must cost less than 100 us. And what a
//! start costs: the image from a snapshot's records, the controller from the image.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use broker::config::Settings;
use broker::metadata::controller::{Controller, ControllerSettings, ElectionIntervals};
use broker::metadata::delta::MetadataDelta;
use broker::metadata::image::MetadataImage;
use broker::model::{BrokerId, Offset, Uuid};
use broker::protocol::Str;
use broker::protocol::messages::metadata_records::{
    MetadataRecord, PartitionChangeRecord, PartitionRecord, RegisterBrokerRecord, TopicRecord,
};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};

const PARTITIONS: i32 = 100_000;

fn topic_id(topic: i32) -> Uuid {
    let mut bytes = [0x5a; 16];
    // Scattered, as random ids are.
    let scattered = (topic as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bytes[..8].copy_from_slice(&scattered.to_be_bytes());
    Uuid::from_bytes(bytes)
}

/// An image of [`PARTITIONS`] partitions in topics of `per_topic` each.
fn image(per_topic: i32) -> MetadataImage {
    let mut image = MetadataImage::default();
    let mut replay = |record: MetadataRecord| {
        image.replay(&record, &mut |_| {}).expect("the records fit");
    };
    for topic in 0..PARTITIONS / per_topic {
        let name = Str::from(format!("topic-{topic}"));
        let topic_id = topic_id(topic);
        replay(TopicRecord { name, topic_id }.into());
        for partition_id in 0..per_topic {
            let partition = PartitionRecord {
                partition_id,
                topic_id,
                replicas: vec![1, 2, 3],
                isr: vec![1, 2, 3],
                leader: 1,
                directories: vec![Uuid::ONE; 3],
                ..PartitionRecord::default()
            };
            replay(partition.into());
        }
    }
    image
}

/// Changes `count` partitions, far from each other, in one delta.
fn change(image: MetadataImage, per_topic: i32, count: i32) -> MetadataDelta {
    let mut delta = MetadataDelta::new(image);
    for step in 0..count {
        let partition = (step * 7_919 + 31) % PARTITIONS;
        let change = PartitionChangeRecord {
            partition_id: partition % per_topic,
            topic_id: topic_id(partition / per_topic),
            isr: Some(vec![1, 2]),
            ..PartitionChangeRecord::default()
        };
        delta.replay(&change.into()).expect("the records fit");
    }
    delta
}

fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("image at 100,000 partitions");
    for per_topic in [1, 10, PARTITIONS] {
        let image = image(per_topic);
        for count in [1, 1_000] {
            let name = format!("{count} changed, {per_topic} per topic");
            group.bench_function(name, |bencher| {
                bencher.iter_batched(
                    || image.clone(),
                    |image| black_box(change(image, per_topic, count)),
                    BatchSize::SmallInput,
                );
            });
        }
        let name = format!("a topic looked up by name, {per_topic} per topic");
        group.bench_function(name, |bencher| {
            bencher.iter(|| black_box(image.topics().by_name(black_box("topic-0"))));
        });
    }
    group.finish();
}

fn start(criterion: &mut Criterion) {
    let image = image(10);
    let version = image.metadata_version();
    let encode = |record: &MetadataRecord| record.encode(version.record_version(record));
    let snapshot: Vec<_> = image.records().map(|record| encode(&record)).collect();
    let mut group = criterion.benchmark_group("start at 100,000 partitions");
    group.sample_size(10);
    group.bench_function("image from a snapshot", |bencher| {
        bencher.iter(|| {
            let mut image = MetadataImage::default();
            for bytes in &snapshot {
                let record = MetadataRecord::decode(bytes.clone()).expect("it was encoded");
                image.replay(&record, &mut |_| {}).expect("the records fit");
            }
            image
        });
    });
    group.bench_function("snapshot from an image", |bencher| {
        bencher.iter(|| {
            image
                .records()
                .map(|record| encode(&record).len())
                .sum::<usize>()
        });
    });
    let settings = Arc::new(controller_settings());
    group.bench_function("controller from an image", |bencher| {
        bencher.iter(|| {
            Controller::new(
                Arc::clone(&settings),
                image.clone(),
                Offset(0),
                Instant::now(),
            )
        });
    });
    group.finish();
}

/// The decision to fence a broker that leads 10,000 partitions of many topics.
fn fence(criterion: &mut Criterion) {
    const LED: i32 = 10_000;
    let mut image = MetadataImage::default();
    let mut replay = |record: MetadataRecord| {
        image.replay(&record, &mut |_| {}).expect("the records fit");
    };
    for broker_id in 1..=3 {
        let broker = RegisterBrokerRecord {
            broker_id,
            broker_epoch: 1,
            fenced: false,
            ..RegisterBrokerRecord::default()
        };
        replay(broker.into());
    }
    for topic in 0..LED / 10 {
        let name = Str::from(format!("topic-{topic}"));
        let topic_id = topic_id(topic);
        replay(TopicRecord { name, topic_id }.into());
        for partition_id in 0..10 {
            let partition = PartitionRecord {
                partition_id,
                topic_id,
                replicas: vec![1, 2, 3],
                isr: vec![1, 2, 3],
                leader: 1,
                directories: vec![Uuid::ONE; 3],
                ..PartitionRecord::default()
            };
            replay(partition.into());
        }
    }
    let (now, session) = (Instant::now(), Duration::from_secs(9));
    let settings = Arc::new(controller_settings());
    let fresh = || Controller::new(Arc::clone(&settings), image.clone(), Offset(0), now);
    let mut group = criterion.benchmark_group("fencing the leader of 10,000 partitions");
    group.sample_size(10);
    group.bench_function("decided and replayed", |bencher| {
        bencher.iter_batched(
            fresh,
            |mut controller| {
                let (_, decision) = controller
                    .fence_expired_broker(now + session)
                    .expect("all sessions are over");
                assert_eq!(decision.records.len(), LED as usize + 1);
                controller
                    .replay(&decision.records)
                    .expect("the records fit");
                controller
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

fn controller_settings() -> ControllerSettings {
    ControllerSettings {
        node_id: BrokerId(1),
        cluster_id: String::new(),
        quorum: vec![BrokerId(1)],
        num_partitions: 1,
        default_replication_factor: 1,
        delete_topic_enable: true,
        broker_session_timeout: Duration::from_secs(9),
        elections: ElectionIntervals::default(),
        settings: Settings::new(),
    }
}

criterion_group!(metadata, benches, start, fence);
criterion_main!(metadata);
