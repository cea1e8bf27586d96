//! What a power cut takes of a compacted log above its recovery point ends the log, as in any other: offsets may be
//! missing there for another reason, so the list of segments has to tell.

use std::path::Path;
use std::sync::Arc;

use broker::doubles::{CrashDisk, Fault, Tear};
use broker::model::Offset;
use broker::records::Batch;
use broker::storage::disk::Disk;
use broker::storage::error::StorageError;
use broker::storage::log::{FlushScope, Log, Opening};
use broker::storage::log_config::LogConfig;
use bytes::Bytes;

use crate::support::{
    FOLDER, NOW, Random, after_power_cut, append, batches, config, copy, files, killed, new_disk,
    read_file, steps, write_file,
};

fn open(disk: &CrashDisk, opening: &Opening) -> Result<Log, StorageError> {
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let compacted = LogConfig {
        compact: true,
        ..(*config()).clone()
    };
    Log::open(shared, Path::new(FOLDER), Arc::new(compacted), opening)
}

/// A log of several segments of which only the first few are synced; its recovery point, and all its batches.
fn half_synced() -> (CrashDisk, Log, Offset, Vec<Bytes>) {
    let disk = new_disk();
    let mut log = open(&disk, &killed(Offset(0))).unwrap();
    let steps = steps(83);
    for step in &steps[..30] {
        append(&mut log, step).unwrap();
    }
    log.flush(NOW).unwrap();
    let recovery_point = log.flushed_offset();
    for step in &steps[30..] {
        append(&mut log, step).unwrap();
    }
    let whole = batches(&log);
    (disk, log, recovery_point, whole)
}

/// The segments above the recovery point but for the last, by their base offsets.
fn unsynced(disk: &CrashDisk, recovery_point: Offset) -> Vec<i64> {
    let stems = files(disk, ".log").into_iter().map(|file| {
        let stem = file.file_stem().unwrap().to_str().unwrap().to_owned();
        stem.parse::<i64>().unwrap()
    });
    let mut bases: Vec<i64> = stems.filter(|base| *base >= recovery_point.0).collect();
    bases.pop();
    assert!(bases.len() > 2, "{bases:?}");
    bases
}

/// Whether the log has all batches below `end`, and none from there on.
fn check_ends(disk: &CrashDisk, opening: &Opening, whole: &[Bytes], end: i64, at: &str) {
    let log = open(disk, opening).unwrap_or_else(|error| panic!("{at}: {error}"));

    assert_eq!(log.end_offset(), Offset(end), "{at}");
    let found = batches(&log);
    assert!(whole.starts_with(&found), "{at}: other batches");
}

#[test]
fn a_segment_that_is_gone_with_its_indexes_ends_a_compacted_log() {
    let (disk, _log, recovery_point, whole) = half_synced();
    for base in unsynced(&disk, recovery_point) {
        for lost in [
            &["log", "index", "timeindex", "txnindex", "snapshot"][..],
            &["log"],
        ] {
            let disk = copy(&disk);
            for kind in lost {
                let path = Path::new(FOLDER).join(format!("{base:020}.{kind}"));
                disk.remove(&path).unwrap();
            }
            let at = format!("segment {base} lacks {lost:?}");

            for opening in [after_power_cut(recovery_point), killed(recovery_point)] {
                check_ends(&copy(&disk), &opening, &whole, base, &at);
            }
        }
    }
}

#[test]
fn a_segment_that_ends_early_between_two_batches_ends_a_compacted_log() {
    let (disk, _log, recovery_point, whole) = half_synced();
    for base in unsynced(&disk, recovery_point) {
        let path = Path::new(FOLDER).join(format!("{base:020}.log"));
        let bytes = read_file(&disk, &path);
        let (mut size, mut end) = (0, base);
        while size < bytes.len() {
            let disk = copy(&disk);
            write_file(&disk, &path, &bytes[..size]);
            let at = format!("segment {base} has {size} bytes");

            for opening in [after_power_cut(recovery_point), killed(recovery_point)] {
                check_ends(&copy(&disk), &opening, &whole, end, &at);
            }

            let next = Bytes::copy_from_slice(&bytes[size..]);
            let batch = Batch::first_of(&next).unwrap().unwrap();
            size += batch.size();
            end = batch.last_offset().0 + 1;
        }
    }
}

#[test]
fn a_power_cut_while_segments_are_synced_leaves_a_compacted_log_without_holes() {
    let mut shortened = 0;
    for seed in 0..150 {
        let (disk, mut log, recovery_point, whole) = half_synced();
        let mut random = Random::new(seed);
        let scope = [FlushScope::ClosedSegments, FlushScope::All][random.below(2)];
        let plan = log
            .plan_flush(scope, NOW)
            .unwrap()
            .expect("much is unsynced");
        // Names and the list are synced by then.
        let cut_at = disk.operations() + 2 + random.below(6) as u64;
        disk.inject(cut_at, Fault::PowerCut);
        let _ = plan.run();

        let survivor = disk.after_power_cut(Tear::Torn(seed));
        let at = format!("seed {seed}");
        let recovered = open(&survivor, &after_power_cut(recovery_point));
        let recovered = recovered.unwrap_or_else(|error| panic!("{at}: {error}"));

        assert!(recovered.end_offset() >= recovery_point, "{at}");
        let found = batches(&recovered);
        assert!(whole.starts_with(&found), "{at}: a hole, or other batches");
        shortened += usize::from(found.len() < whole.len());
    }
    assert!(shortened > 75, "only {shortened} power cuts took anything");
}

#[test]
fn a_list_that_names_more_takes_nothing_where_it_cannot_know() {
    let (disk, _log, recovery_point, whole) = half_synced();
    let base = unsynced(&disk, recovery_point)[0];
    let path = Path::new(FOLDER).join(format!("{base:020}.log"));
    write_file(&disk, &path, &[]);
    let after_somebody_else = Opening {
        older_generation: 0,
        ..after_power_cut(recovery_point)
    };
    // The operator has removed its line from the checkpoint.
    let put_there_by_hand = after_power_cut(Offset(0));

    for opening in [after_somebody_else, put_there_by_hand] {
        let opened = open(&copy(&disk), &opening).unwrap();

        assert_eq!(opened.end_offset(), {
            let last = whole.last().unwrap();
            Batch::first_of(last).unwrap().unwrap().last_offset() + 1
        });
    }
}
