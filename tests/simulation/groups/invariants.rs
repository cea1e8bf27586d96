//! What answers, whether they arrive or not, must never contradict.

use std::collections::BTreeMap;

use broker::coordinator::group::{Answer, Request};
use broker::protocol::Str;

/// What was asked, and what had been acknowledged by then.
pub struct Asked {
    pub request: Request,
    pub identity: Str,
    /// Which of the groups that had this id one after the other.
    pub incarnation: u64,
    acknowledged: BTreeMap<(Str, i32), i64>,
}

#[derive(Default)]
pub struct Invariants {
    /// Owners by group, incarnation, generation and partition.
    owners: BTreeMap<(Str, u64, i32, u8), Str>,
    /// The newest acknowledged commit by group and partition.
    acknowledged: BTreeMap<(Str, i32), i64>,
    pub commits: u64,
    pub assignments: u64,
}

impl Invariants {
    pub fn ask(&self, request: Request, identity: Str, incarnation: u64) -> Asked {
        Asked {
            request,
            identity,
            incarnation,
            acknowledged: self.acknowledged.clone(),
        }
    }

    /// The offset has expired: the next one may be any.
    pub fn forget(&mut self, group: Str, partition: i32) {
        self.acknowledged.remove(&(group, partition));
    }

    /// An answer leaves the coordinator.
    pub fn check(&mut self, asked: &Asked, answer: &Answer) {
        match (&asked.request, answer) {
            (Request::SyncGroup(sync), Answer::SyncGroup(synced))
                if !synced.error_code.is_error() =>
            {
                for &partition in &synced.assignment {
                    let group = sync.group_id.clone();
                    let key = (group, asked.incarnation, sync.generation_id, partition);
                    let owner = self
                        .owners
                        .entry(key)
                        .or_insert_with(|| asked.identity.clone());
                    assert_eq!(
                        *owner, asked.identity,
                        "two own partition {partition} in {sync:?}"
                    );
                }
                self.assignments += 1;
            }
            (Request::OffsetCommit(commit), Answer::OffsetCommit(committed)) => {
                let partitions = commit.topics.iter().flat_map(|topic| &topic.partitions);
                let answers = committed.topics.iter().flat_map(|topic| &topic.partitions);
                for (partition, answer) in partitions.zip(answers) {
                    if !answer.error_code.is_error() {
                        let key = (commit.group_id.clone(), partition.partition_index);
                        let newest = self.acknowledged.entry(key).or_insert(-1);
                        let offset = partition.committed_offset;
                        assert!(
                            *newest <= offset,
                            "{newest} was committed before {commit:?}"
                        );
                        *newest = offset;
                        self.commits += 1;
                    }
                }
            }
            (Request::OffsetFetch { group, .. }, Answer::OffsetFetch(fetched))
                if !fetched.error_code.is_error() =>
            {
                for partition in fetched.topics.iter().flat_map(|topic| &topic.partitions) {
                    let key = (group.group_id.clone(), partition.partition_index);
                    let least = asked.acknowledged.get(&key).copied().unwrap_or(-1);
                    let found = partition.committed_offset;
                    assert!(found >= least, "{found} instead of {least} for {key:?}");
                }
            }
            _ => {}
        }
    }
}
