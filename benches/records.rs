//! What record batches cost: validating a client's, going through one, building one.
//!
//! Throughput is per record; divide the size of a batch (1 MiB before compression) by its time
//! for bytes a second.

use std::hint::black_box;

use broker::model::{LeaderEpoch, Offset, Timestamp};
use broker::records::validate::{AppendPolicy, validate_produce};
use broker::records::{
    Batch, BatchBuilder, Compression, CompressionSetting, NewRecord, Scratch, TimestampType,
    check_replicated,
};
use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

const NOW: Timestamp = Timestamp(1_700_000_000_000);
const BATCH_SIZE: usize = 1 << 20;
const RECORD_SIZES: [usize; 2] = [1024, 100];
const CODECS: [Compression; 5] = [
    Compression::None,
    Compression::Gzip,
    Compression::Snappy,
    Compression::Lz4,
    Compression::Zstd,
];

/// A value that compresses to about a third, as log lines do.
fn value(size: usize, seed: usize) -> Vec<u8> {
    let mut state = seed as u64 * 2_654_435_761 + 1;
    let mut text = Vec::with_capacity(size + 16);
    while text.len() < size {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let word =
            ["user=", "status=200 ", "path=/api/v1/", "latency_ms="][(state >> 61) as usize % 4];
        text.extend_from_slice(word.as_bytes());
        text.extend_from_slice(format!("{:x} ", state >> 48).as_bytes());
    }
    text.truncate(size);
    text
}

fn values(record_size: usize) -> Vec<Vec<u8>> {
    (0..BATCH_SIZE / (record_size + 12))
        .map(|seed| value(record_size, seed))
        .collect()
}

fn build(values: &[Vec<u8>], codec: Compression) -> Bytes {
    let mut builder = BatchBuilder::new(Offset::ZERO).compression(CompressionSetting::new(codec));
    for value in values {
        builder.append(NewRecord {
            timestamp: NOW,
            value: Some(value),
            ..NewRecord::default()
        });
    }
    builder.build()
}

fn validate(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("validate");
    for record_size in RECORD_SIZES {
        let values = values(record_size);
        group.throughput(Throughput::Elements(values.len() as u64));
        for codec in CODECS {
            let batch = build(&values, codec);
            let policy = AppendPolicy::default();
            group.bench_function(BenchmarkId::new(codec.name(), record_size), |bencher| {
                bencher.iter(|| {
                    validate_produce(black_box(&batch), &policy, NOW).expect("it is valid")
                });
            });
        }
        let batch = build(&values, Compression::None);
        let policy = AppendPolicy {
            timestamp_type: TimestampType::LogAppendTime,
            ..AppendPolicy::default()
        };
        group.bench_function(
            BenchmarkId::new("log-append-time", record_size),
            |bencher| {
                bencher.iter(|| {
                    validate_produce(black_box(&batch), &policy, Timestamp(NOW.0 + 1))
                        .expect("it is valid")
                });
            },
        );
        let policy = AppendPolicy {
            compression: Some(CompressionSetting::new(Compression::Lz4)),
            ..AppendPolicy::default()
        };
        group.bench_function(BenchmarkId::new("recompress-lz4", record_size), |bencher| {
            bencher
                .iter(|| validate_produce(black_box(&batch), &policy, NOW).expect("it is valid"));
        });
    }
    group.finish();
}

/// One small record a request: what a batch costs apart from its records.
fn validate_single(criterion: &mut Criterion) {
    let batch = build(&[value(100, 1)], Compression::None);
    let policy = AppendPolicy::default();
    criterion.bench_function("validate-single/100", |bencher| {
        bencher.iter(|| {
            let accepted = validate_produce(black_box(&batch), &policy, NOW).expect("it is valid");
            accepted.head(Offset(1_000), LeaderEpoch(5))
        });
    });
}

fn read(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("iterate");
    for record_size in RECORD_SIZES {
        let values = values(record_size);
        group.throughput(Throughput::Elements(values.len() as u64));
        for codec in [Compression::None, Compression::Lz4] {
            let bytes = build(&values, codec);
            let batch = Batch::first_of(&bytes).expect("built").expect("whole");
            let mut scratch = Scratch::default();
            group.bench_function(BenchmarkId::new(codec.name(), record_size), |bencher| {
                bencher.iter(|| {
                    let records = black_box(batch).records(&mut scratch).expect("built");
                    records
                        .map(|record| record.expect("built").value().map_or(0, <[u8]>::len))
                        .sum::<usize>()
                });
            });
        }
        let bytes = build(&values, Compression::None);
        group.bench_function(
            BenchmarkId::new("check-replicated", record_size),
            |bencher| {
                bencher.iter(|| check_replicated(black_box(&bytes), Offset::NONE));
            },
        );
        group.bench_function(BenchmarkId::new("crc-only", record_size), |bencher| {
            bencher.iter(|| crc32c::crc32c(black_box(&bytes)));
        });
    }
    group.finish();
}

fn write(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("build");
    for record_size in RECORD_SIZES {
        let values = values(record_size);
        group.throughput(Throughput::Elements(values.len() as u64));
        for codec in [Compression::None, Compression::Lz4] {
            group.bench_function(BenchmarkId::new(codec.name(), record_size), |bencher| {
                bencher.iter(|| build(black_box(&values), codec));
            });
        }
    }
    group.finish();
}

/// What an attacker gets for a megabyte: the time until a stream that would fill gigabytes is
/// refused, with the default limit of 100 MiB.
fn refuse_bombs(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("refuse-bomb");
    group.sample_size(10);
    let policy = AppendPolicy::default();
    for codec in &CODECS[1..] {
        let batch = build(&[vec![0; 150 << 20]], *codec);
        let policy = AppendPolicy {
            max_message_bytes: batch.len(),
            ..policy.clone()
        };
        group.bench_function(codec.name(), |bencher| {
            bencher.iter(|| validate_produce(black_box(&batch), &policy, NOW).expect_err("a bomb"));
        });
    }
    group.finish();
}

criterion_group!(
    benches,
    validate,
    validate_single,
    read,
    write,
    refuse_bombs
);
criterion_main!(benches);
