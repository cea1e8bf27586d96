//! A full disk: the quorum waits for space, or lives on what was reserved, and uses that up for nothing
//! that can wait.

use super::*;
use crate::doubles::{SteppedClock, SteppedRaft};

#[test]
fn a_full_disk_stops_the_leader_until_there_is_space() {
    let disk = formatted_disk();
    let (raft, recorder, epoch) = lead(&config(), &disk);
    let last = raft.append(epoch, vec![record("kept")]).unwrap();
    assert!(recorder.wait_for_commit(last));
    disk.inject(disk.operations(), Fault::NoSpace);

    raft.append(epoch, vec![record("refused")]).unwrap();
    recorder.wait_for(|event| (*event == RaftEvent::Resigned { epoch }).then_some(()));
    assert!(!raft.info().leads);
    assert_eq!(
        raft.append(epoch, vec![record("x")]),
        Err(AppendError::NotLeader { epoch })
    );
    disk.heal();

    let next = recorder.wait_for(|event| match event {
        RaftEvent::BecameLeader { epoch: next, .. } if *next > epoch => Some(*next),
        _ => None,
    });
    let last = raft.append(next, vec![record("again")]).unwrap();
    assert!(recorder.wait_for_commit(last));
    raft.close();
    assert_eq!(recorder.records(), ["kept", "again"].map(record));
}

#[test]
fn a_quorum_on_a_full_disk_can_be_closed() {
    let disk = formatted_disk();
    let (raft, recorder, epoch) = lead(&config(), &disk);
    disk.inject(disk.operations(), Fault::NoSpace);
    raft.append(epoch, vec![record("refused")]).unwrap();
    recorder.wait_for(|event| (*event == RaftEvent::Resigned { epoch }).then_some(()));

    raft.close();

    let failed = |event: &RaftEvent| matches!(event, RaftEvent::Failed(_));
    assert!(!recorder.0.0.lock().iter().any(failed));
}

/// A quorum whose disk has just become full: the reserve is given back.
fn on_the_reserve() -> (CrashDisk, RaftConfig, Arc<Reserve>) {
    let disk = formatted_disk();
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let reserve = Arc::new(Reserve::for_start(shared, Path::new("data"), 4096));
    reserve.retake();
    reserve.lend();
    let config = RaftConfig {
        reserve: Some(Arc::clone(&reserve)),
        ..config()
    };
    (disk, config, reserve)
}

fn metadata_files(disk: &CrashDisk, suffix: &str) -> Vec<String> {
    let entries = disk.list(Path::new("data/__cluster_metadata-0")).unwrap();
    let names = entries.into_iter().map(|entry| entry.name);
    names.filter(|name| name.ends_with(suffix)).collect()
}

fn snapshot(raft: &Raft, last: Offset, epoch: LeaderEpoch) -> Result<bool, WriteSnapshotError> {
    let end = OffsetAndEpoch {
        offset: last + 1,
        epoch,
    };
    let state = vec![record("state")];
    raft.write_snapshot(end, Timestamp(0), std::iter::once(state))
}

#[test]
fn on_a_full_disk_the_log_begins_at_the_newest_snapshot() {
    let (disk, config, reserve) = on_the_reserve();
    let (raft, recorder, epoch) = lead(&config, &disk);
    let last = raft.append(epoch, vec![record("a")]).unwrap();
    assert!(recorder.wait_for_commit(last));
    assert!(raft.lives_on_reserve());

    assert!(snapshot(&raft, last, epoch).unwrap());
    while raft.info().log_start_offset <= last {
        thread::yield_now();
    }
    let behind = raft.append(epoch, vec![record("b")]).unwrap();
    assert!(recorder.wait_for_commit(behind));
    raft.close();

    assert_eq!(raft.info().log_start_offset, last + 1);
    assert_eq!(metadata_files(&disk, ".log"), ["00000000000000000002.log"]);
    reserve.retake();
    let (raft, again, _) = lead(&config, &disk);
    raft.close();
    assert_eq!(again.records(), ["state", "b"].map(record));
}

#[test]
fn a_snapshot_that_finds_no_room_holds_none() {
    let (disk, config, _) = on_the_reserve();
    let (raft, recorder, epoch) = lead(&config, &disk);
    let last = raft.append(epoch, vec![record("a")]).unwrap();
    assert!(recorder.wait_for_commit(last));
    for operation in 0..3 {
        disk.inject(disk.operations() + operation, Fault::NoSpace);

        assert!(snapshot(&raft, last, epoch).is_err(), "{operation}");

        disk.heal();
        let parts = metadata_files(&disk, ".part");
        assert_eq!(parts, Vec::<String>::new(), "{operation}");
    }
    raft.close();
}

/// A quorum of one whose disk is full from an operation on, for a while: it writes, takes snapshots and
/// removes old ones. Returns how many operations its disk has done.
fn live_on_a_disk_that_is_full_for_a_while(from: Option<u64>) -> u64 {
    let disk = formatted_disk();
    let config = RaftConfig {
        segment_bytes: 200,
        retention: Retention {
            max_bytes: 0,
            max_age_ms: -1,
        },
        ..config()
    };
    let (mut now, mut wall) = (Instant::now(), Timestamp(1_700_000_000_000));
    let clock = SteppedClock::new(now, wall);
    let recorder = Recorder::default();
    let listener = Box::new(recorder.clone());
    let shared = Arc::new(disk.clone());
    let mut stepped =
        SteppedRaft::open(&config, shared, &clock, listener, Box::new(NoPeers)).unwrap();
    if let Some(from) = from {
        disk.inject(from, Fault::NoSpace);
    }
    for round in 0..12 {
        if round % 6 == 5 {
            disk.heal();
        }
        let (_, epoch) = stepped.raft.leader_and_epoch();
        // It may not lead just now.
        let _ = stepped.raft.append(epoch, vec![record(&"x".repeat(60))]);
        stepped.step();
        if let Some(last) = recorder.committed().last() {
            let state = std::iter::once(recorder.records());
            // The disk may be full.
            let _ = stepped.raft.write_snapshot(last.end(), wall, state);
        }
        now += Duration::from_millis(700);
        wall.0 += 700;
        clock.set(now, wall);
        stepped.step();
        let events = recorder.0.0.lock();
        let failed = events.iter().find(|it| matches!(it, RaftEvent::Failed(_)));
        assert_eq!(
            failed, None,
            "full from operation {from:?} on, round {round}"
        );
    }
    assert!(recorder.records().len() > 3, "{from:?}");
    disk.operations()
}

#[test]
fn a_disk_that_is_full_from_any_operation_on_does_not_end_the_quorum() {
    let begun = formatted_disk().operations() + 30;
    let all = live_on_a_disk_that_is_full_for_a_while(None);
    for operation in begun..all {
        live_on_a_disk_that_is_full_for_a_while(Some(operation));
    }
}

#[test]
fn a_log_that_a_full_disk_kept_from_going_on_at_a_snapshot_does_so_once_there_is_space() {
    let config = RaftConfig {
        segment_bytes: 200,
        ..config()
    };
    let (now, place) = (Timestamp(1_700_000_000_000), Offset(100));
    let mut broken_off = 0;
    for operation in 0.. {
        let disk = formatted_disk();
        let (raft, recorder, epoch) = lead(&config, &disk);
        for number in 0..8 {
            let last = raft.append(epoch, vec![record(&format!("{number}").repeat(60))]);
            assert!(recorder.wait_for_commit(last.unwrap()));
        }
        raft.close();
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        let dir = Path::new("data/__cluster_metadata-0");
        let mut log = MetadataLog::open(&shared, dir, &config, now).unwrap();
        disk.inject(disk.operations() + operation, Fault::NoSpace);
        let restarted = log.restart_at(place, now);
        disk.heal();
        let Err(error) = restarted else {
            break;
        };
        assert!(error.is_full_disk(), "operation {operation}: {error}");
        broken_off += 1;

        log.reopen_if_offline(now).unwrap();
        log.restart_at(place, now).unwrap();

        assert_eq!((log.start_offset(), log.end_offset()), (place, place));
        log.close(now).unwrap();
        let log = MetadataLog::open(&shared, dir, &config, now).unwrap();
        assert_eq!(
            log.end_offset(),
            place,
            "operation {operation}, after a restart"
        );
    }
    assert!(broken_off > 10, "only {broken_off}");
}
