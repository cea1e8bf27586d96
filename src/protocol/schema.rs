//! Definitions of messages as data, for code that handles any message, such as tests and tools.

use super::message::Message;

/// The definition of a message, or of a part of one.
#[derive(Debug)]
pub struct Schema {
    /// The name in Kafka's schemas.
    pub name: &'static str,
    /// The first version with compact lengths and tagged fields; `i16::MAX` if none has them.
    pub first_flexible: i16,
    /// The fields in the order of the wire, then the tagged ones by tag.
    pub fields: &'static [FieldSchema],
}

/// The definition of a field.
#[derive(Debug)]
pub struct FieldSchema {
    /// The field's name, in snake case.
    pub name: &'static str,
    /// The field's type.
    pub kind: Kind,
    /// The first and last version that has the field.
    pub versions: (i16, i16),
    /// The first version in which a field of kind [`Kind::Nullable`] may be null.
    pub nullable_from: i16,
    /// The tag, if the field is a tagged one.
    pub tag: Option<u32>,
}

/// The type of a field.
#[derive(Debug)]
#[allow(missing_docs, reason = "they are Kafka's types")]
pub enum Kind {
    Bool,
    Int8,
    Int16,
    Uint16,
    Int32,
    Uint32,
    Int64,
    Float64,
    Uuid,
    String,
    Bytes,
    Nullable(&'static Self),
    Array(&'static Self),
    Struct(&'static Schema),
}

/// The definition of a type of records: what their keys and values are.
#[derive(Clone, Copy, Debug)]
pub struct RecordSchema {
    /// The key's definition, of which there is one version.
    pub key: &'static Schema,
    /// The value's definition.
    pub value: &'static Schema,
    /// The first and last version of the value.
    pub versions: (i16, i16),
}

impl RecordSchema {
    /// The definition of records with these keys and values.
    pub fn of<K: Message, V: Message>() -> Self {
        Self {
            key: K::SCHEMA,
            value: V::SCHEMA,
            versions: (V::MIN_VERSION, V::MAX_VERSION),
        }
    }
}
