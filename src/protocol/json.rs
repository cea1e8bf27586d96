//! Messages as JSON, by their definitions: what tools print of a record. Names, order and forms are those of the
//! converters that Kafka generates from its schemas.
//!
//! Numbers and booleans are themselves, ids and strings are text, bytes are base64. A tagged field is shown if
//! the bytes have it.

use std::fmt;

use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::schema::{FieldSchema, Kind, Schema};
use super::{DecodeError, Reader, Str};
use crate::model::Uuid;

/// Fields that stand elsewhere in Kafka's schemas: the struct, the field, and the one that it follows there. In our
/// definitions tagged fields come last, by tag.
const ELSEWHERE: [(&str, &str, &str); 7] = [
    ("PartitionRecord", "leader_recovery_state", "leader"),
    (
        "PartitionChangeRecord",
        "directories",
        "leader_recovery_state",
    ),
    (
        "ShareSnapshotValue",
        "delivery_complete_count",
        "start_offset",
    ),
    (
        "ShareUpdateValue",
        "delivery_complete_count",
        "start_offset",
    ),
    ("TransactionLogValue", "previous_producer_id", "producer_id"),
    (
        "TransactionLogValue",
        "next_producer_id",
        "previous_producer_id",
    ),
    (
        "TransactionLogValue",
        "next_producer_epoch",
        "producer_epoch",
    ),
];

/// Names that are others in Kafka's schemas.
const OTHER_NAMES: [(&str, &str); 4] = [
    ("kraft_version", "kRaftVersion"),
    ("kraft_version_feature", "kRaftVersionFeature"),
    ("kind", "type"),
    ("match_value", "match"),
];

/// A JSON value. `{}` writes it in one line, without blanks.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "the names are those of JSON, or of our types")]
pub enum Json {
    Null,
    Bool(bool),
    Integer(i64),
    Double(f64),
    Text(Str),
    Id(Uuid),
    /// Written as base64.
    Bytes(Bytes),
    Array(Vec<Self>),
    /// Names are in snake case, and written in camel case.
    Object(Vec<(&'static str, Self)>),
}

impl Json {
    /// Reads a message of `version`, and shows it as one of version `shown`: fields that the latter has alone are
    /// zero, empty or null.
    ///
    /// # Errors
    /// The bytes are not such a message. Bytes that follow it are left.
    pub fn read(
        schema: &Schema,
        reader: &mut Reader,
        version: i16,
        shown: i16,
    ) -> Result<Self, DecodeError> {
        let form = Form {
            version,
            shown,
            flexible: version >= schema.first_flexible,
        };
        form.message(schema, reader)
    }

    /// The member of an object with this name, which is in snake case.
    pub fn member_mut(&mut self, name: &str) -> Option<&mut Self> {
        let Self::Object(members) = self else {
            return None;
        };
        members
            .iter_mut()
            .find(|(member, _)| *member == name)
            .map(|(_, value)| value)
    }
}

/// How values were written, and how they are shown.
#[derive(Clone, Copy)]
struct Form {
    version: i16,
    shown: i16,
    flexible: bool,
}

impl Form {
    fn message(self, schema: &Schema, reader: &mut Reader) -> Result<Json, DecodeError> {
        let mut members = Vec::with_capacity(schema.fields.len());
        for field in schema.fields.iter().filter(|field| field.tag.is_none()) {
            let value = if is_in(field, self.version) {
                self.field(field, reader)?
            } else {
                absent(&field.kind)
            };
            if is_in(field, self.shown) {
                members.push((field.name, value));
            }
        }
        if self.flexible {
            reader.tags(&mut |reader, tag| {
                let is_meant =
                    |field: &&FieldSchema| field.tag == Some(tag) && is_in(field, self.version);
                let Some(field) = schema.fields.iter().find(is_meant) else {
                    return Ok(false);
                };
                let value = self.tagged(field, reader)?;
                // The last of fields with the same tag counts.
                members.retain(|(name, _)| *name != field.name);
                members.push((field.name, value));
                Ok(true)
            })?;
        }
        put_in_order(schema, &mut members);
        Ok(Json::Object(members))
    }

    fn field(self, field: &FieldSchema, reader: &mut Reader) -> Result<Json, DecodeError> {
        match &field.kind {
            Kind::Nullable(inner) if self.version < field.nullable_from => {
                self.value(inner, reader)
            }
            kind => self.value(kind, reader),
        }
    }

    /// A nullable struct has another null as a tagged field.
    fn tagged(self, field: &FieldSchema, reader: &mut Reader) -> Result<Json, DecodeError> {
        let Kind::Nullable(Kind::Struct(schema)) = &field.kind else {
            return self.field(field, reader);
        };
        match reader.u8()? {
            0 => Ok(Json::Null),
            _ => self.message(schema, reader),
        }
    }

    fn value(self, kind: &Kind, reader: &mut Reader) -> Result<Json, DecodeError> {
        match kind {
            Kind::Nullable(Kind::Struct(schema)) => match reader.i8()? {
                ..0 => Ok(Json::Null),
                _ => self.message(schema, reader),
            },
            Kind::Nullable(inner) => Ok(self.nullable(inner, reader)?.unwrap_or(Json::Null)),
            kind => self
                .nullable(kind, reader)?
                .ok_or(DecodeError::UnexpectedNull),
        }
    }

    /// A value; `None` for a null of a type that has one of its own.
    fn nullable(self, kind: &Kind, reader: &mut Reader) -> Result<Option<Json>, DecodeError> {
        Ok(Some(match kind {
            Kind::Bool => Json::Bool(reader.u8()? != 0),
            Kind::Int8 => Json::Integer(reader.i8()?.into()),
            Kind::Int16 => Json::Integer(reader.i16()?.into()),
            Kind::Uint16 => Json::Integer(reader.u16()?.into()),
            Kind::Int32 => Json::Integer(reader.i32()?.into()),
            Kind::Uint32 => Json::Integer(reader.u32()?.into()),
            Kind::Int64 => Json::Integer(reader.i64()?),
            Kind::Float64 => Json::Double(reader.f64()?),
            Kind::Uuid => Json::Id(Uuid::from_bytes(reader.array()?)),
            Kind::Struct(schema) => self.message(schema, reader)?,
            Kind::Nullable(inner) => self.value(inner, reader)?,
            Kind::String => match reader.lossy_string(self.flexible)? {
                Some(text) => Json::Text(text),
                None => return Ok(None),
            },
            Kind::Bytes => match reader.length(self.flexible)? {
                Some(length) => Json::Bytes(reader.take(length)?),
                None => return Ok(None),
            },
            Kind::Array(element) => {
                let Some(count) = reader.count(self.flexible, 1)? else {
                    return Ok(None);
                };
                let elements = (0..count).map(|_| self.value(element, reader));
                Json::Array(elements.collect::<Result<_, _>>()?)
            }
        }))
    }
}

fn is_in(field: &FieldSchema, version: i16) -> bool {
    let (first, last) = field.versions;
    (first..=last).contains(&version)
}

/// What a field shows that the bytes do not have.
fn absent(kind: &Kind) -> Json {
    match kind {
        Kind::Bool => Json::Bool(false),
        Kind::Float64 => Json::Double(0.0),
        Kind::Uuid => Json::Id(Uuid::ZERO),
        Kind::String => Json::Text(Str::EMPTY),
        Kind::Bytes => Json::Bytes(Bytes::new()),
        Kind::Array(_) => Json::Array(Vec::new()),
        Kind::Nullable(_) | Kind::Struct(_) => Json::Null,
        Kind::Int8 | Kind::Int16 | Kind::Uint16 | Kind::Int32 | Kind::Uint32 | Kind::Int64 => {
            Json::Integer(0)
        }
    }
}

/// Puts the fields in the order of Kafka's schema, where ours is another.
fn put_in_order(schema: &Schema, members: &mut [(&'static str, Json)]) {
    let mut moved = ELSEWHERE
        .iter()
        .filter(|(of, ..)| *of == schema.name)
        .peekable();
    if moved.peek().is_none() {
        return;
    }
    let mut names: Vec<&str> = schema.fields.iter().map(|field| field.name).collect();
    for (_, field, before) in moved {
        names.retain(|name| name != field);
        let place = names.iter().position(|name| name == before);
        names.insert(place.map_or(names.len(), |it| it.saturating_add(1)), field);
    }
    members.sort_by_key(|(member, _)| names.iter().position(|name| name == member));
}

impl fmt::Display for Json {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => formatter.write_str("null"),
            Self::Bool(value) => value.fmt(formatter),
            Self::Integer(value) => value.fmt(formatter),
            Self::Double(value) => write_double(*value, formatter),
            Self::Text(text) => write_text(text, formatter),
            Self::Id(id) => write!(formatter, "\"{id}\""),
            Self::Bytes(bytes) => {
                write!(formatter, "\"{}\"", Base64Display::new(bytes, &STANDARD))
            }
            Self::Array(elements) => {
                formatter.write_str("[")?;
                for (at, element) in elements.iter().enumerate() {
                    formatter.write_str(if at == 0 { "" } else { "," })?;
                    element.fmt(formatter)?;
                }
                formatter.write_str("]")
            }
            Self::Object(members) => {
                formatter.write_str("{")?;
                for (at, (name, value)) in members.iter().enumerate() {
                    formatter.write_str(if at == 0 { "\"" } else { ",\"" })?;
                    write_name(name, formatter)?;
                    formatter.write_str("\":")?;
                    value.fmt(formatter)?;
                }
                formatter.write_str("}")
            }
        }
    }
}

fn write_name(name: &str, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
    if let Some((_, other)) = OTHER_NAMES.iter().find(|(ours, _)| *ours == name) {
        return formatter.write_str(other);
    }
    for (at, word) in name.split('_').enumerate() {
        let mut letters = word.chars();
        if let Some(first) = letters.next().filter(|_| at > 0) {
            write!(
                formatter,
                "{}{}",
                first.to_ascii_uppercase(),
                letters.as_str()
            )?;
        } else {
            formatter.write_str(word)?;
        }
    }
    Ok(())
}

fn write_text(text: &str, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
    use fmt::Write as _;
    formatter.write_char('"')?;
    for letter in text.chars() {
        match letter {
            '"' => formatter.write_str("\\\""),
            '\\' => formatter.write_str("\\\\"),
            '\u{8}' => formatter.write_str("\\b"),
            '\t' => formatter.write_str("\\t"),
            '\n' => formatter.write_str("\\n"),
            '\u{c}' => formatter.write_str("\\f"),
            '\r' => formatter.write_str("\\r"),
            '\0'..' ' => write!(formatter, "\\u{:04X}", u32::from(letter)),
            letter => formatter.write_char(letter),
        }?;
    }
    formatter.write_char('"')
}

/// A number as Java writes it; one that JSON cannot have is text.
fn write_double(value: f64, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
    let size = value.abs();
    if value.is_nan() {
        formatter.write_str("\"NaN\"")
    } else if value.is_infinite() {
        let sign = if value < 0.0 { "-" } else { "" };
        write!(formatter, "\"{sign}Infinity\"")
    } else if size == 0.0 || (1e-3..1e7).contains(&size) {
        write!(formatter, "{value:?}")
    } else {
        let text = format!("{value:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let point = if digits.contains('.') { "" } else { ".0" };
        write!(formatter, "{digits}{point}E{exponent}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::message::{Struct as _, encode_whole};
    use crate::protocol::messages::metadata_records::{
        BrokerRegistrationChangeRecord, PartitionRecord,
    };
    use crate::protocol::messages::raft_records::{LeaderChangeMessage, Voter};

    fn shown(schema: &Schema, bytes: Bytes, version: i16, as_version: i16) -> String {
        let read = Json::read(schema, &mut Reader::new(bytes), version, as_version);
        read.expect("whole").to_string()
    }

    #[test]
    fn fields_have_kafkas_names_order_and_forms() {
        let record = PartitionRecord {
            partition_id: 3,
            replicas: vec![1, 2],
            leader: 1,
            leader_recovery_state: 1,
            ..PartitionRecord::default()
        };

        let text = shown(PartitionRecord::SCHEMA, encode_whole(&record, 0), 0, 0);

        assert_eq!(
            text,
            "{\"partitionId\":3,\"topicId\":\"AAAAAAAAAAAAAAAAAAAAAA\",\"replicas\":[1,2],\"isr\":[],\
             \"removingReplicas\":[],\"addingReplicas\":[],\"leader\":1,\"leaderRecoveryState\":1,\
             \"leaderEpoch\":-1,\"partitionEpoch\":-1}"
        );
    }

    #[test]
    fn what_later_versions_have_is_empty_and_tagged_fields_may_be_absent() {
        let message = LeaderChangeMessage {
            version: 1,
            leader_id: 7,
            voters: vec![Voter::default()],
            granting_voters: Vec::new(),
        };
        let change = BrokerRegistrationChangeRecord {
            fenced: 1,
            ..BrokerRegistrationChangeRecord::default()
        };

        let leader = shown(LeaderChangeMessage::SCHEMA, encode_whole(&message, 0), 0, 1);
        let change = shown(
            BrokerRegistrationChangeRecord::SCHEMA,
            encode_whole(&change, 1),
            1,
            1,
        );

        assert_eq!(
            leader,
            "{\"version\":1,\"leaderId\":7,\"voters\":[{\"voterId\":0,\
             \"voterDirectoryId\":\"AAAAAAAAAAAAAAAAAAAAAA\"}],\"grantingVoters\":[]}"
        );
        assert_eq!(change, "{\"brokerId\":0,\"brokerEpoch\":0,\"fenced\":1}");
    }

    #[test]
    fn text_and_numbers_are_written_as_java_writes_them() {
        let text = Json::Text("a\"\\\u{1f}\n\u{e9}\u{7f}".into());
        assert_eq!(text.to_string(), "\"a\\\"\\\\\\u001F\\n\u{e9}\u{7f}\"");
        let bytes = Json::Bytes(Bytes::from_static(&[0xff, 0xfe]));
        assert_eq!(bytes.to_string(), "\"//4=\"");

        let double = |value| Json::Double(value).to_string();
        assert_eq!(double(1000.0), "1000.0");
        assert_eq!(double(12_345_678.9), "1.23456789E7");
        assert_eq!(double(1e7), "1.0E7");
        assert_eq!(double(-0.0001), "-1.0E-4");
        assert_eq!(double(0.0), "0.0");
        assert_eq!(double(f64::NAN), "\"NaN\"");
    }
}
