//! What is known of one config key: Kafka's facts about it, our words for it, and whether anything
//! acts on it here.
//!
//! The rows themselves are in [`super::keys`]. Nothing here reads a file or keeps a value.

use std::collections::HashSet;

use super::rule::Rule;
use super::value::{InvalidValue, Value};

/// One key of the table.
#[derive(Debug)]
pub struct Key {
    /// Kafka's name, as in `server.properties` and in DescribeConfigs.
    pub name: &'static str,
    /// How its value is read.
    pub kind: Kind,
    /// What holds if nobody sets it.
    pub default: KeyDefault,
    /// Which values of the kind are allowed.
    pub rule: Rule,
    /// How likely an operator is to touch it.
    pub importance: Importance,
    /// Whether it can be changed while the broker runs.
    pub update: Update,
    /// Whether anything acts on it.
    pub status: Status,
    /// What it is a config of.
    pub scope: Scope,
    /// What it means, in a sentence or three.
    pub doc: &'static str,
}

/// How a value is read and written; Kafka's `ConfigDef.Type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`, in any case.
    Boolean,
    /// Any text.
    String,
    /// A 32-bit integer.
    Int,
    /// A 16-bit integer.
    Short,
    /// A 64-bit integer.
    Long,
    /// A 64-bit floating point number.
    Double,
    /// Texts separated by commas.
    List,
    /// The name of a Java class. Never loaded, so any name passes.
    Class,
    /// A text that is never shown.
    Password,
}

/// What holds if nobody sets a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyDefault {
    /// No value; DescribeConfigs shows null.
    Unset,
    /// This value, written as DescribeConfigs shows it.
    Is(&'static str),
}

/// How likely an operator is to touch a key; Kafka's `ConfigDef.Importance`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Importance {
    /// Set in most clusters.
    High,
    /// Set for tuning.
    Medium,
    /// Rarely set.
    Low,
}

/// Whether a key can be changed while the broker runs (KIP-226).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Update {
    /// Only by a restart.
    ReadOnly,
    /// For one broker at a time.
    PerBroker,
    /// For one broker or for all.
    ClusterWide,
}

/// Whether anything acts on a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It does what its doc says.
    Acts,
    /// Accepted, checked and described, but nothing acts on it yet.
    NotYet,
    /// It belongs to the JVM or to a part that is built differently here: it will never do
    /// anything.
    ByDesign,
}

/// What a key is a config of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// A broker: Kafka's own public keys.
    Broker,
    /// A broker: Kafka's own, but left out of its documentation.
    Internal,
    /// All brokers, and only while they run: Kafka does not read it from a file.
    DynamicOnly,
    /// A broker: not Kafka's but ours.
    Own,
    /// A topic. Topics without a value of their own take the first of these broker keys that is
    /// set.
    Topic(&'static [BrokerDefault]),
    /// A group, with the broker key that holds for groups without a value of their own.
    Group(&'static [BrokerDefault]),
    /// A subscription to metrics of clients (KIP-714).
    ClientMetrics,
}

/// A broker key that gives topics or groups their default, and the unit it counts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokerDefault {
    /// The broker key.
    pub name: &'static str,
    /// Its value times this is the topic's.
    pub factor: i64,
}

impl Key {
    /// Reads `text` as AlterConfigs and `server.properties` give it, and checks it.
    ///
    /// # Errors
    /// The text is not of the key's kind, or the value is not allowed.
    pub fn parse(&self, text: &str) -> Result<Value, InvalidValue> {
        let shown = if self.is_sensitive() {
            Value::HIDDEN
        } else {
            text
        };
        let mut value = Value::parse(self.kind, text)
            .map_err(|reason| InvalidValue::new(self.name, shown, &reason))?;
        if let (Rule::List { .. }, Value::List(entries)) = (self.rule, &mut value) {
            drop_duplicates(entries);
        }
        self.rule.check(self.name, &value)?;
        Ok(value)
    }

    /// The value that holds if nobody sets the key; `None` if it has none.
    pub fn default_value(&self) -> Option<Value> {
        match self.default {
            KeyDefault::Unset => None,
            KeyDefault::Is(text) => {
                Some(Value::parse(self.kind, text).expect("a test parses every default"))
            }
        }
    }

    /// Whether the value must not be shown, as Kafka decides: by its type.
    pub fn is_sensitive(&self) -> bool {
        self.kind == Kind::Password
    }

    /// Whether AlterConfigs on a broker may change it.
    pub fn is_dynamic(&self) -> bool {
        self.update != Update::ReadOnly
    }

    /// Whether Kafka leaves the key out of DescribeConfigs unless it is set.
    pub fn is_internal(&self) -> bool {
        self.scope == Scope::Internal || self.name == "internal.segment.bytes"
    }

    /// Whether the key belongs in a file: all but those that Kafka only takes while brokers run.
    pub fn is_static(&self) -> bool {
        self.scope != Scope::DynamicOnly
    }

    /// The broker keys that give topics or groups their default, finest unit first; none for a
    /// broker key.
    pub fn broker_defaults(&self) -> &'static [BrokerDefault] {
        match self.scope {
            Scope::Topic(defaults) | Scope::Group(defaults) => defaults,
            Scope::Broker
            | Scope::Internal
            | Scope::DynamicOnly
            | Scope::Own
            | Scope::ClientMetrics => &[],
        }
    }

    /// What an operator who set the key should know of it; `None` if it simply acts.
    pub fn notice(&self) -> Option<String> {
        match self.status {
            Status::Acts => None,
            Status::NotYet => Some(format!(
                "{} is accepted, but nothing acts on it yet",
                self.name
            )),
            Status::ByDesign => Some(format!("{} does nothing here: {}", self.name, self.doc)),
        }
    }

    /// Which values are allowed, for messages.
    pub fn allowed(&self) -> String {
        match self.rule.describe() {
            Some(rule) => format!("{}, {rule}", self.kind.describe()),
            None => self.kind.describe().to_owned(),
        }
    }
}

/// As Kafka does, which would else refuse what older versions took.
fn drop_duplicates(entries: &mut Vec<String>) {
    let mut seen = HashSet::new();
    entries.retain(|entry| seen.insert(entry.clone()));
}

impl Kind {
    /// The kind in words, for messages.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Boolean => "true or false",
            Self::String => "a text",
            Self::Int => "a 32-bit integer",
            Self::Short => "a 16-bit integer",
            Self::Long => "a 64-bit integer",
            Self::Double => "a number",
            Self::List => "a comma separated list",
            Self::Class => "a class name",
            Self::Password => "a secret",
        }
    }
}
