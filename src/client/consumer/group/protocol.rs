//! What members say of themselves when they join, and what a leader says of members, in the bytes that all
//! clients of the classic protocol agree on.
//!
//! PURE.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::client::consumer::PartitionKey;
use crate::client::consumer::assignor::{Assignment, Member};
use crate::protocol::message::encode_versioned;
use crate::protocol::messages::consumer_protocol::{
    ConsumerProtocolAssignment, ConsumerProtocolSubscription, TopicPartition, decode,
};
use crate::protocol::messages::join_group::JoinGroupResponseMember;
use crate::protocol::messages::sync_group::SyncGroupRequestAssignment;
use crate::protocol::{DecodeError, Message as _, Str};

/// The version of both: all clients read it, and later ones.
const VERSION: i16 = 3;

/// What this member says.
pub(super) fn subscription(
    topics: &BTreeSet<Str>,
    owned: &BTreeSet<PartitionKey>,
    generation: i32,
) -> Bytes {
    let subscription = ConsumerProtocolSubscription {
        topics: topics.iter().cloned().collect(),
        owned_partitions: by_topic(owned),
        generation_id: generation,
        ..ConsumerProtocolSubscription::default()
    };
    encode_versioned(
        VERSION,
        &subscription,
        VERSION.min(ConsumerProtocolSubscription::MAX_VERSION),
    )
}

/// What a member has said.
///
/// # Errors
/// The bytes are nothing of that kind.
pub(super) fn member(told: JoinGroupResponseMember) -> Result<Member, DecodeError> {
    let said: ConsumerProtocolSubscription = decode(told.metadata)?;
    Ok(Member {
        id: told.member_id,
        instance: told.group_instance_id,
        topics: said.topics.into_iter().collect(),
        owned: flat(said.owned_partitions),
        generation: said.generation_id,
    })
}

/// What a leader says.
pub(super) fn assignments(assignment: &Assignment) -> Vec<SyncGroupRequestAssignment> {
    let said = assignment.iter().map(|(member, keys)| {
        let assigned = ConsumerProtocolAssignment {
            assigned_partitions: by_topic(keys),
            user_data: None,
        };
        SyncGroupRequestAssignment {
            member_id: member.clone(),
            assignment: encode_versioned(VERSION, &assigned, VERSION),
        }
    });
    said.collect()
}

/// What a member is to read.
///
/// # Errors
/// The bytes are nothing of that kind.
pub(super) fn assigned(bytes: Bytes) -> Result<BTreeSet<PartitionKey>, DecodeError> {
    if bytes.is_empty() {
        return Ok(BTreeSet::new());
    }
    let said: ConsumerProtocolAssignment = decode(bytes)?;
    Ok(flat(said.assigned_partitions))
}

fn by_topic(keys: &BTreeSet<PartitionKey>) -> Vec<TopicPartition> {
    let mut topics: BTreeMap<Str, Vec<i32>> = BTreeMap::new();
    for (topic, partition) in keys {
        topics.entry(topic.clone()).or_default().push(*partition);
    }
    let topic = |(topic, partitions)| TopicPartition { topic, partitions };
    topics.into_iter().map(topic).collect()
}

fn flat(topics: Vec<TopicPartition>) -> BTreeSet<PartitionKey> {
    let keys = topics.into_iter().flat_map(|topic| {
        let name = topic.topic;
        let partitions = topic.partitions.into_iter();
        partitions.map(move |partition| (name.clone(), partition))
    });
    keys.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_understood() {
        let key = |partition| (Str::from_static("t"), partition);
        let topics = BTreeSet::from([Str::from_static("t")]);
        let owned = BTreeSet::from([key(0), key(2)]);

        let said = member(JoinGroupResponseMember {
            member_id: Str::from_static("m"),
            metadata: subscription(&topics, &owned, 7),
            ..JoinGroupResponseMember::default()
        })
        .expect("it is what was said");
        let mut all = assignments(&Assignment::from([(said.id.clone(), owned.clone())]));
        let assigned = assigned(all.remove(0).assignment).expect("it is what was said");

        assert_eq!(
            (said.topics, said.owned, said.generation),
            (topics, owned.clone(), 7)
        );
        assert_eq!(assigned, owned);
    }
}
