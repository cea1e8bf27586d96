//! Keys of topics: each topic's own, and the broker keys that give it a default.

use super::table::{ANY, HOUR_MS, MINUTE_MS, at_least, between, list_of, one_of};
use crate::config::rule::Rule;

topic_keys! {
    "cleanup.policy": List = "delete", list_of(&["compact", "delete"]); Acts;
        from ["log.cleanup.policy"];
        "What becomes of old segments: `delete`, `compact`, both, or neither.";
    "compression.type": String = "producer",
        one_of(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]); Acts;
        from ["compression.type"];
        "How batches are stored: in this codec, or in the `producer`'s.";
    "compression.gzip.level": Int = "-1", Rule::GzipLevel; Acts; from ["compression.gzip.level"];
        "Level of gzip when the broker compresses; -1 for the codec's default.";
    "compression.lz4.level": Int = "9", between(1, 17); ByDesign; from ["compression.lz4.level"];
        "Level of lz4 when the broker compresses. The codec used here has only one.";
    "compression.zstd.level": Int = "3", between(-131072, 22); Acts;
        from ["compression.zstd.level"];
        "Level of zstd when the broker compresses.";
    "delete.retention.ms": Long = "86400000", at_least(0); Acts;
        from ["log.cleaner.delete.retention.ms"];
        "How long a tombstone outlives the key it deleted.";
    "errors.deadletterqueue.group.enable": Boolean = "false", ANY; NotYet; from [];
        "Whether share groups may write records they give up on here.";
    "file.delete.delay.ms": Long = "60000", at_least(0); Acts; from ["log.segment.delete.delay.ms"];
        "How long a deleted file stays on disk under its `.deleted` name.";
    "flush.messages": Long = "9223372036854775807", at_least(1); Acts;
        from ["log.flush.interval.messages"];
        "Records after which the log is synced to disk. With 1 a write is acknowledged only after \
         the sync.";
    "flush.ms": Long = "9223372036854775807", at_least(0); Acts;
        from ["log.flush.interval.ms", "log.flush.scheduler.interval.ms"];
        "The longest a record stays unsynced.";
    "follower.replication.throttled.replicas": List = "", Rule::ThrottledReplicas; Acts; from [];
        "Replicas throttled on the follower's side: `partition:broker`, or `*`.";
    "leader.replication.throttled.replicas": List = "", Rule::ThrottledReplicas; Acts; from [];
        "Replicas throttled on the leader's side: `partition:broker`, or `*`.";
    "index.interval.bytes": Int = "4096", at_least(0); Acts; from ["log.index.interval.bytes"];
        "Bytes of log between two entries of the offset index.";
    "local.retention.bytes": Long = "-2", at_least(-2); NotYet; from ["log.local.retention.bytes"];
        "How large a tiered log may grow on local disk; -2 as large as altogether.";
    "local.retention.ms": Long = "-2", at_least(-2); NotYet; from ["log.local.retention.ms"];
        "How long a tiered log is kept on local disk; -2 as long as altogether.";
    "max.compaction.lag.ms": Long = "9223372036854775807", at_least(1); Acts;
        from ["log.cleaner.max.compaction.lag.ms"];
        "Records older than this are compacted whatever the ratio.";
    "min.compaction.lag.ms": Long = "0", at_least(0); Acts;
        from ["log.cleaner.min.compaction.lag.ms"];
        "Younger records are not compacted.";
    "min.cleanable.dirty.ratio": Double = "0.5", between(0, 1); Acts;
        from ["log.cleaner.min.cleanable.ratio"];
        "The share of the log that must be new before it is compacted.";
    "max.decompressed.message.bytes": Int = "104857600", between(1, 2147483639); Acts;
        from ["max.decompressed.message.bytes"];
        "The most bytes one batch may have after decompression.";
    "max.message.bytes": Int = "1048588", at_least(0); Acts; from ["message.max.bytes"];
        "The largest batch of records, in bytes, as it was sent (compressed, if it is).";
    "message.timestamp.after.max.ms": Long = "3600000", at_least(0); Acts;
        from ["log.message.timestamp.after.max.ms"];
        "How far a record's time may lie in the future.";
    "message.timestamp.before.max.ms": Long = "9223372036854775807", at_least(0); Acts;
        from ["log.message.timestamp.before.max.ms"];
        "How far a record's time may lie in the past.";
    "message.timestamp.type": String = "CreateTime", one_of(&["CreateTime", "LogAppendTime"]); Acts;
        from ["log.message.timestamp.type"];
        "Whether a record's time is the producer's (`CreateTime`) or the broker's \
         (`LogAppendTime`).";
    "min.insync.replicas": Int = "1", at_least(1); Acts; from ["min.insync.replicas"];
        "How many replicas must be in sync before a write with `acks=all` is accepted.";
    "preallocate": Boolean = "false", ANY; Acts; from ["log.preallocate"];
        "Give a new segment all its blocks at once.";
    "remote.copy.lag.bytes": Long = "-1", at_least(-1); NotYet; from ["log.remote.copy.lag.bytes"];
        "How far a segment is behind the log's end before it is uploaded; -1 when it leaves local \
         disk.";
    "remote.copy.lag.ms": Long = "0", at_least(-1); NotYet; from ["log.remote.copy.lag.ms"];
        "How old a segment is before it is uploaded; -1 when it leaves local disk.";
    "remote.log.copy.disable": Boolean = "false", ANY; NotYet; from [];
        "Whether the tiered part is read only.";
    "remote.log.delete.on.disable": Boolean = "false", ANY; NotYet; from [];
        "Whether the tiered part is deleted when tiering ends.";
    "remote.storage.enable": Boolean = "false", ANY; NotYet; from [];
        "Whether the topic is tiered. Not there yet, so `true` is refused.";
    "retention.bytes": Long = "-1", ANY; Acts; from ["log.retention.bytes"];
        "How large a partition may grow before its oldest segments go; -1 without limit.";
    "retention.ms": Long = "604800000", at_least(-1); Acts;
        from [
            "log.retention.ms", "log.retention.minutes" * MINUTE_MS, "log.retention.hours" * HOUR_MS
        ];
        "How long records are kept; -1 for ever.";
    "segment.bytes": Int = "1073741824", at_least(1048576); Acts; from ["log.segment.bytes"];
        "Bytes after which a new segment is begun.";
    "segment.index.bytes": Int = "10485760", at_least(4); Acts; from ["log.index.size.max.bytes"];
        "The most bytes an offset index may take; a full one begins a new segment.";
    "segment.jitter.ms": Long = "0", at_least(0); Acts;
        from ["log.roll.jitter.ms", "log.roll.jitter.hours" * HOUR_MS];
        "A random part of this is taken off `segment.ms`, so that segments do not all roll at \
         once.";
    "segment.ms": Long = "604800000", at_least(1); Acts;
        from ["log.roll.ms", "log.roll.hours" * HOUR_MS];
        "Age at which a new segment is begun.";
    "unclean.leader.election.enable": Boolean = "false", ANY; Acts;
        from ["unclean.leader.election.enable"];
        "Whether a replica that is not in sync may lead when no other is left. Records are lost by \
         it.";
    "internal.segment.bytes": Int = unset, ANY; Acts; from [];
        "Segment size below the public key's limit, for tests.";
}
