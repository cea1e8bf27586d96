//! Many partitions under few descriptors, on the real disk.

use std::path::Path;
use std::sync::Arc;

use broker::model::{LeaderEpoch, Offset, Timestamp};
use broker::protocol::payload::Payload;
use broker::records::validate::ValidatedBatch;
use broker::records::{BatchBuilder, NewRecord};
use broker::storage::disk::{Disk, FileDisk};
use broker::storage::log::{LeaderAppend, Log, Opening};
use broker::storage::log_config::LogConfig;

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
