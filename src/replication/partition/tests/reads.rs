//! What a reader sees: offsets, epochs, and transactions that are open.

use super::*;

#[test]
fn consumers_see_what_is_committed_and_followers_everything() {
    let script = Script::leader(2);
    script.produce(2);

    assert_eq!(script.read(0, Interest::HighWatermark), 0);
    assert!(script.read(0, Interest::LogEnd) > 0);

    script.fetched(2, 2);
    assert!(script.read(0, Interest::HighWatermark) > 0);
}

#[test]
fn between_watermark_and_log_end_a_consumer_waits_and_beyond_it_is_out_of_range() {
    let script = Script::leader(2);
    script.produce(2);

    assert!(script.plan(1, Interest::HighWatermark).unwrap().is_empty());
    assert!(script.plan(2, Interest::HighWatermark).unwrap().is_empty());
    let beyond = script.plan(3, Interest::HighWatermark).unwrap_err();
    assert!(
        matches!(beyond, ReplicaError::OffsetOutOfRange(_)),
        "{beyond}"
    );
}

#[test]
fn the_readers_leader_epoch_must_be_the_current_one() {
    let script = Script::leader(1);
    let reader = Reader {
        interest: Interest::HighWatermark,
        only_leader: true,
        follower: None,
        near: &[],
    };
    let with_epoch = |epoch| {
        let request = PartitionRequest {
            current_leader_epoch: LeaderEpoch(epoch),
            ..request(0)
        };
        script.partition.plan_fetch(&request, reader).map(|_| ())
    };

    assert!(with_epoch(5).is_ok());
    assert!(matches!(
        with_epoch(4),
        Err(ReplicaError::FencedLeaderEpoch { .. })
    ));
    assert!(matches!(
        with_epoch(6),
        Err(ReplicaError::UnknownLeaderEpoch { .. })
    ));
}

#[test]
fn a_reader_of_another_history_learns_where_it_parted() {
    let script = Script::leader(1);
    script.produce(4);
    script.role(1, 7, 2, &[LOCAL], &[LOCAL]);
    script.produce(2);
    let reader = Reader {
        interest: Interest::LogEnd,
        only_leader: true,
        follower: None,
        near: &[],
    };
    let diverging = |offset, last_epoch| {
        let request = PartitionRequest {
            last_fetched_epoch: LeaderEpoch(last_epoch),
            ..request(offset)
        };
        let plan = script.partition.plan_fetch(&request, reader).unwrap();
        plan.diverging.map(|end| (end.epoch.0, end.end_offset.0))
    };

    assert_eq!(diverging(4, 5), None);
    assert_eq!(diverging(6, 7), None);
    assert_eq!(diverging(6, 5), Some((5, 4)));
    assert_eq!(diverging(5, 6), Some((5, 4)));
}

#[test]
fn an_open_transaction_holds_back_readers_of_committed_data() {
    let script = Script::leader(1);
    script.produce(1);
    script.write(&transactional(7), None).unwrap();
    script.produce(1);
    let stable = |script: &Script| script.list(-1, Interest::LastStable).unwrap().offset.0;
    assert_eq!(stable(&script), 1);
    assert_eq!(
        script.list(-1, Interest::HighWatermark).unwrap().offset,
        Offset(3)
    );
    assert_eq!(script.read(1, Interest::LastStable), 0);

    script.write(&abort_marker(7), None).unwrap();

    assert_eq!(stable(&script), 4);
    let plan = script.plan(0, Interest::LastStable).unwrap();
    let aborted = plan.read(1 << 20, true).unwrap().aborted.unwrap();
    assert_eq!((aborted.len(), aborted[0].first_offset), (1, Offset(1)));
    let plan = script.plan(0, Interest::HighWatermark).unwrap();
    assert_eq!(plan.read(1 << 20, true).unwrap().aborted, None);
}

#[test]
fn a_marker_that_is_not_replicated_still_holds_the_stable_offset() {
    let script = Script::leader(2);
    script.write(&transactional(7), None).unwrap();
    script.write(&abort_marker(7), None).unwrap();

    script.fetched(2, 1);
    assert_eq!(
        script.list(-1, Interest::LastStable).unwrap().offset,
        Offset(0)
    );
    script.fetched(2, 2);
    assert_eq!(
        script.list(-1, Interest::LastStable).unwrap().offset,
        Offset(2)
    );
}

#[test]
fn offsets_are_listed_by_name_and_by_time() {
    let script = Script::leader(1);
    script.produce(3);
    let listed = |timestamp| {
        let listed = script.list(timestamp, Interest::HighWatermark).unwrap();
        (listed.offset.0, listed.timestamp.0)
    };

    assert_eq!(listed(-2), (0, -1));
    assert_eq!(listed(-1), (3, -1));
    assert_eq!(listed(-3), (2, WALL.0 + 2));
    assert_eq!(listed(-4), (0, -1));
    assert_eq!(listed(-5), (-1, -1));
    assert_eq!(listed(-6), (-1, -1));
    assert_eq!(listed(WALL.0 + 1), (1, WALL.0 + 1));
    assert_eq!(listed(WALL.0 + 3), (-1, -1));
}

#[test]
fn a_new_leader_does_not_list_the_latest_offset_before_its_epoch_is_committed() {
    let script = Script::new(config(|_| {}));
    script.role(
        2,
        4,
        1,
        &[BrokerId(1), BrokerId(2)],
        &[BrokerId(1), BrokerId(2)],
    );
    let records = batch(3).to_bytes(Offset(0), LeaderEpoch(4));
    script.replicate(4, &records, (1, 0));
    assert_eq!(script.partition.high_watermark(), Offset(1));
    script.role(
        1,
        5,
        2,
        &[BrokerId(1), BrokerId(2)],
        &[BrokerId(1), BrokerId(2)],
    );

    let latest = script.list(-1, Interest::HighWatermark).unwrap_err();
    assert!(
        matches!(latest, ReplicaError::OffsetNotAvailable),
        "{latest}"
    );
    let late = script
        .list(WALL.0 + 2, Interest::HighWatermark)
        .unwrap_err();
    assert!(matches!(late, ReplicaError::OffsetNotAvailable), "{late}");
    assert_eq!(
        script.list(WALL.0, Interest::HighWatermark).unwrap().offset,
        Offset(0)
    );

    script.fetched(2, 3);
    assert_eq!(
        script.list(-1, Interest::HighWatermark).unwrap().offset,
        Offset(3)
    );
}

#[test]
fn a_fetch_that_finds_the_partition_locked_was_not_checked() {
    let script = Script::leader(2);
    script.produce(3);
    let reader = Reader {
        interest: Interest::LogEnd,
        only_leader: true,
        follower: Some(BrokerId(2)),
        near: &[],
    };
    let locked = script.partition.state.lock();

    let plan = script.partition.plan_fetch(&request(3), reader).unwrap();
    drop(locked);

    assert_eq!(plan.checked_in, None, "its log may differ from this one");
    let again = script.partition.plan_fetch(&request(3), reader).unwrap();
    assert_eq!(again.checked_in, Some(LeaderEpoch(5)));
}

#[test]
fn a_consumer_is_sent_to_the_replica_in_its_rack_that_has_the_most() {
    let script = Script::leader(4);
    script.produce(10);
    script.fetched(2, 10);
    script.fetched(3, 6);
    script.fetched(4, 10);
    let plan = |near: &[i32], offset| {
        let near: Vec<BrokerId> = near.iter().copied().map(BrokerId).collect();
        let reader = Reader {
            interest: Interest::HighWatermark,
            only_leader: false,
            follower: None,
            near: &near,
        };
        script
            .partition
            .plan_fetch(&request(offset), reader)
            .unwrap()
    };

    assert_eq!(plan(&[3, 4], 5).preferred, Some(BrokerId(4)));
    assert!(plan(&[3, 4], 5).is_empty(), "there is nothing to read here");
    assert_eq!(plan(&[3], 6).preferred, Some(BrokerId(3)));
    assert_eq!(plan(&[3], 7).preferred, None, "it does not have that yet");
    assert_eq!(plan(&[9], 0).preferred, None, "it has no replica");
    let here = plan(&[], 0);
    assert_eq!((here.preferred, here.is_empty()), (None, false));

    let others = [1, 2, 3, 4].map(BrokerId);
    script.role(1, 5, 9, &others, &[BrokerId(1), BrokerId(3)]);
    assert_eq!(plan(&[2, 4], 0).preferred, None, "neither is in sync");
}
