//! The records of the topics in which coordinators keep their state, as JSON: for `dump-log`, and for whoever
//! looks at such a topic's messages.

use bytes::Bytes;

use super::json::Json;
use super::message::Struct as _;
use super::messages::consumer_protocol::{
    ConsumerProtocolAssignment, ConsumerProtocolSubscription,
};
use super::messages::offsets_records::OffsetsRecord;
use super::messages::{share_state_records, transaction_records};
use super::schema::{RecordSchema, Schema};
use super::{DecodeError, Reader, Str};

/// The number of the type of records that hold classic groups.
const CLASSIC_GROUP: i16 = 2;
/// What members of classic groups speak that are consumers.
const CONSUMER: &str = "consumer";

/// A topic in which a coordinator keeps its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CoordinatorTopic {
    /// `__consumer_offsets`.
    Offsets,
    /// `__transaction_state`.
    Transactions,
    /// `__share_group_state`.
    ShareState,
}

/// A record of such a topic.
#[derive(Debug)]
pub struct ShownRecord {
    /// Its key, with its type.
    pub key: String,
    /// Its value, with its version, or `<DELETE>`.
    pub value: String,
}

/// Why a record cannot be shown.
#[derive(Debug)]
pub enum Unreadable {
    /// Its type is not known.
    Type(i16),
    /// In the words of Kafka's tool.
    Reason(String),
}

impl CoordinatorTopic {
    /// The topic of this name.
    pub fn of(name: &str) -> Option<Self> {
        match name {
            "__consumer_offsets" => Some(Self::Offsets),
            "__transaction_state" => Some(Self::Transactions),
            "__share_group_state" => Some(Self::ShareState),
            _ => None,
        }
    }

    fn definition(self, number: i16) -> Option<RecordSchema> {
        match self {
            Self::Offsets => OffsetsRecord::definition(number),
            Self::Transactions => transaction_records::definition(number),
            Self::ShareState => share_state_records::definition(number),
        }
    }

    /// Shows a record.
    ///
    /// # Errors
    /// It is none of this topic, or of a later release.
    pub fn show(self, key: &[u8], value: Option<&[u8]>) -> Result<ShownRecord, Unreadable> {
        let mut key = Reader::new(Bytes::copy_from_slice(key));
        let number = number_of(&mut key, "key")?;
        let schema = self.definition(number).ok_or(Unreadable::Type(number))?;
        let key = read_as(schema.key, &mut key, number, 0, "key")?;
        let value = match value {
            None => "<DELETE>".to_owned(),
            Some(value) => {
                let mut value = Reader::new(Bytes::copy_from_slice(value));
                let version = number_of(&mut value, "value")?;
                let (first, last) = schema.versions;
                if !(first..=last).contains(&version) {
                    let reason =
                        format!("Found an unknown record version {version} for {number} type");
                    return Err(Unreadable::Reason(reason));
                }
                let mut data = read_as(schema.value, &mut value, version, version, "value")?;
                if self == Self::Offsets && number == CLASSIC_GROUP {
                    explain_members(&mut data);
                }
                format!("{{\"version\":\"{version}\",\"data\":{data}}}")
            }
        };
        Ok(ShownRecord {
            key: format!("{{\"type\":\"{number}\",\"data\":{key}}}"),
            value,
        })
    }
}

/// What consumers have told of themselves and been told, which the group's record holds as bytes.
fn explain_members(data: &mut Json) {
    let of_consumers = Json::Text(Str::from_static(CONSUMER));
    if data.member_mut("protocol_type") != Some(&mut of_consumers.clone()) {
        return;
    }
    let Some(Json::Array(members)) = data.member_mut("members") else {
        return;
    };
    for member in members {
        for (name, schema) in [
            ("subscription", ConsumerProtocolSubscription::SCHEMA),
            ("assignment", ConsumerProtocolAssignment::SCHEMA),
        ] {
            // What is no such message stays as it is.
            if let Some(field) = member.member_mut(name)
                && let Json::Bytes(bytes) = field
                && let Ok(message) = versioned(schema, bytes.clone())
            {
                *field = message;
            }
        }
    }
}

/// A message behind its version.
fn versioned(schema: &Schema, bytes: Bytes) -> Result<Json, DecodeError> {
    let mut reader = Reader::new(bytes);
    let version = reader.i16()?;
    Json::read(schema, &mut reader, version, version)
}

fn number_of(reader: &mut Reader, part: &str) -> Result<i16, Unreadable> {
    let reason = |_| Unreadable::Reason(format!("Could not read version from {part}'s buffer."));
    reader.i16().map_err(reason)
}

/// Reads a key or a value; `told` is its version by Kafka's count, in which the type of a key is one.
fn read_as(
    schema: &Schema,
    reader: &mut Reader,
    told: i16,
    version: i16,
    part: &str,
) -> Result<Json, Unreadable> {
    Json::read(schema, reader, version, version).map_err(|error| {
        Unreadable::Reason(format!(
            "Could not read record with version {told} from {part}'s buffer due to: {error}."
        ))
    })
}
