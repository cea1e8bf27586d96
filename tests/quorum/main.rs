//! The quorum's files on a real disk, as Apache Kafka's own tools read them.
//!
//! Needs the jars of Apache Kafka (`KAFKA_JARS`); without them the tests say so and pass, with
//! `REQUIRE_TOOLS` they fail.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic")]
#![allow(clippy::print_stdout, reason = "a skipped test says so")]

#[path = "../support/tools.rs"]
mod tools;

#[path = "../support/dump_log.rs"]
mod dump_log;

use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use broker::model::{BrokerId, Offset, Timestamp, Uuid};
use broker::protocol::messages::metadata_records::{MetadataRecord, NoOpRecord, TopicRecord};
use broker::raft::driver::METADATA_FOLDER;
use broker::raft::{
    CommittedBatch, NoPeers, Raft, RaftConfig, RaftEvent, RaftListener, Retention, Timeouts, Voter,
    write_bootstrap,
};
use broker::storage::disk::{Disk, FileDisk};
use bytes::Bytes;

use dump_log::{DumpLog, files};

const PATIENCE: Duration = Duration::from_secs(30);

/// Passes events on.
struct Listener(mpsc::Sender<RaftEvent>);

impl RaftListener for Listener {
    fn on_event(&mut self, event: RaftEvent) {
        // The test may have ended.
        let _ = self.0.send(event);
    }
}

/// A quorum of one on a directory that vanishes.
struct Quorum {
    raft: Raft,
    events: mpsc::Receiver<RaftEvent>,
}

impl Quorum {
    fn open(log_dir: &Path, disk: &Arc<dyn Disk>) -> Self {
        let config = RaftConfig {
            node_id: BrokerId(1),
            directory_id: Uuid::from_bytes([7; 16]),
            voters: vec![Voter {
                id: BrokerId(1),
                host: "localhost".to_owned(),
                port: 9093,
            }],
            must_vote: true,
            log_dir: log_dir.to_owned(),
            segment_bytes: 5500,
            segment_ms: i64::MAX,
            retention: Retention::default(),
            timeouts: Timeouts::default(),
            reserve: None,
            seed: 1,
        };
        let (sender, events) = mpsc::channel();
        let listener = Box::new(Listener(sender));
        let raft = Raft::open(&config, Arc::clone(disk), listener, Box::new(NoPeers)).unwrap();
        Self { raft, events }
    }

    fn next(&self) -> RaftEvent {
        self.events.recv_timeout(PATIENCE).unwrap()
    }

    /// Appends records as the leader and waits for their commit.
    fn append(&self, records: Vec<Bytes>) -> CommittedBatch {
        let (_, epoch) = self.raft.leader_and_epoch();
        let last = self.raft.append(epoch, records).unwrap();
        self.committed(last)
    }

    fn committed(&self, offset: Offset) -> CommittedBatch {
        loop {
            if let RaftEvent::Committed(batch) = self.next()
                && batch.last_offset >= offset
            {
                return batch;
            }
        }
    }

    fn wait_for_leadership(&self) {
        while !matches!(self.next(), RaftEvent::BecameLeader { .. }) {}
    }
}

/// Topics with these numbers, one record each.
fn topics(numbers: std::ops::Range<u8>) -> Vec<Bytes> {
    let topic = |number: u8| {
        let record = MetadataRecord::Topic(TopicRecord {
            name: format!("topic-{number}").into(),
            topic_id: Uuid::from_bytes([number + 1; 16]),
        });
        record.encode(0)
    };
    numbers.map(topic).collect()
}

#[test]
fn apaches_dump_tool_reads_our_log_snapshots_and_bootstrap_records() {
    let Some(tool) = DumpLog::find() else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(FileDisk::new(100));
    write_bootstrap(&disk, dir.path(), topics(200..202), Timestamp(1)).unwrap();
    for start in [0, 50] {
        let quorum = Quorum::open(dir.path(), &disk);
        quorum.wait_for_leadership();
        for number in start..start + 50 {
            quorum.append(topics(number..number + 1));
        }
        let no_op = MetadataRecord::NoOp(NoOpRecord::default()).encode(0);
        let last = quorum.append(vec![no_op.clone(), no_op]);
        let snapshot = [topics(0..start + 50)].into_iter();
        assert!(
            quorum
                .raft
                .write_snapshot(last.end(), last.append_time, snapshot)
                .unwrap()
        );
        quorum.raft.close();
    }

    let metadata = dir.path().join(METADATA_FOLDER);
    let segments = files(&metadata, ".log");
    let snapshots = files(&metadata, ".checkpoint");
    assert!(
        segments.len() > 1 && snapshots.len() == 2,
        "{segments:?} {snapshots:?}"
    );
    let decode = ["--cluster-metadata-decoder", "--deep-iteration"];
    let dump = |flags: &[&str], files: &[PathBuf]| tool.run(flags, files).output;
    let log = dump(&decode, &segments);
    let dumped = dump(&decode, &snapshots);
    let bootstrap = dump(&decode, &[dir.path().join("bootstrap.checkpoint")]);

    for output in [&log, &dumped, &bootstrap] {
        assert!(
            !output.contains("isvalid: false") && !output.contains("Could not"),
            "{output}"
        );
    }
    assert_eq!(
        log.matches("LeaderChange: {\"version\":0,\"leaderId\":1")
            .count(),
        2,
        "{log}"
    );
    assert_eq!(log.matches("TOPIC_RECORD").count(), 100, "{log}");
    assert_eq!(log.matches("NO_OP_RECORD").count(), 4, "{log}");
    assert_eq!(dumped.matches("SnapshotHeader").count(), 2, "{dumped}");
    assert_eq!(dumped.matches("SnapshotFooter").count(), 2, "{dumped}");
    assert_eq!(dumped.matches("TOPIC_RECORD").count(), 150, "{dumped}");
    assert_eq!(bootstrap.matches("TOPIC_RECORD").count(), 2, "{bootstrap}");

    let indexes = [files(&metadata, ".index"), files(&metadata, ".timeindex")].concat();
    let checked = dump(&["--index-sanity-check"], &indexes);
    let passed = checked.matches("passed sanity check").count();
    let empty = checked.matches("is empty").count();
    assert!(
        passed > empty && passed + empty == indexes.len(),
        "{checked}"
    );
}

#[test]
fn a_killed_quorum_has_all_that_it_told() {
    let dir = tempfile::tempdir().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(FileDisk::new(100));
    let quorum = Quorum::open(dir.path(), &disk);
    quorum.wait_for_leadership();
    let last = quorum.append(topics(0..10));
    // What a kill leaves: the files as they are, while the process still has them open.
    let copy = tempfile::tempdir().unwrap();
    let to = copy.path().join(METADATA_FOLDER);
    std::fs::create_dir(&to).unwrap();
    for file in files(&dir.path().join(METADATA_FOLDER), "") {
        std::fs::copy(&file, to.join(file.file_name().unwrap())).unwrap();
    }
    quorum.raft.close();

    let again = Quorum::open(copy.path(), &disk);

    assert_eq!(again.committed(last.last_offset), last);
    again.raft.close();
}
