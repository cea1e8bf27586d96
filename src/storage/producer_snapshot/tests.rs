//! Snapshots: their bytes, what survives them, and which of them are kept.

use super::*;
use crate::storage::disk::FileDisk;
use crate::storage::producer_state::{ProducerBatch, TransactionMarker};

const NEVER: Expiry = Expiry {
    now: Timestamp(0),
    after_ms: i64::MAX,
};

/// A state of three producers: one idle, one in a transaction, one whose transaction was ended.
fn state() -> ProducerState {
    let mut state = ProducerState::default();
    for (producer_id, first, transactional) in [(9, 0, false), (5, 10, true), (7, 20, true)] {
        state.append(&ProducerBatch {
            producer_id: ProducerId(producer_id),
            producer_epoch: 3,
            first_sequence: 40,
            last_sequence: 49,
            first_offset: Offset(first),
            last_offset: Offset(first + 9),
            max_timestamp: Timestamp(1_000 + producer_id),
            transactional,
        });
    }
    state.append_marker(&TransactionMarker {
        producer_id: ProducerId(7),
        producer_epoch: 4,
        coordinator_epoch: 2,
        offset: Offset(30),
        timestamp: Timestamp(2_000),
        aborted: false,
    });
    state
}

#[test]
fn a_snapshot_has_kafkas_bytes() {
    let bytes = encode(&state());

    let mut expected = vec![0, 1];
    let mut body = 3_i32.to_be_bytes().to_vec();
    let widths = [8, 2, 4, 8, 4, 8, 4, 8];
    for entry in [
        [5_i64, 3, 49, 19, 9, 1_005, -1, 10],
        [7, 4, -1, -1, 0, 2_000, 2, -1],
        [9, 3, 49, 9, 9, 1_009, -1, -1],
    ] {
        for (field, width) in entry.into_iter().zip(widths) {
            body.extend(&field.to_be_bytes()[8 - width..]);
        }
    }
    expected.extend(crc32c::crc32c(&body).to_be_bytes());
    expected.extend(body);
    assert_eq!(bytes, expected);
}

#[test]
fn what_a_snapshot_keeps_comes_back() {
    let state = state();

    let loaded = decode(&encode(&state), Offset(31), NEVER).unwrap();

    assert_eq!(loaded.entries(), state.entries());
    assert_eq!(loaded.end_offset(), Offset(31));
    assert_eq!(loaded.first_open_offset(), Some(Offset(10)));
}

#[test]
fn expired_producers_stay_out_unless_their_transaction_is_open() {
    let expiry = Expiry {
        now: Timestamp(2_005),
        after_ms: 900,
    };

    let loaded = decode(&encode(&state()), Offset(31), expiry).unwrap();

    let ids: Vec<_> = loaded.entries().iter().map(|&(id, _)| id.0).collect();
    assert_eq!(ids, [5, 7]);
}

#[test]
fn any_flipped_bit_or_missing_byte_is_noticed() {
    let whole = encode(&state());
    for position in 0..whole.len() {
        for bit in 0..8 {
            let mut flipped = whole.clone();
            flipped[position] ^= 1 << bit;
            assert!(
                decode(&flipped, Offset(31), NEVER).is_none(),
                "byte {position} bit {bit}"
            );
        }
        assert!(decode(&whole[..position], Offset(31), NEVER).is_none());
    }
}

#[test]
fn a_damaged_snapshot_gives_way_to_an_older_one() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FileDisk::new(4);
    let mut snapshots = ProducerSnapshots::default();
    snapshots.take(&disk, dir.path(), &state(), true).unwrap();
    let newer = dir.path().join("00000000000000000099.snapshot");
    std::fs::write(&newer, b"torn").unwrap();

    let mut snapshots = ProducerSnapshots::list(&disk, dir.path()).unwrap();
    assert_eq!(snapshots.offsets(), [Offset(31), Offset(99)]);
    let loaded = snapshots.load(&disk, dir.path(), Offset(0), NEVER).unwrap();

    assert_eq!(loaded.end_offset(), Offset(31));
    assert_eq!(snapshots.offsets(), [Offset(31)]);
    assert!(!newer.exists());
}

#[test]
fn without_snapshots_the_state_begins_at_the_log_start() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FileDisk::new(4);
    let mut snapshots = ProducerSnapshots::list(&disk, dir.path()).unwrap();

    let loaded = snapshots
        .load(&disk, dir.path(), Offset(17), NEVER)
        .unwrap();

    assert_eq!((loaded.len(), loaded.end_offset()), (0, Offset(17)));
    assert!(!snapshots.take(&disk, dir.path(), &loaded, false).unwrap());
}

#[test]
fn a_snapshot_of_the_same_offset_is_not_taken_twice() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FileDisk::new(4);
    let mut snapshots = ProducerSnapshots::default();
    let mut state = state();

    assert!(snapshots.take(&disk, dir.path(), &state, false).unwrap());
    assert!(!snapshots.take(&disk, dir.path(), &state, false).unwrap());
    state.advance_to(Offset(40));
    assert!(snapshots.take(&disk, dir.path(), &state, false).unwrap());

    assert_eq!(snapshots.offsets(), [Offset(31), Offset(40)]);
}

/// Makes empty snapshots at 0, 10, 20, 30, deletes some by `act`, and tells which are left, in
/// memory and on disk alike.
fn left(act: impl FnOnce(&mut ProducerSnapshots, &FileDisk, &Path)) -> Vec<i64> {
    let dir = tempfile::tempdir().unwrap();
    let disk = FileDisk::new(4);
    for offset in [0, 10, 20, 30] {
        std::fs::write(path(dir.path(), Offset(offset)), b"").unwrap();
    }
    std::fs::write(dir.path().join("00000000000000000010.log"), b"").unwrap();
    let mut snapshots = ProducerSnapshots::list(&disk, dir.path()).unwrap();

    act(&mut snapshots, &disk, dir.path());

    let on_disk = ProducerSnapshots::list(&disk, dir.path()).unwrap();
    assert_eq!(snapshots.offsets(), on_disk.offsets());
    snapshots.offsets().iter().map(|offset| offset.0).collect()
}

#[test]
fn truncation_keeps_the_snapshots_within_the_log() {
    let left = left(|all, disk, dir| {
        all.delete_outside(disk, dir, Offset(10), Offset(29))
            .unwrap()
    });
    assert_eq!(left, [20]);
}

#[test]
fn of_the_strays_only_one_above_all_segments_stays() {
    let strays = |bases: &'static [i64]| {
        left(move |all, disk, dir| {
            let bases: Vec<_> = bases.iter().copied().map(Offset).collect();
            all.delete_strays(disk, dir, &bases).unwrap();
        })
    };

    assert_eq!(strays(&[0, 20]), [0, 20, 30]);
    assert_eq!(strays(&[10, 35]), [10]);
    assert_eq!(strays(&[0]), [0, 30]);
}

#[test]
fn deleting_below_an_offset_keeps_the_one_at_it() {
    assert_eq!(
        left(|all, disk, dir| all.delete_below(disk, dir, Offset(20)).unwrap()),
        [20, 30]
    );
    assert_eq!(
        left(|all, disk, dir| all.delete_all(disk, dir).unwrap()),
        [] as [i64; 0]
    );
}
