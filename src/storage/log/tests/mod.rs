//! A log on a disk in memory: appends, reads, rolls, cuts.

mod bugs;
mod follower;
mod reopening;

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use super::*;
use crate::doubles::{CrashDisk, Fault, Tear};
use crate::protocol::payload::Payload;
use crate::records::validate::ValidatedBatch;
use crate::records::{BatchBuilder, Batches, NewRecord, Scratch};
use crate::storage::disk::{Disk, OpenMode};

const NOW: Timestamp = Timestamp(1_700_000_000_000);
const PATH: &str = "/data/topic-0";

fn small_segments() -> Arc<LogConfig> {
    Arc::new(LogConfig {
        segment_bytes: 1_000,
        index_interval_bytes: 200,
        ..LogConfig::default()
    })
}

fn open_on(disk: &CrashDisk, config: Arc<LogConfig>, opening: &Opening) -> Log {
    disk.create_dir(Path::new(PATH)).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    Log::open(Arc::new(disk.clone()), Path::new(PATH), config, opening).unwrap()
}

fn new_log(config: Arc<LogConfig>) -> (CrashDisk, Log) {
    let disk = CrashDisk::new();
    let log = open_on(&disk, config, &Opening::unknown(NOW));
    (disk, log)
}

/// A batch of `count` records of `size` bytes each, the first at `timestamp`.
fn batch(count: i64, size: usize, timestamp: i64) -> ValidatedBatch {
    let mut builder = BatchBuilder::new(Offset(0));
    for number in 0..count {
        builder.append(NewRecord {
            timestamp: Timestamp(timestamp + number),
            value: Some(&vec![b'x'; size]),
            ..NewRecord::default()
        });
    }
    ValidatedBatch::trusted(&builder.build()).unwrap()
}

fn append(log: &mut Log, batch: &ValidatedBatch) -> AppendInfo {
    let leader = LeaderAppend::client(LeaderEpoch(0));
    log.append_as_leader(batch, &leader, NOW).unwrap()
}

/// Appends batches of two records each, ten milliseconds apart.
fn fill(log: &mut Log, batches: i64) {
    for _ in 0..batches {
        let timestamp = NOW.0 + log.end_offset().0 * 10;
        append(log, &batch(2, 40, timestamp));
    }
}

fn bytes(payload: &Payload) -> Bytes {
    payload.bytes().cloned().unwrap_or_default()
}

/// The base offsets of the batches that a read returns.
fn read(log: &Log, offset: i64, max_bytes: u32) -> Vec<i64> {
    let plan = log.locate(Offset(offset), log.end_offset()).unwrap();
    let outcome = plan.read(max_bytes, true).unwrap();
    Batches::new(&bytes(&outcome.payload))
        .map(|batch| batch.unwrap().base_offset().0)
        .collect()
}

#[test]
fn what_is_appended_is_read_from_any_offset() {
    let (_disk, mut log) = new_log(small_segments());
    fill(&mut log, 100);

    assert!(log.segment_count() > 10, "{}", log.segment_count());
    for offset in 0..200 {
        assert_eq!(read(&log, offset, 1)[0], offset / 2 * 2, "offset {offset}");
    }
    assert!(read(&log, 200, 1).is_empty());
}

#[test]
fn reading_on_from_where_the_last_read_ended_gives_every_batch_once() {
    let (_disk, mut log) = new_log(Arc::default());
    fill(&mut log, 500);
    for max_bytes in [1, 200, 1_000, 5_000, 100_000] {
        let mut next = 0;
        while next < 1_000 {
            for base_offset in read(&log, next, max_bytes) {
                assert_eq!(base_offset, next);
                next += 2;
            }
        }
    }
}

/// All batches of the log, whole.
fn content(log: &Log) -> Vec<u8> {
    let mut content = Vec::new();
    let mut next = log.log_start_offset();
    while next < log.end_offset() {
        let plan = log.locate(next, log.end_offset()).unwrap();
        let part = bytes(&plan.read(1 << 20, true).unwrap().payload);
        for batch in Batches::new(&part).map(Result::unwrap) {
            content.extend_from_slice(batch.bytes());
            next = batch.next_offset();
        }
    }
    content
}

fn reopen(disk: &CrashDisk, log: &Log, clean: bool) -> Log {
    let opening = Opening {
        recovery_point: log.flushed_offset(),
        log_start_offset: log.log_start_offset(),
        clean,
        ..Opening::unknown(NOW)
    };
    open_on(disk, Arc::clone(log.config()), &opening)
}

#[test]
fn a_cut_log_ends_before_the_batch_of_the_offset() {
    for cut in [0, 1, 2, 99, 100, 150, 198, 199] {
        let (disk, mut log) = new_log(small_segments());
        fill(&mut log, 100);
        let before = content(&log);

        let end = log.truncate_to(Offset(cut), NOW).unwrap();

        assert_eq!(end, Offset(cut / 2 * 2));
        assert!(before.starts_with(&content(&log)));
        fill(&mut log, 3);
        assert_eq!(log.end_offset(), end + 6);
        assert_eq!(content(&reopen(&disk, &log, false)), content(&log));
    }
}

#[test]
fn truncating_at_the_end_changes_nothing() {
    let (_disk, mut log) = new_log(small_segments());
    fill(&mut log, 10);

    assert_eq!(log.truncate_to(Offset(20), NOW).unwrap(), Offset(20));
    assert_eq!(log.truncate_to(Offset(50), NOW).unwrap(), Offset(20));
    assert_eq!(Batches::new(&content(&log)).count(), 10);
}

#[test]
fn a_log_truncated_fully_starts_at_the_new_offset() {
    let (disk, mut log) = new_log(small_segments());
    fill(&mut log, 100);

    log.truncate_fully(Offset(5_000), Offset(5_000), NOW)
        .unwrap();

    assert_eq!(log.log_start_offset(), Offset(5_000));
    assert_eq!(log.end_offset(), Offset(5_000));
    assert_eq!(log.size(), 0);
    fill(&mut log, 1);
    let reopened = reopen(&disk, &log, false);
    assert_eq!(read(&reopened, 5_000, 100), [5_000]);
}

#[test]
fn an_offset_outside_the_log_is_refused() {
    let (_disk, mut log) = new_log(small_segments());
    fill(&mut log, 10);
    log.raise_log_start_offset(Offset(3));

    for offset in [-1, 2, 21] {
        assert!(log.locate(Offset(offset), log.end_offset()).is_err());
    }
    assert_eq!(read(&log, 3, 1), [2]);
}

#[test]
fn nothing_at_or_above_the_bound_is_returned() {
    let (_disk, mut log) = new_log(Arc::default());
    fill(&mut log, 500);
    for up_to in (0..=1_000).step_by(2) {
        for offset in [0, up_to - 100, up_to - 2, up_to, up_to + 10] {
            let offset = offset.clamp(0, 1_000);
            let plan = log.locate(Offset(offset), Offset(up_to)).unwrap();
            let payload = plan.read(1 << 20, true).unwrap().payload;
            let bases: Vec<_> = Batches::new(&bytes(&payload))
                .map(|batch| batch.unwrap().base_offset().0)
                .collect();
            let expected: Vec<_> = (offset / 2 * 2..up_to).step_by(2).collect();
            assert_eq!(bases, expected, "from {offset} up to {up_to}");
        }
    }
}

#[test]
fn a_batch_larger_than_the_limit_is_returned_only_if_one_is_asked_for() {
    let (_disk, mut log) = new_log(Arc::default());
    append(&mut log, &batch(1, 5_000, NOW.0));
    let plan = log.locate(Offset(0), log.end_offset()).unwrap();

    assert_eq!(
        plan.read(1_000, true).unwrap().payload.len() as u64,
        log.size()
    );
    assert!(plan.read(1_000, false).unwrap().payload.is_empty());
}

#[test]
fn a_batch_larger_than_a_segment_is_refused() {
    let (_disk, mut log) = new_log(small_segments());
    let leader = LeaderAppend::client(LeaderEpoch(0));

    let refused = log.append_as_leader(&batch(1, 1_000, 0), &leader, NOW);

    assert!(matches!(
        refused,
        Err(AppendError::LargerThanSegment {
            segment_bytes: 1_000,
            ..
        })
    ));
    assert_eq!(log.end_offset(), Offset(0));
}

/// How many segments there are after two batches, the second of which comes `ms` later.
fn segments_after(config: LogConfig, first: i64, second: i64, waited_ms: i64) -> usize {
    let (_disk, mut log) = new_log(Arc::new(config));
    let leader = LeaderAppend::client(LeaderEpoch(0));
    append(&mut log, &batch(1, 10, first));
    let now = later(NOW, waited_ms);
    log.append_as_leader(&batch(1, 10, second), &leader, now)
        .unwrap();
    log.segment_count()
}

#[test]
fn a_segment_is_rolled_by_the_time_of_its_batches_or_else_by_the_clock() {
    let config = LogConfig {
        segment_ms: 1_000,
        ..LogConfig::default()
    };

    assert_eq!(segments_after(config.clone(), 5_000, 6_000, 99_000), 1);
    assert_eq!(segments_after(config.clone(), 5_000, 6_001, 0), 2);
    assert_eq!(segments_after(config.clone(), -1, -1, 1_000), 1);
    assert_eq!(segments_after(config, -1, -1, 1_001), 2);
}

#[test]
fn jitter_rolls_a_segment_earlier_and_never_later() {
    let config = LogConfig {
        segment_ms: 1_000,
        segment_jitter_ms: 1_000,
        ..LogConfig::default()
    };

    assert_eq!(segments_after(config.clone(), 5_000, 6_001, 0), 2);
    assert_eq!(segments_after(config.clone(), 5_000, 6_000, 0), 2);
    assert_eq!(segments_after(config, 5_000, 5_000, 0), 1);
}

#[test]
fn a_segment_is_rolled_when_an_index_is_full() {
    let (_disk, mut log) = new_log(Arc::new(LogConfig {
        index_interval_bytes: 0,
        segment_index_bytes: 48,
        ..LogConfig::default()
    }));

    fill(&mut log, 5);
    assert_eq!(log.segment_count(), 2);
    fill(&mut log, 4);
    assert_eq!(log.segment_count(), 3);
}

#[test]
fn a_segment_is_rolled_before_a_relative_offset_overflows() {
    let (_disk, mut log) = new_log(Arc::default());
    let far = i64::from(i32::MAX);
    for base_offset in [0, far - 1, far, far + 1] {
        let mut builder = BatchBuilder::new(Offset(base_offset));
        builder.append(NewRecord::default());
        let appended = log.append_as_follower(&builder.build(), NOW).unwrap();
        assert_eq!(appended, Some((Offset(base_offset), Offset(base_offset))));
    }

    let bases: Vec<_> = log
        .view()
        .segments()
        .iter()
        .map(|it| it.base_offset.0)
        .collect();
    assert_eq!(bases, [0, far + 1]);
}

#[test]
fn a_record_is_found_by_its_time() {
    let (_disk, mut log) = new_log(small_segments());
    fill(&mut log, 100);
    let mut scratch = Scratch::with_limit(1 << 20);
    for pair in [0, 1, 37, 99] {
        let offset = pair * 2;
        let timestamp = NOW.0 + offset * 10;
        for (target, expected) in [
            (timestamp, Some(offset)),
            (timestamp + 1, Some(offset + 1)),
            (timestamp + 2, Some(offset + 2).filter(|it| *it < 200)),
        ] {
            let found = log
                .view()
                .offset_for_timestamp(Timestamp(target), &mut scratch);
            let found = found.unwrap().map(|it| it.offset.0);
            assert_eq!(found, expected, "at {target}");
        }
    }
    let newest = log.view().max_timestamp(&mut scratch).unwrap().unwrap();
    assert_eq!(
        (newest.offset, newest.timestamp.0),
        (Offset(199), NOW.0 + 1_981)
    );
}

#[test]
fn deleted_segments_are_gone_from_the_log_at_once_and_from_the_disk_later() {
    let (disk, mut log) = new_log(small_segments());
    fill(&mut log, 30);
    let plan = log.locate(Offset(0), log.end_offset()).unwrap();

    let start = log.view().segments()[2].base_offset.0;
    assert_eq!(log.delete_below(Offset(start + 1), NOW).unwrap(), 2);

    assert_eq!(log.log_start_offset(), Offset(start));
    assert!(log.locate(Offset(0), log.end_offset()).is_err());
    assert_eq!(read(&log, start, 1), [start]);
    assert!(!plan.read(1_000, true).unwrap().payload.is_empty());
    let deleted_files = || {
        let names = disk.list(Path::new(PATH)).unwrap();
        names
            .iter()
            .filter(|it| it.name.ends_with(".deleted"))
            .count()
    };
    assert_eq!(deleted_files(), 6);
    assert!(log.take_due_deletions(NOW).is_empty());
    for files in log.take_due_deletions(log.next_deletion().unwrap()) {
        files.remove().unwrap();
    }
    assert_eq!(deleted_files(), 0);
    let reopened = reopen(&disk, &log, false);
    assert_eq!(content(&reopened), content(&log));
}

#[test]
fn deleting_every_segment_leaves_an_empty_one_at_the_end() {
    let (_disk, mut log) = new_log(small_segments());
    fill(&mut log, 10);

    let count = log.segment_count();
    assert_eq!(log.delete_below(Offset(20), NOW).unwrap(), count);

    assert_eq!((log.segment_count(), log.size()), (1, 0));
    assert_eq!(log.log_start_offset(), Offset(20));
    assert_eq!(log.delete_below(Offset(20), NOW).unwrap(), 0);
    fill(&mut log, 1);
    assert_eq!(read(&log, 20, 1), [20]);
}

#[test]
fn a_moved_folder_takes_its_log_along() {
    let (disk, mut log) = new_log(small_segments());
    fill(&mut log, 10);
    let plan = log.locate(Offset(0), log.end_offset()).unwrap();

    let moved = log.mark_folder_deleted("topic-0.0123-delete").unwrap();

    assert_eq!(moved, Path::new("/data/topic-0.0123-delete"));
    assert!(disk.stat(&moved).unwrap().is_some());
    assert!(!plan.read(1_000, true).unwrap().payload.is_empty());
    let leader = LeaderAppend::client(LeaderEpoch(0));
    let refused = log.append_as_leader(&batch(1, 1, 0), &leader, NOW);
    assert!(matches!(
        refused,
        Err(AppendError::Storage(StorageError::Offline))
    ));
}

#[test]
fn retention_deletes_by_the_newest_record_of_a_segment() {
    let (_disk, mut log) = new_log(small_segments());
    fill(&mut log, 30);
    let segments = log.view().segments();
    let second = segments[1].base_offset;
    let newest_of_first = NOW.0 + (second.0 - 2) * 10 + 1;
    let config = LogConfig {
        retention_ms: 1_000,
        ..LogConfig::default()
    };
    let expired = |log: &Log, now| {
        let view = log.view();
        view.expired_below(&config, log.end_offset(), Timestamp(now))
            .unwrap()
    };

    assert_eq!(expired(&log, newest_of_first + 1_000), None);
    assert_eq!(expired(&log, newest_of_first + 1_001), Some(second));
    assert_eq!(expired(&log, i64::MAX), Some(log.end_offset()));
}

#[test]
fn retention_goes_by_the_file_if_records_have_no_time() {
    let (_disk, mut log) = new_log(Arc::default());
    append(&mut log, &batch(1, 10, -1));
    let view = log.view();
    let written = view.segments[0].modified().unwrap();
    let config = LogConfig {
        retention_ms: 1_000,
        ..LogConfig::default()
    };
    let expired = |now| view.expired_below(&config, log.end_offset(), now).unwrap();

    assert_eq!(expired(later(written, 1_000)), None);
    assert_eq!(expired(later(written, 1_001)), Some(Offset(1)));
}

#[test]
fn a_scrub_reads_every_batch_and_finds_the_bad_one() {
    let (disk, mut log) = new_log(small_segments());
    fill(&mut log, 30);
    let (mut next, mut total) = (Some(Offset(0)), 0);
    while let Some(from) = next {
        let scrubbed = log.view().scrub(from, 300).unwrap();
        (next, total) = (scrubbed.next, total + scrubbed.bytes);
    }
    assert_eq!(total, log.size());

    let damaged = log.view().segments()[1].clone();
    let file = disk.open(&damaged.path, OpenMode::Existing).unwrap();
    file.write_at(&[std::io::IoSlice::new(b"y")], 150).unwrap();

    match log.view().scrub(Offset(0), u64::MAX) {
        Err(StorageError::Corrupt {
            path,
            position,
            after,
            ..
        }) => {
            assert_eq!((path, position), (damaged.path, 0));
            assert_eq!(after, damaged.base_offset + -1);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_reader_of_a_log_that_is_cut_beneath_it_is_told_to_look_again() {
    let (_disk, mut log) = new_log(Arc::default());
    fill(&mut log, 500);
    let plan = log.locate(Offset(900), log.end_offset()).unwrap();
    let view = log.view();

    log.truncate_to(Offset(500), NOW).unwrap();

    let read = plan.read(1_000, true);
    assert!(
        matches!(read, Err(StorageError::SegmentDeleted)),
        "{read:?}"
    );
    assert_eq!(view.scrub(Offset(900), 1_000).unwrap().next, None);
}

#[test]
#[should_panic(expected = "offsets in a log rise: 0 after 2")]
fn a_batch_that_does_not_follow_the_end_is_never_noted() {
    let (_disk, mut log) = new_log(Arc::default());
    fill(&mut log, 1);
    let mut builder = BatchBuilder::new(Offset(0));
    builder.append(NewRecord::default());
    let bytes = builder.build();
    let batch = Batches::new(&bytes).next().unwrap().unwrap();

    log.note_written(&batch, log.size()).unwrap();
}
