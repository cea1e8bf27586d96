//! Keys of followers, of leaders, and of a broker's controlled shutdown.

use super::table::{ANY, at_least};

keys! {
    KEYS: Broker;

    "replica.lag.time.max.ms": Long = "30000", ANY; High ReadOnly Acts;
        "A follower that has not caught up for this long leaves the in-sync set.";
    "replica.fetch.max.bytes": Int = "1048576", at_least(0); Medium ReadOnly Acts;
        "Bytes a follower asks for of each partition.";
    "replica.fetch.min.bytes": Int = "1", ANY; High ReadOnly Acts;
        "Bytes a follower waits for.";
    "replica.fetch.wait.max.ms": Int = "500", ANY; High ReadOnly Acts;
        "How long a follower waits for them.";
    "replica.fetch.response.max.bytes": Int = "10485760", at_least(0); Medium ReadOnly Acts;
        "Bytes a follower asks for altogether.";
    "replica.fetch.backoff.ms": Int = "1000", at_least(0); Medium ReadOnly Acts;
        "How long a follower waits after an error.";
    "replica.socket.timeout.ms": Int = "30000", ANY; High ReadOnly Acts;
        "How long a follower waits for an answer.";
    "replica.socket.receive.buffer.bytes": Int = "65536", ANY; High ReadOnly NotYet;
        "Bytes of a follower's receive buffer.";
    "replica.high.watermark.checkpoint.interval.ms": Long = "5000", ANY; High ReadOnly Acts;
        "How often high watermarks are written.";
    "replica.selector.class": String = unset, ANY; Medium ReadOnly Acts;
        "Whether consumers read from a replica in their rack: RackAwareReplicaSelector.";
    "num.replica.fetchers": Int = "1", at_least(1); High ClusterWide Acts;
        "Connections that fetch from each leader.";
    "num.replica.alter.log.dirs.threads": Int = unset, ANY; High ReadOnly Acts;
        "Threads that move replicas between directories.";
    "follower.fetch.last.tiered.offset.enable": Boolean = "false", ANY; Medium ClusterWide NotYet;
        "Whether a new follower begins at the end of the tiered log.";
    "auto.leader.rebalance.enable": Boolean = "true", ANY; High ReadOnly Acts;
        "Whether leadership goes back to preferred replicas by itself.";
    "leader.imbalance.check.interval.seconds": Long = "300", at_least(1); High ReadOnly Acts;
        "How often that is looked at.";
    "controlled.shutdown.enable": Boolean = "true", ANY; Medium ReadOnly NotYet;
        "Whether a stopping broker first hands its leaderships over.";
}
