//! The driver against a real folder: starts, restarts, crashes, what it refuses.

use std::path::Path;
use std::time::{Duration, Instant};

use super::*;
use crate::doubles::{CrashDisk, Fault, Tear};
use crate::model::Uuid;
use crate::raft::event::CommittedBatch;
use crate::raft::peers_driver::NoPeers;
use crate::storage::disk::{self, OpenMode};

mod cluster;
mod damage;
mod full_disk;

/// Longer than any event takes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a listener was told.
#[derive(Clone, Default)]
struct Recorder(Arc<(Mutex<Vec<RaftEvent>>, Condvar)>);

impl RaftListener for Recorder {
    fn on_event(&mut self, event: RaftEvent) {
        self.0.0.lock().push(event);
        self.0.1.notify_all();
    }
}

impl Recorder {
    fn wait_for<T>(&self, find: impl Fn(&RaftEvent) -> Option<T>) -> T {
        let mut events = self.0.0.lock();
        loop {
            if let Some(found) = events.iter().find_map(&find) {
                return found;
            }
            let waited = self.0.1.wait_for(&mut events, PATIENCE);
            assert!(!waited.timed_out(), "only {events:?}");
        }
    }

    /// The epoch that this node leads; `None` if the quorum failed first.
    fn wait_for_leadership(&self) -> Option<LeaderEpoch> {
        self.wait_for(|event| match event {
            RaftEvent::BecameLeader { epoch, .. } => Some(Some(*epoch)),
            RaftEvent::Failed(_) => Some(None),
            _ => None,
        })
    }

    /// Waits for the commit of an offset; false if the quorum failed first.
    fn wait_for_commit(&self, offset: Offset) -> bool {
        self.wait_for(|event| match event {
            RaftEvent::Committed(batch) => (batch.last_offset >= offset).then_some(true),
            RaftEvent::Failed(_) => Some(false),
            _ => None,
        })
    }

    fn committed(&self) -> Vec<CommittedBatch> {
        let events = self.0.0.lock();
        let batches = events.iter().filter_map(|event| match event {
            RaftEvent::Committed(batch) => Some(batch.clone()),
            _ => None,
        });
        batches.collect()
    }

    /// All records, those of the snapshot first.
    fn records(&self) -> Vec<Bytes> {
        let events = self.0.0.lock();
        let records = events.iter().flat_map(|event| match event {
            RaftEvent::LoadSnapshot { batches, .. } => batches.concat(),
            RaftEvent::Committed(batch) => batch.records.clone(),
            _ => Vec::new(),
        });
        records.collect()
    }
}

fn config() -> RaftConfig {
    RaftConfig {
        node_id: BrokerId(1),
        directory_id: Uuid::from_bytes([7; 16]),
        voters: vec![voter(1)],
        must_vote: true,
        log_dir: PathBuf::from("data"),
        segment_bytes: 1 << 30,
        segment_ms: i64::MAX,
        retention: Retention::default(),
        timeouts: Timeouts::default(),
        reserve: None,
        seed: 1,
    }
}

fn voter(id: i32) -> Voter {
    Voter {
        id: BrokerId(id),
        host: "localhost".to_owned(),
        port: 9093,
    }
}

fn formatted_disk() -> CrashDisk {
    let disk = CrashDisk::new();
    disk.create_dir(Path::new("data")).unwrap();
    disk.sync_dir(Path::new("")).unwrap();
    disk
}

fn open(config: &RaftConfig, disk: &CrashDisk) -> Result<(Raft, Recorder), RaftError> {
    let recorder = Recorder::default();
    let listener = Box::new(recorder.clone());
    let raft = Raft::open(config, Arc::new(disk.clone()), listener, Box::new(NoPeers))?;
    Ok((raft, recorder))
}

/// Opens the quorum and waits until this node leads.
fn lead(config: &RaftConfig, disk: &CrashDisk) -> (Raft, Recorder, LeaderEpoch) {
    let (raft, recorder) = open(config, disk).unwrap();
    let epoch = recorder.wait_for_leadership().expect("the disk is well");
    (raft, recorder, epoch)
}

fn record(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

#[test]
fn what_was_appended_is_committed_in_order_and_comes_back() {
    let disk = formatted_disk();
    let (raft, recorder, epoch) = lead(&config(), &disk);

    assert_eq!(
        raft.append(epoch, vec![record("a"), record("b")]),
        Ok(Offset(2))
    );
    assert_eq!(raft.append(epoch, vec![record("c")]), Ok(Offset(3)));
    assert!(recorder.wait_for_commit(Offset(3)));
    raft.close();
    let (raft, again, _) = lead(&config(), &disk);
    raft.close();

    let committed = recorder.committed();
    let offsets: Vec<_> = committed
        .iter()
        .map(|batch| (batch.base_offset.0, batch.last_offset.0))
        .collect();
    assert_eq!(offsets, [(0, 0), (1, 2), (3, 3)]);
    assert_eq!(recorder.records(), ["a", "b", "c"].map(record));
    assert_eq!(again.committed()[..3], committed);
    assert_eq!(again.committed()[3].records, Vec::<Bytes>::new());
}

#[test]
fn each_start_begins_the_next_epoch() {
    let disk = formatted_disk();
    for expected in 1..=3 {
        let (raft, recorder, epoch) = lead(&config(), &disk);

        assert_eq!(epoch, LeaderEpoch(expected));
        assert_eq!(raft.leader_and_epoch(), (Some(BrokerId(1)), epoch));
        raft.close();
        let changes = recorder.0.0.lock();
        let elected = RaftEvent::LeaderChanged {
            leader: Some(BrokerId(1)),
            epoch,
        };
        assert!(changes.contains(&elected), "{changes:?}");
    }
}

#[test]
fn an_append_in_another_epoch_is_refused() {
    let (raft, _, epoch) = lead(&config(), &formatted_disk());

    let other = LeaderEpoch(epoch.0 + 1);
    assert_eq!(
        raft.append(other, vec![record("x")]),
        Err(AppendError::NotLeader { epoch: other })
    );
    raft.close();
    assert_eq!(
        raft.append(epoch, vec![record("x")]),
        Err(AppendError::NotLeader { epoch })
    );
}

#[test]
fn a_leader_that_resigned_leads_again_in_a_later_epoch() {
    let (raft, recorder, epoch) = lead(&config(), &formatted_disk());

    raft.resign(epoch);

    let next = recorder.wait_for(|event| match event {
        RaftEvent::BecameLeader { epoch: next, .. } if *next > epoch => Some(*next),
        _ => None,
    });
    let events = recorder.0.0.lock().clone();
    let resigned = events
        .iter()
        .position(|event| *event == RaftEvent::Resigned { epoch });
    assert!(resigned.is_some());
    assert!(raft.append(next, vec![record("x")]).is_ok());
    raft.close();
}

#[test]
fn the_picture_of_the_quorum_is_that_of_its_leader() {
    let (raft, recorder, epoch) = lead(&config(), &formatted_disk());
    raft.append(epoch, vec![record("x")]).unwrap();
    assert!(recorder.wait_for_commit(Offset(1)));

    let info = raft.info();

    assert_eq!(info.role, "Leader");
    assert_eq!(info.high_watermark, Some(Offset(2)));
    assert_eq!(info.log_end_offset, Offset(2));
    assert_eq!(info.voters.len(), 1);
    assert_eq!(info.voters[0].key.directory_id, Some(config().directory_id));
    assert_eq!(info.voters[0].log_end_offset, Some(Offset(2)));
    assert!(info.voters[0].last_caught_up.is_some());
    raft.close();
}

#[test]
fn a_controller_that_has_no_vote_is_refused() {
    let others = RaftConfig {
        voters: vec![voter(2)],
        ..config()
    };

    let message = open(&others, &formatted_disk()).err().unwrap().to_string();
    assert!(message.contains("Add 1@host:port"), "{message}");
}

/// Runs a whole life on a disk: start, appends, a snapshot, a stop. Returns the records whose
/// commit was told.
fn live(disk: &CrashDisk, name: &str) -> Vec<Bytes> {
    let config = RaftConfig {
        segment_bytes: 200,
        retention: Retention {
            max_bytes: 400,
            max_age_ms: -1,
        },
        ..config()
    };
    let Ok((raft, recorder)) = open(&config, disk) else {
        return Vec::new();
    };
    let Some(epoch) = recorder.wait_for_leadership() else {
        return Vec::new();
    };
    for number in 0..6 {
        let text = format!("{name}{number}");
        let Ok(offset) = raft.append(epoch, vec![record(&text), record(&text)]) else {
            break;
        };
        if !recorder.wait_for_commit(offset) {
            break;
        }
        if number % 2 == 1 {
            let end = recorder.committed().last().unwrap().end();
            let _ = raft.write_snapshot(end, Timestamp(1), [recorder.records()].into_iter());
        }
    }
    raft.close();
    recorder.records()
}

#[test]
fn what_was_told_as_committed_survives_a_power_cut_at_every_operation() {
    let operations = {
        let disk = formatted_disk();
        live(&disk, "first");
        let first = disk.operations();
        live(&disk, "second");
        (first, disk.operations())
    };
    assert!(operations.0 > 50, "{operations:?}");
    let formatted = formatted_disk().operations();
    for operation in formatted..operations.1 {
        for tear in [Tear::Lost, Tear::Kept, Tear::Torn(operation)] {
            let disk = formatted_disk();
            disk.inject(operation, Fault::PowerCut);
            let mut told = live(&disk, "first");
            if told.len() == 12 {
                told = live(&disk, "second");
            }

            let after = disk.after_power_cut(tear);
            let (raft, recorder) = match open(&config(), &after) {
                Ok(opened) => opened,
                Err(error) => panic!("operation {operation} of {operations:?}, {tear:?}: {error}"),
            };
            let epoch = recorder.wait_for_leadership().expect("the disk is well");
            let last = raft.append(epoch, vec![record("after")]).unwrap();
            assert!(
                recorder.wait_for_commit(last),
                "operation {operation}, {tear:?}"
            );
            raft.close();

            let found = recorder.records();
            assert!(
                found.starts_with(&told),
                "operation {operation}, {tear:?}: {told:?} {found:?}"
            );
        }
    }
}

#[test]
fn what_was_told_as_committed_survives_an_io_error_at_every_operation() {
    let operations = {
        let disk = formatted_disk();
        live(&disk, "first");
        disk.operations()
    };
    for operation in formatted_disk().operations()..operations {
        for tear in [Tear::Lost, Tear::Kept] {
            let disk = formatted_disk();
            disk.inject(operation, Fault::Io);
            let told = live(&disk, "first");

            let (raft, recorder, _) = lead(&config(), &disk.after_power_cut(tear));
            raft.close();

            let found = recorder.records();
            assert!(
                found.starts_with(&told),
                "operation {operation}, {tear:?}: {told:?} {found:?}"
            );
        }
    }
}

#[test]
fn a_failing_disk_stops_the_quorum_and_nothing_is_told_after() {
    let disk = formatted_disk();
    let (raft, recorder, epoch) = lead(&config(), &disk);
    disk.inject(disk.operations(), Fault::Io);

    let last = raft.append(epoch, vec![record("lost")]).unwrap();

    assert!(!recorder.wait_for_commit(last));
    let refused = raft.append(epoch, vec![record("late")]);
    assert_eq!(refused, Err(AppendError::NotLeader { epoch }));
    raft.close();
    assert_eq!(recorder.records(), Vec::<Bytes>::new());
}

#[test]
fn a_snapshot_replaces_the_log_below_it() {
    let disk = formatted_disk();
    let told = live(&disk, "x");
    let names = disk.list(Path::new("data/__cluster_metadata-0")).unwrap();
    let is_first_segment = |name: &str| name == "00000000000000000000.log";
    assert!(
        !names.iter().any(|entry| is_first_segment(&entry.name)),
        "{names:?}"
    );

    let (raft, recorder, _) = lead(&config(), &disk);
    raft.close();

    let first = recorder.0.0.lock()[0].clone();
    assert!(matches!(first, RaftEvent::LoadSnapshot { .. }), "{first:?}");
    assert_eq!(recorder.records(), told);
    assert!(raft.info().log_start_offset > Offset::ZERO);
}

#[test]
fn a_snapshot_of_what_is_not_committed_is_refused() {
    let (raft, _, epoch) = lead(&config(), &formatted_disk());
    let end = OffsetAndEpoch {
        offset: Offset(100),
        epoch,
    };

    let refused = raft.write_snapshot(end, Timestamp(1), std::iter::empty());

    assert!(matches!(
        refused,
        Err(WriteSnapshotError::NotCommitted { .. })
    ));
    raft.close();
}

#[test]
fn damage_below_the_recovery_point_is_refused_and_says_what_to_do() {
    let disk = formatted_disk();
    let (raft, recorder, epoch) = lead(&config(), &disk);
    // Enough for index entries, so that storage does not look at the beginning.
    for _ in 0..4 {
        let last = raft
            .append(epoch, vec![record(&"precious".repeat(500))])
            .unwrap();
        assert!(recorder.wait_for_commit(last));
    }
    raft.close();

    let path = Path::new("data/__cluster_metadata-0/00000000000000000000.log");
    let file = disk.open(path, OpenMode::Existing).unwrap();
    let size = file.size().unwrap();
    for position in [70, 1000, size - 5] {
        let mut byte = [0];
        file.read_at(&mut byte, position).unwrap();
        file.write_at(&[std::io::IoSlice::new(&[byte[0] ^ 4])], position)
            .unwrap();

        let message = open(&config(), &disk).err().unwrap().to_string();
        assert!(message.contains("is damaged"), "{message}");
        assert!(
            message.contains("restore the folder from a backup"),
            "{message}"
        );
        file.write_at(&[std::io::IoSlice::new(&byte)], position)
            .unwrap();
    }

    file.set_len(size - 1).unwrap();
    let message = open(&config(), &disk).err().unwrap().to_string();
    assert!(message.contains("is damaged"), "{message}");
}

#[test]
fn a_torn_end_above_the_recovery_point_is_cut_off() {
    let disk = formatted_disk();
    let (raft, _, _) = lead(&config(), &disk);
    raft.close();

    let path = Path::new("data/__cluster_metadata-0/00000000000000000000.log");
    let file = disk.open(path, OpenMode::Existing).unwrap();
    let size = file.size().unwrap();
    file.write_at(&[std::io::IoSlice::new(&[1; 40])], size)
        .unwrap();
    let (raft, recorder, _) = lead(&config(), &disk);
    raft.close();

    assert_eq!(recorder.committed().len(), 2);
}
