//! Compaction on the real disk (page cache): whole passes, and the map of keys alone. Criterion
//! measures the time; the CPU that a pass takes is printed beside it.

#![allow(clippy::unwrap_used, reason = "a failed bench is a panic")]
#![allow(clippy::print_stdout, reason = "CPU times are printed")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use broker::model::{LeaderEpoch, Offset, Timestamp};
use broker::records::validate::ValidatedBatch;
use broker::records::{BatchBuilder, Compression, CompressionSetting, NewRecord};
use broker::storage::compaction::{
    CleanControl, CleanError, CleanSettings, LogAccess, OffsetMap, clean,
};
use broker::storage::disk::{Disk, FileDisk};
use broker::storage::error::StorageError;
use broker::storage::log::{LeaderAppend, Log, Opening};
use broker::storage::log_config::LogConfig;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use parking_lot::Mutex;
use tempfile::TempDir;

const NOW: Timestamp = Timestamp(1_700_000_000_000);
const LOG_BYTES: usize = 256 << 20;
const BATCH_BYTES: usize = 64 << 10;

struct Locked(Mutex<Log>);

impl LogAccess for Locked {
    fn with_log<T>(
        &self,
        act: impl FnOnce(&mut Log) -> Result<T, StorageError>,
    ) -> Result<T, CleanError> {
        Ok(act(&mut self.0.lock())?)
    }
}

struct Freely;

impl CleanControl for Freely {
    fn go_on(&mut self, _bytes: u64) -> bool {
        true
    }
}

/// A log whose keys are each written four times, in an order that looks like chance.
fn filled(value_size: usize, codec: Compression) -> (TempDir, Log) {
    let dir = tempfile::tempdir().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(FileDisk::new(1_000));
    let config = LogConfig {
        segment_bytes: 64 << 20,
        compact: true,
        file_delete_delay_ms: 0,
        ..LogConfig::default()
    };
    let opening = Opening::unknown(NOW);
    let mut log = Log::open(disk, dir.path(), Arc::new(config), &opening).unwrap();
    let records = LOG_BYTES / value_size;
    let keys = (records / 4) as u64;
    // Half of it compresses away.
    let mut value: Vec<u8> = (0..value_size)
        .map(|at| (at * at * 31 % 251) as u8)
        .collect();
    value[value_size / 2..].fill(0);
    let leader = LeaderAppend::client(LeaderEpoch(0));
    let per_batch = (BATCH_BYTES / value_size) as u64;
    for first in (0..records as u64).step_by(per_batch as usize) {
        let setting = CompressionSetting::new(codec);
        let mut builder = BatchBuilder::new(Offset(0)).compression(setting);
        for number in first..first + per_batch {
            let key = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) % keys;
            value[..8].copy_from_slice(&number.to_be_bytes());
            builder.append(NewRecord {
                timestamp: NOW,
                key: Some(format!("user-{key:012}").as_bytes()),
                value: Some(&value),
                headers: &[],
            });
        }
        let batch = ValidatedBatch::trusted(&builder.build()).unwrap();
        log.append_as_leader(&batch, &leader, NOW).unwrap();
    }
    log.roll(NOW).unwrap();
    (dir, log)
}

fn settings() -> CleanSettings {
    CleanSettings {
        map_bytes: 128 << 20,
        load_factor: 0.9,
        io_bytes: 256 << 10,
        max_decompressed_bytes: 100 << 20,
        secret: [7; 16],
        now: NOW,
    }
}

/// The time of one pass over a fresh log, and its CPU.
fn pass(value_size: usize, codec: Compression) -> (Duration, Duration, u64) {
    let (_dir, log) = filled(value_size, codec);
    let size = log.size();
    let end = log.end_offset();
    let target = log.view().cleanable(None, end, log.config(), NOW).unwrap();
    let log = Locked(Mutex::new(log));
    let (started, cpu) = (Instant::now(), thread_cpu());
    let summary = clean(&log, &target, &settings(), &mut Freely).unwrap();
    let took = (started.elapsed(), thread_cpu() - cpu);
    assert_eq!(summary.end, target.first_uncleanable);
    (took.0, took.1, size)
}

/// What this thread has run so far, as Linux counts it.
fn thread_cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = text.split(' ').next().and_then(|first| first.parse().ok());
    Duration::from_nanos(nanos.unwrap_or(0))
}

fn passes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("compact");
    group.sample_size(10);
    for (name, value_size) in [("1 KiB", 1 << 10), ("100 B", 100)] {
        for codec in [Compression::None, Compression::Zstd] {
            let (_, cpu, size) = pass(value_size, codec);
            println!(
                "{name}, {codec}: {:.2} s of CPU per GiB of log, {size} bytes",
                cpu.as_secs_f64() * f64::from(1 << 30) / size as f64
            );
            group.throughput(Throughput::Bytes(size));
            group.bench_function(format!("{name}, {codec}"), |bencher| {
                bencher.iter_custom(|count| (0..count).map(|_| pass(value_size, codec).0).sum());
            });
        }
    }
    group.finish();
}

fn map(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("map");
    const KEYS: i64 = 1_000_000;
    const AT_ONCE: usize = broker::records::RECORDS_AT_ONCE;
    let keys: Vec<_> = (0..KEYS)
        .map(|number| format!("user-{number:012}"))
        .collect();
    for load_factor in [0.5, 0.9] {
        group.throughput(Throughput::Elements(KEYS as u64));
        let make = || {
            let mut map = OffsetMap::new(Offset(0), Offset(KEYS), 1 << 30, load_factor, [7; 16]);
            for (group, first) in keys.chunks(AT_ONCE).zip((0..).step_by(AT_ONCE)) {
                let entry = |index| {
                    let key: &String = group.get(index)?;
                    Some((key.as_bytes(), Offset(first + index as i64)))
                };
                let entries: [_; AT_ONCE] = std::array::from_fn(entry);
                assert!(map.put_all(entries).is_ok());
            }
            map
        };
        group.bench_function(format!("put, up to {load_factor}"), |bencher| {
            bencher.iter(make)
        });
        let map = make();
        group.bench_function(format!("get, filled to {load_factor}"), |bencher| {
            bencher.iter(|| {
                for group in keys.chunks(AT_ONCE) {
                    let key = |index| group.get(index).map(String::as_bytes);
                    let keys: [_; AT_ONCE] = std::array::from_fn(key);
                    black_box(map.get_all(black_box(keys)));
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, passes, map);
criterion_main!(benches);
