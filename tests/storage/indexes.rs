//! Index files that are missing, or not what they were.

use broker::doubles::CrashDisk;
use broker::model::Offset;
use broker::storage::disk::Disk;
use broker::storage::log::{Log, Opening};

use crate::support::{
    Random, after_close, after_crash, check_lookups, content, copy, files, filled, open_log,
    read_file, write_file,
};

/// Damages a copy of a closed log, opens it after a clean stop and after a crash, and checks that
/// nothing can be told from before.
fn check(damage: impl Fn(&CrashDisk)) {
    let (disk, mut log) = filled(83);
    log.close(broker::model::Timestamp(0)).unwrap();
    let expected = content(&log);
    let openings = [
        after_close(&log),
        after_crash(log.end_offset()),
        after_crash(Offset(log.end_offset().0 / 2)),
        after_crash(Offset(0)),
    ];
    for opening in openings {
        let disk = copy(&disk);
        damage(&disk);

        let opened = open_log(&disk, &opening).unwrap();

        check_lookups(&opened, &expected.batches);
        assert_eq!(content(&opened), expected, "{opening:?}");
        check_files(&disk, opened, &expected.batches, &opening);
    }
}

/// Once used and closed, the files are such that an opening that trusts them works too.
fn check_files(disk: &CrashDisk, mut log: Log, batches: &[bytes::Bytes], opening: &Opening) {
    log.close(opening.now).unwrap();
    let reopened = open_log(disk, &after_close(&log)).unwrap();
    check_lookups(&reopened, batches);
}

const INDEXES: [&str; 2] = [".index", ".timeindex"];

#[test]
fn missing_indexes_are_made_again() {
    for suffix in INDEXES {
        check(|disk| {
            for file in files(disk, suffix) {
                disk.remove(&file).unwrap();
            }
        });
    }
}

#[test]
fn indexes_that_are_too_short_do_no_harm() {
    for suffix in INDEXES {
        for cut in [1, 7, 8, 12, 30, 10_000] {
            check(|disk| {
                for file in files(disk, suffix) {
                    let bytes = read_file(disk, &file);
                    let keep = bytes.len().saturating_sub(cut);
                    write_file(disk, &file, &bytes[..keep]);
                }
            });
        }
    }
}

#[test]
fn indexes_that_are_too_long_do_no_harm() {
    for suffix in INDEXES {
        for seed in 0..8 {
            check(|disk| {
                let mut random = Random::new(seed);
                for file in files(disk, suffix) {
                    let mut bytes = read_file(disk, &file);
                    let more = random.below(100);
                    match seed % 2 {
                        0 => bytes.extend(vec![0; more * 24]),
                        _ => bytes.extend(random.bytes(more)),
                    }
                    write_file(disk, &file, &bytes);
                }
            });
        }
    }
}

#[test]
fn shuffled_indexes_do_no_harm() {
    for (suffix, size) in INDEXES.into_iter().zip([8, 12]) {
        for seed in 0..8 {
            check(|disk| {
                let mut random = Random::new(seed);
                for file in files(disk, suffix) {
                    let bytes = read_file(disk, &file);
                    let mut entries: Vec<_> = bytes.chunks(size).collect();
                    for index in (1..entries.len()).rev() {
                        entries.swap(index, random.below(index + 1));
                    }
                    write_file(disk, &file, &entries.concat());
                }
            });
        }
    }
}

#[test]
fn indexes_of_another_segment_do_no_harm() {
    for suffix in INDEXES {
        check(|disk| {
            let files = files(disk, suffix);
            let contents: Vec<_> = files.iter().map(|file| read_file(disk, file)).collect();
            for (index, file) in files.iter().enumerate() {
                write_file(disk, file, &contents[(index + 1) % contents.len()]);
            }
        });
    }
}

#[test]
fn indexes_preallocated_by_a_broker_that_crashed_are_trimmed() {
    check(|disk| {
        for suffix in INDEXES {
            let file = files(disk, suffix).pop().unwrap();
            let mut bytes = read_file(disk, &file);
            bytes.resize(10 << 20, 0);
            write_file(disk, &file, &bytes);
        }
    });
}
