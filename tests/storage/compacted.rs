//! Logs that are compacted, what is written to them, and what a reader of them finds.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use broker::doubles::CrashDisk;
use broker::model::{LeaderEpoch, Offset, ProducerId, Timestamp};
use broker::protocol::payload::Payload;
use broker::records::control::{EndTransactionMarker, Placement, end_transaction_marker};
use broker::records::validate::ValidatedBatch;
use broker::records::{
    Batch, BatchBuilder, Batches, Compression, CompressionSetting, NewRecord, Record, Scratch,
};
use broker::storage::compaction::{
    CleanControl, CleanError, CleanSettings, CleanSummary, LogAccess, clean,
};
use broker::storage::disk::Disk;
use broker::storage::error::StorageError;
use broker::storage::log::{LeaderAppend, Log, Opening};
use broker::storage::log_config::LogConfig;
use bytes::Bytes;
use parking_lot::Mutex;

use crate::support::{FOLDER, NOW, Random, after_crash};

/// How long tombstones stay.
pub const RETENTION_MS: i64 = 1_000;

pub fn config() -> LogConfig {
    LogConfig {
        segment_bytes: 3_000,
        index_interval_bytes: 300,
        compact: true,
        delete: false,
        delete_retention_ms: RETENTION_MS,
        min_cleanable_ppm: 0,
        file_delete_delay_ms: 0,
        ..LogConfig::default()
    }
}

pub fn open_with(
    disk: &Arc<dyn Disk>,
    folder: &Path,
    config: LogConfig,
    opening: &Opening,
) -> Result<Log, StorageError> {
    let mut log = Log::open(Arc::clone(disk), folder, Arc::new(config), opening)?;
    // There is no other replica.
    log.on_high_watermark(log.end_offset());
    Ok(log)
}

pub fn open(disk: &CrashDisk, opening: &Opening) -> Result<Log, StorageError> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    open_with(&disk, Path::new(FOLDER), config(), opening)
}

/// A log behind a lock, as a partition has it.
pub struct Locked(pub Mutex<Log>);

impl LogAccess for Locked {
    fn with_log<T>(
        &self,
        act: impl FnOnce(&mut Log) -> Result<T, StorageError>,
    ) -> Result<T, CleanError> {
        Ok(act(&mut self.0.lock())?)
    }
}

/// Goes on for ever.
pub struct Freely;

impl CleanControl for Freely {
    fn go_on(&mut self, _bytes: u64) -> bool {
        true
    }
}

pub fn settings(now: Timestamp) -> CleanSettings {
    CleanSettings {
        map_bytes: 1 << 20,
        load_factor: 0.9,
        io_bytes: 1_000,
        max_decompressed_bytes: 1 << 20,
        secret: [9; 16],
        now,
    }
}

/// Syncs what is not yet, and then does as [`pass`].
pub fn compact(log: &Locked, settings: &CleanSettings) -> Result<Option<CleanSummary>, CleanError> {
    {
        let mut log = log.0.lock();
        if log.flushed_offset() < log.end_offset() {
            log.flush(settings.now)?;
        }
    }
    pass(log, settings)
}

/// One pass over all that can be cleaned, if there is anything.
pub fn pass(log: &Locked, settings: &CleanSettings) -> Result<Option<CleanSummary>, CleanError> {
    let target = {
        let log = log.0.lock();
        let stable = log.first_unstable_offset().unwrap_or(log.end_offset());
        let cleaned = log.cleaned_offset();
        log.view()
            .cleanable(cleaned, stable, log.config(), settings.now)?
    };
    if target.dirty_bytes == 0 {
        return Ok(None);
    }
    let summary = clean(log, &target, settings, &mut Freely)?;
    log.0.lock().set_cleaned_offset(Some(summary.end));
    for files in log.0.lock().take_due_deletions(settings.now) {
        files.remove()?;
    }
    Ok(Some(summary))
}

/// A record as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    pub timestamp: i64,
    pub key: u8,
    /// `None`: a tombstone.
    pub value: Option<Vec<u8>>,
    pub producer: Option<i64>,
}

/// All that was written to a log, and which of it was aborted.
#[derive(Clone, Default)]
pub struct Model {
    pub records: BTreeMap<i64, Written>,
    pub aborted: BTreeMap<i64, ()>,
    open: BTreeMap<i64, Vec<i64>>,
    sequences: BTreeMap<i64, i32>,
}

const CODECS: [Compression; 5] = [
    Compression::None,
    Compression::None,
    Compression::Lz4,
    Compression::Zstd,
    Compression::Gzip,
];

impl Model {
    /// Appends a batch of one to five records; producers from 100 on are transactional.
    pub fn append(&mut self, log: &mut Log, random: &mut Random, keys: usize, now: Timestamp) {
        let producer = match random.below(4) {
            0 => Some(random.below(3) as i64),
            1 => Some(100 + random.below(2) as i64),
            _ => None,
        };
        let codec = CODECS[random.below(CODECS.len())];
        let mut builder = BatchBuilder::new(Offset(0)).compression(CompressionSetting::new(codec));
        let count = 1 + random.below(5);
        if let Some(id) = producer {
            let sequence = self.sequences.entry(id).or_default();
            builder = builder.producer(ProducerId(id), 0, *sequence);
            *sequence += count as i32;
        }
        if producer.is_some_and(|id| id >= 100) {
            builder = builder.transactional();
        }
        let mut records = Vec::new();
        for _ in 0..count {
            let length = random.below(60);
            let record = Written {
                timestamp: now.0 - random.below(50) as i64,
                key: random.below(keys) as u8,
                value: (random.below(6) > 0).then(|| random.bytes(length)),
                producer,
            };
            builder.append(NewRecord {
                timestamp: Timestamp(record.timestamp),
                key: Some(&[record.key]),
                value: record.value.as_deref(),
                headers: &[],
            });
            records.push(record);
        }
        let first = write(log, &builder.build(), now).0;
        for (offset, record) in (first..).zip(records) {
            if let Some(id) = producer.filter(|&id| id >= 100) {
                self.open.entry(id).or_default().push(offset);
            }
            self.records.insert(offset, record);
        }
    }

    /// Ends the transaction of a producer, if it has one.
    pub fn end(&mut self, log: &mut Log, producer: i64, commits: bool, now: Timestamp) {
        let Some(offsets) = self.open.remove(&producer) else {
            return;
        };
        if !commits {
            self.aborted
                .extend(offsets.iter().map(|&offset| (offset, ())));
        }
        let placement = Placement {
            base_offset: Offset(0),
            leader_epoch: LeaderEpoch(0),
            timestamp: now,
        };
        let marker = EndTransactionMarker {
            committed: commits,
            coordinator_epoch: 0,
        };
        let batch = end_transaction_marker(placement, ProducerId(producer), 0, marker);
        write(log, &batch, now);
        log.on_high_watermark(log.end_offset());
    }

    /// The last record of each key that counts, below `end`.
    pub fn newest(&self, end: i64) -> BTreeMap<u8, i64> {
        let counted = self.records.range(..end);
        let open: Vec<_> = self.open.values().flatten().collect();
        counted
            .filter(|(offset, _)| !self.aborted.contains_key(offset) && !open.contains(offset))
            .map(|(offset, record)| (record.key, *offset))
            .collect()
    }
}

fn write(log: &mut Log, batch: &Bytes, now: Timestamp) -> Offset {
    let batch = ValidatedBatch::trusted(batch).unwrap();
    let leader = LeaderAppend::client(LeaderEpoch(0));
    let info = log.append_as_leader(&batch, &leader, now).unwrap();
    assert!(!info.duplicate);
    info.first_offset
}

/// A record that is left: what it is, and the delete horizon of its batch.
pub type Left = BTreeMap<i64, (Written, Option<Timestamp>)>;

/// All batches. There may be none at the end of a log that was cut where offsets are missing.
fn batches_left(log: &Log) -> Vec<Bytes> {
    let mut found = Vec::new();
    let mut next = log.log_start_offset();
    loop {
        let plan = log.locate(next, log.end_offset()).unwrap();
        let Payload::Bytes(part) = plan.read(1_500, true).unwrap().payload else {
            panic!("the disk is in memory");
        };
        let before = next;
        for batch in Batches::new(&part).map(Result::unwrap) {
            assert!(batch.crc_is_valid(), "a bad batch was served");
            found.push(part.slice_ref(batch.bytes()));
            next = batch.next_offset();
        }
        if next == before {
            return found;
        }
    }
}

/// All data records that are left in a log.
pub fn left(log: &Log) -> Left {
    let mut left = Left::new();
    let mut scratch = Scratch::default();
    let mut before = Offset::NONE;
    for bytes in batches_left(log) {
        let batch = Batch::first_of(&bytes).unwrap().unwrap();
        assert!(batch.base_offset() > before, "offsets rise");
        before = batch.last_offset();
        if batch.is_control() {
            continue;
        }
        let producer = batch.has_producer_id().then(|| batch.producer_id().0);
        for record in batch.records(&mut scratch).unwrap() {
            let record = record.unwrap();
            let written = Written {
                timestamp: record.timestamp().0,
                key: record.key().unwrap()[0],
                value: record.value().map(<[u8]>::to_vec),
                producer,
            };
            left.insert(record.offset().0, (written, batch.delete_horizon()));
        }
    }
    left
}

/// A batch that has a delete horizon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Doomed {
    pub horizon: Timestamp,
    /// How many of its records go with the horizon: tombstones and markers.
    pub records: usize,
}

/// The batches with a delete horizon, by their base offset.
pub fn doomed(log: &Log) -> BTreeMap<i64, Doomed> {
    let mut doomed = BTreeMap::new();
    let mut scratch = Scratch::default();
    for bytes in batches_left(log) {
        let batch = Batch::first_of(&bytes).unwrap().unwrap();
        let Some(horizon) = batch.delete_horizon() else {
            continue;
        };
        let records = batch.records(&mut scratch).unwrap().map(Result::unwrap);
        let goes = |record: &Record<'_>| batch.is_control() || record.value().is_none();
        let records = records.filter(goes).count();
        doomed.insert(batch.base_offset().0, Doomed { horizon, records });
    }
    doomed
}

/// A log of `steps` random writes with few keys, closed segments, and all transactions ended. It is synced.
pub fn filled(disk: &CrashDisk, seed: u64, steps: usize) -> (Log, Model) {
    let mut log = open(disk, &Opening::unknown(NOW)).unwrap();
    let (mut model, mut random) = (Model::default(), Random::new(seed));
    for _ in 0..steps {
        model.append(&mut log, &mut random, 12, NOW);
        if random.below(6) == 0 {
            let producer = 100 + random.below(2) as i64;
            model.end(&mut log, producer, random.below(2) == 0, NOW);
        }
    }
    for producer in [100, 101] {
        model.end(&mut log, producer, false, NOW);
    }
    log.on_high_watermark(log.end_offset());
    log.roll(NOW).unwrap();
    model.append(&mut log, &mut Random::new(1_000_003), 12, NOW);
    log.flush(NOW).unwrap();
    (log, model)
}

/// Opens what a kill left: everything is there, nothing is known to be durable.
pub fn after_kill(disk: &CrashDisk) -> Log {
    open(disk, &after_crash(Offset(0))).unwrap()
}
