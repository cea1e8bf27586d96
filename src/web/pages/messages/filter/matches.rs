//! Whether a message is one that a filter takes.

use std::cell::OnceCell;
use std::cmp::Ordering;

use serde_json::Value;

use super::{Comparison, Field, LOOKED_AT, Literal, Node, Relation, Step, Subject};
use crate::client::Consumed;

/// A message that may be wanted. What is JSON in it is read once, when a filter asks.
pub(in crate::web::pages) struct Candidate<'a> {
    partition: i32,
    record: &'a Consumed,
    key: OnceCell<Option<Value>>,
    value: OnceCell<Option<Value>>,
}

/// What a test looks at.
enum Found<'a> {
    Nothing,
    Bytes(&'a [u8]),
    Json(&'a Value),
    Number(i64),
}

impl<'a> Candidate<'a> {
    /// A record of this partition.
    pub(in crate::web::pages) fn new(partition: i32, record: &'a Consumed) -> Self {
        Self {
            partition,
            record,
            key: OnceCell::new(),
            value: OnceCell::new(),
        }
    }

    fn find(&self, subject: &Subject) -> Found<'_> {
        let bytes = |bytes: Option<&'a [u8]>| bytes.map_or(Found::Nothing, Found::Bytes);
        let record = self.record;
        match subject {
            Subject::Key(path) if path.is_empty() => bytes(record.key.as_deref()),
            Subject::Value(path) if path.is_empty() => bytes(record.value.as_deref()),
            Subject::Key(path) => {
                let json = self.key.get_or_init(|| json(record.key.as_deref()));
                walk(json.as_ref(), path)
            }
            Subject::Value(path) => {
                let json = self.value.get_or_init(|| json(record.value.as_deref()));
                walk(json.as_ref(), path)
            }
            Subject::Header(name) => {
                // As Kafka's clients have it, the last one of a name counts.
                let mut headers = record.headers.iter().rev();
                let header = headers.find(|(key, _)| **key == *name.as_bytes());
                bytes(header.and_then(|(_, value)| value.as_deref()))
            }
            Subject::Number(Field::Offset) => Found::Number(record.offset),
            Subject::Number(Field::Partition) => Found::Number(i64::from(self.partition)),
            Subject::Number(Field::Timestamp) => Found::Number(record.timestamp),
            Subject::Number(Field::Size) => {
                Found::Number(i64::try_from(record.size).unwrap_or(i64::MAX))
            }
        }
    }

    /// Whether there is a header of this name, be it null.
    fn has_header(&self, name: &str) -> bool {
        let mut headers = self.record.headers.iter();
        headers.any(|(key, _)| **key == *name.as_bytes())
    }
}

fn json(bytes: Option<&[u8]>) -> Option<Value> {
    let bytes = bytes.filter(|bytes| bytes.len() <= LOOKED_AT)?;
    serde_json::from_slice(bytes).ok()
}

fn walk<'a>(json: Option<&'a Value>, path: &[Step]) -> Found<'a> {
    let step = |json: &'a Value, step: &Step| match step {
        Step::Member(name) => json.get(name),
        Step::Element(index) => json.get(index),
    };
    let found = path.iter().try_fold(json, |json, it| Some(step(json?, it)));
    found.flatten().map_or(Found::Nothing, Found::Json)
}

impl Node {
    pub(super) fn takes(&self, candidate: &Candidate<'_>) -> bool {
        match self {
            Self::And(nodes) => nodes.iter().all(|node| node.takes(candidate)),
            Self::Or(nodes) => nodes.iter().any(|node| node.takes(candidate)),
            Self::Not(node) => !node.takes(candidate),
            Self::Test(Subject::Header(name), Relation::Exists) => candidate.has_header(name),
            Self::Test(subject, relation) => relation.holds(&candidate.find(subject)),
        }
    }
}

impl Relation {
    fn holds(&self, found: &Found<'_>) -> bool {
        match self {
            Self::Exists => !matches!(found, Found::Nothing),
            Self::Compare(comparison, literal) => comparison.holds(found.compare(literal)),
            Self::Matches(pattern) => {
                found.any_text(|text| pattern.is_match(text.get(..LOOKED_AT).unwrap_or(text)))
            }
            Self::StartsWith(start) => found.any_text(|text| text.starts_with(start.as_bytes())),
            Self::EndsWith(end) => found.any_text(|text| text.ends_with(end.as_bytes())),
        }
    }
}

impl Comparison {
    /// What cannot be compared is unequal, and neither less nor greater.
    fn holds(self, order: Option<Ordering>) -> bool {
        match self {
            Self::Equal => order == Some(Ordering::Equal),
            Self::Unequal => order != Some(Ordering::Equal),
            Self::Less => order == Some(Ordering::Less),
            Self::LessOrEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
            Self::Greater => order == Some(Ordering::Greater),
            Self::GreaterOrEqual => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        }
    }
}

impl Found<'_> {
    fn compare(&self, literal: &Literal) -> Option<Ordering> {
        match (self, literal) {
            (Self::Nothing | Self::Json(Value::Null), Literal::Null) => Some(Ordering::Equal),
            (Self::Bytes(bytes), Literal::Text(text)) => Some((*bytes).cmp(text.as_bytes())),
            (Self::Bytes(bytes), Literal::Bool(it)) => {
                let text: &[u8] = if *it { b"true" } else { b"false" };
                (*bytes == text).then_some(Ordering::Equal)
            }
            (Self::Bytes(bytes), Literal::Integer(_) | Literal::Float(_)) => {
                // No number is that long.
                let text = bytes.get(..bytes.len().min(64))?;
                let text = std::str::from_utf8(text).ok()?.trim();
                match text.parse::<i64>() {
                    Ok(number) => compare_integer(number, literal),
                    Err(_) => compare_float(text.parse().ok()?, literal),
                }
            }
            (Self::Json(Value::String(found)), Literal::Text(text)) => {
                Some(found.as_str().cmp(text))
            }
            (Self::Json(Value::Bool(found)), Literal::Bool(it)) => Some(found.cmp(it)),
            (Self::Json(Value::Number(number)), literal) => match number.as_i64() {
                Some(number) => compare_integer(number, literal),
                None => compare_float(number.as_f64()?, literal),
            },
            (Self::Number(number), literal) => compare_integer(*number, literal),
            _ => None,
        }
    }

    /// Whether the text of what is found is such a one, or that of an element of an array.
    fn any_text(&self, is_such: impl Fn(&[u8]) -> bool) -> bool {
        match self {
            Self::Nothing | Self::Json(Value::Null) => false,
            Self::Bytes(bytes) => is_such(bytes),
            Self::Number(number) => is_such(number.to_string().as_bytes()),
            Self::Json(Value::String(text)) => is_such(text.as_bytes()),
            Self::Json(Value::Array(elements)) => elements.iter().any(|element| match element {
                Value::String(text) => is_such(text.as_bytes()),
                other => is_such(other.to_string().as_bytes()),
            }),
            Self::Json(other) => is_such(other.to_string().as_bytes()),
        }
    }
}

fn compare_integer(number: i64, literal: &Literal) -> Option<Ordering> {
    match literal {
        Literal::Integer(other) => Some(number.cmp(other)),
        Literal::Float(other) => (number as f64).partial_cmp(other),
        _ => None,
    }
}

fn compare_float(number: f64, literal: &Literal) -> Option<Ordering> {
    match literal {
        Literal::Integer(other) => number.partial_cmp(&(*other as f64)),
        Literal::Float(other) => number.partial_cmp(other),
        _ => None,
    }
}
