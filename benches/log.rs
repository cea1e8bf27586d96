//! The log on the real disk (page cache): appending, reading at the tail and in sequence, opening.

#![allow(clippy::unwrap_used, reason = "a failed bench is a panic")]

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use broker::model::{LeaderEpoch, Offset, Timestamp};
use broker::protocol::payload::Payload;
use broker::records::validate::ValidatedBatch;
use broker::records::{BatchBuilder, NewRecord};
use broker::storage::disk::{Disk, FileDisk};
use broker::storage::log::{LeaderAppend, Log, Opening};
use broker::storage::log_config::LogConfig;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use tempfile::TempDir;

const NOW: Timestamp = Timestamp(1_700_000_000_000);

fn batch(size: usize) -> ValidatedBatch {
    let mut builder = BatchBuilder::new(Offset(0));
    builder.append(NewRecord {
        timestamp: NOW,
        value: Some(&vec![b'x'; size]),
        ..NewRecord::default()
    });
    ValidatedBatch::trusted(&builder.build()).unwrap()
}

fn open(disk: &Arc<FileDisk>, path: &Path, opening: &Opening) -> Log {
    let shared: Arc<dyn Disk> = Arc::<FileDisk>::clone(disk);
    Log::open(shared, path, Arc::new(LogConfig::default()), opening).unwrap()
}

fn new_log() -> (TempDir, Arc<FileDisk>, Log) {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(FileDisk::new(1_000));
    let log = open(&disk, dir.path(), &Opening::unknown(NOW));
    (dir, disk, log)
}

fn append(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("append");
    for (name, size) in [("1 KiB", 1 << 10), ("64 KiB", 64 << 10), ("1 MiB", 1 << 20)] {
        let batch = batch(size);
        let leader = LeaderAppend::client(LeaderEpoch(0));
        let (_dir, _disk, mut log) = new_log();
        group.throughput(Throughput::Bytes(batch.size() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                // The page cache is what is measured, not the disk behind it.
                if log.size() > 512 << 20 {
                    log.truncate_fully(Offset(0), Offset(0), NOW).unwrap();
                    let due = log.take_due_deletions(Timestamp(i64::MAX));
                    due.iter().for_each(|files| files.remove().unwrap());
                }
                log.append_as_leader(black_box(&batch), &leader, NOW)
            });
        });
    }
    group.finish();
}

/// A log of `count` batches of 1 KiB.
fn filled(count: usize) -> (TempDir, Arc<FileDisk>, Log) {
    let (dir, disk, mut log) = new_log();
    let (batch, leader) = (batch(1 << 10), LeaderAppend::client(LeaderEpoch(0)));
    for _ in 0..count {
        log.append_as_leader(&batch, &leader, NOW).unwrap();
    }
    (dir, disk, log)
}

fn read(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("read");
    let (_dir, _disk, log) = filled(500_000);
    let end = log.end_offset();
    group.bench_function("locate and read the newest batch", |bencher| {
        bencher.iter(|| {
            let plan = log.locate(black_box(end + -1), end).unwrap();
            plan.read(1 << 20, true).unwrap()
        });
    });
    group.bench_function("wait at the end", |bencher| {
        bencher.iter(|| log.locate(black_box(end), end).unwrap().is_empty());
    });
    let mut next = Offset(0);
    group.bench_function("1 MiB after 1 MiB", |bencher| {
        bencher.iter(|| {
            let plan = log.locate(next, end).unwrap();
            let outcome = plan.read(1 << 20, true).unwrap();
            // All batches are of one size.
            let batches = outcome.payload.len() as u64 / (log.size() / end.0 as u64);
            next = next + batches as i64;
            if next + 2_000 > end {
                next = Offset(0);
            }
            outcome
        });
    });
    let mut random = 1_u64;
    group.bench_function("1 MiB anywhere", |bencher| {
        bencher.iter(|| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let offset = Offset((random % (end.0 as u64 - 2_000)) as i64);
            let plan = log.locate(offset, end).unwrap();
            let outcome = plan.read(1 << 20, true).unwrap();
            assert!(matches!(outcome.payload, Payload::File(_)));
            outcome
        });
    });
    group.finish();
}

fn open_logs(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("open");
    group.measurement_time(Duration::from_secs(8));
    for (name, clean) in [("after a clean stop", true), ("after a kill", false)] {
        let (dir, disk, mut log) = filled(100);
        if clean {
            log.close(NOW).unwrap();
        }
        let opening = Opening {
            clean,
            ..Opening::unknown(NOW)
        };
        group.bench_function(name, |bencher| {
            bencher.iter_batched(
                || (),
                |()| open(&disk, dir.path(), &opening),
                BatchSize::PerIteration,
            );
        });
    }
    group.sample_size(10);
    let (dir, disk, log) = filled(900_000);
    group.throughput(Throughput::Bytes(log.size()));
    drop(log);
    group.bench_function("after a kill, 1 GiB to check", |bencher| {
        bencher.iter_custom(|iterations| {
            let mut spent = Duration::ZERO;
            for _ in 0..iterations {
                let start = Instant::now();
                drop(black_box(open(&disk, dir.path(), &Opening::unknown(NOW))));
                spent += start.elapsed();
            }
            spent
        });
    });
    group.finish();
}

criterion_group!(benches, append, read, open_logs);
criterion_main!(benches);
