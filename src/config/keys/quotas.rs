//! Keys of quotas and throttles.

use super::table::{ANY, at_least};

keys! {
    KEYS: Broker;

    "quota.window.num": Int = "11", at_least(1); Low ReadOnly Acts;
        "Windows kept for client quotas.";
    "quota.window.size.seconds": Int = "1", at_least(1); Low ReadOnly Acts;
        "Seconds of such a window.";
    "replication.quota.window.num": Int = "11", at_least(1); Low ReadOnly NotYet;
        "Windows kept for replication quotas.";
    "replication.quota.window.size.seconds": Int = "1", at_least(1); Low ReadOnly NotYet;
        "Seconds of such a window.";
    "alter.log.dirs.replication.quota.window.num": Int = "11", at_least(1); Low ReadOnly NotYet;
        "Windows kept for moves between directories.";
    "alter.log.dirs.replication.quota.window.size.seconds": Int = "1", at_least(1);
        Low ReadOnly NotYet;
        "Seconds of such a window.";
    "controller.quota.window.num": Int = "11", at_least(1); Low ReadOnly Acts;
        "Windows kept for changes of topics.";
    "controller.quota.window.size.seconds": Int = "1", at_least(1); Low ReadOnly Acts;
        "Seconds of such a window.";
    "client.quota.callback.class": Class = unset, ANY; Low ReadOnly NotYet;
        "A Java class that decides quotas. It cannot be run here, so a name is refused.";
}

keys! {
    DYNAMIC_KEYS: DynamicOnly;

    "leader.replication.throttled.rate": Long = "9223372036854775807", at_least(0);
        Medium ClusterWide Acts;
        "Bytes a second that leaders send of throttled replicas. Dynamic only.";
    "follower.replication.throttled.rate": Long = "9223372036854775807", at_least(0);
        Medium ClusterWide Acts;
        "Bytes a second that followers fetch of throttled replicas. Dynamic only.";
    "replica.alter.log.dirs.io.max.bytes.per.second": Long = "9223372036854775807", at_least(0);
        Medium ClusterWide Acts;
        "Bytes a second for moves between directories. Dynamic only.";
}
