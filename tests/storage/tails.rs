//! What a crash leaves at the end of a log: a part of a batch, zeros, garbage, a hole.

use broker::model::Offset;
use broker::storage::error::StorageError;

use crate::support::{
    Random, after_crash, batches, check_cut, copy, files, filled, open_log, read_file, write_file,
};

#[test]
fn a_log_cut_at_any_byte_of_its_last_batches_keeps_the_whole_ones() {
    let (disk, log) = filled(83);
    let whole = batches(&log);
    let active = files(&disk, ".log").pop().unwrap();
    let bytes = read_file(&disk, &active);
    let last_three: usize = whole[whole.len() - 3..].iter().map(|it| it.len()).sum();
    assert!(
        last_three < bytes.len(),
        "the active segment has more than three batches"
    );

    for cut in bytes.len() - last_three..bytes.len() {
        let disk = copy(&disk);
        write_file(&disk, &active, &bytes[..cut]);

        let mut left = cut as i64 - (bytes.len() - last_three) as i64;
        let mut kept = whole.len() - 3;
        for batch in &whole[whole.len() - 3..] {
            left -= batch.len() as i64;
            kept += usize::from(left >= 0);
        }
        check_cut(&disk, Offset(0), &whole, kept);
    }
}

#[test]
fn zeros_behind_the_last_batch_are_cut_off() {
    let (disk, log) = filled(83);
    let whole = batches(&log);
    let active = files(&disk, ".log").pop().unwrap();
    for zeros in [1, 11, 12, 61, 4_096, 1 << 20, 16 << 20] {
        let disk = copy(&disk);
        let mut bytes = read_file(&disk, &active);
        bytes.resize(bytes.len() + zeros, 0);
        write_file(&disk, &active, &bytes);

        check_cut(&disk, log.end_offset(), &whole, whole.len());
    }
}

#[test]
fn garbage_behind_the_last_batch_is_cut_off() {
    let (disk, log) = filled(83);
    let whole = batches(&log);
    let active = files(&disk, ".log").pop().unwrap();
    for seed in 0..200 {
        let disk = copy(&disk);
        let mut random = Random::new(seed);
        let mut bytes = read_file(&disk, &active);
        let length = 1 + random.below(3_000);
        bytes.extend(random.bytes(length));
        write_file(&disk, &active, &bytes);

        check_cut(&disk, Offset(0), &whole, whole.len());
    }
}

#[test]
fn an_old_batch_behind_the_last_one_is_cut_off() {
    let (disk, log) = filled(83);
    let whole = batches(&log);
    let active = files(&disk, ".log").pop().unwrap();
    let mut bytes = read_file(&disk, &active);
    bytes.extend_from_slice(&whole[10]);
    write_file(&disk, &active, &bytes);

    check_cut(&disk, Offset(0), &whole, whole.len());
}

#[test]
fn a_hole_above_the_recovery_point_cuts_the_log_there() {
    let (disk, log) = filled(83);
    let whole = batches(&log);
    let second = files(&disk, ".log")[1].clone();
    let mut bytes = read_file(&disk, &second);
    let middle = bytes.len() / 2;
    bytes[middle..middle + 200].fill(0);
    write_file(&disk, &second, &bytes);
    let first = read_file(&disk, &files(&disk, ".log")[0]).len();
    let (mut position, mut kept) = (0, 0);
    for batch in &whole {
        position += batch.len();
        kept += usize::from(position <= first + middle);
    }

    check_cut(&disk, Offset(0), &whole, kept);
    assert_eq!(files(&disk, ".log").len(), 2);
}

#[test]
fn a_hole_below_the_recovery_point_is_an_error_that_says_where() {
    let (disk, log) = filled(83);
    let active = files(&disk, ".log").pop().unwrap();
    let whole = read_file(&disk, &active);
    let mut bytes = whole.clone();
    bytes[100..300].fill(0);
    write_file(&disk, &active, &bytes);

    match open_log(&disk, &after_crash(log.end_offset())) {
        Err(StorageError::Corrupt { path, position, .. }) => {
            assert_eq!(path, active);
            assert!(position < 300, "{position}");
        }
        other => panic!("{other:?}"),
    }
    assert!(read_file(&disk, &active) == bytes, "nothing was cut");
}

#[test]
fn a_log_shorter_than_its_recovery_point_is_an_error() {
    let (disk, log) = filled(83);
    let active = files(&disk, ".log").pop().unwrap();
    let bytes = read_file(&disk, &active);
    let last = batches(&log).pop().unwrap().len();
    for missing in [1, last] {
        let disk = copy(&disk);
        write_file(&disk, &active, &bytes[..bytes.len() - missing]);

        let opened = open_log(&disk, &after_crash(log.end_offset()));

        assert!(opened.is_err(), "{missing} bytes are missing");
    }
}

#[test]
fn a_segment_that_lost_its_end_takes_the_later_ones_along() {
    let (disk, log) = filled(83);
    let whole = batches(&log);
    let second = files(&disk, ".log")[1].clone();
    let bytes = read_file(&disk, &second);
    let first = read_file(&disk, &files(&disk, ".log")[0]).len();
    let (mut position, mut kept) = (0, 0);
    for batch in &whole {
        position += batch.len();
        kept += usize::from(position <= first + bytes.len());
    }
    // Exactly the last batch of the segment is missing: nothing in the file tells.
    let last = whole[kept - 1].len();
    write_file(&disk, &second, &bytes[..bytes.len() - last]);

    check_cut(&disk, Offset(0), &whole, kept - 1);
}
