//! Who waits, and what ends the wait.

use super::*;

#[test]
fn acks_wait_until_all_in_sync_replicas_have_the_batch() {
    let script = Script::leader(3);
    let (first, second) = (script.produce(2), script.produce(2));

    script.fetched(2, 4);
    script.fetched(3, 2);
    assert_eq!((first.is_done(), second.is_done()), (true, false));
    assert_eq!(script.partition.high_watermark(), Offset(2));

    script.fetched(3, 4);
    assert_eq!(second.outcomes(), [AckOutcome::Committed]);
}

#[test]
fn a_watching_fetch_is_woken_by_the_watermark_not_by_the_append() {
    let script = Script::leader(2);
    let watch = Arc::new(FetchWatch::default());
    let watchers = script.partition.watchers();
    let _subscription = watchers.subscribe(&watch, 0, Interest::HighWatermark);
    let size = batch(2).size() as u64;
    let is_woken = |needed| {
        let mut wait = watch.wait(needed);
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        Future::poll(std::pin::Pin::new(&mut wait), &mut context).is_ready()
    };

    script.produce(2);
    assert!(!is_woken(1));

    script.fetched(2, 2);
    assert!(is_woken(size));
    assert!(!is_woken(size + 1));
}

#[test]
fn acks_all_is_refused_below_the_minimum_of_in_sync_replicas() {
    let strict = PartitionConfig {
        min_insync_replicas: 2,
        ..(*config(|_| {})).clone()
    };
    let script = Script::leader_with(2, Arc::new(strict));
    script.role(1, 5, 2, &[BrokerId(1), BrokerId(2)], &[BrokerId(1)]);
    let wait = AckWait::new(1);

    let refused = script.write(&batch(1), Some(&wait)).unwrap_err();

    assert!(
        matches!(refused, ReplicaError::NotEnoughReplicas { .. }),
        "{refused}"
    );
    assert_eq!(script.partition.end_offset(), Offset(0));
    script.write(&batch(1), None).unwrap();
    assert_eq!(script.partition.high_watermark(), Offset(0));
    assert_eq!(script.partition.end_offset(), Offset(1));
}

#[test]
fn a_shrunk_in_sync_set_commits_what_waited() {
    let script = Script::leader(2);
    let wait = script.produce(2);

    script.role(1, 5, 2, &[BrokerId(1), BrokerId(2)], &[BrokerId(1)]);

    assert_eq!(wait.outcomes(), [AckOutcome::Committed]);
}

#[test]
fn losing_leadership_ends_the_waits_and_refuses_writes() {
    let script = Script::leader(2);
    let wait = script.produce(2);

    script.follow();

    assert_eq!(wait.outcomes(), [AckOutcome::NotLeader]);
    let refused = script.write(&batch(1), None).unwrap_err();
    assert!(matches!(refused, ReplicaError::NotLeader), "{refused}");
    let refused = script.plan(0, Interest::HighWatermark).unwrap_err();
    assert!(matches!(refused, ReplicaError::NotLeader), "{refused}");
}

#[test]
fn with_synced_writes_nothing_is_committed_before_the_sync() {
    let script = Script::leader_with(1, config(|log| log.flush_messages = 1));
    let wait = AckWait::new(1);
    let appended = script.write(&batch(2), Some(&wait)).unwrap();
    assert!(appended.needs_flush);
    assert!(!wait.is_done());
    assert_eq!(script.read(0, Interest::HighWatermark), 0);

    script.partition.flush_if_due(|| script.now()).unwrap();

    assert!(wait.is_done());
    assert_eq!(script.partition.high_watermark(), Offset(2));
}

#[test]
fn a_copy_that_is_synced_commits_what_waited_for_a_sync_of_the_log() {
    let script = Script::leader_with(1, config(|log| log.flush_messages = 1));
    let wait = AckWait::new(1);
    script.write(&batch(2), Some(&wait)).unwrap();
    let dir = script.partition.dir();
    let folder = Path::new("/data/t-0.copy");
    dir.disk().create_dir(folder).unwrap();
    let log_config = Arc::clone(&script.partition.config().log);
    let copy = Log::open(
        Arc::clone(dir.disk()),
        folder,
        log_config,
        &Opening::unknown(WALL),
    );
    let mut copy = Some(copy.unwrap());
    let read = |plan: &ReadPlan| {
        let outcome = plan.read(u32::MAX, true)?;
        Ok(outcome.payload.bytes().unwrap().clone())
    };
    // What the copy lacks it gets in the step itself; a sync before makes it as durable as it can be.
    let plan = script
        .partition
        .plan_copy(copy.as_mut().unwrap(), WALL)
        .unwrap()
        .unwrap();
    let records: bytes::Bytes = read(&plan).unwrap();
    append_copy(copy.as_mut().unwrap(), &records, WALL).unwrap();
    copy.as_mut().unwrap().flush(WALL).unwrap();

    let place = Path::new("/data/t-0.moved");
    let replaced = script
        .partition
        .relocate(&mut copy, &dir, place, &read, true, script.now());

    assert!(replaced.unwrap().is_some());
    assert!(wait.is_done());
    assert_eq!(script.partition.high_watermark(), Offset(2));
}

#[test]
fn a_start_that_a_copy_learns_in_its_last_step_is_believed_after_a_kill() {
    let script = Script::leader(1);
    script.produce(2);
    script.produce(2);
    let dir = script.partition.dir();
    let folder = Path::new("/data/t-0.copy");
    dir.disk().create_dir(folder).unwrap();
    let log_config = Arc::clone(&script.partition.config().log);
    let open = |folder: &Path, opening: &Opening| {
        Log::open(
            Arc::clone(dir.disk()),
            folder,
            Arc::clone(&log_config),
            opening,
        )
        .unwrap()
    };
    let opening = Opening {
        generation: 7,
        ..Opening::unknown(WALL)
    };
    let mut copy = open(folder, &opening);
    let read = |plan: &ReadPlan| {
        let outcome = plan.read(u32::MAX, true)?;
        Ok(outcome.payload.bytes().unwrap().clone())
    };
    let plan = script.partition.plan_copy(&mut copy, WALL).unwrap();
    let records: bytes::Bytes = read(&plan.unwrap()).unwrap();
    append_copy(&mut copy, &records, WALL).unwrap();
    // Two segments have a list.
    copy.roll(WALL).unwrap();
    let raise = |log: &mut Log| {
        log.raise_log_start_offset(Offset(3));
        Ok(())
    };
    script.partition.with_log(raise).unwrap();

    let place = Path::new("/data/t-0.moved");
    let mut copy = Some(copy);
    let replaced = script
        .partition
        .relocate(&mut copy, &dir, place, &read, true, script.now());
    assert!(replaced.unwrap().is_some());

    let reopened = open(
        place,
        &Opening {
            // The checkpoints of a move are written before its last step.
            log_start_offset: Offset(3),
            recovery_point: Offset(4),
            ..opening
        },
    );
    assert_eq!(reopened.log_start_offset(), Offset(3));
}

#[test]
fn a_retried_batch_waits_for_its_first_write() {
    let script = Script::leader(2);
    let sent = made(
        BatchBuilder::new(Offset(0)).producer(ProducerId(3), 0, 0),
        2,
    );
    let (first, again) = (AckWait::new(1), AckWait::new(1));
    script.write(&sent, Some(&first)).unwrap();
    script.produce(5);

    let appended = script.write(&sent, Some(&again)).unwrap();

    assert!(appended.info.duplicate);
    assert_eq!(script.partition.end_offset(), Offset(7));
    assert!(!again.is_done());
    script.fetched(2, 2);
    assert!(first.is_done() && again.is_done());
}

#[test]
fn a_deletion_waits_for_the_followers_that_are_alive() {
    let script = Script::leader(3);
    script.produce(4);
    script.fetched(2, 4);
    script.fetched(3, 4);
    let (first, second) = (AckWait::new(1), AckWait::new(1));

    script.delete(2, Some(&first)).unwrap();
    script.delete(4, Some(&second)).unwrap();
    assert_eq!((first.is_done(), second.is_done()), (false, false));

    script.fetched_from(2, 4, 4);
    assert!(!first.is_done());
    script.fetched_from(3, 4, 3);
    assert_eq!((first.is_done(), second.is_done()), (true, false));
    script
        .partition
        .set_eligible(|_, _| true, |id| id != BrokerId(3), script.start);
    assert_eq!(second.outcomes(), [AckOutcome::Committed]);
    assert_eq!(script.partition.low_watermark().unwrap(), Offset(4));
}

#[test]
fn a_deletion_that_waits_ends_with_the_leadership() {
    let script = Script::leader(2);
    script.produce(4);
    script.fetched(2, 4);
    let wait = AckWait::new(1);
    script.delete(-1, Some(&wait)).unwrap();

    script.follow();

    assert_eq!(wait.outcomes(), [AckOutcome::NotLeader]);
}

#[test]
fn a_stopped_partition_tells_who_waits_and_refuses_all() {
    for (stopped, outcome) in [
        (Stopped::Removed, AckOutcome::NotLeader),
        (Stopped::Offline, AckOutcome::StorageFailed),
    ] {
        let script = Script::leader(2);
        let wait = script.produce(1);

        script.partition.stop(stopped);

        assert_eq!(wait.outcomes(), [outcome]);
        assert!(script.write(&batch(1), None).is_err());
        assert!(script.plan(0, Interest::LogEnd).is_err());
        assert!(script.list(-1, Interest::HighWatermark).is_err());
        assert!(!script.role(1, 9, 9, &[LOCAL], &[LOCAL]));
    }
}
