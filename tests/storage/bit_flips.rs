//! One flipped bit in any file of a partition: it is found, repaired, or harmless.

use broker::doubles::CrashDisk;
use broker::storage::error::StorageError;
use broker::storage::log::Log;

use crate::support::{
    Content, NOW, Random, after_close, after_crash, check_lookups, content, copy, files, filled,
    open_log, read_file, write_file,
};

/// A log that was closed in order, and what it holds.
struct Closed {
    disk: CrashDisk,
    log: Log,
    expected: Content,
}

fn closed() -> Closed {
    let (disk, mut log) = filled(83);
    log.close(NOW).unwrap();
    let expected = content(&log);
    Closed {
        disk,
        log,
        expected,
    }
}

/// Flips one bit in a file whose name ends with `suffix`, and gives what becomes of the log.
fn flip(closed: &Closed, suffix: &str, seed: u64, clean: bool) -> Result<Content, StorageError> {
    let disk = copy(&closed.disk);
    let mut random = Random::new(seed);
    let candidates: Vec<_> = files(&disk, suffix)
        .into_iter()
        .filter(|file| !read_file(&disk, file).is_empty())
        .collect();
    let file = &candidates[random.below(candidates.len())];
    let mut bytes = read_file(&disk, file);
    let at = random.below(bytes.len());
    bytes[at] ^= 1 << random.below(8);
    write_file(&disk, file, &bytes);

    let opening = if clean {
        after_close(&closed.log)
    } else {
        after_crash(closed.log.end_offset())
    };
    let log = open_log(&disk, &opening)?;
    if suffix != ".log" {
        check_lookups(&log, &closed.expected.batches);
    }
    // What nobody has read yet, the scrub finds.
    log.view().scrub(log.log_start_offset(), u64::MAX)?;
    Ok(content(&log))
}

#[test]
fn a_flipped_bit_in_a_segment_is_an_error_wherever_it_is() {
    let closed = closed();
    for seed in 0..200 {
        for clean in [true, false] {
            match flip(&closed, ".log", seed, clean) {
                Err(StorageError::Corrupt { .. } | StorageError::Inconsistent { .. }) => {}
                // The leader epoch is not covered by the checksum.
                Ok(found) => assert_ne!(found, closed.expected, "seed {seed}"),
                Err(error) => panic!("seed {seed}: {error}"),
            }
        }
    }
}

#[test]
fn a_flipped_bit_in_another_file_changes_nothing_that_is_told() {
    let closed = closed();
    for suffix in [
        ".index",
        ".timeindex",
        ".txnindex",
        ".snapshot",
        "leader-epoch-checkpoint",
    ] {
        for seed in 0..150 {
            for clean in [true, false] {
                let found = flip(&closed, suffix, seed, clean);
                let found = found.unwrap_or_else(|error| panic!("{suffix} {seed}: {error}"));
                assert_eq!(
                    found, closed.expected,
                    "{suffix}, seed {seed}, clean {clean}"
                );
            }
        }
    }
}
