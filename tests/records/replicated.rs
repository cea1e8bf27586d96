//! What a follower and recovery check: checksums and offsets, not records.

use broker::model::{LeaderEpoch, Offset};
use broker::records::validate::validate_produce;
use broker::records::{Batches, Compression, RecordsError, check_replicated, checked_batches};
use bytes::Bytes;

use crate::support::{NOW, batch, policy};

/// A log of batches of 10 records, beginning at these offsets.
fn log(base_offsets: &[i64]) -> Vec<u8> {
    base_offsets
        .iter()
        .flat_map(|&base_offset| {
            validate_produce(&batch(Compression::None, 10), &policy(), NOW)
                .expect("the batch is valid")
                .to_bytes(Offset(base_offset), LeaderEpoch(1))
        })
        .collect()
}

#[test]
fn rising_batches_pass_gaps_included() {
    let bytes = log(&[5, 15, 40]);

    let passed = check_replicated(&bytes, Offset(4)).unwrap();

    assert_eq!(passed.size, bytes.len());
    assert_eq!(passed.batch_count, 3);
    assert_eq!(passed.last_offset, Offset(49));
}

#[test]
fn bytes_cut_anywhere_pass_up_to_the_last_whole_batch() {
    let bytes = log(&[0, 10, 20]);
    let size = bytes.len() / 3;

    for cut in 0..bytes.len() {
        let passed = check_replicated(&bytes[..cut], Offset::NONE).unwrap();
        assert_eq!(passed.size, cut / size * size, "cut at {cut}");
    }
}

#[test]
fn batch_that_does_not_follow_is_refused() {
    for (base_offsets, after) in [
        (&[5_i64, 14][..], 0),
        (&[5, 5], 0),
        (&[5], 5),
        (&[5], 14),
        (&[-3], -20),
        (&[i64::MAX - 3], 0),
    ] {
        let result = check_replicated(&log(base_offsets), Offset(after));
        assert!(
            matches!(result, Err(RecordsError::OffsetsOutOfOrder { .. })),
            "{base_offsets:?} after {after}: {result:?}"
        );
    }
}

#[test]
fn first_flipped_bit_ends_the_good_part() {
    let mut bytes = log(&[0, 10, 20]);
    let size = bytes.len() / 3;
    bytes[size + 100] ^= 4;

    let mut batches = checked_batches(&bytes, Offset::NONE);

    assert!(batches.next().unwrap().is_ok());
    assert!(matches!(
        batches.next(),
        Some(Err(RecordsError::Checksum { .. }))
    ));
    assert!(batches.next().is_none());
    assert_eq!(batches.valid_size(), size);
}

#[test]
fn zeros_are_no_batch() {
    assert!(check_replicated(&[0; 1000], Offset::NONE).is_err());
    assert_eq!(
        Batches::new(&[0; 1000]).count(),
        1,
        "nothing follows an error"
    );
    assert_eq!(check_replicated(&[0; 16], Offset::NONE).unwrap().size, 0);
}

#[test]
fn batches_know_where_they_end() {
    let bytes = Bytes::from(log(&[0, 10]));
    let mut batches = Batches::new(&bytes);

    assert_eq!(batches.position(), 0);
    batches.next().unwrap().unwrap();
    assert_eq!(batches.position(), bytes.len() / 2);
}
