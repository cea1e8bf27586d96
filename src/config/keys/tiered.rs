//! Keys of tiered storage (KIP-405).

use super::table::{ANY, NOT_EMPTY, at_least};

keys! {
    KEYS: Broker;

    "remote.log.storage.system.enable": Boolean = "false", ANY; Medium ReadOnly NotYet;
        "Whether old segments can go to object storage. Not there yet, so `true` is refused.";
    "remote.log.storage.manager.class.name": String = unset, NOT_EMPTY; Medium ReadOnly ByDesign;
        "A Java class that talks to object storage.";
    "remote.log.storage.manager.class.path": String = unset, ANY; Medium ReadOnly ByDesign;
        "Where that class is.";
    "remote.log.storage.manager.impl.prefix": String = "rsm.config.", NOT_EMPTY;
        Medium ReadOnly ByDesign;
        "What its own settings begin with.";
    "remote.log.metadata.manager.class.name": String =
        "org.apache.kafka.server.log.remote.metadata.storage.TopicBasedRemoteLogMetadataManager",
        NOT_EMPTY; Medium ReadOnly ByDesign;
        "A Java class that keeps track of remote segments.";
    "remote.log.metadata.manager.class.path": String = unset, ANY; Medium ReadOnly ByDesign;
        "Where that class is.";
    "remote.log.metadata.manager.impl.prefix": String = "rlmm.config.", NOT_EMPTY;
        Medium ReadOnly ByDesign;
        "What its own settings begin with.";
    "remote.log.metadata.manager.listener.name": String = unset, NOT_EMPTY;
        Medium ReadOnly ByDesign;
        "The listener it uses.";
    "remote.log.metadata.custom.metadata.max.bytes": Int = "128", at_least(0); Low ReadOnly NotYet;
        "The most bytes of a store's own notes on a segment.";
    "remote.log.index.file.cache.total.size.bytes": Long = "1073741824", at_least(1);
        Low ClusterWide NotYet;
        "Disk for the indexes of remote segments.";
    "remote.log.manager.thread.pool.size": Int = "2", at_least(1); Medium ReadOnly NotYet;
        "Threads for follower tasks of tiered partitions.";
    "remote.log.manager.copier.thread.pool.size": Int = "10", at_least(1);
        Medium ClusterWide NotYet;
        "Threads that upload segments.";
    "remote.log.manager.expiration.thread.pool.size": Int = "10", at_least(1);
        Medium ClusterWide NotYet;
        "Threads that delete remote segments.";
    "remote.log.manager.follower.thread.pool.size": Int = "2", at_least(1);
        Medium ClusterWide NotYet;
        "Threads that follow remote metadata.";
    "remote.log.manager.task.interval.ms": Long = "30000", at_least(1); Low ReadOnly NotYet;
        "How often to look for segments to upload or delete.";
    "remote.log.manager.copy.max.bytes.per.second": Long = "9223372036854775807", at_least(1);
        Medium ClusterWide NotYet;
        "The most bytes a second uploaded.";
    "remote.log.manager.copy.quota.window.num": Int = "11", at_least(1); Medium ReadOnly NotYet;
        "Windows kept for that quota.";
    "remote.log.manager.copy.quota.window.size.seconds": Int = "1", at_least(1);
        Medium ReadOnly NotYet;
        "Seconds of such a window.";
    "remote.log.manager.fetch.max.bytes.per.second": Long = "9223372036854775807", at_least(1);
        Medium ClusterWide NotYet;
        "The most bytes a second downloaded.";
    "remote.log.manager.fetch.quota.window.num": Int = "11", at_least(1); Medium ReadOnly NotYet;
        "Windows kept for that quota.";
    "remote.log.manager.fetch.quota.window.size.seconds": Int = "1", at_least(1);
        Medium ReadOnly NotYet;
        "Seconds of such a window.";
    "remote.log.reader.threads": Int = "10", at_least(1); Medium ClusterWide NotYet;
        "Threads that read remote segments.";
    "remote.log.reader.max.pending.tasks": Int = "100", at_least(1); Medium ReadOnly NotYet;
        "How many remote reads may wait.";
    "remote.fetch.max.wait.ms": Int = "500", at_least(1); Medium ClusterWide NotYet;
        "How long a Fetch waits for a remote read.";
    "remote.list.offsets.request.timeout.ms": Long = "30000", at_least(1);
        Medium ClusterWide NotYet;
        "How long a ListOffsets waits for a remote read.";
    "log.local.retention.ms": Long = "-2", at_least(-2); Medium ClusterWide NotYet;
        "How long a tiered log is kept on local disk; -2 as long as altogether.";
    "log.local.retention.bytes": Long = "-2", at_least(-2); Medium ClusterWide NotYet;
        "How large a tiered log may grow on local disk; -2 as large as altogether.";
    "log.remote.copy.lag.ms": Long = "0", at_least(-1); Medium ClusterWide NotYet;
        "How old a segment is before it is uploaded; -1 when it leaves local disk.";
    "log.remote.copy.lag.bytes": Long = "-1", at_least(-1); Medium ClusterWide NotYet;
        "How far a segment is behind the log's end before it is uploaded; -1 when it leaves local \
         disk.";
}
