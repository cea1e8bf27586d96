//! A panic in the midst of a change leaves the log in memory as nobody knows: nothing is built on it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;

/// The base offsets of all batches, which have two records each.
fn all_batches(log: &Log) -> Vec<i64> {
    let mut found: Vec<i64> = Vec::new();
    while let Some(next) = found.last().map_or(Some(0), |last| Some(last + 2))
        && next < log.end_offset().0
    {
        found.extend(read(log, next, 1 << 20));
    }
    found
}

#[test]
fn a_log_that_a_bug_has_left_half_changed_takes_nothing_more_until_it_is_opened_again() {
    let append_some = |log: &mut Log| fill(log, 20);
    let cut = |log: &mut Log| {
        log.truncate_to(Offset(20), NOW).unwrap();
    };
    let changes: [&dyn Fn(&mut Log); 2] = [&append_some, &cut];
    for change in changes {
        for operation in 0.. {
            let (disk, mut log) = new_log(small_segments());
            fill(&mut log, 30);
            disk.inject_panic(disk.operations() + operation);
            if catch_unwind(AssertUnwindSafe(|| change(&mut log))).is_ok() {
                assert!(operation > 5, "only {operation} operations");
                break;
            }

            assert!(log.is_offline());
            let leader = LeaderAppend::client(LeaderEpoch(0));
            let refused = log.append_as_leader(&batch(2, 40, NOW.0), &leader, NOW);
            let is_offline = matches!(refused, Err(AppendError::Storage(StorageError::Offline)));
            assert!(is_offline, "{refused:?}");
            assert!(log.truncate_to(Offset(0), NOW).is_err());
            assert!(log.plan_flush(FlushScope::All, NOW).is_err());
            drop(log);

            let log = open_on(&disk, small_segments(), &Opening::unknown(NOW));
            let expected: Vec<i64> = (0..log.end_offset().0).step_by(2).collect();
            assert_eq!(all_batches(&log), expected, "at {operation}");
            assert!(log.end_offset() >= Offset(20), "at {operation}");
        }
    }
}
