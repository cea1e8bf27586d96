//! Keys of transactions and of producers' state.

use super::table::{ANY, at_least};

keys! {
    KEYS: Broker;

    "transaction.state.log.num.partitions": Int = "50", at_least(1); High ReadOnly NotYet;
        "Partitions of `__transaction_state`; not to be changed once it exists.";
    "transaction.state.log.replication.factor": Short = "3", at_least(1); High ReadOnly NotYet;
        "Replicas of `__transaction_state`.";
    "transaction.state.log.min.isr": Int = "2", at_least(1); High ReadOnly NotYet;
        "In-sync replicas that `__transaction_state` needs.";
    "transaction.state.log.segment.bytes": Int = "104857600", at_least(1); High ReadOnly NotYet;
        "Segment size of `__transaction_state`.";
    "transaction.state.log.load.buffer.size": Int = "5242880", at_least(1); High ReadOnly NotYet;
        "Bytes read at a time when a coordinator loads its transactions.";
    "transaction.max.timeout.ms": Int = "900000", at_least(1); High ReadOnly NotYet;
        "The longest timeout a producer may ask for.";
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": Int = "10000", at_least(1);
        Low ReadOnly NotYet;
        "How often to look for transactions to abort.";
    "transaction.remove.expired.transaction.cleanup.interval.ms": Int = "3600000", at_least(1);
        Low ReadOnly NotYet;
        "How often to look for transactional ids that have expired.";
    "transaction.partition.verification.enable": Boolean = "true", ANY; Low ClusterWide NotYet;
        "Whether a leader asks if a partition belongs to a transaction before it writes to it.";
    "transaction.two.phase.commit.enable": Boolean = "false", ANY; Low ReadOnly NotYet;
        "Whether transactions without a timeout are allowed.";
    "transactional.id.expiration.ms": Int = "604800000", at_least(1); High ReadOnly NotYet;
        "How long an unused transactional id is kept.";
    "producer.id.expiration.ms": Int = "86400000", at_least(1); Low ClusterWide Acts;
        "How long the state of a silent idempotent producer is kept.";
    "add.partitions.to.txn.retry.backoff.ms": Int = "20", at_least(1); High ReadOnly NotYet;
        "How long to wait before a partition is added to a transaction again.";
    "add.partitions.to.txn.retry.backoff.max.ms": Int = "100", at_least(0); High ReadOnly NotYet;
        "The longest such wait.";
}
