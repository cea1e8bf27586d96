//! Who votes: the keys of replicas and the set of voters, with its majority rule.
//!
//! The set is the static one of `controller.quorum.voters` (kraft.version 0); changing it while
//! the quorum runs is KIP-853.

use std::fmt;

pub use crate::config::Voter;
use crate::model::{BrokerId, DirectoryId};

/// Names one replica of the metadata log: a node, and the directory that holds the log.
///
/// A replica that came back with an empty disk has another directory id, and is another replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplicaKey {
    /// The node's `node.id`.
    pub id: BrokerId,
    /// The `directory.id` of its metadata log; `None` where neither the sender nor the file says it.
    pub directory_id: Option<DirectoryId>,
}

impl ReplicaKey {
    /// Whether both may be the same replica: a directory id that is unknown matches any.
    pub fn matches(&self, other: &Self) -> bool {
        let same_directory = match (self.directory_id, other.directory_id) {
            (Some(ours), Some(theirs)) => ours == theirs,
            _ => true,
        };
        self.id == other.id && same_directory
    }
}

/// The ids of the voters, ascending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voters(Vec<BrokerId>);

impl fmt::Display for Voters {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, id) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "," };
            write!(formatter, "{separator}{id}")?;
        }
        Ok(())
    }
}

impl Voters {
    /// The set of these ids; an id that occurs twice counts once.
    pub fn new(ids: impl IntoIterator<Item = BrokerId>) -> Self {
        let mut ids: Vec<BrokerId> = ids.into_iter().collect();
        ids.sort_unstable();
        ids.dedup();
        Self(ids)
    }

    /// The ids, ascending.
    pub fn ids(&self) -> &[BrokerId] {
        &self.0
    }

    /// Whether this node votes.
    pub fn contains(&self, id: BrokerId) -> bool {
        self.0.binary_search(&id).is_ok()
    }

    /// The voters other than this one.
    pub fn others(&self, id: BrokerId) -> impl Iterator<Item = BrokerId> + '_ {
        self.0.iter().copied().filter(move |other| *other != id)
    }

    /// Whether this node is the only voter.
    pub fn is_only(&self, id: BrokerId) -> bool {
        self.0 == [id]
    }

    /// The size of a majority: any two groups of so many voters have a member in common.
    pub fn majority(&self) -> usize {
        self.0.len() / 2 + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Uuid;

    #[test]
    fn majority_is_more_than_half() {
        let majority = |count: i32| Voters::new((0..count).map(BrokerId)).majority();

        assert_eq!([1, 2, 3, 4, 5].map(majority), [1, 2, 2, 3, 3]);
    }

    #[test]
    fn a_replica_with_another_directory_is_another_replica() {
        let key = |directory_id| ReplicaKey {
            id: BrokerId(1),
            directory_id,
        };
        let first = key(Some(Uuid::from_bytes([1; 16])));
        let second = key(Some(Uuid::from_bytes([2; 16])));

        assert!(!first.matches(&second));
        assert!(first.matches(&key(None)));
        assert!(key(None).matches(&second));
    }
}
