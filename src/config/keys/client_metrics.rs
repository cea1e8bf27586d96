//! Keys of subscriptions to metrics of clients (KIP-714).

use super::table::{ANY, LIST};

keys! {
    KEYS: ClientMetrics;

    "interval.ms": Int = "300000", ANY; Medium ClusterWide Acts;
        "How often matching clients push, in milliseconds: 100 to 3600000.";
    "match": List = "", LIST; Medium ClusterWide Acts;
        "Which clients are meant: `attribute=regular expression`, comma separated, all of which \
         must match; every client if empty.";
    "metrics": List = "", LIST; Medium ClusterWide Acts;
        "Which metrics are wanted, as prefixes of their names; all with `*`, none if empty.";
}
