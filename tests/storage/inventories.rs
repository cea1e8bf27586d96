//! The list of a log's segments never takes a good log offline: whatever the log was at when its
//! process was killed.

use std::path::Path;

use broker::doubles::{CrashDisk, Fault, Tear};
use broker::model::{Offset, Timestamp};
use broker::storage::disk::Disk;
use broker::storage::error::StorageError;
use broker::storage::log::{Log, Opening};

use crate::support::{
    FOLDER, GENERATION, NOW, Random, after_close, after_crash, append, batches, copy, files,
    filled, killed, new_disk, open_log, read_file, steps, write_file,
};

const INVENTORY: &str = "/data/topic-0/.inventory";
/// When all that was deleted may be removed.
const LATER: Timestamp = Timestamp(NOW.0 + 1_000_000);

/// A life of everything that changes segments, until the disk takes no more. Failures are as they may be:
/// what is refused is refused.
fn live(disk: &CrashDisk, seed: u64) {
    let mut random = Random::new(seed);
    let Ok(mut log) = open_log(disk, &killed(Offset(0))) else {
        return;
    };
    let mut steps = steps(400).into_iter();
    for _ in 0..40 {
        if log.is_offline() {
            return;
        }
        let span = usize::try_from(log.end_offset() - log.log_start_offset()).unwrap();
        let within = log.log_start_offset() + random.below(span + 1) as i64;
        match random.below(12) {
            0 => drop(log.delete_below(within, NOW)),
            1 => drop(log.truncate_to(within, NOW)),
            2 if log.raise_log_start_offset(within) => drop(log.settle_start(NOW)),
            3 => drop(log.roll(NOW)),
            4 => drop(log.truncate_fully(within, within, NOW)),
            5 => {
                for files in log.take_due_deletions(LATER) {
                    let _ = files.remove();
                }
            }
            6 => {
                let is_closed = log.close(NOW).is_ok();
                let opening = if is_closed {
                    after_close(&log)
                } else {
                    killed(Offset(0))
                };
                let Ok(again) = open_log(disk, &opening) else {
                    return;
                };
                log = again;
            }
            _ => {
                for step in steps.by_ref().take(9) {
                    let _ = append(&mut log, &step);
                }
            }
        }
    }
}

/// Opens what a kill left as if all of it had been durable: the list is held against everything.
fn open_killed(disk: &CrashDisk, at: &str) -> Log {
    let recovered = open_log(&copy(disk), &after_crash(Offset(0)));
    let end = recovered.map(|log| log.end_offset());
    let opened = end.and_then(|end| open_log(disk, &killed(end)));
    opened.unwrap_or_else(|error| panic!("{at}: {error}"))
}

#[test]
fn a_log_that_was_killed_at_any_operation_is_opened() {
    let mut listed = 0;
    for seed in 0..24 {
        let whole = new_disk();
        live(&whole, seed);
        let all = whole.operations();
        let step = usize::try_from(all / 40).unwrap().max(1);
        for operation in (seed % 7..all).step_by(step) {
            let disk = new_disk();
            disk.inject(operation, Fault::PowerCut);
            live(&disk, seed);
            let survivor = disk.after_power_cut(Tear::Kept);
            let at = format!("seed {seed}, killed at {operation} of {all}");
            listed += usize::from(survivor.stat(Path::new(INVENTORY)).unwrap().is_some());

            let log = open_killed(&copy(&survivor), &at);
            let (found, end) = (batches(&log), log.end_offset());

            // And killed again while it was opened.
            for second in 0..4 {
                let again = copy(&survivor);
                again.inject(second, Fault::PowerCut);
                let _ = open_log(&again, &killed(end));
                let twice = again.after_power_cut(Tear::Kept);
                let at = format!("{at}, and at {second}");
                assert!(batches(&open_killed(&twice, &at)) == found, "{at}");
            }
        }
    }
    assert!(listed > 200, "only {listed} kills left a list");
}

#[test]
fn a_disk_that_is_full_leaves_no_list_that_would_not_hold() {
    for seed in 0..24 {
        let whole = new_disk();
        live(&whole, seed);
        let all = whole.operations();
        for operation in (seed % 11..all).step_by(29) {
            let disk = new_disk();
            disk.inject(operation, Fault::NoSpace);
            live(&disk, seed);
            disk.heal();

            let at = format!("seed {seed}, full from {operation} of {all} on");
            open_killed(&copy(&disk), &at);
        }
    }
}

#[test]
fn a_list_of_another_generation_and_a_damaged_one_count_for_nothing() {
    let (disk, mut log) = filled(83);
    log.flush(NOW).unwrap();
    let end = log.end_offset();
    let first = Path::new(FOLDER).join("00000000000000000000.log");
    disk.remove(&first).unwrap();
    let refused = open_log(&copy(&disk), &killed(end))
        .unwrap_err()
        .to_string();
    assert!(refused.contains("remove .inventory"), "{refused}");

    assert!(open_log(&copy(&disk), &after_crash(end)).is_ok());
    let other = Opening {
        generation: GENERATION + 1,
        ..killed(end)
    };
    assert!(open_log(&copy(&disk), &other).is_ok());
    disk.remove(Path::new(INVENTORY)).unwrap();
    assert!(open_log(&disk, &killed(end)).is_ok());
}

#[test]
fn a_roll_costs_one_list_and_an_append_none() {
    let (disk, mut log) = filled(83);
    log.roll(NOW).unwrap();
    let before = read_file(&disk, Path::new(INVENTORY));
    let segments = log.segment_count();
    let operations = disk.operations();
    let step = &steps(84)[83];

    append(&mut log, step).unwrap();

    assert_eq!(log.segment_count(), segments, "the batch fits");
    assert_eq!(read_file(&disk, Path::new(INVENTORY)), before);
    assert!(disk.operations() - operations <= 3);
    log.roll(NOW).unwrap();
    assert_ne!(read_file(&disk, Path::new(INVENTORY)), before);
}

#[test]
fn a_start_that_was_raised_after_the_last_checkpoint_stays_after_a_stop() {
    let stops: [fn(&mut Log); 2] = [
        |log| log.close_unsynced().unwrap(),
        |log| log.close(NOW).unwrap(),
    ];
    for stop in stops {
        let (disk, mut log) = filled(83);
        let start = log.end_offset() + -3;
        log.raise_log_start_offset(start);
        stop(&mut log);

        let opening = Opening {
            recovery_point: log.end_offset(),
            ..after_close(&log)
        };
        let reopened = open_log(&disk, &opening).unwrap();

        assert_eq!(reopened.log_start_offset(), start);
    }
}

fn end_of(disk: &CrashDisk, opening: &Opening) -> Result<Offset, StorageError> {
    open_log(disk, opening).map(|log| log.end_offset())
}

#[test]
fn unfinished_output_of_a_compaction_leaves_the_list_in_force() {
    let (disk, mut log) = filled(83);
    log.flush(NOW).unwrap();
    let first = Path::new(FOLDER).join("00000000000000000000.log");
    write_file(&disk, &first.with_extension("log.cleaned"), b"");
    disk.remove(&first).unwrap();
    disk.remove(&first.with_extension("index")).unwrap();

    let refused = end_of(&disk, &killed(log.end_offset())).unwrap_err();

    assert!(refused.to_string().contains("is missing"), "{refused}");
}

/// The base offsets of the log's segments.
fn bases(disk: &CrashDisk) -> Vec<i64> {
    let stems = files(disk, ".log").into_iter();
    let stems = stems.map(|file| file.file_stem().unwrap().to_str().unwrap().to_owned());
    stems.map(|stem| stem.parse().unwrap()).collect()
}

#[test]
fn above_the_recovery_point_recovery_cuts_and_the_list_refuses_nothing() {
    let (disk, mut log) = filled(83);
    log.flush(NOW).unwrap();
    let (bases, logs) = (bases(&disk), files(&disk, ".log"));
    assert!(bases.len() > 4);
    let bytes = read_file(&disk, &logs[2]);
    for length in [0, 1, bytes.len() / 2, bytes.len() - 1] {
        write_file(&disk, &logs[2], &bytes[..length]);

        // The file system lost what had not been synced, and the machine went on.
        let cut = open_log(&copy(&disk), &killed(Offset(bases[2]))).unwrap();
        assert!(cut.end_offset() < Offset(bases[3]), "{}", cut.end_offset());
        assert!(cut.end_offset() >= Offset(bases[2]));
        let refused = end_of(&copy(&disk), &killed(Offset(bases[3]))).unwrap_err();
        assert!(
            refused.to_string().contains("remove .inventory"),
            "{refused}"
        );
    }
}

fn remove_segment(disk: &CrashDisk, base: i64) {
    for suffix in ["log", "index", "timeindex", "txnindex", "snapshot"] {
        let path = Path::new(FOLDER).join(format!("{base:020}.{suffix}"));
        disk.remove(&path).unwrap();
    }
}

#[test]
fn what_lies_below_the_start_may_be_missing_although_an_old_list_has_it() {
    let (disk, mut log) = filled(83);
    log.flush(NOW).unwrap();
    let bases = bases(&disk);
    for base in &bases[..2] {
        remove_segment(&disk, *base);
    }
    let started_at = |start| Opening {
        log_start_offset: Offset(start),
        ..killed(log.end_offset())
    };

    let opened = open_log(&copy(&disk), &started_at(bases[2])).unwrap();
    assert_eq!(opened.log_start_offset(), Offset(bases[2]));
    assert!(open_log(&copy(&disk), &started_at(bases[2] - 1)).is_err());
}

#[test]
fn a_segment_that_was_empty_may_be_missing() {
    for is_closed in [false, true] {
        let (disk, mut log) = filled(83);
        log.roll(NOW).unwrap();
        let end = log.end_offset();
        let opening = if is_closed {
            log.close(NOW).unwrap();
            after_close(&log)
        } else {
            log.flush(NOW).unwrap();
            killed(end)
        };
        remove_segment(&disk, end.0);

        let opened = open_log(&disk, &opening).unwrap();

        assert_eq!(opened.end_offset(), end);
    }
}

#[test]
fn a_file_system_that_loses_what_was_not_synced_has_a_list_without_what_was_removed() {
    let (disk, mut log) = filled(83);
    log.close(NOW).unwrap();
    let mut log = open_log(&disk, &after_close(&log)).unwrap();
    let start = Offset(bases(&disk)[2]);
    log.delete_below(start, NOW).unwrap();
    log.flush(NOW).unwrap();
    for files in log.take_due_deletions(LATER) {
        files.remove().unwrap();
    }
    disk.sync_dir(Path::new(FOLDER)).unwrap();

    let survivor = disk.after_power_cut(Tear::Lost);
    let reopened = open_log(&survivor, &killed(log.end_offset())).unwrap();

    assert_eq!(reopened.log_start_offset(), start);
}
