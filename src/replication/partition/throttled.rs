//! Which replicas are throttled on this broker.

use std::collections::BTreeSet;

use crate::config::ThrottledReplicas;
use crate::model::BrokerId;

/// Which partitions of a topic have throttled replicas on this broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ThrottledPartitions {
    /// All.
    All,
    /// These.
    Only(BTreeSet<i32>),
}

impl ThrottledPartitions {
    /// Those of `replicas` that are on `broker`.
    pub fn of(replicas: &ThrottledReplicas, broker: BrokerId) -> Self {
        match replicas {
            ThrottledReplicas::All => Self::All,
            ThrottledReplicas::Only(pairs) => {
                let here = pairs.iter().filter(|(_, id)| *id == broker);
                Self::Only(here.map(|(partition, _)| *partition).collect())
            }
        }
    }

    /// Whether the replica of this partition is throttled.
    pub fn has(&self, partition: i32) -> bool {
        match self {
            Self::All => true,
            Self::Only(partitions) => partitions.contains(&partition),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_replicas_on_this_broker_count() {
        let (one, two) = (BrokerId(1), BrokerId(2));
        let some = ThrottledReplicas::Only(vec![(0, one), (3, one), (4, two)]);

        let here = ThrottledPartitions::of(&some, one);

        assert_eq!(
            [0, 1, 3, 4].map(|it| here.has(it)),
            [true, false, true, false]
        );
        assert!(ThrottledPartitions::of(&ThrottledReplicas::All, two).has(7));
    }
}
