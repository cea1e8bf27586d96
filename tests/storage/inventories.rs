//! The list of a log's segments never takes a good log offline: whatever the log was at when its
//! process was killed.

use std::path::Path;

use broker::doubles::{CrashDisk, Fault, Tear};
use broker::model::{Offset, Timestamp};
use broker::storage::disk::Disk;
use broker::storage::log::{Log, Opening};

use crate::support::{
    FOLDER, GENERATION, NOW, Random, after_close, after_crash, append, batches, copy, filled,
    killed, new_disk, open_log, read_file, steps,
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

fn open_killed(disk: &CrashDisk, at: &str) -> Log {
    let opened = open_log(disk, &killed(Offset(0)));
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

            let found = batches(&open_killed(&copy(&survivor), &at));

            // And killed again while it was opened.
            for second in 0..4 {
                let again = copy(&survivor);
                again.inject(second, Fault::PowerCut);
                let _ = open_log(&again, &killed(Offset(0)));
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
