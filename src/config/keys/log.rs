//! Keys of the log: directories, segments, retention, syncing, timestamps, compression, compaction.

use super::table::{ANY, FILLED_LIST, LIST, at_least, between, list_of, one_of};
use crate::config::rule::Rule;

keys! {
    KEYS: Broker;

    "log.dirs": List = unset, FILLED_LIST; High ReadOnly Acts;
        "Directories that hold the partitions; `log.dir` if unset.";
    "log.dir": List = "data", FILLED_LIST; High ReadOnly Acts;
        "The one directory that holds the partitions, if `log.dirs` is unset. The default differs \
         from Kafka's (a folder in the system's temporary one), which a restart of the machine may \
         empty.";
    "cordoned.log.dirs": List = "", LIST; Medium PerBroker Acts;
        "Directories of `log.dirs` that get no new replicas; `*` for all. A broker with no other \
         directory is passed over when replicas are placed. What lies there stays, and is served.";
    "log.dir.failure.timeout.ms": Long = "30000", at_least(1); Low ReadOnly NotYet;
        "How long to try to tell the controller of a lost directory before the broker stops.";
    "num.recovery.threads.per.data.dir": Int = "2", at_least(1); High ClusterWide Acts;
        "Threads that open and recover each directory's logs at start.";
    "log.segment.bytes": Int = "1073741824", at_least(1048576); High ClusterWide Acts;
        "Bytes after which a new segment is begun.";
    "log.roll.ms": Long = unset, ANY; High ClusterWide Acts;
        "Age at which a new segment is begun, in milliseconds; wins over the hours.";
    "log.roll.hours": Int = "168", at_least(1); High ReadOnly Acts;
        "Age at which a new segment is begun, in hours.";
    "log.roll.jitter.ms": Long = unset, ANY; High ClusterWide Acts;
        "A random part of this is taken off that age, so that segments do not all roll at once.";
    "log.roll.jitter.hours": Int = "0", at_least(0); High ReadOnly Acts;
        "The same in hours.";
    "log.retention.ms": Long = unset, ANY; High ClusterWide Acts;
        "How long records are kept, in milliseconds; -1 for ever; wins over minutes and hours.";
    "log.retention.minutes": Int = unset, ANY; High ReadOnly Acts;
        "The same in minutes; wins over hours.";
    "log.retention.hours": Int = "168", ANY; High ReadOnly Acts;
        "The same in hours.";
    "log.retention.bytes": Long = "-1", ANY; High ClusterWide Acts;
        "How large a partition may grow before its oldest segments go; -1 without limit.";
    "log.retention.check.interval.ms": Long = "300000", at_least(1); Medium ReadOnly Acts;
        "How often to look for segments to delete.";
    "log.segment.delete.delay.ms": Long = "60000", at_least(0); High ClusterWide Acts;
        "How long a deleted file stays on disk under its `.deleted` name.";
    "log.cleanup.policy": List = "delete", list_of(&["compact", "delete"]); Medium ClusterWide Acts;
        "What becomes of old segments: `delete`, `compact`, both, or neither.";
    "log.index.size.max.bytes": Int = "10485760", at_least(4); Medium ClusterWide Acts;
        "The most bytes an offset index may take; a full one begins a new segment.";
    "log.index.interval.bytes": Int = "4096", at_least(0); Medium ClusterWide Acts;
        "Bytes of log between two entries of the offset index.";
    "log.flush.interval.messages": Long = "9223372036854775807", at_least(1); High ClusterWide Acts;
        "Records after which a log is synced to disk. With 1 a write is acknowledged only after \
         the sync, which all partitions of a disk share.";
    "log.flush.interval.ms": Long = unset, ANY; High ClusterWide Acts;
        "The longest a record stays unsynced; `log.flush.scheduler.interval.ms` if unset.";
    "log.flush.scheduler.interval.ms": Long = "9223372036854775807", ANY; High ReadOnly Acts;
        "How often to look for logs that are due to be synced.";
    "log.flush.offset.checkpoint.interval.ms": Int = "60000", at_least(0); High ReadOnly Acts;
        "How often recovery points are written.";
    "log.flush.start.offset.checkpoint.interval.ms": Int = "60000", at_least(0); High ReadOnly Acts;
        "How often log start offsets are written.";
    "log.preallocate": Boolean = "false", ANY; Medium ClusterWide Acts;
        "Give a new segment all its blocks at once.";
    "log.message.timestamp.type": String = "CreateTime", one_of(&["CreateTime", "LogAppendTime"]);
        Medium ClusterWide Acts;
        "Whether a record's time is the producer's (`CreateTime`) or the broker's \
         (`LogAppendTime`).";
    "log.message.timestamp.before.max.ms": Long = "9223372036854775807", at_least(0);
        Medium ClusterWide Acts;
        "How far a record's time may lie in the past.";
    "log.message.timestamp.after.max.ms": Long = "3600000", at_least(0); Medium ClusterWide Acts;
        "How far a record's time may lie in the future.";
    "message.max.bytes": Int = "1048588", at_least(0); High ClusterWide Acts;
        "The largest batch of records, in bytes, as it was sent (compressed, if it is).";
    "max.decompressed.message.bytes": Int = "104857600", between(1, 2147483639);
        Medium ClusterWide Acts;
        "The most bytes one record of a compressed batch may have after decompression; all of its \
         records together may have as many, or 100 MiB if that is more. Finite here (Kafka: \
         2 GiB a record, a batch without limit): a few kilobytes can expand to gigabytes.";
    "compression.type": String = "producer",
        one_of(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]);
        High ClusterWide Acts;
        "How batches are stored: in this codec, or in the `producer`'s.";
    "compression.gzip.level": Int = "-1", Rule::GzipLevel; Medium ClusterWide Acts;
        "Level of gzip when the broker compresses; -1 for the codec's default.";
    "compression.lz4.level": Int = "9", between(1, 17); Medium ClusterWide ByDesign;
        "Level of lz4 when the broker compresses. The codec used here has only one.";
    "compression.zstd.level": Int = "3", between(-131072, 22); Medium ClusterWide Acts;
        "Level of zstd when the broker compresses.";
    "log.cleaner.enable": Boolean = "true", ANY; Medium ReadOnly Acts;
        "Whether compaction runs.";
    "log.cleaner.threads": Int = "1", at_least(0); Medium ClusterWide Acts;
        "Threads that compact.";
    "log.cleaner.dedupe.buffer.size": Long = "134217728", ANY; Medium ClusterWide Acts;
        "Memory for the keys of all compactions together, in bytes.";
    "log.cleaner.io.buffer.size": Int = "524288", at_least(0); Medium ClusterWide Acts;
        "Memory for reading and writing of all compactions together, in bytes.";
    "log.cleaner.io.buffer.load.factor": Double = "0.9", ANY; Medium ClusterWide Acts;
        "How full the map of keys may be.";
    "log.cleaner.io.max.bytes.per.second": Double = "1.7976931348623157E308", ANY;
        Medium ClusterWide Acts;
        "The most bytes a second that compaction reads and writes.";
    "log.cleaner.backoff.ms": Long = "15000", at_least(0); Medium ClusterWide Acts;
        "How long to wait when there is nothing to compact.";
    "log.cleaner.min.cleanable.ratio": Double = "0.5", between(0, 1); Medium ClusterWide Acts;
        "The share of a log that must be new before it is compacted.";
    "log.cleaner.min.compaction.lag.ms": Long = "0", at_least(0); Medium ClusterWide Acts;
        "Younger records are not compacted.";
    "log.cleaner.max.compaction.lag.ms": Long = "9223372036854775807", at_least(1);
        Medium ClusterWide Acts;
        "Records older than this are compacted whatever the ratio.";
    "log.cleaner.delete.retention.ms": Long = "86400000", at_least(0); Medium ClusterWide Acts;
        "How long a tombstone outlives the key it deleted.";
}
