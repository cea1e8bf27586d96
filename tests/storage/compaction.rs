//! Compaction against a model: of each key the last record stays, and what a reader of committed
//! data and the producers rely on.

use std::cell::Cell;
use std::sync::Arc;

use broker::doubles::CrashDisk;
use broker::model::{Offset, ProducerId, Timestamp};
use broker::records::Batch;
use broker::storage::compaction::{CleanControl, CleanError, CleanSettings, LogAccess, clean};
use broker::storage::disk::Disk;
use broker::storage::error::StorageError;
use broker::storage::log::{Log, Opening};
use parking_lot::Mutex;
use proptest::prelude::*;

use crate::compacted::{
    Left, Locked, Model, RETENTION_MS, after_kill, compact, doomed, filled, left, open, settings,
};
use crate::support::{
    FOLDER, NOW, Random, after_close, batches, check_lookups, copy, files, new_disk, read_file,
    write_file,
};

/// What must hold of a log that is clean up to `end`.
fn check(log: &Log, model: &Model, before: &Left, end: i64, now: Timestamp) {
    let left = left(log);
    for (offset, (record, horizon)) in &left {
        assert_eq!(model.records.get(offset), Some(record), "at {offset}");
        let is_clean = *offset < end;
        assert!(
            !(is_clean && model.aborted.contains_key(offset)),
            "{offset} was aborted"
        );
        if is_clean && record.value.is_none() {
            assert!(
                horizon.is_some(),
                "the tombstone at {offset} has no horizon"
            );
        }
    }
    let all = model.newest(i64::MAX);
    for (key, newest) in model.newest(end) {
        let is_tombstone = model.records[&newest].value.is_none();
        let horizon = before.get(&newest).and_then(|(_, horizon)| *horizon);
        let is_over = is_tombstone && horizon.is_none_or(|horizon| horizon <= now);
        let is_there = left.contains_key(&newest);
        let later = all.get(&key).filter(|&&later| later > newest);
        if !is_there && later.is_some_and(|later| left.contains_key(later)) {
            // The memory was used up by a batch that has the key again.
            continue;
        }
        if is_tombstone && (horizon.is_some() || !before.contains_key(&newest)) {
            assert_eq!(is_there, !is_over, "the tombstone of {key} at {newest}");
        } else {
            assert!(is_there, "the last record of {key}, at {newest}, is gone");
        }
        let of_key = left.range(..end);
        let others = of_key.filter(|(offset, (it, _))| it.key == key && **offset != newest);
        assert_eq!(
            others.count(),
            0,
            "key {key} has older records than {newest}"
        );
    }
    // What lies behind is as it was written.
    assert!(
        model
            .records
            .range(end..)
            .all(|(offset, _)| { left.contains_key(offset) || model.aborted.contains_key(offset) })
    );
    check_committed(log, model, &left);
}

/// A reader of committed data skips what was aborted, and nothing else.
fn check_committed(log: &Log, model: &Model, left: &Left) {
    let view = log.view();
    let aborted = view.aborted_transactions(log.log_start_offset(), log.end_offset());
    let aborted = aborted.unwrap();
    for (offset, (record, _)) in left {
        let hides = |it: &broker::storage::transaction_index::AbortedTransaction| {
            record.producer == Some(it.producer_id.0)
                && (it.first_offset.0..=it.last_offset.0).contains(offset)
        };
        assert_eq!(
            aborted.iter().any(hides),
            model.aborted.contains_key(offset),
            "record {offset} of producer {:?}",
            record.producer
        );
    }
}

/// The last sequence number and epoch of each producer.
fn sequences(log: &Log) -> Vec<(ProducerId, i32, i16)> {
    let entries = log.producers().entries().into_iter();
    entries
        .map(|(id, entry)| (id, entry.last_sequence(), entry.producer_epoch))
        .collect()
}

fn run(seed: u64, rounds: usize, map_bytes: u64) {
    let disk = new_disk();
    let log = Locked(Mutex::new(open(&disk, &Opening::unknown(NOW)).unwrap()));
    let (mut model, mut random) = (Model::default(), Random::new(seed));
    let mut now = NOW;
    for round in 0..rounds {
        let mut writing = log.0.lock();
        for _ in 0..20 + random.below(60) {
            model.append(&mut writing, &mut random, 10 + round * 3, now);
            if random.below(8) == 0 {
                let producer = 100 + random.below(2) as i64;
                model.end(&mut writing, producer, random.below(2) == 0, now);
            }
        }
        let end = writing.end_offset();
        writing.on_high_watermark(end);
        if random.below(2) == 0 {
            writing.roll(now).unwrap();
        }
        let before = left(&writing);
        let producers = sequences(&writing);
        drop(writing);
        now.0 += random.below(2 * RETENTION_MS as usize) as i64;
        let settings = CleanSettings {
            map_bytes,
            secret: std::array::from_fn(|_| random.below(256) as u8),
            ..settings(now)
        };
        let Some(summary) = compact(&log, &settings).unwrap() else {
            continue;
        };
        let compacted = log.0.lock();
        check(&compacted, &model, &before, summary.end.0, now);
        check_lookups_of(&compacted);
        let survivor = copy(&disk);
        let mut killed = after_kill(&survivor);
        assert_eq!(killed.end_offset(), end);
        assert_eq!(left(&killed), left(&compacted));
        assert_eq!(sequences(&killed), producers);
        check_committed(&killed, &model, &left(&killed));
        killed.close(now).unwrap();
        let reopened = open(&survivor, &after_close(&killed)).unwrap();
        assert_eq!(left(&reopened), left(&compacted));
        check_committed(&reopened, &model, &left(&reopened));
    }
}

/// Offsets and timestamps are found, if no batch is empty: those have times without records.
fn check_lookups_of(log: &Log) {
    let found = batches(log);
    let is_empty =
        |bytes: &bytes::Bytes| Batch::first_of(bytes).unwrap().unwrap().record_count() == 0;
    if !found.iter().any(is_empty) {
        check_lookups(log, &found);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn the_last_record_of_each_key_stays_and_aborted_ones_go(seed in any::<u64>()) {
        run(seed, 5, 1 << 20);
    }

    #[test]
    fn with_little_memory_a_pass_cleans_what_fits(seed in any::<u64>()) {
        run(seed, 4, 16 * 12);
    }
}

#[test]
fn a_log_that_is_clean_is_not_written_again() {
    let disk = new_disk();
    let (log, _) = filled(&disk, 5, 200);
    let log = Locked(Mutex::new(log));
    let again = || {
        // As if nothing were known of earlier passes.
        log.0.lock().set_cleaned_offset(None);
        compact(&log, &settings(NOW)).unwrap().unwrap()
    };
    let first = again();
    assert!(first.replaced_segments > 5);
    assert!(first.written_bytes < first.read_bytes / 4);
    // Markers of transactions that are gone get their horizon, and segments that shrank are joined.
    again();
    again();
    let whole = batches(&log.0.lock());

    let last = again();

    assert_eq!((last.replaced_segments, last.written_bytes), (0, 0));
    assert_eq!(last.end, first.end);
    assert!(batches(&log.0.lock()) == whole);
}

/// Kafka's rule (KIP-534): the pass that meets a tombstone, or a marker of which nothing else is
/// left, sets a horizon; a pass after that takes it out. A batch with other records keeps the
/// horizon, for what their timestamps are counted from.
#[test]
fn what_has_outlived_its_horizon_goes_and_no_horizon_is_set_anew() {
    let disk = new_disk();
    let (log, _) = filled(&disk, 13, 300);
    let log = Locked(Mutex::new(log));
    let pass = |later: i64| {
        // As if nothing were known of earlier passes.
        log.0.lock().set_cleaned_offset(None);
        compact(&log, &settings(Timestamp(NOW.0 + later))).unwrap();
        doomed(&log.0.lock())
    };
    let first = pass(0);
    assert!(first.values().any(|it| it.records > 0));
    let (mut before, mut gone, mut kept) = (first, 0, 0);
    for later in (1..=6).map(|step| step * RETENTION_MS * 2 / 3) {
        let after = pass(later);
        for (base, had) in &before {
            let is_over = had.horizon.0 <= NOW.0 + later;
            match after.get(base) {
                Some(has) => {
                    assert_eq!(has.horizon, had.horizon, "of the batch at {base}");
                    assert!(!(is_over && has.records > 0), "{has:?} at {base} is over");
                    kept += usize::from(is_over);
                }
                None => assert!(is_over || had.records == 0, "{had:?} at {base} is gone"),
            }
            gone += usize::from(is_over && had.records > 0);
        }
        before = after;
    }
    assert!(gone > 5 && kept > 0, "{gone} went, {kept} batches stayed");
    assert!(before.values().all(|it| it.records == 0), "{before:?}");
}

#[test]
fn small_segments_become_few_large_ones() {
    let disk = new_disk();
    let (log, _) = filled(&disk, 6, 300);
    let before = log.segment_count();
    let log = Locked(Mutex::new(log));

    compact(&log, &settings(NOW)).unwrap();
    log.0.lock().set_cleaned_offset(None);
    compact(&log, &settings(NOW)).unwrap();

    let log = log.0.lock();
    assert!(
        before > 10 && log.segment_count() <= 3,
        "{before} to {}",
        log.segment_count()
    );
    let segments = log.view().segments();
    assert!(segments.iter().all(|segment| segment.size <= 3_000));
    assert_eq!(files(&disk, ".log").len(), segments.len());
}

#[test]
fn records_that_are_too_young_stay_and_old_ones_are_overdue() {
    let disk = new_disk();
    let (mut log, _) = filled(&disk, 7, 100);
    let target = |log: &Log, now: Timestamp| {
        let end = log.end_offset();
        log.view().cleanable(None, end, log.config(), now).unwrap()
    };
    let all = target(&log, NOW);
    assert!(all.dirty_bytes > 0 && !all.is_overdue);
    assert!(all.first_uncleanable < log.end_offset());
    let mut config = (**log.config()).clone();
    config.min_compaction_lag_ms = 10_000;
    config.max_compaction_lag_ms = 20_000;
    config.min_cleanable_ppm = 1_000_000;
    log.set_config(Arc::new(config));

    assert_eq!(target(&log, NOW).dirty_bytes, 0);
    let later = target(&log, Timestamp(NOW.0 + 10_001));
    assert_eq!(later.first_uncleanable, all.first_uncleanable);
    assert!(!later.is_due(log.config()), "the ratio is not above 1");
    assert!(target(&log, Timestamp(NOW.0 + 20_001)).is_due(log.config()));
}

#[test]
fn a_cleaned_offset_of_another_log_means_that_all_is_dirty() {
    let disk = new_disk();
    let (log, _) = filled(&disk, 8, 50);
    let end = log.end_offset();
    let target = |cleaned| {
        let view = log.view();
        view.cleanable(Some(cleaned), end, log.config(), NOW)
            .unwrap()
    };

    assert!(target(end + 1).is_reset);
    assert_eq!(target(end + 1).first_dirty, Offset(0));
    assert!(!target(Offset(20)).is_reset);
    assert_eq!(target(Offset(20)).first_dirty, Offset(20));
}

/// What is done to a log in the midst of a pass.
type Act<'a> = Box<dyn FnOnce(&mut Log) + 'a>;

/// Ends the pass after some bytes, with something done to the log.
struct Interrupt<'a> {
    log: &'a Locked,
    after: u64,
    act: Option<Act<'a>>,
}

impl CleanControl for Interrupt<'_> {
    fn go_on(&mut self, bytes: u64) -> bool {
        self.after = self.after.saturating_sub(bytes);
        if let Some(act) = self.act.take_if(|_| self.after == 0) {
            act(&mut self.log.0.lock());
        }
        true
    }
}

/// Counts what is done to the disk while the lock is held.
struct Watched<'a> {
    log: &'a Locked,
    disk: &'a CrashDisk,
    most: Cell<u64>,
}

impl LogAccess for Watched<'_> {
    fn with_log<T>(
        &self,
        act: impl FnOnce(&mut Log) -> Result<T, StorageError>,
    ) -> Result<T, CleanError> {
        let mut log = self.log.0.lock();
        let before = self.disk.operations();
        let done = act(&mut log);
        let count = self.disk.operations() - before;
        self.most.set(self.most.get().max(count));
        Ok(done?)
    }
}

/// Writes to the log each time when the pass has read or written something.
struct Producer<'a> {
    log: &'a Locked,
    model: &'a mut Model,
    random: Random,
    writes: usize,
}

impl CleanControl for Producer<'_> {
    fn go_on(&mut self, _bytes: u64) -> bool {
        let mut log = self.log.0.try_lock().expect("the pass does not hold it");
        self.model.append(&mut log, &mut self.random, 12, NOW);
        self.writes += 1;
        true
    }
}

#[test]
fn the_lock_is_free_while_a_pass_reads_and_writes_and_only_names_change_under_it() {
    let disk = new_disk();
    let (log, mut model) = filled(&disk, 14, 400);
    let end = log.end_offset();
    let target = log.view().cleanable(None, end, log.config(), NOW).unwrap();
    let (log, before) = (Locked(Mutex::new(log)), files(&disk, ".log").len());
    let access = Watched {
        log: &log,
        disk: &disk,
        most: Cell::new(0),
    };
    let mut producer = Producer {
        log: &log,
        model: &mut model,
        random: Random::new(15),
        writes: 0,
    };

    let summary = clean(&access, &target, &settings(NOW), &mut producer).unwrap();

    let writes = producer.writes;
    assert!(writes > 50 && summary.replaced_segments > 20, "{writes}");
    // Four files of each segment, and as many again of what they become.
    let most = access.most.get();
    let segments = u64::try_from(before).unwrap();
    assert!(most <= 4 * (segments + 1) + 4, "{most} operations");
    let log = log.0.lock();
    let found = left(&log);
    let written = model.records.range(end.0..);
    assert!(written.clone().count() >= writes);
    assert!(
        written
            .clone()
            .all(|(offset, _)| found.contains_key(offset))
    );
    assert_eq!(left(&after_kill(&copy(&disk))), found);
}

#[test]
fn a_log_that_is_cut_or_deleted_beneath_a_pass_is_left_as_it_is() {
    for after in (0..40_000).step_by(1_500) {
        for cut in [0, 30, 200] {
            let disk = new_disk();
            let (log, _) = filled(&disk, 9, 150);
            let end = log.end_offset();
            let log = Locked(Mutex::new(log));
            let view = log.0.lock().view();
            let config = Arc::clone(log.0.lock().config());
            let target = view.cleanable(None, end, &config, NOW).unwrap();
            let mut interrupt = Interrupt {
                log: &log,
                after,
                act: Some(Box::new(move |log: &mut Log| {
                    log.truncate_to(Offset(cut), NOW).unwrap();
                })),
            };

            let cleaned = clean(&log, &target, &settings(NOW), &mut interrupt);

            if interrupt.act.is_none() {
                assert!(matches!(cleaned, Err(CleanError::Aborted)), "{cleaned:?}");
                assert!(log.0.lock().end_offset() <= Offset(cut));
            }
            assert_eq!(files(&disk, ".cleaned").len(), 0);
            assert_eq!(files(&disk, ".swap").len(), 0);
            let found = left(&log.0.lock());
            assert_eq!(left(&after_kill(&disk)), found);
        }
    }
}

#[test]
fn readers_of_replaced_segments_finish_or_begin_again() {
    let disk = new_disk();
    let (mut log, model) = filled(&disk, 10, 200);
    let mut config = (**log.config()).clone();
    config.file_delete_delay_ms = 60_000;
    log.set_config(Arc::new(config));
    let (view, end) = (log.view(), log.end_offset());
    let plan = log.locate(Offset(0), end).unwrap();
    let whole = left(&log);
    let log = Locked(Mutex::new(log));

    compact(&log, &settings(NOW)).unwrap();
    // A second time within the delay: the names are wanted again.
    log.0.lock().set_cleaned_offset(None);
    let later = Timestamp(NOW.0 + RETENTION_MS + 1);
    compact(&log, &settings(later)).unwrap();

    assert!(matches!(
        plan.read(100_000, true),
        Ok(_) | Err(StorageError::SegmentDeleted)
    ));
    let aborted = view.aborted_transactions(Offset(0), end);
    assert!(matches!(aborted, Ok(_) | Err(StorageError::SegmentDeleted)));
    let log = log.0.lock();
    let compacted = left(&log);
    assert!(compacted.len() < whole.len());
    check_committed(&log, &model, &compacted);
    drop(log);
    assert_eq!(left(&after_kill(&copy(&disk))), compacted);
}

#[test]
fn a_damaged_batch_is_told_with_its_place_and_nothing_is_replaced() {
    let disk = new_disk();
    let (mut log, _) = filled(&disk, 11, 100);
    log.close(NOW).unwrap();
    let path = files(&disk, ".log")[2].clone();
    let mut damaged = read_file(&disk, &path);
    damaged[1_000] ^= 1;
    write_file(&disk, &path, &damaged);
    let log = open(&disk, &after_close(&log)).unwrap();
    let count = log.segment_count();
    let log = Locked(Mutex::new(log));

    let cleaned = compact(&log, &settings(NOW));

    let Err(CleanError::Storage(StorageError::Corrupt { path: told, .. })) = cleaned else {
        panic!("{cleaned:?}");
    };
    assert_eq!(told, path);
    assert_eq!(log.0.lock().segment_count(), count);
    assert!(
        disk.list(FOLDER.as_ref())
            .unwrap()
            .iter()
            .all(|it| !it.name.ends_with(".cleaned"))
    );
}
