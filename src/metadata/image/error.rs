//! Why a metadata record cannot be replayed. Each of these means that this process cannot follow
//! the log any further: going on would act on a state that no other node has.

use crate::model::{BrokerId, TopicId};

/// A record that does not fit the state before it, or that this version does not understand.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// The bytes are no metadata record that this version knows.
    #[error("a metadata record cannot be decoded: {0}")]
    Undecodable(String),
    /// A feature is finalised at a level outside the range that this version serves.
    #[error(
        "the cluster's {name} is at level {level}, but this broker serves levels {min} to {max}; \
         change it with kafka-features.sh from a node that serves both, then start this one again"
    )]
    UnsupportedFeature {
        /// The feature, as `kafka-features.sh` names it.
        name: String,
        /// The level in the record.
        level: i16,
        /// The lowest level served.
        min: i16,
        /// The highest level served.
        max: i16,
    },
    /// A record names a topic that does not exist at its offset.
    #[error("no topic has the id {0}")]
    UnknownTopic(TopicId),
    /// A record names a topic that does not exist at its offset.
    #[error("no topic is named {0:?}")]
    UnknownTopicName(String),
    /// A record changes a partition that does not exist at its offset.
    #[error("topic {topic} has no partition {partition}")]
    UnknownPartition {
        /// The topic's id.
        topic: TopicId,
        /// The partition's index.
        partition: i32,
    },
    /// A topic is created under the name or the id of one that exists.
    #[error("a topic named {name:?} with the id {id} exists already")]
    DuplicateTopic {
        /// The name in the record.
        name: String,
        /// The id of the topic that exists.
        id: TopicId,
    },
    /// A record changes a broker that is not registered.
    #[error("broker {0} is not registered")]
    UnknownBroker(BrokerId),
    /// A record names another epoch of a broker than the registered one.
    #[error("broker {broker} is registered with epoch {registered}, not {epoch}")]
    WrongBrokerEpoch {
        /// The broker.
        broker: BrokerId,
        /// The epoch in the record.
        epoch: i64,
        /// The epoch of the registration.
        registered: i64,
    },
    /// A record removes a controller that is not registered.
    #[error("controller {0} is not registered")]
    UnknownController(BrokerId),
    /// A field has a value that has no meaning.
    #[error("a {record} has {value} in {field}")]
    InvalidField {
        /// The record's type.
        record: &'static str,
        /// The field's name.
        field: &'static str,
        /// The value, as text.
        value: String,
    },
    /// A metadata transaction begins within another, or ends where none began.
    #[error("{0}")]
    Transaction(&'static str),
}
