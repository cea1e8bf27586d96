//! A cluster of each kind, of as many nodes and with the same settings, for all clients.

use std::sync::Arc;

use crate::masks;
use crate::nodes::{Loopback, Maker, Nodes};

/// Unknown topics stay unknown, so that they are an error, and a group does not wait long for more
/// members before it first shares partitions out.
const SETTINGS: [(&str, &str); 2] = [
    ("auto.create.topics.enable", "false"),
    ("group.initial.rebalance.delay.ms", "500"),
];

/// Both clusters; they end with this value.
pub struct Clusters {
    /// How many nodes each has, and how many replicas topics have there.
    pub size: usize,
    ours: Nodes,
    apache: Nodes,
}

impl Clusters {
    /// Starts both, or says loudly that there is no Apache Kafka here.
    pub fn start(size: usize) -> Option<Self> {
        let replicas = size.to_string();
        // A majority of the replicas must have what is acknowledged.
        let in_sync = (size / 2 + 1).to_string();
        let mut settings = SETTINGS.to_vec();
        settings.push(("offsets.topic.replication.factor", &replicas));
        settings.push(("min.insync.replicas", &in_sync));
        let test = u8::try_from(size).expect("few nodes");
        let cluster = |test, maker| {
            let hosting = Loopback::with_ids_from(*masks::NODES.start(), test);
            Nodes::hosted(Arc::new(hosting), &vec![maker; size], &settings)
        };
        let mut apache = cluster(20 + test, Maker::Apache)?;
        let mut ours = cluster(10 + test, Maker::Ours)?;
        apache.start_all();
        ours.start_all();
        Some(Self { size, ours, apache })
    }

    /// Where ours listens.
    pub fn ours(&self) -> String {
        self.ours.bootstrap(*masks::NODES.start())
    }

    /// Where Apache Kafka listens.
    pub fn apache(&self) -> String {
        self.apache.bootstrap(*masks::NODES.start())
    }
}
