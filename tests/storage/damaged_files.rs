//! What a partition makes of each of its files when one byte is cut off, all of it is zeros, it is
//! empty, or missing; after a stop in order, and after a kill with everything synced. (One flipped
//! bit: `bit_flips`, `base_offsets`. The metadata log: the quorum's own tests.)
//!
//! | file                     | cut       | zeros     | empty     | missing   |
//! | ------------------------ | --------- | --------- | --------- | --------- |
//! | `.log`, inside           | refused   | refused   | found     | refused   |
//! | `.log`, the active one   | refused   | refused   | refused   | refused   |
//! | `.index`, `.timeindex`   | rebuilt   | rebuilt   | rebuilt   | rebuilt   |
//! | `.snapshot`              | rebuilt   | rebuilt   | rebuilt   | rebuilt   |
//! | `.txnindex`              | rebuilt   | rebuilt   | *         | *         |
//! | `leader-epoch-checkpoint`| rebuilt   | rebuilt   | rebuilt   | rebuilt   |
//! | log start: too high      | by the leader epochs; behind the end: refused          ||||
//! | recovery point: too high | refused                                                ||||
//!
//! Refused: when it is opened, or when the damaged part is read, with an error; nothing is cut.
//! *: an index of aborted transactions that has no entries is none: it is not told from a segment
//! in which nothing was aborted.

use broker::doubles::CrashDisk;
use broker::model::Offset;
use broker::storage::disk::Disk;
use broker::storage::error::StorageError;
use broker::storage::log::{Log, Opening};

use crate::support::{
    Content, NOW, after_close, after_crash, batches, check_lookups, content, copy, files, filled,
    open_log, read_file, write_file,
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
    log: Log,
    expected: Content,
}

fn fixture() -> Fixture {
    let (disk, mut log) = filled(83);
    log.close(NOW).unwrap();
    assert!(log.segment_count() > 3, "{} segments", log.segment_count());
    let expected = content(&log);
    Fixture {
        disk,
        log,
        expected,
    }
}

impl Fixture {
    fn openings(&self) -> [Opening; 2] {
        [after_close(&self.log), after_crash(self.log.end_offset())]
    }

    /// What becomes of the log when one file is damaged.
    fn outcome(
        &self,
        file: &std::path::Path,
        damage: Damage,
        opening: &Opening,
    ) -> Result<Content, StorageError> {
        let disk = copy(&self.disk);
        let bytes = read_file(&disk, file);
        match damage {
            Damage::Cut => write_file(&disk, file, &bytes[..bytes.len() - 1]),
            Damage::Zeros => write_file(&disk, file, &vec![0; bytes.len()]),
            Damage::Empty => write_file(&disk, file, &[]),
            Damage::Missing => disk.remove(file).unwrap(),
        }
        let log = open_log(&disk, opening)?;
        log.view().scrub(log.log_start_offset(), u64::MAX)?;
        let found = content(&log);
        check_lookups(&log, &found.batches);
        Ok(found)
    }
}

fn with_content(fixture: &Fixture, suffix: &str) -> Vec<std::path::PathBuf> {
    let mut files = files(&fixture.disk, suffix);
    files.retain(|file| !read_file(&fixture.disk, file).is_empty());
    files
}

#[test]
fn lost_batches_are_told_whatever_became_of_their_file() {
    let fixture = fixture();
    let logs = files(&fixture.disk, ".log");
    for (number, file) in logs.iter().enumerate() {
        for damage in ALL {
            for opening in fixture.openings() {
                let is_first = number == 0;
                let is_active = number + 1 == logs.len();
                // After a kill a log may begin anywhere; an empty file inside is as compaction leaves it.
                let is_told = match damage {
                    Damage::Cut | Damage::Zeros => true,
                    Damage::Empty => is_active,
                    Damage::Missing => opening.clean || !is_first,
                };
                let what = format!("{file:?} {damage:?} {opening:?}");

                let outcome = fixture.outcome(file, damage, &opening);

                let is_error = matches!(
                    outcome,
                    Err(StorageError::Corrupt { .. } | StorageError::Inconsistent { .. })
                );
                assert!(is_error || !is_told, "{what}: {outcome:?}");
            }
        }
    }
}

#[test]
fn what_the_log_tells_is_made_again() {
    let fixture = fixture();
    for suffix in [
        ".index",
        ".timeindex",
        ".snapshot",
        ".txnindex",
        "leader-epoch-checkpoint",
    ] {
        let files = with_content(&fixture, suffix);
        assert!(!files.is_empty(), "no {suffix}");
        for file in files {
            for damage in ALL {
                if suffix == ".txnindex" && matches!(damage, Damage::Empty | Damage::Missing) {
                    continue;
                }
                for opening in fixture.openings() {
                    let what = format!("{file:?} {damage:?} {opening:?}");

                    let found = fixture.outcome(&file, damage, &opening);

                    let found = found.unwrap_or_else(|error| panic!("{what}: {error}"));
                    assert_eq!(found, fixture.expected, "{what}");
                }
            }
        }
    }
}

#[test]
fn all_producer_snapshots_together_are_made_again() {
    let fixture = fixture();
    for opening in fixture.openings() {
        let disk = copy(&fixture.disk);
        for file in files(&disk, ".snapshot") {
            disk.remove(&file).unwrap();
        }

        let log = open_log(&disk, &opening).unwrap();

        assert_eq!(content(&log), fixture.expected);
    }
}

#[test]
fn a_log_start_that_is_too_high_hides_and_deletes_nothing() {
    let (disk, mut log) = filled(83);
    assert!(log.raise_log_start_offset(Offset(30)));
    log.settle_start(NOW).unwrap();
    let killed = copy(&disk);
    log.close(NOW).unwrap();
    let whole = batches(&log);
    for (disk, opening) in [
        (disk, after_close(&log)),
        (killed, after_crash(log.end_offset())),
    ] {
        for told in [30, 31, 94, 130, 10_000_000_030] {
            let disk = copy(&disk);
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
    let fixture = fixture();
    for opening in fixture.openings() {
        let opening = Opening {
            recovery_point: fixture.log.end_offset() + 8,
            ..opening
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
