//! An answer as a tree of named values, taken apart by the message's own definition: so every field
//! is compared without naming it anywhere.

use broker::model::Uuid;
use broker::protocol::schema::{FieldSchema, Kind, Schema};
use broker::protocol::{Message, encode_whole};
use bytes::{Buf as _, Bytes};

/// A field's value.
#[derive(Clone, Debug)]
pub enum Node {
    Null,
    Number(i64),
    Text(String),
    Bytes(Bytes),
    Id(Uuid),
    Struct(Vec<(&'static str, Self)>),
    Array(Vec<Self>),
}

impl Node {
    /// The fields of `message` that `version` has. Tagged fields that were left out are left out.
    pub fn of<M: Message>(message: &M, version: i16) -> Self {
        let mut reader = Reader {
            bytes: encode_whole(message, version),
            version,
            flexible: version >= M::FIRST_FLEXIBLE,
        };
        let tree = reader.structure(M::SCHEMA);
        assert!(reader.bytes.is_empty(), "the schema is what was written");
        tree
    }

    /// The field `name` of a struct.
    pub fn field(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Struct(fields) => fields
                .iter()
                .find(|(field, _)| *field == name)
                .map(|(_, node)| node),
            _ => None,
        }
    }
}

/// Takes apart what our own codec wrote, so nothing in it can be wrong.
struct Reader {
    bytes: Bytes,
    version: i16,
    flexible: bool,
}

impl Reader {
    fn structure(&mut self, schema: &Schema) -> Node {
        let version = self.version;
        let has = |field: &&FieldSchema| (field.versions.0..=field.versions.1).contains(&version);
        let mut fields: Vec<(&'static str, Node)> = schema
            .fields
            .iter()
            .filter(|field| field.tag.is_none())
            .filter(has)
            .map(|field| (field.name, self.field(field)))
            .collect();
        if self.flexible {
            for _ in 0..self.uvarint() {
                let tag = self.uvarint();
                let _size = self.uvarint();
                let field = schema.fields.iter().find(|field| field.tag == Some(tag));
                let field = field.expect("only known tags are written");
                fields.push((field.name, self.field(field)));
            }
        }
        Node::Struct(fields)
    }

    fn field(&mut self, field: &FieldSchema) -> Node {
        match &field.kind {
            Kind::Nullable(inner) if self.version >= field.nullable_from => self.nullable(inner),
            Kind::Nullable(inner) => self.value(inner),
            kind => self.value(kind),
        }
    }

    fn nullable(&mut self, kind: &Kind) -> Node {
        let is_null = match kind {
            Kind::Struct(_) => self.bytes.get_i8() < 0,
            _ if self.flexible => self.bytes.first() == Some(&0),
            _ => self.bytes.first().is_some_and(|byte| *byte >= 0x80),
        };
        if !is_null {
            return self.value(kind);
        }
        match kind {
            Kind::Struct(_) => {}
            _ if self.flexible => self.bytes.advance(1),
            Kind::String => self.bytes.advance(2),
            _ => self.bytes.advance(4),
        }
        Node::Null
    }

    fn value(&mut self, kind: &Kind) -> Node {
        let bytes = &mut self.bytes;
        match kind {
            Kind::Bool => Node::Number(i64::from(bytes.get_u8())),
            Kind::Int8 => Node::Number(i64::from(bytes.get_i8())),
            Kind::Int16 => Node::Number(i64::from(bytes.get_i16())),
            Kind::Uint16 => Node::Number(i64::from(bytes.get_u16())),
            Kind::Int32 => Node::Number(i64::from(bytes.get_i32())),
            Kind::Uint32 => Node::Number(i64::from(bytes.get_u32())),
            Kind::Int64 => Node::Number(bytes.get_i64()),
            Kind::Float64 => Node::Text(bytes.get_f64().to_string()),
            Kind::Uuid => Node::Id(Uuid::from_bytes(
                bytes.split_to(16).as_ref().try_into().expect("16 bytes"),
            )),
            Kind::String => {
                let text = self.counted(2);
                Node::Text(String::from_utf8_lossy(&text).into_owned())
            }
            Kind::Bytes => Node::Bytes(self.counted(4)),
            Kind::Nullable(inner) => self.nullable(inner),
            Kind::Array(element) => {
                let count = self.length(4);
                Node::Array((0..count).map(|_| self.value(element)).collect())
            }
            Kind::Struct(schema) => self.structure(schema),
        }
    }

    fn counted(&mut self, old_size: usize) -> Bytes {
        let length = self.length(old_size);
        self.bytes.split_to(length)
    }

    fn length(&mut self, old_size: usize) -> usize {
        match (self.flexible, old_size) {
            (true, _) => self.uvarint() as usize - 1,
            (false, 2) => usize::from(self.bytes.get_u16()),
            (false, _) => self.bytes.get_u32() as usize,
        }
    }

    fn uvarint(&mut self) -> u32 {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = self.bytes.get_u8();
            value |= u32::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                return value;
            }
        }
    }
}
