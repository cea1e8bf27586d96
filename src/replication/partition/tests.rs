//! A replica on a disk in memory: its roles, its watermarks, and who is woken.

use std::path::{Path, PathBuf};

use super::*;
use crate::config::{Layers, Settings, TopicConfig};
use crate::doubles::CrashDisk;
use crate::model::{DirectoryId, ProducerId, TopicId};
use crate::records::control::{self, EndTransactionMarker, Placement};
use crate::records::validate::ValidatedBatch;
use crate::records::{BatchBuilder, NewRecord, Scratch};
use crate::replication::delayed::{AckWait, FetchWatch, Interest};
use crate::replication::fetch_session::PartitionRequest;
use crate::replication::leadership::FollowerFetch;
use crate::storage::disk::Disk;
use crate::storage::log::{Opening, ReadPlan};
use crate::storage::log_dir::{Identity, LogDirs};
use crate::storage::producer_state::Origin;

const WALL: Timestamp = Timestamp(1_700_000_000_000);
const LOCAL: BrokerId = BrokerId(1);

struct Script {
    partition: Partition,
    start: Instant,
}

fn log_dir(disk: &CrashDisk) -> Arc<LogDir> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let identity = Identity {
        node_id: LOCAL,
        cluster_id: Some("cluster".to_owned()),
    };
    let id = || DirectoryId::from_bytes([9; 16]);
    let opened = LogDirs::open(&disk, &[PathBuf::from("/data")], &identity, id).unwrap();
    Arc::clone(&opened.online[0])
}

fn config(change: impl FnOnce(&mut LogConfig)) -> Arc<PartitionConfig> {
    let mut log = LogConfig::default();
    change(&mut log);
    Arc::new(PartitionConfig {
        append: AppendPolicy::of(&TopicConfig::of_broker(&Layers::of(&Settings::default()))),
        log: Arc::new(log),
        min_insync_replicas: 1,
        max_lag: Duration::from_secs(30),
        verifies_transactions: false,
    })
}

impl Script {
    /// A partition of the replicas 1 to `replica_count`, all in sync, led by this broker in epoch 5.
    fn leader(replica_count: i32) -> Self {
        Self::leader_with(replica_count, config(|_| {}))
    }

    fn leader_with(replica_count: i32, config: Arc<PartitionConfig>) -> Self {
        let this = Self::new(config);
        let replicas: Vec<_> = (1..=replica_count).map(BrokerId).collect();
        this.role(1, 5, 1, &replicas, &replicas);
        this
    }

    fn new(config: Arc<PartitionConfig>) -> Self {
        let disk = CrashDisk::new();
        let dir = log_dir(&disk);
        let path = Path::new("/data/t-0");
        disk.create_dir(path).unwrap();
        let opening = Opening::unknown(WALL);
        let log = Log::open(
            Arc::clone(dir.disk()),
            path,
            Arc::clone(&config.log),
            &opening,
        );
        let id = TopicIdPartition {
            topic_id: TopicId::from_bytes([1; 16]),
            partition: 0,
        };
        let name = TopicPartition::new("t", 0);
        Self {
            partition: Partition::new(id, name, dir, log.unwrap(), Offset::ZERO, config, |wait| {
                wait()
            }),
            start: Instant::now(),
        }
    }

    fn role(
        &self,
        leader: i32,
        epoch: i32,
        partition_epoch: i32,
        replicas: &[BrokerId],
        isr: &[BrokerId],
    ) -> bool {
        let change = RoleChange {
            local: LOCAL,
            leader: BrokerId(leader),
            leader_epoch: LeaderEpoch(epoch),
            partition_epoch,
            replicas,
            isr,
        };
        self.partition.change_role(&change, self.start)
    }

    fn follow(&self) {
        assert!(self.role(2, 6, 2, &[BrokerId(1), BrokerId(2)], &[BrokerId(2)]));
    }

    fn now(&self) -> Moment {
        Moment {
            wall: WALL,
            instant: self.start,
        }
    }

    fn write(
        &self,
        batch: &ValidatedBatch,
        wait: Option<&AckWait>,
    ) -> Result<Appended, ReplicaError> {
        let write = LeaderWrite {
            batch,
            origin: Origin::Client,
            expected_epoch: None,
            guard: None,
            transaction_version: 0,
            ticket: wait.map(|wait| wait.ticket(0)),
        };
        self.partition.append_as_leader(write, self.now())
    }

    /// Appends that many records with acks=all.
    fn produce(&self, count: i64) -> AckWait {
        let wait = AckWait::new(1);
        self.write(&batch(count), Some(&wait)).unwrap();
        wait
    }

    fn delete(&self, offset: i64, wait: Option<&AckWait>) -> Result<Offset, ReplicaError> {
        let ticket = wait.map(|wait| wait.ticket(0));
        self.partition.delete_records(offset, |_| true, ticket)
    }

    fn fetched(&self, follower: i32, end_offset: i64) {
        self.fetched_from(follower, end_offset, 0);
    }

    fn fetched_from(&self, follower: i32, end_offset: i64, log_start_offset: i64) {
        let fetch = FollowerFetch {
            id: BrokerId(follower),
            end_offset: Offset(end_offset),
            log_start_offset: Offset(log_start_offset),
            broker_epoch: -1,
            is_eligible: true,
            at: self.start,
            session: None,
        };
        self.partition.follower_fetched(&fetch).unwrap();
    }

    fn plan(&self, offset: i64, interest: Interest) -> Result<FetchPlan, ReplicaError> {
        let reader = Reader {
            interest,
            only_leader: true,
            follower: None,
        };
        self.partition.plan_fetch(&request(offset), reader)
    }

    /// The number of bytes that a reader gets.
    fn read(&self, offset: i64, interest: Interest) -> usize {
        let plan = self.plan(offset, interest).unwrap();
        plan.read(1 << 20, true).unwrap().payload.len()
    }

    fn list(&self, timestamp: i64, isolation: Interest) -> Result<ListedOffset, ReplicaError> {
        let query = OffsetQuery {
            timestamp,
            isolation: Some(isolation),
            current_leader_epoch: LeaderEpoch::NONE,
            only_leader: true,
        };
        match self.partition.list_offset(&query)? {
            OffsetSearch::Known(listed) => Ok(listed),
            OffsetSearch::Search(search) => search.run(&mut Scratch::default()),
        }
    }
}

fn batch(count: i64) -> ValidatedBatch {
    made(BatchBuilder::new(Offset(0)), count)
}

fn transactional(producer_id: i64) -> ValidatedBatch {
    let builder = BatchBuilder::new(Offset(0));
    made(
        builder
            .producer(ProducerId(producer_id), 0, 0)
            .transactional(),
        1,
    )
}

fn made(mut builder: BatchBuilder, count: i64) -> ValidatedBatch {
    for number in 0..count {
        builder.append(NewRecord {
            timestamp: Timestamp(WALL.0 + number),
            value: Some(b"value"),
            ..NewRecord::default()
        });
    }
    ValidatedBatch::trusted(&builder.build()).unwrap()
}

fn abort_marker(producer_id: i64) -> ValidatedBatch {
    let placement = Placement {
        base_offset: Offset(0),
        leader_epoch: LeaderEpoch(0),
        timestamp: WALL,
    };
    let marker = EndTransactionMarker {
        committed: false,
        coordinator_epoch: 0,
    };
    let batch = control::end_transaction_marker(placement, ProducerId(producer_id), 0, marker);
    ValidatedBatch::trusted(&batch).unwrap()
}

fn request(offset: i64) -> PartitionRequest {
    PartitionRequest {
        fetch_offset: Offset(offset),
        max_bytes: 1 << 20,
        current_leader_epoch: LeaderEpoch::NONE,
        last_fetched_epoch: LeaderEpoch::NONE,
        log_start_offset: Offset::NONE,
    }
}

#[test]
fn a_single_replica_commits_at_once() {
    let script = Script::leader(1);

    let wait = script.produce(3);

    assert!(wait.is_done());
    assert_eq!(script.partition.high_watermark(), Offset(3));
    assert!(script.read(0, Interest::HighWatermark) > 0);
}

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
fn an_older_role_is_ignored() {
    let script = Script::leader(1);

    assert!(!script.role(2, 4, 0, &[BrokerId(2)], &[BrokerId(2)]));

    assert_eq!(script.partition.leader(), (LOCAL, LeaderEpoch(5)));
}

#[test]
fn the_readers_leader_epoch_must_be_the_current_one() {
    let script = Script::leader(1);
    let reader = Reader {
        interest: Interest::HighWatermark,
        only_leader: true,
        follower: None,
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
    script
        .partition
        .append_as_follower(&records, Offset(1), Offset(0), WALL)
        .unwrap();
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
fn a_follower_takes_the_leaders_watermark_as_far_as_it_has_the_records() {
    let script = Script::new(config(|_| {}));
    script.follow();
    let records = batch(2).to_bytes(Offset(0), LeaderEpoch(6));

    let end = script
        .partition
        .append_as_follower(&records, Offset(5), Offset(0), WALL)
        .unwrap();

    assert_eq!(
        (end, script.partition.high_watermark()),
        (Offset(2), Offset(2))
    );
    let end = script
        .partition
        .append_as_follower(&[], Offset(1), Offset(1), WALL)
        .unwrap();
    assert_eq!(
        (end, script.partition.high_watermark()),
        (Offset(2), Offset(2))
    );
    assert_eq!(script.partition.log_start_offset(), Offset(1));
}

#[test]
fn a_cut_follower_lowers_its_watermark_to_the_log_end() {
    let script = Script::new(config(|_| {}));
    script.follow();
    for offset in [0, 2] {
        let records = batch(2).to_bytes(Offset(offset), LeaderEpoch(6));
        script
            .partition
            .append_as_follower(&records, Offset(4), Offset(0), WALL)
            .unwrap();
    }

    assert_eq!(
        script.partition.truncate(Offset(3), WALL).unwrap(),
        Offset(2)
    );
    assert_eq!(script.partition.high_watermark(), Offset(2));

    script.partition.truncate_fully(Offset(100), WALL).unwrap();
    assert_eq!(script.partition.high_watermark(), Offset(100));
    assert_eq!(script.partition.log_start_offset(), Offset(100));
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
fn records_are_deleted_up_to_the_watermark_only() {
    let script = Script::leader(2);
    script.produce(4);
    script.fetched(2, 4);
    script.produce(4);

    assert!(matches!(
        script.delete(5, None),
        Err(ReplicaError::OffsetOutOfRange(_))
    ));
    assert!(matches!(
        script.delete(-2, None),
        Err(ReplicaError::OffsetOutOfRange(_))
    ));
    let low = Offset(0);
    assert_eq!(script.delete(2, None).unwrap(), low, "of the follower");
    assert_eq!(script.delete(-1, None).unwrap(), low);
    assert_eq!(
        script.list(-2, Interest::HighWatermark).unwrap().offset,
        Offset(4)
    );
    assert_eq!(script.partition.low_watermark().unwrap(), low);
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

#[test]
fn offsets_out_of_order_are_never_published() {
    // Log start, last stable, high watermark, log end after three records: 0, 3, 3, 3.
    type Change = fn(&mut State);
    let changes: [(Change, &str); 4] = [
        (
            |state| state.high_watermark = Offset(4),
            "0 <= last stable 3 <= high watermark 4 <= log end 3",
        ),
        (
            |state| state.last_stable_offset = Offset(4),
            "0 <= last stable 4 <= high watermark 3 <= log end 3",
        ),
        (
            |state| state.last_stable_offset = Offset(-1),
            "0 <= last stable -1 <= high watermark 3 <= log end 3",
        ),
        (
            |state| {
                state.log.raise_log_start_offset(Offset(3));
                state.last_stable_offset = Offset(2);
            },
            "3 <= last stable 2 <= high watermark 3 <= log end 3",
        ),
    ];
    for (change, sentence) in changes {
        let script = Script::leader(1);
        let _ = script.produce(3);
        change(&mut script.partition.state.lock());

        let changed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            script.partition.with_log(|_| Ok(()))
        }));

        let panic = changed.expect_err("it is a bug");
        let told = panic.downcast_ref::<String>().unwrap();
        assert!(told.contains(&format!("log start {sentence}")), "{told}");
        assert_eq!(script.partition.high_watermark(), Offset(3), "{sentence}");
    }
}
