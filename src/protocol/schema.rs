//! Definitions of messages as data, for what has to know messages without being written for each.

/// The definition of a message, or of a part of one.
#[derive(Debug)]
pub struct Schema {
    /// As in Kafka's schemas.
    pub name: &'static str,
    /// The first version with compact lengths and tagged fields; `i16::MAX` if none has them.
    pub first_flexible: i16,
    /// In the order of the wire; tagged ones last, by tag.
    pub fields: &'static [FieldSchema],
}

/// The definition of a field.
#[derive(Debug)]
pub struct FieldSchema {
    /// In snake case.
    pub name: &'static str,
    /// The type.
    pub kind: Kind,
    /// The first and last version that has the field.
    pub versions: (i16, i16),
    /// The first version in which a field of kind [`Kind::Nullable`] may be null.
    pub nullable_from: i16,
    /// Set for tagged fields.
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
