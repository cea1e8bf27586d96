//! The settings of a log, as plain values of its topic's configuration.

/// The settings of a log. The names are Kafka's topic settings; defaults are Kafka's too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// `segment.bytes`: a segment is rolled before it grows larger.
    pub segment_bytes: u32,
    /// `segment.ms`: a segment is rolled when a batch is later than its first by more than this.
    pub segment_ms: i64,
    /// `segment.jitter.ms`: at most this much is taken off `segment_ms`, so that the partitions of
    /// a topic do not all roll at once.
    pub segment_jitter_ms: i64,
    /// `segment.index.bytes`: a segment is rolled when one of its indexes would grow larger.
    pub segment_index_bytes: u32,
    /// `index.interval.bytes`: an index has an entry for about this many bytes of the log.
    pub index_interval_bytes: u32,
    /// `cleanup.policy` contains `compact`: offsets may be missing.
    pub compact: bool,
    /// `delete.retention.ms`: how long a tombstone stays after its first compaction.
    pub delete_retention_ms: i64,
    /// `min.compaction.lag.ms`: younger records are not compacted.
    pub min_compaction_lag_ms: i64,
    /// `max.compaction.lag.ms`: older records are compacted whatever the ratio.
    pub max_compaction_lag_ms: i64,
    /// `min.cleanable.dirty.ratio` in millionths: a log is compacted when more of it is dirty.
    pub min_cleanable_ppm: u32,
    /// `cleanup.policy` contains `delete`: retention applies.
    pub delete: bool,
    /// `retention.ms`: segments whose newest record is older are deleted; -1 keeps them.
    pub retention_ms: i64,
    /// `retention.bytes`: segments are deleted while the rest has at least this size; -1 keeps them.
    pub retention_bytes: i64,
    /// `file.delete.delay.ms`: how long a deleted file stays for those that are reading it.
    pub file_delete_delay_ms: i64,
    /// `flush.messages`: with 1, a batch is acknowledged only when it is on stable storage.
    pub flush_messages: i64,
    /// `flush.ms`: how long a batch may stay unsynced.
    pub flush_ms: i64,
    /// `preallocate`: a new segment's file has its full size at once.
    pub preallocate: bool,
    /// `producer.id.expiration.ms`: after how long an idle producer is forgotten.
    pub producer_id_expiration_ms: i64,
}

impl Default for LogConfig {
    fn default() -> Self {
        const DAY_MS: i64 = 24 * 60 * 60 * 1000;
        Self {
            segment_bytes: 1 << 30,
            segment_ms: 7 * DAY_MS,
            segment_jitter_ms: 0,
            segment_index_bytes: 10 << 20,
            index_interval_bytes: 4096,
            compact: false,
            delete_retention_ms: DAY_MS,
            min_compaction_lag_ms: 0,
            max_compaction_lag_ms: i64::MAX,
            min_cleanable_ppm: 500_000,
            delete: true,
            retention_ms: 7 * DAY_MS,
            retention_bytes: -1,
            file_delete_delay_ms: 60_000,
            flush_messages: i64::MAX,
            flush_ms: i64::MAX,
            preallocate: false,
            producer_id_expiration_ms: DAY_MS,
        }
    }
}
