//! Apache Kafka's own `kafka-dump-log` reads our files and finds nothing wrong with them.
//!
//! Needs the jars of Apache Kafka (`KAFKA_JARS`, a folder); without them the test says so and passes,
//! unless `REQUIRE_TOOLS` is set.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use broker::model::{Offset, Timestamp};
use broker::storage::disk::{Disk, FileDisk};
use broker::storage::log::{Log, Opening};
use broker::storage::log_config::LogConfig;
use parking_lot::Mutex;

use crate::compacted::{Locked, Model, RETENTION_MS, compact, config, open_with, settings};
use crate::support::{NOW, Random, append, steps};
use crate::tool::{DumpLog, files};

const STEPS: i64 = 3_000;

/// What the tool prints of these files; it must have nothing to complain about.
fn dump(tool: &DumpLog, flags: &[&str], files: &[PathBuf]) -> String {
    let dumped = tool.run(flags, files);
    // The tool expects every segment to begin at offset 0, and complains of its own mistake.
    let expected = [
        "WARN",
        "SLF4J",
        "Non-consecutive offsets in",
        // So it does of offsets that compaction has removed.
        " is followed by ",
    ];
    let lines = dumped.errors.lines();
    let complaints: Vec<_> = lines
        .filter(|line| !expected.iter().any(|it| line.contains(it)))
        .collect();
    assert!(complaints.is_empty(), "{flags:?}: {complaints:?}");
    dumped.output
}

fn open(dir: &Path, opening: &Opening) -> Log {
    let disk: Arc<dyn Disk> = Arc::new(FileDisk::new(100));
    let config = Arc::new(LogConfig {
        segment_bytes: 200_000,
        ..LogConfig::default()
    });
    Log::open(disk, dir, config, opening).unwrap()
}

fn check(tool: &DumpLog, dir: &Path) {
    let logs = files(dir, ".log");
    assert!(logs.len() > 3);
    let dumped = dump(tool, &["--deep-iteration"], &logs);
    let batches = dumped
        .lines()
        .filter(|line| line.starts_with("baseOffset: "));
    let valid = batches
        .clone()
        .filter(|line| line.contains("isvalid: true"));
    assert_eq!(batches.clone().count() as i64, STEPS);
    assert_eq!(valid.count() as i64, STEPS);
    assert!(!dumped.contains("invalid bytes"));

    for suffix in [".index", ".timeindex"] {
        let indexes = files(dir, suffix);
        assert_eq!(indexes.len(), logs.len());
        dump(tool, &["--verify-index-only"], &indexes);
        dump(tool, &[], &indexes);
        let sane = dump(tool, &["--index-sanity-check"], &indexes);
        assert_eq!(sane.matches("passed sanity check").count(), indexes.len());
    }
    let snapshots = dump(tool, &[], &files(dir, ".snapshot"));
    assert!(snapshots.contains("producerId: 100"), "{snapshots}");
    let aborted = dump(tool, &[], &files(dir, ".txnindex"));
    let expected = STEPS / 20;
    assert_eq!(aborted.matches("producerId: 100").count() as i64, expected);
}

#[test]
fn kafka_dump_log_is_content_after_a_clean_stop_and_after_recovery() {
    let Some(tool) = DumpLog::find() else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let mut log = open(dir.path(), &Opening::unknown(NOW));
    for step in steps(STEPS) {
        append(&mut log, &step).unwrap();
    }
    let (end_offset, durable) = (log.end_offset(), Offset(log.end_offset().0 / 3));
    drop(log);

    let opening = Opening {
        recovery_point: durable,
        ..Opening::unknown(NOW)
    };
    let mut recovered = open(dir.path(), &opening);
    assert_eq!(recovered.end_offset(), end_offset);
    recovered.close(NOW).unwrap();
    check(&tool, dir.path());

    let opening = Opening {
        clean: true,
        ..opening
    };
    let mut reopened = open(dir.path(), &opening);
    assert_eq!(reopened.end_offset(), end_offset);
    reopened.close(NOW).unwrap();
    check(&tool, dir.path());
}

/// The batches that the tool shows with a delete horizon: the horizon, and how many of the records
/// are tombstones or markers. That of a batch with other records stays when those have gone.
fn doomed_in(dumped: &str) -> BTreeMap<i64, (i64, usize)> {
    let number = |line: &str, name: &str| {
        let (_, rest) = line.split_once(name)?;
        let end = rest.find(|it: char| !it.is_ascii_digit());
        rest[..end.unwrap_or(rest.len())].parse::<i64>().ok()
    };
    let mut doomed = BTreeMap::new();
    let mut current = None;
    for line in dumped.lines() {
        if line.starts_with("baseOffset: ") {
            let horizon = number(line, "deleteHorizonMs: OptionalLong[");
            current = number(line, "baseOffset: ").filter(|_| horizon.is_some());
            doomed.extend(current.zip(horizon.map(|horizon| (horizon, 0))));
        } else if line.contains(" valueSize: -1 ") || line.contains(" endTxnMarker: ") {
            let batch = current.and_then(|base| doomed.get_mut(&base));
            batch.into_iter().for_each(|(_, records)| *records += 1);
        }
    }
    doomed
}

#[test]
fn kafka_dump_log_is_content_with_compacted_segments() {
    let Some(tool) = DumpLog::find() else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(FileDisk::new(100));
    let settled = LogConfig {
        segment_bytes: 60_000,
        ..config()
    };
    let mut log = open_with(&disk, dir.path(), settled, &Opening::unknown(NOW)).unwrap();
    let (mut model, mut random) = (Model::default(), Random::new(12));
    for step in 0..4_000 {
        model.append(&mut log, &mut random, 250, NOW);
        if step % 7 == 0 {
            let producer = 100 + random.below(2) as i64;
            model.end(&mut log, producer, step % 2 == 0, NOW);
        }
    }
    log.roll(NOW).unwrap();
    let log = Locked(Mutex::new(log));
    // Tombstones get their horizon first, and go then.
    let mut known = BTreeMap::new();
    for later in [0, RETENTION_MS / 2, 2 * RETENTION_MS] {
        let now = NOW.0 + later;
        compact(&log, &settings(Timestamp(now))).unwrap();
        log.0.lock().set_cleaned_offset(None);
        let dumped = dump(&tool, &["--deep-iteration"], &files(dir.path(), ".log"));
        assert!(dumped.contains("isvalid: true") && !dumped.contains("isvalid: false"));
        assert!(!dumped.contains("invalid bytes"), "{dumped}");
        let doomed = doomed_in(&dumped);
        assert!(doomed.len() > 10);
        for (base, (horizon, records)) in doomed {
            assert_eq!(*known.entry(base).or_insert(horizon), horizon, "at {base}");
            assert!(
                horizon > now || records == 0,
                "{records} of {base} are over"
            );
        }
        for suffix in [".index", ".timeindex"] {
            let mut indexes = files(dir.path(), suffix);
            // That of the active segment is empty.
            indexes.pop();
            dump(&tool, &["--verify-index-only"], &indexes);
            let sane = dump(&tool, &["--index-sanity-check"], &indexes);
            assert_eq!(sane.matches("passed sanity check").count(), indexes.len());
        }
    }
    log.0.lock().close(NOW).unwrap();
}
