//! A log with everything in it, and the check that one is what it should be.

use std::fmt;
use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use broker::doubles::{CrashDisk, Tear};
use broker::model::{LeaderEpoch, Offset, ProducerId, Timestamp};
use broker::protocol::payload::Payload;
use broker::records::control::{EndTransactionMarker, Placement, end_transaction_marker};
use broker::records::validate::ValidatedBatch;
use broker::records::{Batch, BatchBuilder, Batches, NewRecord, Scratch};
use broker::storage::disk::{self, Disk, OpenMode};
use broker::storage::error::StorageError;
use broker::storage::log::{LeaderAppend, Log, Opening};
use broker::storage::log_config::LogConfig;
use broker::storage::producer_snapshot;
use bytes::Bytes;

pub const NOW: Timestamp = Timestamp(1_700_000_000_000);
/// Of the lists of segments.
pub const GENERATION: u64 = 7;
pub const FOLDER: &str = "/data/topic-0";

/// A small generator (xorshift): the same seed gives the same numbers for ever.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }

    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.below(256) as u8).collect()
    }
}

/// Segments of a few KiB with several index entries each.
pub fn config() -> Arc<LogConfig> {
    Arc::new(LogConfig {
        segment_bytes: 4_000,
        index_interval_bytes: 300,
        ..LogConfig::default()
    })
}

pub fn open_log(disk: &CrashDisk, opening: &Opening) -> Result<Log, StorageError> {
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    Log::open(shared, Path::new(FOLDER), config(), opening)
}

/// A disk with an empty, durable partition folder.
pub fn new_disk() -> CrashDisk {
    let disk = CrashDisk::new();
    disk.create_dir(Path::new(FOLDER)).unwrap();
    for dir in ["/", "/data"] {
        disk.sync_dir(Path::new(dir)).unwrap();
    }
    disk
}

/// One step of a log's life: a batch, and the epoch it is appended in.
pub struct Step {
    pub batch: ValidatedBatch,
    pub epoch: LeaderEpoch,
}

/// Plain, idempotent and transactional batches of all sizes, markers of both kinds, in several
/// leader epochs; timestamps rise but for some.
pub fn steps(count: i64) -> Vec<Step> {
    let mut random = Random::new(7);
    let mut sequences = [0_i32; 4];
    (0..count)
        .map(|number| {
            let step_kind = number % 10;
            let producer = (number % 4) as usize;
            let mut timestamp = NOW.0 - 1_000_000 + number * 100;
            if random.below(8) == 0 {
                timestamp -= 5_000;
            }
            let transactional = (3..=5).contains(&step_kind);
            let batch = if step_kind == 6 {
                marker(ProducerId(100), number / 10 % 2 == 0, Timestamp(timestamp))
            } else {
                let mut builder = BatchBuilder::new(Offset(0));
                if transactional {
                    let sequence = (number / 10 * 3 + step_kind - 3) as i32 * 2;
                    builder = builder
                        .producer(ProducerId(100), 0, sequence)
                        .transactional();
                } else if step_kind % 2 == 0 {
                    let id = ProducerId(producer as i64);
                    builder = builder.producer(id, 0, sequences[producer]);
                    sequences[producer] += 2;
                }
                let value = random.bytes(10 + step_kind as usize * 30);
                for delta in 0..2 {
                    builder.append(NewRecord {
                        timestamp: Timestamp(timestamp + delta),
                        key: Some(b"key"),
                        value: Some(&value),
                        headers: &[],
                    });
                }
                builder.build()
            };
            Step {
                batch: ValidatedBatch::trusted(&batch).unwrap(),
                epoch: LeaderEpoch((number / 25) as i32),
            }
        })
        .collect()
}

fn marker(producer_id: ProducerId, committed: bool, timestamp: Timestamp) -> Bytes {
    let placement = Placement {
        base_offset: Offset(0),
        leader_epoch: LeaderEpoch(0),
        timestamp,
    };
    let marker = EndTransactionMarker {
        committed,
        coordinator_epoch: 0,
    };
    end_transaction_marker(placement, producer_id, 0, marker)
}

pub fn append(log: &mut Log, step: &Step) -> Result<Offset, broker::storage::log::AppendError> {
    let leader = LeaderAppend::client(step.epoch);
    log.append_as_leader(&step.batch, &leader, NOW)
        .map(|info| info.last_offset)
}

/// A log of `count` steps on a disk of its own.
pub fn filled(count: i64) -> (CrashDisk, Log) {
    let disk = new_disk();
    let mut log = open_log(&disk, &killed(Offset(0))).unwrap();
    for step in steps(count) {
        append(&mut log, &step).unwrap();
    }
    (disk, log)
}

/// What a log holds, as far as it can be asked.
#[derive(PartialEq)]
pub struct Content {
    pub batches: Vec<Bytes>,
    pub end_offset: Offset,
    pub epochs: Vec<(i32, i64)>,
    pub producers: Vec<u8>,
    pub aborted: Vec<(i64, i64)>,
}

/// Short: the batches are told by number.
impl fmt::Debug for Content {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} batches up to {}, epochs {:?}, aborted {:?}, producers {:?}",
            self.batches.len(),
            self.end_offset,
            self.epochs,
            self.aborted,
            self.producers
        )
    }
}

pub fn content(log: &Log) -> Content {
    let end_offset = log.end_offset();
    let view = log.view();
    let aborted = view.aborted_transactions(log.log_start_offset(), end_offset);
    Content {
        batches: batches(log),
        end_offset,
        epochs: log
            .epochs()
            .entries()
            .iter()
            .map(|entry| (entry.epoch.0, entry.start_offset.0))
            .collect(),
        producers: producer_snapshot::encode(log.producers()),
        aborted: aborted
            .unwrap()
            .iter()
            .map(|it| (it.first_offset.0, it.last_offset.0))
            .collect(),
    }
}

fn read(log: &Log, offset: Offset, max_bytes: u32) -> Result<Bytes, StorageError> {
    let plan = log.locate(offset, log.end_offset()).unwrap();
    match plan.read(max_bytes, true)?.payload {
        Payload::Bytes(bytes) => Ok(bytes),
        other => panic!("{other:?}"),
    }
}

/// All batches, read as a consumer does.
pub fn batches(log: &Log) -> Vec<Bytes> {
    let mut found = Vec::new();
    let mut next = log.log_start_offset();
    while next < log.end_offset() {
        let part = read(log, next, 1_500).unwrap();
        let before = next;
        for batch in Batches::new(&part) {
            let batch = batch.unwrap();
            assert!(batch.crc_is_valid(), "a bad batch was served");
            found.push(part.slice_ref(batch.bytes()));
            next = batch.next_offset();
        }
        assert!(next > before, "a read at {before} returned no whole batch");
    }
    found
}

/// Looks up offsets and timestamps all over the log, and compares with its batches.
pub fn check_lookups(log: &Log, batches: &[Bytes]) {
    let headers: Vec<_> = batches
        .iter()
        .map(|bytes| *Batch::first_of(bytes).unwrap().unwrap().header())
        .collect();
    let mut scratch = Scratch::with_limit(1 << 20);
    for header in &headers {
        for offset in [header.base_offset(), header.last_offset()] {
            let part = read(log, offset, 1).unwrap();
            let first = Batch::first_of(&part).unwrap().unwrap();
            assert_eq!(first.base_offset(), header.base_offset());
        }
        for timestamp in [
            header.max_timestamp(),
            Timestamp(header.max_timestamp().0 + 1),
        ] {
            let expected = first_at(batches, timestamp, &mut scratch);
            let found = log.view().offset_for_timestamp(timestamp, &mut scratch);
            assert_eq!(
                found.unwrap().map(|it| it.offset),
                expected,
                "at {timestamp}"
            );
        }
    }
    let largest = headers.iter().map(|header| header.max_timestamp()).max();
    let found = log.view().max_timestamp(&mut scratch).unwrap();
    assert_eq!(found.map(|it| it.timestamp), largest);
}

fn first_at(batches: &[Bytes], timestamp: Timestamp, scratch: &mut Scratch) -> Option<Offset> {
    batches.iter().find_map(|bytes| {
        let batch = Batch::first_of(bytes).unwrap().unwrap();
        let found = batch.find_timestamp(timestamp, Offset(0), scratch);
        found.unwrap().map(|(offset, _)| offset)
    })
}

/// A copy of the disk as it is.
pub fn copy(disk: &CrashDisk) -> CrashDisk {
    disk.after_power_cut(Tear::Kept)
}

/// How the log is opened after a crash, if everything below `recovery_point` was durable.
pub fn after_crash(recovery_point: Offset) -> Opening {
    Opening {
        recovery_point,
        ..Opening::unknown(NOW)
    }
}

/// How the log is opened after the process was killed: all that it wrote is there.
pub fn killed(recovery_point: Offset) -> Opening {
    Opening {
        generation: GENERATION,
        ..after_crash(recovery_point)
    }
}

/// How the log is opened after the power came back, if nobody else had the disk.
pub fn after_power_cut(recovery_point: Offset) -> Opening {
    Opening {
        generation: GENERATION + 1,
        older_generation: GENERATION,
        ..after_crash(recovery_point)
    }
}

/// How the log is opened after it was closed in order.
pub fn after_close(log: &Log) -> Opening {
    Opening {
        recovery_point: log.flushed_offset(),
        log_start_offset: log.log_start_offset(),
        clean: true,
        generation: GENERATION,
        ..Opening::unknown(NOW)
    }
}

/// The files of the partition whose names end so, in order.
pub fn files(disk: &CrashDisk, suffix: &str) -> Vec<PathBuf> {
    let folder = Path::new(FOLDER);
    let entries = disk.list(folder).unwrap();
    let mut files: Vec<_> = entries
        .iter()
        .filter(|entry| entry.name.ends_with(suffix))
        .map(|entry| folder.join(&entry.name))
        .collect();
    files.sort();
    files
}

pub fn read_file(disk: &CrashDisk, path: &Path) -> Vec<u8> {
    disk::read_file(disk, path).unwrap().unwrap()
}

pub fn write_file(disk: &CrashDisk, path: &Path, content: &[u8]) {
    let file = disk.open(path, OpenMode::Truncate).unwrap();
    file.write_at(&[IoSlice::new(content)], 0).unwrap();
}

/// Opens a log after a crash that left the first `kept` batches, checks it, and goes on with it.
pub fn check_cut(disk: &CrashDisk, recovery_point: Offset, whole: &[Bytes], kept: usize) {
    let mut log = open_log(disk, &after_crash(recovery_point)).unwrap();
    let found = batches(&log);
    assert_eq!(found.len(), kept, "batches kept");
    assert!(found == whole[..kept], "other batches");
    check_lookups(&log, &found);

    let end_offset = log.end_offset();
    let mut builder = BatchBuilder::new(Offset(0));
    builder.append(NewRecord {
        timestamp: NOW,
        value: Some(b"after the crash"),
        ..NewRecord::default()
    });
    let step = Step {
        batch: ValidatedBatch::trusted(&builder.build()).unwrap(),
        epoch: LeaderEpoch(1_000),
    };
    assert_eq!(append(&mut log, &step).unwrap(), end_offset);
    log.close(NOW).unwrap();
    let reopened = open_log(disk, &after_close(&log)).unwrap();
    assert_eq!(content(&reopened), content(&log));
}
