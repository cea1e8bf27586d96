//! The topics that the members of a consumer group subscribe to: the only thing that a coordinator reads of
//! what members tell each other. It decides which offsets may be removed.

use std::collections::BTreeSet;

use super::ClassicGroup;
use super::member::Member;
use crate::protocol::messages::consumer_protocol::ConsumerProtocolSubscription;
use crate::protocol::{Decode as _, Reader, Str};

/// The subscriptions of a group's members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::coordinator::group) enum Subscriptions {
    /// To these topics.
    Topics(BTreeSet<Str>),
    /// The members are consumers, but their metadata cannot be read: they may subscribe to any topic.
    Unknown,
    /// The group is not one of consumers.
    None,
}

impl Subscriptions {
    /// Whether a member may subscribe to the topic.
    pub(in crate::coordinator::group) fn contains(&self, topic: &str) -> bool {
        match self {
            Self::Topics(topics) => topics.contains(topic),
            Self::Unknown => true,
            Self::None => false,
        }
    }

    /// Whether the topics are known.
    pub(in crate::coordinator::group) fn are_known(&self) -> bool {
        matches!(self, Self::Topics(_))
    }
}

impl ClassicGroup {
    /// What the members subscribe to, by the protocol of the generation.
    pub(in crate::coordinator::group) fn subscriptions(&self) -> Subscriptions {
        if !self.uses_consumer_protocol() {
            return Subscriptions::None;
        }
        if self.members.is_empty() {
            return Subscriptions::Topics(BTreeSet::new());
        }
        let Some(protocol) = &self.protocol else {
            return Subscriptions::Unknown;
        };
        let mut topics = BTreeSet::new();
        for member in self.members.iter() {
            let Some(subscribed) = subscribed_topics(member, protocol) else {
                return Subscriptions::Unknown;
            };
            topics.extend(subscribed);
        }
        Subscriptions::Topics(topics)
    }
}

/// The topics come first in every version, so any version can be read as version 0.
fn subscribed_topics(member: &Member, protocol: &str) -> Option<Vec<Str>> {
    let mut reader = Reader::new(member.metadata(protocol)?.clone());
    let version = reader.i16().ok()?;
    if version < 0 {
        return None;
    }
    let subscription = ConsumerProtocolSubscription::decode(&mut reader, 0).ok()?;
    Some(subscription.topics)
}
