//! The config of storage and of the metadata log: directories, housekeeping, segments, retention.

use std::path::PathBuf;

use super::cordon;
use super::view::View;

/// Directories and housekeeping of logs.
#[derive(Clone, Debug, PartialEq)]
pub struct StorageConfig {
    /// The log directories, at least one.
    pub log_dirs: Vec<PathBuf>,
    /// Those of them that get no new replicas.
    pub cordoned_log_dirs: Vec<PathBuf>,
    /// Threads that open the logs of one directory: 1 or above.
    pub num_recovery_threads_per_data_dir: i32,
    /// 1 or above.
    pub log_retention_check_interval_ms: i64,
    /// `i64::MAX` for never.
    pub log_flush_scheduler_interval_ms: i64,
    /// 0 or above.
    pub log_flush_offset_checkpoint_interval_ms: i32,
    /// 0 or above.
    pub log_flush_start_offset_checkpoint_interval_ms: i32,
    /// How often high watermarks are written.
    pub replica_high_watermark_checkpoint_interval_ms: i64,
    /// After how long a follower that is behind leaves the in-sync set. Without bounds.
    pub replica_lag_time_max_ms: i64,
    /// 1 or above.
    pub producer_id_expiration_ms: i32,
    /// 1 or above.
    pub producer_id_expiration_check_interval_ms: i32,
    /// The most files of logs that are open at a time; `None` for half of what the system allows.
    pub open_files_max: Option<i32>,
    /// Threads that move replicas between directories; `None` for as many as there are directories.
    pub num_replica_alter_log_dirs_threads: Option<i32>,
    /// Compaction.
    pub cleaner: CleanerConfig,
    /// The bytes of each disk's reserve; 0 for none.
    pub disk_reserve_bytes: i64,
    /// How often the scrub reads everything; 0 for never.
    pub scrub_interval_ms: i64,
    /// 1 or above.
    pub scrub_max_bytes_per_second: i64,
}

/// Compaction: what all of its threads together may use.
#[derive(Clone, Debug, PartialEq)]
pub struct CleanerConfig {
    /// Whether compaction runs at all.
    pub enable: bool,
    /// The count of threads; 0 for none.
    pub threads: i32,
    /// Memory for keys in bytes: above 1 MiB for each thread.
    pub dedupe_buffer_size: i64,
    /// Memory for reading and writing in bytes, 0 or above.
    pub io_buffer_size: i32,
    /// The part of the map of keys that may be filled, from 0 to 1.
    pub io_buffer_load_factor: f64,
    /// The most bytes read and written per second.
    pub io_max_bytes_per_second: f64,
    /// How long a thread that found nothing to do waits: 0 or above.
    pub backoff_ms: i64,
}

/// The metadata log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetadataLogConfig {
    /// The log directory that has the folder `__cluster_metadata-0`.
    pub metadata_log_dir: PathBuf,
    /// After how many bytes a new segment begins; it may be below the public key's limit.
    pub metadata_log_segment_bytes: i32,
    /// The age at which a new segment begins.
    pub metadata_log_segment_ms: i64,
    /// 1 or above.
    pub metadata_log_max_record_bytes_between_snapshots: i64,
    /// 0 for never.
    pub metadata_log_max_snapshot_interval_ms: i64,
    /// Negative for no limit.
    pub metadata_max_retention_bytes: i64,
    /// Negative for ever.
    pub metadata_max_retention_ms: i64,
    /// 0 for never.
    pub metadata_max_idle_interval_ms: i32,
}

impl StorageConfig {
    /// How many threads move replicas between directories: 1 or above.
    pub fn move_threads(&self) -> usize {
        let set = self.num_replica_alter_log_dirs_threads;
        let set = set.and_then(|count| usize::try_from(count).ok());
        set.unwrap_or(self.log_dirs.len()).max(1)
    }

    pub(super) fn read(view: &View<'_>) -> Self {
        let log_dirs = view
            .set_list("log.dirs")
            .unwrap_or_else(|| view.list("log.dir"));
        let log_dirs: Vec<PathBuf> = log_dirs.into_iter().map(PathBuf::from).collect();
        Self {
            cordoned_log_dirs: cordon::cordoned(view, &log_dirs),
            log_dirs,
            num_recovery_threads_per_data_dir: view.int("num.recovery.threads.per.data.dir"),
            log_retention_check_interval_ms: view.long("log.retention.check.interval.ms"),
            log_flush_scheduler_interval_ms: view.long("log.flush.scheduler.interval.ms"),
            log_flush_offset_checkpoint_interval_ms: view
                .int("log.flush.offset.checkpoint.interval.ms"),
            log_flush_start_offset_checkpoint_interval_ms: view
                .int("log.flush.start.offset.checkpoint.interval.ms"),
            replica_lag_time_max_ms: view.long("replica.lag.time.max.ms"),
            replica_high_watermark_checkpoint_interval_ms: view
                .long("replica.high.watermark.checkpoint.interval.ms"),
            producer_id_expiration_ms: view.int("producer.id.expiration.ms"),
            producer_id_expiration_check_interval_ms: view
                .int("producer.id.expiration.check.interval.ms"),
            open_files_max: view.optional_int("open.files.max"),
            num_replica_alter_log_dirs_threads: view
                .optional_int("num.replica.alter.log.dirs.threads"),
            cleaner: CleanerConfig::read(view),
            disk_reserve_bytes: view.long("disk.reserve.bytes"),
            scrub_interval_ms: view.long("scrub.interval.ms"),
            scrub_max_bytes_per_second: view.long("scrub.max.bytes.per.second"),
        }
    }
}

impl CleanerConfig {
    fn read(view: &View<'_>) -> Self {
        Self {
            enable: view.bool("log.cleaner.enable"),
            threads: view.int("log.cleaner.threads"),
            dedupe_buffer_size: view.long("log.cleaner.dedupe.buffer.size"),
            io_buffer_size: view.int("log.cleaner.io.buffer.size"),
            io_buffer_load_factor: view.double("log.cleaner.io.buffer.load.factor"),
            io_max_bytes_per_second: view.double("log.cleaner.io.max.bytes.per.second"),
            backoff_ms: view.long("log.cleaner.backoff.ms"),
        }
    }
}

impl MetadataLogConfig {
    pub(super) fn read(view: &View<'_>, storage: &StorageConfig) -> Self {
        let segment_bytes = view
            .optional_int("internal.metadata.log.segment.bytes")
            .unwrap_or_else(|| view.int("metadata.log.segment.bytes"));
        Self {
            metadata_log_dir: match view.optional_text("metadata.log.dir") {
                Some(dir) => PathBuf::from(dir),
                None => storage.log_dirs[0].clone(),
            },
            metadata_log_segment_bytes: segment_bytes,
            metadata_log_segment_ms: view.long("metadata.log.segment.ms"),
            metadata_log_max_record_bytes_between_snapshots: view
                .long("metadata.log.max.record.bytes.between.snapshots"),
            metadata_log_max_snapshot_interval_ms: view
                .long("metadata.log.max.snapshot.interval.ms"),
            metadata_max_retention_bytes: view.long("metadata.max.retention.bytes"),
            metadata_max_retention_ms: view.long("metadata.max.retention.ms"),
            metadata_max_idle_interval_ms: view.int("metadata.max.idle.interval.ms"),
        }
    }
}
