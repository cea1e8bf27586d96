//! Many partitions under few descriptors, on the real disk.

use std::io::IoSlice;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use broker::model::{LeaderEpoch, Offset, Timestamp};
use broker::protocol::payload::Payload;
use broker::records::validate::ValidatedBatch;
use broker::records::{BatchBuilder, NewRecord};
use broker::storage::disk::{Disk, FileDisk, OpenMode};
use broker::storage::log::{LeaderAppend, Log, Opening};
use broker::storage::log_config::LogConfig;
use rustix::process::{Resource, getrlimit, setrlimit};

const NOW: Timestamp = Timestamp(1_700_000_000_000);

fn batch() -> ValidatedBatch {
    let mut builder = BatchBuilder::new(Offset(0));
    builder.append(NewRecord {
        timestamp: NOW,
        value: Some(&[b'x'; 500]),
        ..NewRecord::default()
    });
    ValidatedBatch::trusted(&builder.build()).unwrap()
}

fn open_all(disk: &Arc<FileDisk>, dir: &Path, count: usize, config: &Arc<LogConfig>) -> Vec<Log> {
    (0..count)
        .map(|number| {
            let path = dir.join(format!("topic-{number}"));
            disk.create_dir(&path).unwrap();
            let shared: Arc<dyn Disk> = Arc::<FileDisk>::clone(disk);
            let config = Arc::clone(config);
            Log::open(shared, &path, config, &Opening::unknown(NOW)).unwrap()
        })
        .collect()
}

#[test]
fn a_thousand_logs_work_with_fifty_descriptors() {
    const LOGS: usize = 1_000;
    const DESCRIPTORS: usize = 50;
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(FileDisk::new(DESCRIPTORS));
    let config = Arc::new(LogConfig {
        segment_bytes: 1_000,
        ..LogConfig::default()
    });
    let leader = LeaderAppend::client(LeaderEpoch(0));
    let batch = batch();

    let mut logs = open_all(&disk, dir.path(), LOGS, &config);
    for _ in 0..3 {
        for log in &mut logs {
            log.append_as_leader(&batch, &leader, NOW).unwrap();
            assert!(disk.open_files() <= DESCRIPTORS);
        }
    }
    for log in &logs {
        let plan = log.locate(Offset(1), Offset(3)).unwrap();
        let outcome = plan.read(10_000, true).unwrap();
        assert!(matches!(outcome.payload, Payload::File(_)));
        assert!(disk.open_files() <= DESCRIPTORS + 1);
    }
    drop(logs);
    assert_eq!(disk.open_files(), 0);

    let logs = open_all(&disk, dir.path(), LOGS, &config);
    assert!(logs.iter().all(|log| log.end_offset() == Offset(3)));
}

fn limit_open_files(limit: u64) {
    let mut limits = getrlimit(Resource::Nofile);
    limits.current = Some(limit);
    setrlimit(Resource::Nofile, limits).unwrap();
}

/// Run as a process of its own by the test below: the limit of files holds for the whole process.
#[test]
#[ignore = "lowers the limit of open files of its process"]
fn syncs_need_no_descriptor() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FileDisk::new(1);
    let lock = disk.lock(&dir.path().join(".lock")).unwrap();
    let open = |name| disk.open(&dir.path().join(name), OpenMode::Create).unwrap();
    let file = open("first");
    file.write_at(&[IoSlice::new(b"content")], 0).unwrap();
    let other = open("second");
    let lent = other.region(0, 0).unwrap();
    limit_open_files(3);

    assert!(file.write_at(&[IoSlice::new(b"more")], 7).is_err());
    file.sync().unwrap();
    disk.sync_dir(dir.path()).unwrap();

    drop(lock);
    assert!(file.sync().is_err(), "nothing is open on the volume");
    limit_open_files(1000);
    drop(lent);
}

#[test]
fn a_sync_that_finds_no_descriptor_syncs_all_of_its_volume() {
    let name = "descriptors::syncs_need_no_descriptor";
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--ignored", "--nocapture"])
        .output()
        .unwrap();

    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}"
    );
}
