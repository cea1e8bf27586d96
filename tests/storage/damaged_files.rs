//! What a partition makes of each of its files when one byte is cut off, all of it is zeros, it is
//! empty, or missing; after a stop in order, and after a kill with everything synced. (One flipped
//! bit: `bit_flips`, `base_offsets`. The metadata log: the quorum's own tests.)
//!
//! | file                     | cut       | zeros     | empty     | missing   |
//! | ------------------------ | --------- | --------- | --------- | --------- |
//! | `.log`, any              | refused   | refused   | refused   | refused   |
//! | `.log`, not synced       | cut off   | cut off   | cut off   | cut off   |
//! | `.index`, `.timeindex`   | rebuilt   | rebuilt   | rebuilt   | rebuilt   |
//! | `.snapshot`              | rebuilt   | rebuilt   | rebuilt   | rebuilt   |
//! | `.txnindex`              | rebuilt   | rebuilt   | rebuilt   | rebuilt   |
//! | `leader-epoch-checkpoint`| rebuilt   | rebuilt   | rebuilt   | rebuilt   |
//! | `.inventory`             | not used  | not used  | not used  | not used  |
//! | log start: too high      | by the leader epochs and `.inventory`; behind the end: refused |
//! | recovery point: too high | refused                                       ||||
//!
//! Refused: when it is opened, or when the damaged part is read, with an error; nothing is cut. Cut off:
//! after a kill, at or above the recovery point, recovery ends the log where its batches end (missing: with
//! its indexes or without them; of a compacted log: `compacted_tails`). What takes two faults at once is not
//! in the table: a file that is lost together with `.inventory`.

use std::path::{Path, PathBuf};

use broker::doubles::CrashDisk;
use broker::model::Offset;
use broker::storage::disk::Disk;
use broker::storage::error::StorageError;
use broker::storage::log::Opening;

use crate::support::{
    Content, NOW, after_close, after_crash, batches, check_lookups, content, copy, files, filled,
    killed, open_log, read_file, write_file,
};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Damage {
    Cut,
    Zeros,
    Empty,
    Missing,
}

const ALL: [Damage; 4] = [Damage::Cut, Damage::Zeros, Damage::Empty, Damage::Missing];

struct Fixture {
    disk: CrashDisk,
    opening: Opening,
    end_offset: Offset,
    expected: Content,
}

/// A log that was closed in order, and one whose process was killed.
fn fixtures() -> [Fixture; 2] {
    [true, false].map(|is_closed| {
        let (disk, mut log) = filled(83);
        if is_closed {
            log.close(NOW).unwrap();
        } else {
            log.flush(NOW).unwrap();
        }
        assert!(log.segment_count() > 3, "{} segments", log.segment_count());
        let opening = if is_closed {
            after_close(&log)
        } else {
            killed(log.end_offset())
        };
        Fixture {
            disk,
            opening,
            end_offset: log.end_offset(),
            expected: content(&log),
        }
    })
}

impl Fixture {
    /// What becomes of the log when one file is damaged.
    fn outcome(&self, file: &Path, damage: Damage) -> Result<Content, StorageError> {
        let disk = copy(&self.disk);
        let bytes = read_file(&disk, file);
        match damage {
            Damage::Cut => write_file(&disk, file, &bytes[..bytes.len() - 1]),
            Damage::Zeros => write_file(&disk, file, &vec![0; bytes.len()]),
            Damage::Empty => write_file(&disk, file, &[]),
            Damage::Missing => disk.remove(file).unwrap(),
        }
        let log = open_log(&disk, &self.opening)?;
        log.view().scrub(log.log_start_offset(), u64::MAX)?;
        let found = content(&log);
        check_lookups(&log, &found.batches);
        Ok(found)
    }
}

fn with_content(fixture: &Fixture, suffix: &str) -> Vec<PathBuf> {
    let mut files = files(&fixture.disk, suffix);
    files.retain(|file| !read_file(&fixture.disk, file).is_empty());
    files
}

#[test]
fn lost_batches_are_told_whatever_became_of_their_file() {
    for fixture in fixtures() {
        for file in with_content(&fixture, ".log") {
            for damage in ALL {
                let what = format!("{file:?} {damage:?} {:?}", fixture.opening);

                let outcome = fixture.outcome(&file, damage);

                let is_told = matches!(
                    outcome,
                    Err(StorageError::Corrupt { .. } | StorageError::Inconsistent { .. })
                );
                assert!(is_told, "{what}: {outcome:?}");
            }
        }
    }
}

#[test]
fn a_segment_that_is_lost_with_all_its_files_is_told() {
    for fixture in fixtures() {
        for file in with_content(&fixture, ".log") {
            let disk = copy(&fixture.disk);
            let name = file.file_stem().unwrap().to_str().unwrap();
            for suffix in [".log", ".index", ".timeindex", ".txnindex", ".snapshot"] {
                disk.remove(&file.with_file_name(format!("{name}{suffix}")))
                    .unwrap();
            }

            let refused = open_log(&disk, &fixture.opening).map(|log| content(&log));

            let refused = refused.unwrap_err().to_string();
            let log = format!("{name}.log is missing");
            assert!(refused.contains(&log), "{refused}");
            assert!(refused.contains("remove .inventory"), "{refused}");
        }
    }
}

#[test]
fn what_was_not_synced_is_cut_off_where_the_batches_end() {
    let (disk, mut log) = filled(83);
    log.flush(NOW).unwrap();
    let logs = files(&disk, ".log");
    let base = |file: &PathBuf| file.file_stem().unwrap().to_str().unwrap().parse().unwrap();
    let fixture = Fixture {
        opening: killed(Offset(base(&logs[2]))),
        end_offset: log.end_offset(),
        expected: content(&log),
        disk,
    };
    for file in &logs[2..] {
        for damage in ALL {
            if damage == Damage::Missing {
                for suffix in ["index", "timeindex"] {
                    fixture.disk.remove(&file.with_extension(suffix)).unwrap();
                }
            }

            let found = fixture.outcome(file, damage);

            let found = found.unwrap_or_else(|error| panic!("{file:?} {damage:?}: {error}"));
            assert!(found.end_offset < fixture.end_offset, "{file:?} {damage:?}");
            assert!(
                found.end_offset >= Offset(base(file)),
                "{file:?} {damage:?}"
            );
            assert!(fixture.expected.batches.starts_with(&found.batches));
        }
    }
}

#[test]
fn what_the_log_tells_is_made_again() {
    for fixture in fixtures() {
        for suffix in [
            ".index",
            ".timeindex",
            ".snapshot",
            ".txnindex",
            "leader-epoch-checkpoint",
            ".inventory",
        ] {
            let files = with_content(&fixture, suffix);
            assert!(!files.is_empty(), "no {suffix}");
            for file in files {
                for damage in ALL {
                    let what = format!("{file:?} {damage:?} {:?}", fixture.opening);

                    let found = fixture.outcome(&file, damage);

                    let found = found.unwrap_or_else(|error| panic!("{what}: {error}"));
                    assert_eq!(found, fixture.expected, "{what}");
                }
            }
        }
    }
}

#[test]
fn all_producer_snapshots_together_are_made_again() {
    for fixture in fixtures() {
        let disk = copy(&fixture.disk);
        for file in files(&disk, ".snapshot") {
            disk.remove(&file).unwrap();
        }

        let log = open_log(&disk, &fixture.opening).unwrap();

        assert_eq!(content(&log), fixture.expected);
    }
}

#[test]
fn a_log_start_that_is_too_high_hides_and_deletes_nothing() {
    let (disk, mut log) = filled(83);
    assert!(log.raise_log_start_offset(Offset(30)));
    log.settle_start(NOW).unwrap();
    let killed_disk = copy(&disk);
    log.close(NOW).unwrap();
    let whole = batches(&log);
    let end = log.end_offset();
    let epochs = Path::new("/data/topic-0/leader-epoch-checkpoint");
    for (disk, opening) in [(disk, after_close(&log)), (killed_disk, killed(end))] {
        for (told, has_epochs) in [30, 31, 94, 130, 10_000_000_030]
            .into_iter()
            .flat_map(|told| [(told, true), (told, false)])
        {
            let disk = copy(&disk);
            if !has_epochs {
                disk.remove(epochs).unwrap();
            }
            let opening = Opening {
                log_start_offset: Offset(told),
                ..opening
            };

            let log = open_log(&disk, &opening).unwrap();

            assert_eq!(log.log_start_offset(), Offset(30), "told {told}");
            assert_eq!(batches(&log), whole, "told {told}");
        }
    }
}

#[test]
fn a_log_that_ends_below_its_start_is_refused_and_kept() {
    let (disk, log) = filled(83);
    let epochs = files(&disk, "leader-epoch-checkpoint");
    for file in epochs {
        disk.remove(&file).unwrap();
    }
    let opening = Opening {
        log_start_offset: log.end_offset() + 1,
        ..after_crash(Offset::ZERO)
    };
    let whole: Vec<_> = files(&disk, ".log")
        .iter()
        .map(|file| read_file(&disk, file))
        .collect();

    let refused = open_log(&disk, &opening).unwrap_err().to_string();

    assert!(
        refused.contains("log-start-offset-checkpoint says"),
        "{refused}"
    );
    let left: Vec<_> = files(&disk, ".log")
        .iter()
        .map(|file| read_file(&disk, file))
        .collect();
    assert_eq!(left, whole);
}

#[test]
fn a_recovery_point_behind_the_end_of_the_log_is_refused_and_says_what_to_do() {
    for fixture in fixtures() {
        let opening = Opening {
            recovery_point: fixture.end_offset + 8,
            ..fixture.opening
        };

        let refused = open_log(&copy(&fixture.disk), &opening)
            .unwrap_err()
            .to_string();

        assert!(
            refused.contains("remove the line of the partition"),
            "{refused}"
        );
    }
}
