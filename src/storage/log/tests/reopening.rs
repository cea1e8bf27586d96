//! What a log is after a clean stop, a kill or a power cut.

use super::*;
use crate::model::{ProducerId, TopicId};
use crate::storage::partition_folder;

#[test]
fn a_log_is_the_same_after_a_clean_stop_and_after_a_kill() {
    for clean in [true, false] {
        let (disk, mut log) = new_log(small_segments());
        log.begin_epoch(LeaderEpoch(0));
        fill(&mut log, 100);
        if clean {
            log.close(NOW).unwrap();
        }

        let mut reopened = reopen(&disk, &log, clean);

        assert_eq!(reopened.end_offset(), log.end_offset());
        assert_eq!(reopened.size(), log.size());
        assert_eq!(reopened.segment_count(), log.segment_count());
        assert_eq!(reopened.epochs().entries(), log.epochs().entries());
        assert_eq!(content(&reopened), content(&log));
        fill(&mut reopened, 10);
        assert_eq!(reopened.end_offset(), Offset(220));
    }
}

#[test]
fn recovery_from_the_middle_of_a_segment_keeps_what_is_before() {
    let (disk, mut log) = new_log(Arc::default());
    fill(&mut log, 300);
    log.flush(NOW).unwrap();
    fill(&mut log, 300);

    let reopened = reopen(&disk, &log, false);

    assert_eq!(reopened.flushed_offset(), Offset(600));
    assert_eq!(reopened.end_offset(), Offset(1_200));
    assert_eq!(content(&reopened), content(&log));
}

#[test]
fn a_start_offset_that_was_settled_is_not_above_what_survives_a_crash() {
    let (disk, mut log) = new_log(small_segments());
    fill(&mut log, 10);
    log.flush(NOW).unwrap();
    fill(&mut log, 10);
    log.raise_log_start_offset(Offset(30));
    assert_eq!(log.flushed_offset(), Offset(20));
    log.settle_start(NOW).unwrap();

    let survivor = disk.after_power_cut(Tear::Lost);
    let reopened = reopen(&survivor, &log, false);

    assert_eq!(reopened.log_start_offset(), Offset(30));
    assert_eq!(reopened.end_offset(), Offset(40));
}

#[test]
fn records_that_survive_a_power_cut_have_their_topic_id_beside_them() {
    let (disk, mut log) = new_log(Arc::default());
    let topic_id = TopicId::from_bytes([7; 16]);
    let folder = Path::new(PATH);
    partition_folder::write_topic_id_unsynced(&disk, folder, topic_id).unwrap();
    fill(&mut log, 10);
    log.flush(NOW).unwrap();

    let survivor = disk.after_power_cut(Tear::Lost);

    assert_eq!(content(&reopen(&survivor, &log, false)), content(&log));
    let found = partition_folder::read_topic_id(&survivor, folder).unwrap();
    assert_eq!(found, Some(topic_id));
}

#[test]
fn a_segment_closed_right_where_a_sync_had_ended_has_its_indexes_synced() {
    let (disk, mut log) = new_log(Arc::default());
    fill(&mut log, 300);
    log.flush(NOW).unwrap();
    log.roll(NOW).unwrap();

    assert!(log.flush_is_due(NOW));
    let plan = log.plan_flush(FlushScope::ClosedSegments, NOW).unwrap();
    let plan = plan.expect("the indexes are not synced");
    let outcome = plan.run();
    log.flushed(&plan, outcome).unwrap();
    assert!(!log.flush_is_due(NOW));

    let survivor = disk.after_power_cut(Tear::Lost);
    let index = |disk: &CrashDisk| {
        let path = log.segments[0].log_path().with_extension("index");
        disk.open(&path, OpenMode::Existing)
            .unwrap()
            .size()
            .unwrap()
    };
    assert!(index(&disk) > 0);
    assert_eq!(index(&survivor), index(&disk));
}

#[test]
fn what_is_durable_already_asks_for_no_sync_after_a_restart() {
    let (disk, mut log) = new_log(Arc::default());
    fill(&mut log, 300);
    log.flush(NOW).unwrap();

    let mut reopened = reopen(&disk, &log, false);
    assert_eq!(reopened.written, 0);

    fill(&mut reopened, 300);
    let mut again = reopen(&disk, &log, false);
    assert_eq!(again.written, again.size() - log.size());
    again.flush(NOW).unwrap();
    assert_eq!(again.flushed, again.written);
}

/// Cuts a log before its second segment, and appends a batch so that the old second segment would
/// fit behind it again.
fn cut_and_refill(log: &mut Log, epoch: i32) -> Offset {
    fill(log, 30);
    log.flush(NOW).unwrap();
    let second = log.view().segments()[1].base_offset;
    log.truncate_to(second + -2, NOW).unwrap();
    let leader = LeaderAppend::client(LeaderEpoch(epoch));
    let timestamp = NOW.0 + log.end_offset().0 * 10;
    let refill = batch(2, 40, timestamp);
    log.append_as_leader(&refill, &leader, NOW).unwrap();
    assert_eq!(log.end_offset(), second);
    second
}

#[test]
fn segments_cut_off_do_not_come_back_after_a_power_cut() {
    let (disk, mut log) = new_log(small_segments());
    let end = cut_and_refill(&mut log, 0);
    log.active().log().sync().unwrap();

    let reopened = reopen(&disk.after_power_cut(Tear::Lost), &log, false);

    assert_eq!(reopened.end_offset(), end);
}

#[test]
fn batches_of_an_older_epoch_than_before_them_are_cut_off() {
    let (disk, mut log) = new_log(small_segments());
    let end = cut_and_refill(&mut log, 1);
    let mut stale = BatchBuilder::new(end).leader_epoch(LeaderEpoch(0));
    stale.append(NewRecord::default());
    let file = log.active().log();
    let stale = stale.build();
    file.write_at(&[std::io::IoSlice::new(&stale)], log.active().size())
        .unwrap();

    let reopened = reopen(&disk, &log, false);

    assert_eq!(reopened.end_offset(), end);
    assert_eq!(reopened.size(), log.size());
}

#[test]
fn a_log_that_was_compacted_once_keeps_what_is_behind_a_gap() {
    let (disk, mut log) = new_log(small_segments());
    for base_offset in [0, 1, 5, 6] {
        let mut builder = BatchBuilder::new(Offset(base_offset));
        builder.append(NewRecord::default());
        log.append_as_follower(&builder.build(), NOW).unwrap();
    }
    log.roll(NOW).unwrap();
    let mut builder = BatchBuilder::new(Offset(20));
    builder.append(NewRecord::default());
    log.roll_at(Offset(20), NOW).unwrap();
    log.append_as_follower(&builder.build(), NOW).unwrap();

    let reopened = reopen(&disk, &log, false);

    assert_eq!(reopened.end_offset(), Offset(21));
    assert_eq!(content(&reopened), content(&log));
}

fn reopened(disk: &CrashDisk, log: &Log, recovery_point: i64) -> Result<i64, StorageError> {
    let opening = Opening {
        recovery_point: Offset(recovery_point),
        ..Opening::unknown(NOW)
    };
    let disk = Arc::new(disk.clone());
    let opened = Log::open(disk, Path::new(PATH), Arc::clone(log.config()), &opening);
    opened.map(|log| log.end_offset().0)
}

#[test]
fn a_leader_epoch_that_goes_back_is_damage_below_what_was_durable_and_cut_above() {
    let epoch_back = |recovery_point| {
        let (disk, mut log) = new_log(Arc::default());
        for epoch in [3, 3, 2, 3] {
            let mut builder = BatchBuilder::new(log.end_offset()).leader_epoch(LeaderEpoch(3));
            builder.append(NewRecord::default());
            let mut bytes = builder.build().to_vec();
            log.append_as_follower(&bytes, NOW).unwrap();
            bytes[12..16].copy_from_slice(&i32::to_be_bytes(epoch));
            let position = log.size() - bytes.len() as u64;
            let file = log.active().log();
            file.write_at(&[std::io::IoSlice::new(&bytes)], position)
                .unwrap();
        }
        reopened(&disk, &log, recovery_point)
    };

    assert_eq!(epoch_back(0).unwrap(), 2);
    assert_eq!(epoch_back(2).unwrap(), 2);
    let damaged = epoch_back(4);
    assert!(
        matches!(
            damaged,
            Err(StorageError::Corrupt {
                after: Offset(1),
                ..
            })
        ),
        "{damaged:?}"
    );
}

#[test]
fn a_list_whose_removal_failed_is_removed_the_next_time() {
    let disk = CrashDisk::new();
    let opening = Opening {
        generation: 7,
        ..Opening::unknown(NOW)
    };
    let mut log = open_on(&disk, small_segments(), &opening);
    fill(&mut log, 30);
    let list = Path::new(PATH).join(".inventory");
    assert!(disk.stat(&list).unwrap().is_some());
    disk.inject(disk.operations(), Fault::Io);
    log.drop_inventory().unwrap_err();
    disk.heal();

    log.drop_inventory().unwrap();

    assert!(disk.stat(&list).unwrap().is_none());
}

/// A batch of two records of a producer that numbers them from `sequence` on.
fn of_producer(sequence: i32, timestamp: Timestamp) -> ValidatedBatch {
    let mut builder = BatchBuilder::new(Offset(0)).producer(ProducerId(7), 0, sequence);
    for _ in 0..2 {
        builder.append(NewRecord {
            timestamp,
            value: Some(b"value"),
            ..NewRecord::default()
        });
    }
    ValidatedBatch::trusted(&builder.build()).unwrap()
}

#[test]
fn each_batch_that_a_client_may_send_again_is_known_after_a_clean_stop() {
    for config in [Arc::default(), small_segments()] {
        let (disk, mut log) = new_log(config);
        let sent: Vec<_> = (0..9).map(|n| of_producer(2 * n, NOW)).collect();
        let places: Vec<_> = sent.iter().map(|it| append(&mut log, it)).collect();
        log.close(NOW).unwrap();

        let mut reopened = reopen(&disk, &log, true);

        for (batch, place) in sent.iter().zip(&places).skip(4) {
            let again = append(&mut reopened, batch);
            assert!(again.duplicate);
            assert_eq!(again.first_offset, place.first_offset);
        }
        assert_eq!(reopened.end_offset(), log.end_offset());
        assert!(!append(&mut reopened, &of_producer(18, NOW)).duplicate);
    }
}

#[test]
fn nothing_is_read_again_for_a_producer_that_was_silent_for_long() {
    let (disk, mut log) = new_log(Arc::default());
    let long_ago = Timestamp(NOW.0 - 3_600_000);
    let sent: Vec<_> = (0..3).map(|n| of_producer(2 * n, long_ago)).collect();
    for batch in &sent {
        append(&mut log, batch);
    }
    log.close(NOW).unwrap();

    let mut reopened = reopen(&disk, &log, true);

    assert!(append(&mut reopened, &sent[2]).duplicate);
    let leader = LeaderAppend::client(LeaderEpoch(0));
    let refused = reopened.append_as_leader(&sent[1], &leader, NOW);
    assert!(
        matches!(refused, Err(AppendError::Producer(_))),
        "{refused:?}"
    );
}
