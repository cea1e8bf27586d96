//! A replica on a disk in memory: its roles, its watermarks, and who is woken.

mod proposals;
mod reads;
mod waits;

use std::collections::BTreeSet;
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
        throttled_as_leader: ThrottledPartitions::Only(BTreeSet::new()),
        throttled_as_follower: ThrottledPartitions::Only(BTreeSet::new()),
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

    /// Appends what the leader of epoch `epoch` has sent, and returns the log end.
    fn replicate(
        &self,
        epoch: i32,
        records: &[u8],
        (high_watermark, log_start): (i64, i64),
    ) -> Offset {
        let fetched = Fetched {
            leader_epoch: LeaderEpoch(epoch),
            fetch_offset: self.partition.end_offset(),
            records,
            high_watermark: Offset(high_watermark),
            log_start_offset: Offset(log_start),
        };
        match self.partition.append_as_follower(&fetched, WALL).unwrap() {
            FollowerAppend::Done { end, .. } => end.end_offset,
            FollowerAppend::BeginsAt(offset) => panic!("the log begins at {offset}"),
        }
    }

    fn cut(&self, epoch: i32, cut: Cut) -> CutLog {
        let plan = self.partition.plan_cut(LeaderEpoch(epoch), cut).unwrap();
        self.partition.cut(&plan, WALL).unwrap()
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
            broker_epoch: 80,
            at: self.start,
            session: None,
        };
        let epoch = self.partition.leader().1;
        self.partition
            .follower_fetched(epoch, &fetch, || true)
            .unwrap();
    }

    fn plan(&self, offset: i64, interest: Interest) -> Result<FetchPlan, ReplicaError> {
        let reader = Reader {
            interest,
            only_leader: true,
            follower: None,
            near: &[],
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
fn an_older_role_is_ignored() {
    let script = Script::leader(1);

    assert!(!script.role(2, 4, 0, &[BrokerId(2)], &[BrokerId(2)]));

    assert_eq!(script.partition.leader(), (LOCAL, LeaderEpoch(5)));
}

#[test]
fn a_follower_takes_the_leaders_watermark_as_far_as_it_has_the_records() {
    let script = Script::new(config(|_| {}));
    script.follow();
    let records = batch(2).to_bytes(Offset(0), LeaderEpoch(6));

    let end = script.replicate(6, &records, (5, 0));

    assert_eq!(
        (end, script.partition.high_watermark()),
        (Offset(2), Offset(2))
    );
    let end = script.replicate(6, &[], (1, 1));
    assert_eq!(
        (end, script.partition.high_watermark()),
        (Offset(2), Offset(2))
    );
    assert_eq!(script.partition.log_start_offset(), Offset(1));
}

#[test]
fn the_lag_of_a_follower_is_what_its_leader_has_committed_and_it_lacks() {
    let script = Script::new(config(|_| {}));
    script.follow();
    assert_eq!(script.partition.lag(), 0, "it has heard of nothing yet");
    let records = batch(2).to_bytes(Offset(0), LeaderEpoch(6));
    script.replicate(6, &records, (7, 0));
    assert_eq!(script.partition.lag(), 5);

    let records = batch(6).to_bytes(Offset(2), LeaderEpoch(6));
    script.replicate(6, &records, (7, 0));
    assert_eq!(script.partition.lag(), 0, "it has more than is committed");

    script.replicate(6, &[], (20, 0));
    script.role(1, 7, 9, &[LOCAL], &[LOCAL]);
    assert_eq!(script.partition.lag(), 0, "a leader follows nobody");
}

#[test]
fn what_was_not_committed_is_cut_without_loss() {
    let script = Script::new(config(|_| {}));
    script.follow();
    for offset in [0, 2] {
        let records = batch(2).to_bytes(Offset(offset), LeaderEpoch(6));
        script.replicate(6, &records, (2, 0));
    }

    let cut = script.cut(6, Cut::ToEnd(Offset(2)));

    assert_eq!((cut.end.end_offset, cut.lost_committed), (Offset(2), false));
}

#[test]
fn a_cut_follower_lowers_its_watermark_to_the_log_end() {
    let script = Script::new(config(|_| {}));
    script.follow();
    for offset in [0, 2] {
        let records = batch(2).to_bytes(Offset(offset), LeaderEpoch(6));
        script.replicate(6, &records, (4, 0));
    }

    let cut = script.cut(6, Cut::ToEnd(Offset(3)));
    assert_eq!((cut.end.end_offset, cut.lost_committed), (Offset(2), true));
    assert_eq!(script.partition.high_watermark(), Offset(2));

    script.cut(6, Cut::StartOver(Offset(100)));
    assert_eq!(script.partition.high_watermark(), Offset(100));
    assert_eq!(script.partition.log_start_offset(), Offset(100));
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
