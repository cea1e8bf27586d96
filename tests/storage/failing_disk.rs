//! A disk that fails or is full: what was acknowledged stays, and nothing is written after an error
//! that may have lost something.

use broker::doubles::{CrashDisk, Fault};
use broker::storage::error::StorageError;
use broker::storage::log::{AppendError, Log, Opening};

use crate::support::{NOW, after_crash, append, batches, new_disk, open_log, steps};

fn storage_error(error: &AppendError) -> &StorageError {
    match error {
        AppendError::Storage(error) => error,
        other => panic!("{other}"),
    }
}

/// Appends and syncs; the number of steps that were acknowledged, and the error if one was not.
fn run(log: &mut Log) -> (usize, Option<AppendError>) {
    for (number, step) in steps(40).iter().enumerate() {
        let done = append(log, step).map_err(|error| (number, error));
        let synced = done.and_then(|_| {
            log.flush(NOW)
                .map_err(|error| (number, AppendError::Storage(error)))
        });
        if let Err((number, error)) = synced {
            return (number, Some(error));
        }
    }
    (40, None)
}

fn new_log() -> (CrashDisk, Log) {
    let disk = new_disk();
    let log = open_log(&disk, &Opening::unknown(NOW)).unwrap();
    (disk, log)
}

#[test]
fn after_an_error_of_the_disk_nothing_is_written_any_more() {
    for operation in 0.. {
        let (disk, mut log) = new_log();
        disk.inject(disk.operations() + operation, Fault::Io);
        let (acknowledged, error) = run(&mut log);
        let Some(error) = error else {
            break;
        };

        assert!(storage_error(&error).is_disk_failure(), "{error}");
        assert!(log.is_offline());
        let before = disk.operations();
        let refused = append(&mut log, &steps(41)[40]).unwrap_err();
        assert!(matches!(storage_error(&refused), StorageError::Offline));
        assert!(matches!(log.flush(NOW), Err(StorageError::Offline)));
        assert!(matches!(log.close(NOW), Err(StorageError::Offline)));
        assert_eq!(disk.operations(), before, "nothing is tried again");

        let durable = log.flushed_offset();
        let reopened = open_log(&disk, &after_crash(durable)).unwrap();
        assert!(batches(&reopened).len() >= acknowledged);
    }
}

#[test]
fn a_full_disk_refuses_writes_serves_reads_and_recovers() {
    for operation in 0.. {
        let (disk, mut log) = new_log();
        disk.inject(disk.operations() + operation, Fault::NoSpace);
        let (acknowledged, error) = run(&mut log);
        let Some(error) = error else {
            break;
        };

        assert!(
            matches!(storage_error(&error), StorageError::Full { .. }),
            "operation {operation}: {error}"
        );
        assert!(!log.is_offline());
        let left = batches(&log);
        assert!(left.len() >= acknowledged);
        let step = &steps(40)[left.len()];
        assert!(append(&mut log, step).is_err());
        assert!(batches(&log) == left);

        disk.heal();
        append(&mut log, step).unwrap();
        log.close(NOW).unwrap();
        assert_eq!(batches(&log).len(), left.len() + 1);
        let reopened = open_log(&disk, &after_crash(log.flushed_offset())).unwrap();
        assert!(batches(&reopened) == batches(&log));
    }
}

#[test]
fn a_segment_that_found_no_room_leaves_nothing_that_looks_like_a_loss() {
    for operation in 0.. {
        let (disk, mut log) = new_log();
        let steps = steps(3);
        append(&mut log, &steps[0]).unwrap();
        disk.inject(disk.operations() + operation, Fault::NoSpace);
        let rolled = log.roll(NOW);
        disk.heal();
        // The log goes on where it was, and has its next segment elsewhere.
        append(&mut log, &steps[1]).unwrap();
        log.roll(NOW).unwrap();
        append(&mut log, &steps[2]).unwrap();
        log.flush(NOW).unwrap();

        let reopened = open_log(&disk, &after_crash(log.flushed_offset()));
        let reopened = reopened.unwrap_or_else(|error| panic!("operation {operation}: {error}"));
        assert!(batches(&reopened) == batches(&log));
        if rolled.is_ok() {
            break;
        }
    }
}

#[test]
fn a_deletion_that_found_no_room_goes_on_when_there_is_some() {
    for operation in 0.. {
        let (disk, mut log) = new_log();
        assert!(run(&mut log).1.is_none());
        let bases: Vec<_> = log
            .view()
            .segments()
            .iter()
            .map(|it| it.base_offset)
            .collect();
        let start = bases[bases.len() - 2];
        disk.inject(disk.operations() + operation, Fault::NoSpace);
        let deleted = log.delete_below(start, NOW);
        disk.heal();
        log.delete_below(start, NOW).unwrap();
        log.flush(NOW).unwrap();

        let reopened = open_log(&disk, &after_crash(log.flushed_offset()));
        let reopened = reopened.unwrap_or_else(|error| panic!("operation {operation}: {error}"));
        assert_eq!(reopened.view().segments()[0].base_offset, start);
        assert!(batches(&reopened) == batches(&log));
        if deleted.is_ok() {
            break;
        }
    }
}
