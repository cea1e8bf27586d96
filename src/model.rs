//! Ids and counters as types, so that an offset is never passed where an epoch is meant.
//!
//! Names are Kafka's. Protocol messages carry the raw integers; domain code wraps them at the edge.

use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Declares a newtype around a signed integer that prints as the bare number.
macro_rules! number {
    ($(#[$doc:meta])* $name:ident($raw:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $raw);

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(formatter)
            }
        }

        impl From<$raw> for $name {
            fn from(raw: $raw) -> Self {
                Self(raw)
            }
        }
    };
}

number! {
    /// A broker's or controller's `node.id`: 0 or above.
    BrokerId(i32)
}
number! {
    /// The logical position of a record in its partition: 0 or above, -1 where there is none.
    Offset(i64)
}
number! {
    /// Counts the leaders a partition (or the metadata quorum) has had: 0 or above, -1 if unknown.
    LeaderEpoch(i32)
}
number! {
    /// Identifies an idempotent or transactional producer; -1 where there is none.
    ProducerId(i64)
}
number! {
    /// Wall-clock time in milliseconds since 1970-01-01 UTC; -1 where there is none.
    Timestamp(i64)
}

impl Offset {
    /// No offset: before the first, or unknown.
    pub const NONE: Self = Self(-1);
    /// The first offset of a new partition.
    pub const ZERO: Self = Self(0);
}

impl LeaderEpoch {
    /// The epoch is unknown or does not matter.
    pub const NONE: Self = Self(-1);
}

impl BrokerId {
    /// No broker, as in "no leader".
    pub const NONE: Self = Self(-1);
}

impl ProducerId {
    /// The batch comes from a producer without idempotence.
    pub const NONE: Self = Self(-1);
}

impl Timestamp {
    /// No timestamp.
    pub const NONE: Self = Self(-1);
}

impl Add<i64> for Offset {
    type Output = Self;

    fn add(self, count: i64) -> Self {
        Self(self.0 + count)
    }
}

impl Sub for Offset {
    type Output = i64;

    fn sub(self, other: Self) -> i64 {
        self.0 - other.0
    }
}

/// A 128-bit id: of a cluster, a topic or a log directory.
///
/// Its text form is Kafka's: 22 characters of URL-safe base64 without padding.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid([u8; 16]);

/// Identifies a topic for as long as it exists; a topic created again under its name has another.
pub type TopicId = Uuid;

/// Identifies a log directory (`directory.id` in its `meta.properties`).
pub type DirectoryId = Uuid;

impl Uuid {
    /// All zero: "no id". As a directory id it means that a migration is under way.
    pub const ZERO: Self = Self([0; 16]);
    /// The id of the metadata topic; as a directory id: not assigned yet (KIP-858).
    pub const ONE: Self = Self::reserved(1);
    /// As a directory id: the directory is lost (KIP-858).
    pub const LOST_DIRECTORY: Self = Self::reserved(2);

    /// The id of `__cluster_metadata`.
    pub const METADATA_TOPIC: Self = Self::ONE;
    /// A replica whose directory the broker has not told the controller yet (KIP-858).
    pub const UNASSIGNED_DIRECTORY: Self = Self::ONE;

    const fn reserved(low: u8) -> Self {
        let mut bytes = [0; 16];
        bytes[15] = low;
        Self(bytes)
    }

    /// The id with these bytes, most significant first.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes, most significant first.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Whether this is [`Self::ZERO`].
    pub fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }

    /// Makes an id of 16 random bytes into one that Kafka would generate: version 4, not among the
    /// first 100 (which are reserved), and not beginning with `-` in its text form, which
    /// command lines would take for an option. `None`: draw again.
    pub fn from_random(mut bytes: [u8; 16]) -> Option<Self> {
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        let id = Self(bytes);
        (!id.to_string().starts_with('-')).then_some(id)
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0_u8; 22];
        let length = URL_SAFE_NO_PAD
            .encode_slice(self.0, &mut text)
            .expect("16 bytes are 22 characters");
        let text = std::str::from_utf8(&text[..length]).expect("base64 is ASCII");
        formatter.pad(text)
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// The text is not 22 characters of URL-safe base64.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not an id of 22 characters of URL-safe base64")]
pub struct InvalidUuid(String);

impl FromStr for Uuid {
    type Err = InvalidUuid;

    fn from_str(text: &str) -> Result<Self, InvalidUuid> {
        // Ids that `kafka-storage random-uuid` printed may be pasted with padding.
        let bytes = URL_SAFE_NO_PAD
            .decode(text.trim_end_matches('='))
            .map_err(|_| InvalidUuid(text.to_owned()))?;
        let bytes = <[u8; 16]>::try_from(bytes).map_err(|_| InvalidUuid(text.to_owned()))?;
        Ok(Self(bytes))
    }
}

/// One partition of a topic, by the topic's id: what names it for as long as it exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicIdPartition {
    /// The topic's id.
    pub topic_id: TopicId,
    /// 0 or above.
    pub partition: i32,
}

/// One partition of a topic, by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic's name; shared, as it is held in many places.
    pub topic: Arc<str>,
    /// 0 or above.
    pub partition: i32,
}

impl TopicPartition {
    /// The partition `partition` of `topic`.
    pub fn new(topic: impl Into<Arc<str>>, partition: i32) -> Self {
        Self {
            topic: topic.into(),
            partition,
        }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.topic, self.partition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuid_text_is_kafkas_base64() {
        let id = Uuid::from_bytes([0xff; 16]);

        assert_eq!(id.to_string(), "_____________________w");
        assert_eq!("_____________________w".parse::<Uuid>().unwrap(), id);
        assert_eq!(Uuid::METADATA_TOPIC.to_string(), "AAAAAAAAAAAAAAAAAAAAAQ");
    }

    #[test]
    fn text_of_another_length_is_no_uuid() {
        assert!("".parse::<Uuid>().is_err());
        assert!("AAAA".parse::<Uuid>().is_err());
        assert!("!!!!!!!!!!!!!!!!!!!!!!".parse::<Uuid>().is_err());
    }

    #[test]
    fn a_random_uuid_never_looks_like_an_option() {
        assert_eq!(Uuid::from_random([0xfb; 16]), None);
        assert!(Uuid::from_random([1; 16]).is_some());
    }
}
