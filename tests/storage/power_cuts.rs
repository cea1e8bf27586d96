//! The power is cut at every single operation: what was promised to be durable is there, and what
//! is there is whole.

use std::path::Path;

use broker::doubles::{CrashDisk, Fault, Tear};
use broker::model::Offset;
use broker::storage::disk::Disk;
use broker::storage::log::{FlushScope, Log, Opening};
use bytes::Bytes;

use crate::support::{
    NOW, after_close, after_crash, append, batches, check_cut, content, filled, new_disk, open_log,
    steps,
};

/// How a run syncs.
#[derive(Clone, Copy, Debug)]
enum Mode {
    /// Before each acknowledgement.
    EveryBatch,
    /// Closed segments only, as by default.
    ClosedSegments,
}

/// What had been told when the power was cut.
#[derive(Default)]
struct Told {
    /// Below this offset everything was acknowledged as durable.
    durable: Offset,
    finished: bool,
}

/// Runs a log until an operation fails.
fn run(disk: &CrashDisk, mode: Mode) -> Told {
    let mut told = Told::default();
    let _ = live(disk, mode, &mut told);
    told
}

fn live(disk: &CrashDisk, mode: Mode, told: &mut Told) -> Result<(), Box<dyn std::error::Error>> {
    let mut log = open_log(disk, &Opening::unknown(NOW))?;
    for (number, step) in steps(40).iter().enumerate() {
        append(&mut log, step)?;
        let scope = match mode {
            Mode::EveryBatch => FlushScope::All,
            Mode::ClosedSegments => FlushScope::ClosedSegments,
        };
        flush(&mut log, scope)?;
        told.durable = log.flushed_offset();
        if number == 30 {
            log.delete_below(Offset(20), NOW)?;
        }
        for files in log.take_due_deletions(NOW) {
            files.remove()?;
        }
    }
    log.close(NOW)?;
    told.durable = log.end_offset();
    told.finished = true;
    Ok(())
}

fn flush(log: &mut Log, scope: FlushScope) -> Result<(), Box<dyn std::error::Error>> {
    if let Some(plan) = log.plan_flush(scope, NOW)? {
        let outcome = plan.run();
        log.flushed(&plan, outcome)?;
    }
    Ok(())
}

fn check_every_operation(mode: Mode) {
    let (_disk, whole) = filled(40);
    let whole = batches(&whole);
    for operation in 0.. {
        let disk = new_disk();
        disk.inject(disk.operations() + operation, Fault::PowerCut);
        let told = run(&disk, mode);
        for tear in [
            Tear::Lost,
            Tear::Kept,
            Tear::Torn(operation),
            Tear::Torn(!operation),
        ] {
            check_survivor(&disk.after_power_cut(tear), &told, &whole)
                .unwrap_or_else(|error| panic!("cut at {operation}, {tear:?}: {error}"));
        }
        if told.finished {
            break;
        }
    }
}

fn check_survivor(disk: &CrashDisk, told: &Told, whole: &[Bytes]) -> Result<(), String> {
    let opened = open_log(disk, &after_crash(told.durable)).map_err(|error| error.to_string())?;
    if opened.end_offset() < told.durable {
        return Err(format!(
            "{} of {} are left",
            opened.end_offset(),
            told.durable
        ));
    }
    let found = batches(&opened);
    let start = whole
        .windows(found.len().max(1))
        .position(|window| window == found)
        .or(found.is_empty().then_some(0));
    let Some(start) = start else {
        return Err("the batches are not those that were written".to_owned());
    };
    drop(opened);
    check_cut(disk, told.durable, &whole[start..], found.len());
    Ok(())
}

#[test]
fn nothing_acknowledged_is_lost_when_every_batch_is_synced() {
    check_every_operation(Mode::EveryBatch);
}

#[test]
fn what_is_left_is_whole_when_only_closed_segments_are_synced() {
    check_every_operation(Mode::ClosedSegments);
}

#[test]
fn a_crash_during_recovery_is_recovered_from() {
    let disk = new_disk();
    let mut log = open_log(&disk, &Opening::unknown(NOW)).unwrap();
    for step in steps(60) {
        append(&mut log, &step).unwrap();
        flush(&mut log, FlushScope::ClosedSegments).unwrap();
    }
    let (durable, whole) = (log.flushed_offset(), batches(&log));
    for seed in 0..30 {
        let torn = disk.after_power_cut(Tear::Torn(seed));
        let first = open_log(&torn.after_power_cut(Tear::Kept), &after_crash(durable)).unwrap();
        for operation in 0..40 {
            let again = torn.after_power_cut(Tear::Kept);
            again.inject(operation, Fault::PowerCut);
            let _ = open_log(&again, &after_crash(durable));

            let survivor = again.after_power_cut(Tear::Torn(seed + operation));

            let recovered = open_log(&survivor, &after_crash(durable)).unwrap();
            assert!(recovered.end_offset() >= durable);
            assert!(recovered.end_offset() <= first.end_offset());
            assert!(whole.starts_with(&batches(&recovered)));
        }
    }
}

#[test]
fn a_log_closed_with_its_whole_volume_is_opened_as_it_was() {
    let (disk, mut log) = filled(60);
    let lock = disk.lock(Path::new("/data/.lock")).unwrap().unwrap();
    log.close_unsynced().unwrap();
    lock.sync_volume().unwrap();

    let survivor = disk.after_power_cut(Tear::Lost);

    let reopened = open_log(&survivor, &after_close(&log)).unwrap();
    assert_eq!(content(&reopened), content(&log));
}

#[test]
fn a_power_cut_before_the_volume_was_synced_costs_only_what_was_not_promised() {
    let (disk, mut log) = filled(60);
    log.flush(NOW).unwrap();
    let durable = log.flushed_offset();
    for step in &steps(70)[60..] {
        append(&mut log, step).unwrap();
    }
    let whole = batches(&log);
    log.close_unsynced().unwrap();
    for seed in 0..50 {
        let survivor = disk.after_power_cut(Tear::Torn(seed));

        let reopened = open_log(&survivor, &after_crash(durable)).unwrap();

        assert!(reopened.end_offset() >= durable);
        assert!(whole.starts_with(&batches(&reopened)));
        let epochs = content(&reopened).epochs;
        assert!(content(&log).epochs.starts_with(&epochs), "{epochs:?}");
    }
}
