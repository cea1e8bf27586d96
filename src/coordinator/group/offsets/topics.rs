//! Offsets by topic and partition, and the memory that they take. Every change goes through here, so that
//! the number of bytes is always right, and costs nothing to ask for.

use std::collections::BTreeMap;

use super::CommittedOffset;
use crate::protocol::Str;

/// Offsets of one topic by partition.
pub(super) type Partitions = BTreeMap<i32, CommittedOffset>;

/// The entries that a node of a tree has room for: with fewer it takes as much memory.
const NODE_ENTRIES: usize = 11;
/// The bytes of the allocator and of a node's own fields.
const NODE_BYTES: usize = 64;

/// Offsets by topic and partition. No topic is without an offset.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Topics {
    by_name: BTreeMap<Str, Partitions>,
    bytes: usize,
}

impl Topics {
    pub(super) fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// The bytes that they take in memory.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn get(&self, topic: &str) -> Option<&Partitions> {
        self.by_name.get(topic)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Str, &Partitions)> {
        self.by_name.iter()
    }

    /// All offsets, topic by topic.
    pub(super) fn into_topics(self) -> impl Iterator<Item = (Str, Partitions)> {
        self.by_name.into_iter()
    }

    /// Puts an offset in, and returns the one that it replaces. The topic's name is copied if it is new,
    /// because it may be a slice of a frame.
    pub(super) fn insert(
        &mut self,
        topic: &str,
        partition: i32,
        offset: CommittedOffset,
    ) -> Option<CommittedOffset> {
        if !self.by_name.contains_key(topic) {
            self.bytes -= self.names_bytes();
            self.by_name
                .insert(Str::copy_from(topic), Partitions::new());
            self.bytes += self.names_bytes() + text_bytes(topic);
        }
        let partitions = self.by_name.get_mut(topic).expect("it was just put in");
        self.bytes -= partitions_bytes(partitions.len());
        self.bytes += text_bytes(&offset.metadata);
        let previous = partitions.insert(partition, offset);
        self.bytes += partitions_bytes(partitions.len());
        if let Some(previous) = &previous {
            self.bytes -= text_bytes(&previous.metadata);
        }
        previous
    }

    /// Removes the offset of a partition. Returns whether there was one.
    pub(super) fn remove(&mut self, topic: &str, partition: i32) -> bool {
        let Some(partitions) = self.by_name.get_mut(topic) else {
            return false;
        };
        let before = partitions_bytes(partitions.len());
        let Some(removed) = partitions.remove(&partition) else {
            return false;
        };
        self.bytes -= before + text_bytes(&removed.metadata);
        self.bytes += partitions_bytes(partitions.len());
        if partitions.is_empty() {
            self.bytes -= self.names_bytes() + text_bytes(topic);
            self.by_name.remove(topic);
            self.bytes += self.names_bytes();
        }
        true
    }

    fn names_bytes(&self) -> usize {
        tree_bytes(self.by_name.len(), size_of::<(Str, Partitions)>())
    }
}

/// The most bytes that a new offset with this text takes in memory, with its topic.
pub(super) fn most_bytes(topic: &str, metadata: Option<&Str>) -> usize {
    let metadata = metadata.map_or(0, |text| text_bytes(text));
    tree_bytes(1, size_of::<(Str, Partitions)>())
        + text_bytes(topic)
        + partitions_bytes(1)
        + metadata
}

/// By how many bytes an offset grows in memory if it gets this text.
pub(super) fn growth(old: &CommittedOffset, metadata: Option<&Str>) -> usize {
    let metadata = metadata.map_or(0, |text| text_bytes(text));
    metadata.saturating_sub(text_bytes(&old.metadata))
}

fn partitions_bytes(count: usize) -> usize {
    tree_bytes(count, size_of::<(i32, CommittedOffset)>())
}

/// The bytes of a tree with so many entries of a size: its nodes are two thirds full.
fn tree_bytes(entries: usize, size: usize) -> usize {
    match entries {
        0 => 0,
        some => NODE_BYTES + size * (some + some / 2).max(NODE_ENTRIES),
    }
}

/// The bytes of a text in an allocation of its own.
fn text_bytes(text: &str) -> usize {
    if text.is_empty() { 0 } else { 16 + text.len() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Offset, TopicId};

    fn offset(metadata: &str) -> CommittedOffset {
        CommittedOffset {
            offset: 5,
            leader_epoch: -1,
            metadata: metadata.into(),
            commit_timestamp: 0,
            expire_timestamp: -1,
            topic_id: TopicId::ZERO,
            record_offset: Offset::ZERO,
        }
    }

    #[test]
    fn what_was_put_in_and_removed_takes_nothing() {
        let mut topics = Topics::default();
        for (topic, partition) in [("a", 0), ("a", 1), ("b", 0), ("a", 0)] {
            topics.insert(topic, partition, offset("some text"));
        }
        assert!(topics.bytes() > 3 * "some text".len());

        assert!(!topics.remove("c", 0) && !topics.remove("a", 2));
        for (topic, partition) in [("a", 0), ("b", 0), ("a", 1)] {
            assert!(topics.remove(topic, partition));
        }

        assert_eq!(topics.bytes(), 0);
        assert!(topics.is_empty());
    }

    #[test]
    fn a_new_offset_never_takes_more_than_is_asked_for_it() {
        let text = Str::from_static("text");
        let mut topics = Topics::default();
        for place in 0..100 {
            let topic = format!("topic-{}", place % 7);
            let before = topics.bytes();
            topics.insert(&topic, place, offset(&text));
            let grown = topics.bytes() - before;
            assert!(grown <= most_bytes(&topic, Some(&text)), "{place}: {grown}");
        }
    }

    #[test]
    fn an_offset_in_the_place_of_another_takes_only_its_longer_text() {
        let mut topics = Topics::default();
        topics.insert("a", 0, offset("1234"));
        let before = topics.bytes();

        let old = topics.get("a").unwrap()[&0].clone();
        assert_eq!(growth(&old, Some(&Str::from_static("123456"))), 2);
        assert_eq!(growth(&old, None), 0);
        topics.insert("a", 0, offset("123456"));

        assert_eq!(topics.bytes(), before + 2);
    }
}
