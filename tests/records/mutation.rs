//! Every byte of a batch changed: it is refused, or it is still a batch in order; no panic.

use broker::model::{LeaderEpoch, Offset};
use broker::records::validate::validate_produce;
use broker::records::{Batch, Scratch, check_replicated};
use bytes::Bytes;

use crate::support::{CODECS, NOW, batch, policy, read};

const LEADER_EPOCH: std::ops::Range<usize> = 12..16;

fn mutants(sent: &Bytes) -> impl Iterator<Item = (usize, Vec<u8>)> {
    (0..sent.len()).flat_map(|at| {
        [0x01, 0x02, 0x10, 0x80, 0xff].map(|flip| {
            let mut bytes = sent.to_vec();
            bytes[at] ^= flip;
            (at, bytes)
        })
    })
}

/// Whatever is asked of the bytes, it returns.
fn exercise(bytes: &[u8]) {
    let mut scratch = Scratch::with_limit(1 << 20);
    if let Ok(Some(batch)) = Batch::first_of(bytes) {
        let _ = batch.crc_is_valid();
        let _ = (
            batch.last_offset(),
            batch.next_offset(),
            batch.last_sequence(),
        );
        let _ = batch.find_timestamp(NOW, Offset(3), &mut scratch);
        let _ = batch.offset_of_max_timestamp(&mut scratch);
    }
    let _ = check_replicated(bytes, Offset::NONE);
}

#[test]
fn one_changed_byte_is_found_by_the_checksum() {
    for codec in CODECS {
        for (at, bytes) in mutants(&batch(codec, 10)) {
            exercise(&bytes);
            let accepted = validate_produce(&Bytes::from(bytes), &policy(), NOW);
            assert_eq!(
                accepted.is_ok(),
                LEADER_EPOCH.contains(&at),
                "{codec}, byte {at}"
            );
        }
    }
}

#[test]
fn changed_byte_under_a_right_checksum_never_breaks_the_log() {
    for codec in CODECS {
        let mut accepted_count = 0;
        for (at, mut bytes) in mutants(&batch(codec, 10)) {
            let crc = crc32c::crc32c(&bytes[21..]);
            bytes[17..21].copy_from_slice(&crc.to_be_bytes());
            exercise(&bytes);
            let Ok(accepted) = validate_produce(&Bytes::from(bytes), &policy(), NOW) else {
                continue;
            };
            accepted_count += 1;
            let stored = accepted.to_bytes(Offset(100), LeaderEpoch(2));
            let passed = check_replicated(&stored, Offset(99)).unwrap();
            assert_eq!(passed.size, stored.len(), "{codec}, byte {at}");
            let records = read(&stored).unwrap();
            let offsets: Vec<_> = records.iter().map(|record| record.offset).collect();
            let count = i64::from(accepted.header().record_count());
            assert_eq!(
                offsets,
                (100..100 + count).collect::<Vec<_>>(),
                "{codec}, byte {at}"
            );
            let max = records.iter().map(|record| record.timestamp).max().unwrap();
            assert_eq!(
                accepted.header().max_timestamp().0,
                max.max(-1),
                "{codec}, byte {at}"
            );
        }
        assert!(accepted_count > 0, "{codec}: some changes are harmless");
    }
}
