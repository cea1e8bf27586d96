//! Keys that Kafka keeps out of its documentation, but reads.

use super::table::{ANY, at_least};
use crate::config::rule::Rule;

keys! {
    KEYS: Internal;

    "controller.performance.always.log.threshold.ms": Long = "2000", at_least(0);
        Medium ReadOnly ByDesign;
        "How slow a controller event must be to be logged.";
    "controller.performance.sample.period.ms": Long = "60000", at_least(100);
        Medium ReadOnly ByDesign;
        "How often controller events are sampled.";
    "group.consumer.assignor.offload.enable": Boolean = "true", ANY; Medium ClusterWide NotYet;
        "Whether assignments are computed off the coordinator's thread.";
    "group.consumer.regex.refresh.interval.ms": Int = "600000", at_least(10000);
        Medium ReadOnly NotYet;
        "How often regular expression subscriptions are resolved again.";
    "group.share.assignor.offload.enable": Boolean = "true", ANY; Medium ClusterWide NotYet;
        "Whether assignments are computed off the coordinator's thread.";
    "group.share.dlq.manager.class.name": String =
        "org.apache.kafka.server.share.dlq.DefaultShareGroupDLQManager", ANY;
        Medium ReadOnly ByDesign;
        "A Java class that keeps given-up records.";
    "group.share.initialize.retry.interval.ms": Int = "30000", at_least(1); Low ReadOnly NotYet;
        "How often a share group's setup is tried again.";
    "group.share.persister.class.name": String =
        "org.apache.kafka.server.share.persister.DefaultStatePersister", ANY;
        Medium ReadOnly ByDesign;
        "A Java class that keeps share state.";
    "group.streams.acceptable.recovery.lag": Long = "10000", at_least(0); Medium ReadOnly NotYet;
        "How far a task may lag and still count as caught up.";
    "group.streams.assignor.offload.enable": Boolean = "true", ANY; Medium ClusterWide NotYet;
        "Whether assignments are computed off the coordinator's thread.";
    "group.streams.max.warmup.replicas": Int = "20", at_least(0); Medium ReadOnly NotYet;
        "The most warm-up copies a group may ask for.";
    "group.streams.min.task.offset.interval.ms": Int = "15000", at_least(1); Medium ReadOnly NotYet;
        "The least a group may set that interval to.";
    "group.streams.num.warmup.replicas": Int = "2", at_least(0); Medium ReadOnly NotYet;
        "Warm-up copies of a streams group.";
    "group.streams.task.offset.interval.ms": Int = "60000", at_least(1); Medium ReadOnly NotYet;
        "How often members report the offsets of their tasks.";
    "internal.metadata.delete.delay.millis": Long = "60000", ANY; Low ReadOnly ByDesign;
        "How long a deleted metadata file stays.";
    "internal.metadata.log.segment.bytes": Int = unset, ANY; Low ReadOnly Acts;
        "Segment size of the metadata log, below the public key's limit.";
    "internal.metadata.max.batch.size.in.bytes": Int = "8388608", ANY; Low ReadOnly ByDesign;
        "The largest metadata batch.";
    "log.initial.task.delay.ms": Long = "30000", at_least(0); Low ReadOnly ByDesign;
        "How long housekeeping waits after the start.";
    "producer.id.expiration.check.interval.ms": Int = "600000", at_least(1); Low ReadOnly Acts;
        "How often to look for silent producers.";
    "remote.log.index.file.cache.ttl.ms": Long = "900000", at_least(-1); Low ReadOnly NotYet;
        "How long an unused remote index stays cached.";
    "remote.log.manager.task.retry.backoff.ms": Long = "500", at_least(1); Low ReadOnly NotYet;
        "How long to wait after a failed upload.";
    "remote.log.manager.task.retry.backoff.max.ms": Long = "30000", at_least(1);
        Low ReadOnly NotYet;
        "The longest such wait.";
    "remote.log.manager.task.retry.jitter": Double = "0.2", Rule::Range(Some(0.0), Some(0.5));
        Low ReadOnly NotYet;
        "The random part of it.";
    "server.max.startup.time.ms": Long = "9223372036854775807", at_least(0);
        Medium ReadOnly ByDesign;
        "How long a start may take.";
    "share.coordinator.cold.partition.snapshot.interval.ms": Int = "300000", at_least(1);
        Low ReadOnly NotYet;
        "How often an idle share partition is written anew.";
    "share.coordinator.state.topic.prune.interval.ms": Int = "300000", at_least(1);
        Low ReadOnly NotYet;
        "How often `__share_group_state` is pruned.";
    "unclean.leader.election.interval.ms": Long = "300000", at_least(1); Medium ReadOnly Acts;
        "How often to look for partitions that need an unclean leader.";
    "unstable.api.versions.enable": Boolean = "false", ANY; High ReadOnly ByDesign;
        "Whether versions still in the making are served. They never are.";
    "unstable.feature.versions.enable": Boolean = "false", ANY; High ReadOnly ByDesign;
        "Whether features still in the making are served. They never are.";
}
