//! Keys of topics in general, and of the requests that read them.

use super::table::{ANY, at_least};

keys! {
    KEYS: Broker;

    "auto.create.topics.enable": Boolean = "true", ANY; High ReadOnly Acts;
        "Whether a topic that a client asks for and nobody made is made.";
    "delete.topic.enable": Boolean = "true", ANY; High ReadOnly Acts;
        "Whether topics can be deleted.";
    "num.partitions": Int = "1", at_least(1); Medium ReadOnly Acts;
        "Partitions of a topic that is made without a number.";
    "default.replication.factor": Int = "1", ANY; Medium ReadOnly Acts;
        "Replicas of a topic that is made without a number.";
    "min.insync.replicas": Int = "1", at_least(1); High ClusterWide Acts;
        "How many replicas must be in sync before a write with `acks=all` is accepted.";
    "unclean.leader.election.enable": Boolean = "false", ANY; High ClusterWide Acts;
        "Whether a replica that is not in sync may lead when no other is left. Records are lost by \
         it.";
    "create.topic.policy.class.name": Class = unset, ANY; Low ReadOnly NotYet;
        "A Java class that vets new topics. It cannot be run here, so a name is refused.";
    "alter.config.policy.class.name": Class = unset, ANY; Low ReadOnly NotYet;
        "A Java class that vets config changes. It cannot be run here, so a name is refused.";
    "max.incremental.fetch.session.cache.slots": Int = "1000", at_least(0); Medium ReadOnly Acts;
        "How many incremental fetch sessions are kept.";
    "fetch.max.bytes": Int = "57671680", at_least(1024); Medium ReadOnly Acts;
        "The most bytes in an answer to a Fetch, whatever the client asks for.";
    "max.request.partition.size.limit": Int = "2000", at_least(1); Medium ReadOnly Acts;
        "The most partitions in an answer to one DescribeTopicPartitions.";
    "fetch.purgatory.purge.interval.requests": Int = "1000", ANY; Medium ReadOnly ByDesign;
        "When Kafka sweeps finished Fetch requests. Here a finished one is gone at once.";
    "producer.purgatory.purge.interval.requests": Int = "1000", ANY; Medium ReadOnly ByDesign;
        "When Kafka sweeps finished Produce requests. Here a finished one is gone at once.";
    "delete.records.purgatory.purge.interval.requests": Int = "1", ANY; Medium ReadOnly ByDesign;
        "When Kafka sweeps finished DeleteRecords requests. Here a finished one is gone at once.";
    "share.fetch.purgatory.purge.interval.requests": Int = "1000", ANY; Medium ReadOnly ByDesign;
        "When Kafka sweeps finished ShareFetch requests. Here a finished one is gone at once.";
    "errors.deadletterqueue.auto.create.topics.enable": Boolean = "false", ANY;
        Medium ClusterWide NotYet;
        "Whether the topic for records that share groups give up on is made when needed.";
    "errors.deadletterqueue.topic.name.prefix": String = "dlq.", ANY; Medium ClusterWide NotYet;
        "What the name of such a topic must begin with.";
}
