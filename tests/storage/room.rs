//! Room that is asked for ahead of a growing log, on the real disk.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

use broker::model::{LeaderEpoch, Offset};
use broker::records::validate::ValidatedBatch;
use broker::records::{BatchBuilder, NewRecord};
use broker::storage::disk::{Disk, FileDisk, OpenMode};
use broker::storage::log::{LeaderAppend, Log, Opening};
use broker::storage::log_config::LogConfig;

use crate::support::NOW;

const MIB: u64 = 1 << 20;
/// What a file system may keep for itself besides a file's content.
const OVERHEAD: u64 = MIB;

fn append_mibs(log: &mut Log, count: usize) {
    let mut builder = BatchBuilder::new(Offset(0));
    builder.append(NewRecord {
        timestamp: NOW,
        value: Some(&vec![b'x'; 1 << 20]),
        ..NewRecord::default()
    });
    let batch = ValidatedBatch::trusted(&builder.build()).unwrap();
    let leader = LeaderAppend::client(LeaderEpoch(0));
    for _ in 0..count {
        log.append_as_leader(&batch, &leader, NOW).unwrap();
    }
}

/// How much more room the file of the segment at `base_offset` takes than it has bytes.
fn room_of(folder: &Path, base_offset: u64) -> u64 {
    let file = fs::metadata(folder.join(format!("{base_offset:020}.log"))).unwrap();
    (file.blocks() * 512).saturating_sub(file.len())
}

/// Whether the disk of `dir` can do it at all.
fn reserves(disk: &dyn Disk, dir: &Path) -> bool {
    let probe = disk.open(&dir.join("probe"), OpenMode::Create).unwrap();
    probe.reserve(0, MIB).is_ok()
}

#[test]
fn room_is_made_ahead_of_large_segments_and_given_back_when_they_are_closed() {
    let dir = tempfile::tempdir().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(FileDisk::new(10));
    let config = Arc::new(LogConfig {
        segment_bytes: 40 << 20,
        ..LogConfig::default()
    });
    let folder = dir.path().join("topic-0");
    disk.create_dir(&folder).unwrap();
    let opening = Opening::unknown(NOW);
    let mut log = Log::open(Arc::clone(&disk), &folder, config, &opening).unwrap();

    append_mibs(&mut log, 10);
    assert!(
        room_of(&folder, 0) <= OVERHEAD,
        "a small log takes what it needs"
    );
    append_mibs(&mut log, 10);
    if reserves(&*disk, dir.path()) {
        assert!(room_of(&folder, 0) > 8 * MIB, "room for the next writes");
    }

    append_mibs(&mut log, 40);
    let active = log.view().segments().last().unwrap().base_offset;
    assert!(
        room_of(&folder, 0) <= OVERHEAD,
        "a rolled segment gives back"
    );
    log.close(NOW).unwrap();
    let base_offset = u64::try_from(active.0).unwrap();
    assert!(
        room_of(&folder, base_offset) <= OVERHEAD,
        "a closed log gives back"
    );
}
