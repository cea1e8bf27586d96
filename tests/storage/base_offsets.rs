//! A wrong base offset in a segment: the checksum does not cover it, so the batches around it tell.
//! What recovery would have to guess is not served.

use std::path::Path;
use std::sync::Arc;

use broker::doubles::CrashDisk;
use broker::model::Offset;
use broker::records::{BatchBuilder, Batches, NewRecord};
use broker::storage::disk::Disk;
use broker::storage::error::StorageError;
use broker::storage::log::{Log, Opening};
use broker::storage::log_config::LogConfig;
use bytes::Bytes;

use crate::support::{
    FOLDER, NOW, after_crash, batches, check_cut, config, copy, files, filled, new_disk, open_log,
    read_file, write_file,
};

/// Bits of a base offset that lead near, far, and below zero.
const BITS: [usize; 9] = [0, 1, 2, 5, 12, 30, 31, 47, 63];

/// Flips one bit of the base offset of the batch `index`, of which the segments hold `whole`.
fn flip(disk: &CrashDisk, whole: &[Bytes], index: usize, bit: usize) -> CrashDisk {
    let disk = copy(disk);
    let mut position: usize = whole[..index].iter().map(Bytes::len).sum();
    for file in files(&disk, ".log") {
        let mut bytes = read_file(&disk, &file);
        if position < bytes.len() {
            bytes[position + 7 - bit / 8] ^= 1 << (bit % 8);
            write_file(&disk, &file, &bytes);
            return disk;
        }
        position -= bytes.len();
    }
    panic!("no batch {index}");
}

#[test]
fn above_the_recovery_point_the_log_is_cut_before_the_batch_that_is_not_where_it_says() {
    let (disk, log) = filled(83);
    let whole = batches(&log);
    for index in 0..whole.len() {
        for bit in BITS {
            let disk = flip(&disk, &whole, index, bit);

            check_cut(&disk, Offset(0), &whole, index);
        }
    }
}

#[test]
fn below_the_recovery_point_it_is_damage_and_nothing_is_cut() {
    let (disk, log) = filled(83);
    let whole = batches(&log);
    for index in [whole.len() - 2, whole.len() - 1] {
        for bit in BITS {
            let disk = flip(&disk, &whole, index, bit);

            let opened = open_log(&disk, &after_crash(log.end_offset()));

            let is_told = matches!(opened, Err(StorageError::Corrupt { .. }));
            assert!(is_told, "batch {index}, bit {bit}: {opened:?}");
        }
    }
}

fn open_compacted(disk: &CrashDisk, opening: &Opening) -> Result<Log, StorageError> {
    let config = LogConfig {
        compact: true,
        ..(*config()).clone()
    };
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    Log::open(disk, Path::new(FOLDER), Arc::new(config), opening)
}

/// A follower's log of batches between which compaction left offsets out.
fn with_gaps() -> (CrashDisk, Vec<Bytes>) {
    let disk = new_disk();
    let mut log = open_compacted(&disk, &Opening::unknown(NOW)).unwrap();
    let mut next = 0;
    for number in 0..60 {
        let mut builder = BatchBuilder::new(Offset(next));
        for _ in 0..=number % 3 {
            builder.append(NewRecord {
                timestamp: NOW,
                key: Some(b"key"),
                value: Some(&[7; 50]),
                headers: &[],
            });
        }
        log.append_as_follower(&builder.build(), NOW).unwrap();
        next = log.end_offset().0 + number % 5;
    }
    let whole = batches(&log);
    (disk, whole)
}

/// The batches in the segments' files: a log may end in a gap, where a consumer waits.
fn stored(disk: &CrashDisk) -> Vec<Bytes> {
    let mut found = Vec::new();
    for file in files(disk, ".log") {
        let bytes = Bytes::from(read_file(disk, &file));
        let batches = Batches::new(&bytes).map(|batch| bytes.slice_ref(batch.unwrap().bytes()));
        found.extend(batches);
    }
    found
}

#[test]
fn gaps_of_compaction_are_told_from_a_wrong_base_offset() {
    let (disk, whole) = with_gaps();
    let untouched = copy(&disk);
    open_compacted(&untouched, &after_crash(Offset(0))).unwrap();
    assert_eq!(stored(&untouched), whole);

    // With nothing behind it, the last batch may be anywhere in a log that is compacted.
    for index in 0..whole.len() - 1 {
        for bit in BITS {
            let disk = flip(&disk, &whole, index, bit);

            open_compacted(&disk, &after_crash(Offset(0))).unwrap();

            let found = stored(&disk);
            let wrong = found.iter().find(|batch| !whole.contains(batch));
            // A shift within a gap leaves the order as it was: nobody could tell.
            let shift = 1_i64 << bit.min(62);
            assert!(
                wrong.is_none() || shift < 5,
                "batch {index}, bit {bit}: {wrong:?}"
            );
        }
    }
}
