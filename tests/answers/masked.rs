//! An answer as lines of `path = value`, without what must differ between two brokers.
//!
//! What is masked, and why: topic ids, producer ids and member ids are drawn by each broker, and shown
//! by the name of what they belong to, or by their order; session ids are random; addresses and
//! directories are each broker's own; times within the run are the brokers' clocks; sizes of the
//! volume change under the test; the offsets of the metadata log count records that no client sees,
//! and its epoch the elections of a busy machine; configs are documented in words of our own. Throttle
//! times are not masked: no quota slows the test, so all are 0.
//!
//! Elements of an array are named by what they are about, so that their order says nothing: Kafka
//! fills most arrays from hash maps.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use broker::model::{ProducerId, Uuid};
use broker::protocol::ErrorCode;
use broker::records::{Batch, Batches, Scratch};

use super::tree::Node;

/// The fields that say what an element of an array is about; the first two that are there name it.
const NAMES: [&str; 20] = [
    "name",
    "group_id",
    "member_id",
    "key",
    "feature",
    "entity_type",
    "entity_name",
    "topic_name",
    "topic",
    "resource_name",
    "resource_type",
    "api_key",
    "partition_index",
    "partition",
    "partition_id",
    "index",
    "broker_id",
    "node_id",
    "producer_id",
    "topic_id",
];

/// Two days: as far as a bound in a message may lie from now.
const NEAR_MS: i64 = 2 * 86_400_000;
/// Addresses, directories and times in a text are no shorter.
const SHORTEST_OWN: usize = 10;
const UUID_LENGTH: usize = 36;
/// As long as a run may take.
const RUN_MS: i64 = 300_000;

/// What belongs to one broker alone.
pub struct Own {
    /// Addresses and directories, with what is shown in their place.
    texts: Vec<(String, &'static str)>,
    pub port: i64,
    topics: BTreeMap<Uuid, String>,
    producers: Vec<i64>,
    members: Vec<String>,
}

impl Own {
    /// Nothing is known yet of the broker with this port.
    pub fn new(port: u16, texts: Vec<(String, &'static str)>) -> Self {
        Self {
            texts,
            port: i64::from(port),
            topics: BTreeMap::new(),
            producers: Vec::new(),
            members: Vec::new(),
        }
    }

    /// The id of a topic; all ones for an unknown one.
    pub fn topic_id(&self, name: &str) -> Uuid {
        let found = self.topics.iter().find(|(_, known)| *known == name);
        found.map_or(Uuid::from_bytes([0xff; 16]), |(id, _)| *id)
    }

    /// Where its logs are.
    pub fn log_dir(&self) -> String {
        let mut texts = self.texts.iter();
        let found = texts.find(|(_, shown)| *shown == "<log dir>");
        found.map(|(text, _)| text.clone()).expect("it has one")
    }

    /// The producer that was the `index`-th to get an id.
    pub fn producer(&self, index: usize) -> ProducerId {
        ProducerId(self.producers[index])
    }

    pub fn producer_count(&self) -> usize {
        self.producers.len()
    }

    pub fn learn_producer(&mut self, id: i64) {
        self.producers.push(id);
    }

    /// Takes the ids of topics and members that the answer tells.
    pub fn learn(&mut self, node: &Node) {
        match node {
            Node::Array(elements) => elements.iter().for_each(|element| self.learn(element)),
            Node::Struct(fields) => {
                if let (Some(Node::Id(id)), Some(Node::Text(name))) =
                    (node.field("topic_id"), node.field("name"))
                    && !id.is_zero()
                {
                    self.topics.insert(*id, name.clone());
                }
                if let Some(Node::Text(id)) = node.field("member_id") {
                    self.learn_member(id);
                }
                fields.iter().for_each(|(_, field)| self.learn(field));
            }
            _ => {}
        }
    }

    fn learn_member(&mut self, id: &str) {
        if has_uuid(id) && !self.members.iter().any(|known| known == id) {
            self.members.push(id.to_owned());
        }
    }

    /// The answer as lines, masked.
    pub fn show(&self, node: &Node) -> Vec<(String, String)> {
        let mut lines = Vec::new();
        self.show_at("", "", node, &mut lines);
        lines
    }

    fn show_at(&self, path: &str, name: &str, node: &Node, lines: &mut Vec<(String, String)>) {
        let value = match node {
            Node::Struct(fields) => {
                let is_quorum = node.field("current_voters").is_some();
                for (field, node) in fields {
                    let below = if path.is_empty() {
                        (*field).to_owned()
                    } else {
                        format!("{path}.{field}")
                    };
                    if is_quorum && ["leader_epoch", "high_watermark"].contains(field) {
                        lines.push((below, "<of the metadata log>".to_owned()));
                        continue;
                    }
                    self.show_at(&below, field, node, lines);
                }
                return;
            }
            Node::Array(elements) if elements.is_empty() => "[]".to_owned(),
            Node::Array(elements) => {
                let elements = self.merged(elements);
                let mut shown: Vec<_> = elements
                    .iter()
                    .enumerate()
                    .map(|(index, element)| {
                        let mut lines = Vec::new();
                        self.show_at("", name, element, &mut lines);
                        (
                            self.name_of(element).unwrap_or_else(|| index.to_string()),
                            lines,
                        )
                    })
                    .collect();
                shown.sort();
                let mut last = None;
                let mut repeated = 1;
                for (name, element) in shown {
                    repeated = if last.as_ref() == Some(&name) {
                        repeated + 1
                    } else {
                        1
                    };
                    let again = if repeated > 1 {
                        format!("#{repeated}")
                    } else {
                        String::new()
                    };
                    lines.extend(element.into_iter().map(|(below, value)| {
                        let dot = if below.is_empty() || below.starts_with('[') {
                            ""
                        } else {
                            "."
                        };
                        (format!("{path}[{name}{again}]{dot}{below}"), value)
                    }));
                    last = Some(name);
                }
                return;
            }
            Node::Null => "null".to_owned(),
            Node::Number(number) => self.number(name, *number),
            Node::Text(text) if name == "documentation" && !text.is_empty() => "<words>".to_owned(),
            Node::Text(text) => format!("{:?}", self.text(text)),
            Node::Id(id) => self.id(id),
            Node::Bytes(bytes) if name == "records" => {
                self.show_batches(path, bytes, lines);
                return;
            }
            Node::Bytes(bytes) => format!("{bytes:?}"),
        };
        lines.push((path.to_owned(), value));
    }

    /// What an element is about.
    fn name_of(&self, element: &Node) -> Option<String> {
        if let Some(Node::Array(parts)) = element.field("entity") {
            let mut parts: Vec<String> = parts.iter().map(|part| format!("{part:?}")).collect();
            parts.sort();
            return Some(parts.concat());
        }
        let named = NAMES.iter().filter_map(|field| {
            let node = element.field(field)?;
            let is_told = match node {
                Node::Null => false,
                Node::Id(id) => !id.is_zero(),
                _ => true,
            };
            let mut lines = Vec::new();
            self.show_at("", field, node, &mut lines);
            is_told.then(|| lines.remove(0).1.trim_matches('"').to_owned())
        });
        let names: Vec<String> = named.take(2).collect();
        (!names.is_empty()).then(|| names.join(" "))
    }

    /// The elements, those that are about the same and say the same but for arrays as one: an answer
    /// may list the partitions of a topic in several places.
    fn merged(&self, elements: &[Node]) -> Vec<Node> {
        let mut merged: Vec<Node> = Vec::new();
        let mut places = BTreeMap::new();
        for element in elements {
            let same = (self.name_of(element), without_arrays(element));
            match places.get(&same) {
                Some(&place) if has_array(element) => join(&mut merged[place], element),
                _ => {
                    places.insert(same, merged.len());
                    merged.push(element.clone());
                }
            }
        }
        merged
    }

    fn number(&self, name: &str, number: i64) -> String {
        match name {
            "error_code" | "topic_config_error_code" => {
                let code = ErrorCode(i16::try_from(number).expect("error codes are int16"));
                code.name().to_owned()
            }
            "port" if number == self.port => "<port>".to_owned(),
            "port" if number == self.port + 1 => "<controller's port>".to_owned(),
            "session_id" if number > 0 => "<session>".to_owned(),
            "finalized_features_epoch" | "log_end_offset" if number >= 0 => "<offset>".to_owned(),
            "total_bytes" | "usable_bytes" if number > 0 => "<bytes>".to_owned(),
            "producer_id" => self.producer_name(number),
            _ if (number - now()).abs() < RUN_MS => "<now>".to_owned(),
            _ => number.to_string(),
        }
    }

    fn producer_name(&self, id: i64) -> String {
        match self.producers.iter().position(|known| *known == id) {
            Some(index) => format!("<producer {index}>"),
            None if (0..i64::from(i32::MAX)).contains(&id) => "<producer>".to_owned(),
            None => id.to_string(),
        }
    }

    fn id(&self, id: &Uuid) -> String {
        match self.topics.get(id) {
            Some(name) => format!("<id of {name}>"),
            None => id.to_string(),
        }
    }

    /// A text without addresses, ids and times.
    fn text(&self, text: &str) -> String {
        if text.len() < SHORTEST_OWN {
            return text.to_owned();
        }
        let mut text = text.to_owned();
        for (own, shown) in &self.texts {
            text = text.replace(own, shown);
        }
        for (index, id) in self.members.iter().enumerate() {
            if text.contains(id) {
                text = text.replace(id, &format!("<member {index}>"));
            }
        }
        replace_number(&text, |number| {
            // A bound may be "any time", counted from now.
            let is_near = |time: i64| time.saturating_add(number).abs() < NEAR_MS;
            (is_near(-now()) || is_near(now() - i64::MAX)).then(|| "<time>".to_owned())
        })
    }

    /// Batches by header and record: what was compressed anew may have other bytes.
    fn show_batches(&self, path: &str, bytes: &[u8], lines: &mut Vec<(String, String)>) {
        let mut batches = Batches::new(bytes);
        for (index, batch) in (&mut batches).enumerate() {
            let at = format!("{path}[{index}]");
            match batch {
                Ok(batch) => self.show_batch(&at, &batch, lines),
                Err(error) => lines.push((at, error.to_string())),
            }
        }
        let partial = bytes.len() - batches.position();
        lines.push((format!("{path}.partial"), partial.to_string()));
    }

    fn show_batch(&self, path: &str, batch: &Batch<'_>, lines: &mut Vec<(String, String)>) {
        let mut add = |field: &str, value: String| lines.push((format!("{path}.{field}"), value));
        let header = batch.header();
        add("base_offset", header.base_offset().0.to_string());
        add("last_offset_delta", header.last_offset_delta().to_string());
        add(
            "leader_epoch",
            header.partition_leader_epoch().0.to_string(),
        );
        add("attributes", header.attributes().bits().to_string());
        add("base_timestamp", self.number("", header.base_timestamp().0));
        add("max_timestamp", self.number("", header.max_timestamp().0));
        add("producer_id", self.producer_name(header.producer_id().0));
        add("producer_epoch", header.producer_epoch().to_string());
        add("base_sequence", header.base_sequence().to_string());
        add("crc", format!("valid: {}", batch.crc_is_valid()));
        let mut scratch = Scratch::default();
        let records: Vec<String> = match batch.records(&mut scratch) {
            Err(error) => vec![error.to_string()],
            Ok(records) => records
                .map(|record| match record {
                    Ok(record) => format!(
                        "{} {} {:?} {:?} {:?}",
                        record.offset().0,
                        self.number("", record.timestamp().0),
                        record.key(),
                        record.value().map(crc32c::crc32c),
                        record.headers().collect::<Vec<_>>(),
                    ),
                    Err(error) => error.to_string(),
                })
                .collect(),
        };
        add("records", records.join("; "));
    }
}

fn has_array(element: &Node) -> bool {
    let Node::Struct(fields) = element else {
        return false;
    };
    let is_struct = |node: &Node| matches!(node, Node::Struct(_));
    fields.iter().any(|(_, field)| match field {
        Node::Array(elements) => elements.first().is_none_or(is_struct),
        _ => false,
    })
}

fn without_arrays(element: &Node) -> String {
    let Node::Struct(fields) = element else {
        return String::new();
    };
    let others = fields
        .iter()
        .filter(|(_, field)| !matches!(field, Node::Array(_)));
    format!("{:?}", others.collect::<Vec<_>>())
}

/// Adds the elements of the arrays of `more` to those of `element`.
fn join(element: &mut Node, more: &Node) {
    let (Node::Struct(fields), Node::Struct(more)) = (element, more) else {
        return;
    };
    for ((_, field), (_, more)) in fields.iter_mut().zip(more) {
        if let (Node::Array(elements), Node::Array(more)) = (field, more) {
            elements.extend(more.iter().cloned());
        }
    }
}

/// Whether a text ends with an id that was drawn.
fn has_uuid(text: &str) -> bool {
    let Some((_, id)) = text
        .len()
        .checked_sub(UUID_LENGTH)
        .and_then(|at| text.split_at_checked(at))
    else {
        return false;
    };
    let parts: Vec<&str> = id.split('-').collect();
    let is_hex = |part: &&str| part.chars().all(|c| c.is_ascii_hexdigit());
    parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12]) && parts.iter().all(is_hex)
}

/// Replaces the whole numbers in `text` for which `shown` has something else.
fn replace_number(text: &str, shown: impl Fn(i64) -> Option<String>) -> String {
    let mut result = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let digits = &rest[start..];
        let end = digits
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(digits.len());
        result.push_str(&rest[..start]);
        let number = digits[..end].parse().ok().and_then(&shown);
        result.push_str(number.as_deref().unwrap_or(&digits[..end]));
        rest = &digits[end..];
    }
    result.push_str(rest);
    result
}

/// Milliseconds since 1970.
pub fn now() -> i64 {
    let age = SystemTime::now().duration_since(UNIX_EPOCH);
    let age = age.expect("the clock is past 1970").as_millis();
    i64::try_from(age).expect("it is not that late")
}
