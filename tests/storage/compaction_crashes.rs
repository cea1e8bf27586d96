//! The power is cut at every single operation of a compaction, and of what clears up after it: no
//! last record of a key is lost, and no other comes back to stay.

use std::panic::{AssertUnwindSafe, catch_unwind};

use broker::doubles::{CrashDisk, Fault, Tear};
use broker::model::Offset;
use broker::storage::compaction::{CleanError, clean};
use broker::storage::log::{Log, Opening};
use parking_lot::Mutex;

use crate::compacted::{
    Freely, Left, Locked, Model, after_kill, compact, filled, left, open, pass, settings,
};
use crate::support::{NOW, Random, after_crash, after_power_cut, copy, killed, new_disk};

const TEARS: [Tear; 2] = [Tear::Lost, Tear::Kept];

/// A disk with a durable log of many segments.
fn prepared(seed: u64) -> (CrashDisk, Model, Offset) {
    let disk = new_disk();
    let (mut log, model) = filled(&disk, seed, 60);
    log.flush(NOW).unwrap();
    let end = log.end_offset();
    (disk.after_power_cut(Tear::Lost), model, end)
}

fn compacted(disk: &CrashDisk, durable: Offset) -> Left {
    let log = open(disk, &after_crash(durable)).unwrap();
    let log = Locked(Mutex::new(log));
    compact(&log, &settings(NOW)).unwrap();
    let log = log.0.lock();
    left(&log)
}

/// The values of a log, without what a pass may have added.
fn values(left: &Left) -> Vec<(i64, &Option<Vec<u8>>)> {
    left.iter().map(|(at, (it, _))| (*at, &it.value)).collect()
}

fn check_survivor(disk: &CrashDisk, model: &Model, durable: Offset, expected: &Left, at: &str) {
    check_survivor_of(disk, model, &after_crash(durable), expected, at);
}

fn check_survivor_of(
    disk: &CrashDisk,
    model: &Model,
    opening: &Opening,
    expected: &Left,
    at: &str,
) {
    let durable = opening.recovery_point;
    let opened = open(disk, opening);
    let log = opened.unwrap_or_else(|error| panic!("{at}: {error}"));
    assert_eq!(log.end_offset(), durable, "{at}");
    let found = left(&log);
    for (offset, (record, _)) in &found {
        assert_eq!(model.records.get(offset), Some(record), "{at}");
    }
    for offset in model.newest(durable.0).values() {
        assert!(found.contains_key(offset), "{at}: {offset} is lost");
    }
    drop(log);
    let again = compacted(&copy(disk), durable);
    assert_eq!(values(&again), values(expected), "{at}");
}

#[test]
fn a_power_cut_at_any_operation_loses_no_last_record() {
    for seed in [1, 2] {
        let (disk, model, durable) = prepared(seed);
        let expected = compacted(&copy(&disk), durable);
        for operation in 0.. {
            let cut = copy(&disk);
            let log = Locked(Mutex::new(open(&cut, &killed(durable)).unwrap()));
            cut.inject(cut.operations() + operation, Fault::PowerCut);
            let done = compact(&log, &settings(NOW)).is_ok();
            drop(log);
            let torn = (0..4).map(|part| Tear::Torn(operation * 4 + part));
            for tear in TEARS.into_iter().chain(torn) {
                let survivor = cut.after_power_cut(tear);
                let at = format!("seed {seed}, cut at {operation}, {tear:?}");
                // With all that was written it may as well have been a kill: lists of segments hold.
                let opening = match tear {
                    Tear::Kept => killed(durable),
                    _ => after_crash(durable),
                };
                check_survivor_of(&survivor, &model, &opening, &expected, &at);
            }
            if done {
                assert!(operation > 50, "only {operation} operations");
                break;
            }
        }
    }
}

#[test]
fn a_power_cut_while_a_swap_is_finished_is_recovered_from() {
    let (disk, model, durable) = prepared(3);
    let expected = compacted(&copy(&disk), durable);
    for operation in (0..400).step_by(3) {
        let cut = copy(&disk);
        let log = Locked(Mutex::new(open(&cut, &after_crash(durable)).unwrap()));
        cut.inject(cut.operations() + operation, Fault::PowerCut);
        let _ = compact(&log, &settings(NOW));
        drop(log);
        let survivor = cut.after_power_cut(Tear::Torn(operation));
        for second in 0..12 {
            let again = copy(&survivor);
            again.inject(second, Fault::PowerCut);
            let _ = open(&again, &after_crash(durable));
            let at = format!("cut at {operation}, then at {second}");
            let twice = again.after_power_cut(Tear::Torn(second * 31 + operation));
            check_survivor(&twice, &model, durable, &expected, &at);
        }
    }
}

#[test]
fn a_log_that_was_killed_in_a_compaction_and_while_it_was_opened_is_opened() {
    let (disk, model, durable) = prepared(5);
    let mut swaps = 0;
    for operation in 0.. {
        let cut = copy(&disk);
        let log = Locked(Mutex::new(open(&cut, &killed(durable)).unwrap()));
        cut.inject(cut.operations() + operation, Fault::PowerCut);
        let done = compact(&log, &settings(NOW)).is_ok();
        drop(log);
        let survivor = cut.after_power_cut(Tear::Kept);
        for second in 0.. {
            let again = copy(&survivor);
            again.inject(second, Fault::PowerCut);
            let opened = open(&again, &killed(durable)).is_ok();
            let twice = again.after_power_cut(Tear::Kept);
            let at = format!("killed at {operation}, then at {second}");
            let log = open(&twice, &killed(durable));
            let log = log.unwrap_or_else(|error| panic!("{at}: {error}"));
            let found = left(&log);
            for offset in model.newest(durable.0).values() {
                assert!(found.contains_key(offset), "{at}: {offset} is lost");
            }
            if opened {
                swaps += usize::from(second > 12);
                break;
            }
        }
        if done {
            assert!(operation > 50, "only {operation} operations");
            break;
        }
    }
    assert!(swaps > 0, "no kill left a swap to finish");
}

#[test]
fn a_disk_that_fails_or_is_full_leaves_the_log_as_it_was_or_compacted() {
    for fault in [Fault::Io, Fault::NoSpace] {
        let (disk, model, durable) = prepared(4);
        let expected = compacted(&copy(&disk), durable);
        for operation in (0..200).step_by(2) {
            let failing = copy(&disk);
            let log = Locked(Mutex::new(open(&failing, &after_crash(durable)).unwrap()));
            failing.inject(failing.operations() + operation, fault);
            let _ = compact(&log, &settings(NOW));
            failing.heal();
            drop(log);

            let at = format!("{fault:?} at {operation}");
            check_survivor(&copy(&failing), &model, durable, &expected, &at);
            after_kill(&failing);
        }
    }
}

#[test]
fn a_bug_at_any_operation_loses_no_last_record_whatever_another_pass_comes_to() {
    let (disk, model, durable) = prepared(6);
    let expected = compacted(&copy(&disk), durable);
    let fates = [
        None,
        Some((4, Fault::NoSpace)),
        Some((9, Fault::PowerCut)),
        Some((40, Fault::PowerCut)),
    ];
    for operation in 0.. {
        let mut is_over = false;
        for fate in fates {
            let broken = copy(&disk);
            let log = Locked(Mutex::new(open(&broken, &killed(durable)).unwrap()));
            broken.inject_panic(broken.operations() + operation);
            let first = catch_unwind(AssertUnwindSafe(|| compact(&log, &settings(NOW))));
            is_over = first.is_ok();
            if let Some((after, fault)) = fate {
                broken.inject(broken.operations() + after, fault);
            }
            let _ = compact(&log, &settings(NOW));
            broken.heal();
            drop(log);

            let at = format!("a bug at {operation}, then {fate:?}");
            let survivor = broken.after_power_cut(Tear::Kept);
            check_survivor(&survivor, &model, durable, &expected, &at);
        }
        if is_over {
            assert!(operation > 50, "only {operation} operations");
            break;
        }
    }
}

/// Adds to the log, without a sync, and closes the last segment.
fn go_on(log: &mut Log, model: &mut Model, seed: u64) {
    let mut random = Random::new(seed);
    for _ in 0..100 {
        model.append(log, &mut random, 12, NOW);
    }
    for producer in [100, 101] {
        model.end(log, producer, true, NOW);
    }
    log.on_high_watermark(log.end_offset());
    log.roll(NOW).unwrap();
}

#[test]
fn a_power_cut_at_any_operation_leaves_no_key_without_what_the_log_that_is_left_should_have() {
    let mut cuts = 0;
    for seed in 0..2 {
        let disk = new_disk();
        let (log, model) = filled(&disk, seed, 60);
        let durable = log.flushed_offset();
        drop(log);
        let disk = disk.after_power_cut(Tear::Lost);
        for operation in 0.. {
            let (cut, mut model) = (copy(&disk), model.clone());
            // It has a list of its segments from here on.
            let mut log = open(&cut, &killed(durable)).unwrap();
            go_on(&mut log, &mut model, seed + 100);
            let log = Locked(Mutex::new(log));
            cut.inject(cut.operations() + operation, Fault::PowerCut);
            let done = pass(&log, &settings(NOW)).is_ok();
            drop(log);
            for tear in [Tear::Lost, Tear::Torn(operation)] {
                let at = format!("seed {seed}, cut at {operation}, {tear:?}");
                let survivor = cut.after_power_cut(tear);
                let opened = open(&survivor, &after_power_cut(durable));
                let log = opened.unwrap_or_else(|error| panic!("{at}: {error}"));
                let found = left(&log);
                // What is lost with the end of the log is not asked for.
                let end = log.end_offset().0.min(durable.0);
                for (key, offset) in model.newest(end) {
                    let mut of_key = found.range(offset..).map(|(_, (it, _))| it.key);
                    assert!(of_key.any(|it| it == key), "{at}: nothing is left of {key}");
                }
            }
            if done {
                cuts += operation;
                break;
            }
        }
    }
    assert!(cuts > 100, "only {cuts} operations");
}

#[test]
fn nothing_is_cleaned_that_was_cut_and_written_again_without_a_sync_since_it_was_chosen() {
    let disk = new_disk();
    let (mut log, _) = filled(&disk, 7, 60);
    log.flush(NOW).unwrap();
    let stable = log.end_offset();
    let target = log
        .view()
        .cleanable(None, stable, log.config(), NOW)
        .unwrap();
    log.truncate_to(Offset(0), NOW).unwrap();
    go_on(&mut log, &mut Model::default(), 8);
    let log = Locked(Mutex::new(log));

    let done = clean(&log, &target, &settings(NOW), &mut Freely);

    assert!(matches!(done, Err(CleanError::Aborted)), "{done:?}");
}
