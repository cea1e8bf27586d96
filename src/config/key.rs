//! A config key: Kafka's facts about it, our documentation, and whether anything acts on it here.
//!
//! The keys themselves are in [`super::keys`]. Nothing here reads a file or keeps a value.

use std::collections::HashSet;

use super::rule::Rule;
use super::value::{InvalidValue, Value};

/// A key of the table.
#[derive(Debug)]
pub struct Key {
    /// Kafka's name, as in `server.properties` and in DescribeConfigs.
    pub name: &'static str,
    /// How the key's value is read.
    pub kind: Kind,
    /// The value if nobody sets the key.
    pub default: KeyDefault,
    /// Which values of its kind the key takes.
    pub rule: Rule,
    /// How likely an operator is to touch it.
    pub importance: Importance,
    /// Whether the key can be changed while the broker runs.
    pub update: Update,
    /// Whether anything acts on the key.
    pub status: Status,
    /// What the key is a config of.
    pub scope: Scope,
    /// What the key means, in one to three sentences.
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
    /// The name of a Java class. It is never loaded, so any name passes.
    Class,
    /// A text that is never shown.
    Password,
}

/// The value of a key that nobody sets.
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
    /// Only by a restart of the broker.
    ReadOnly,
    /// For one broker at a time.
    PerBroker,
    /// For one broker or for all.
    ClusterWide,
}

/// Whether anything acts on a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// The key does what its documentation says.
    Acts,
    /// The key is accepted, checked and described, but nothing acts on it yet.
    NotYet,
    /// The key belongs to the JVM, or to a part that is built differently here: nothing will ever act on
    /// it.
    ByDesign,
}

/// What a key is a config of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// A broker: one of Kafka's own public keys.
    Broker,
    /// A broker: one of Kafka's own keys that it leaves out of its documentation.
    Internal,
    /// All brokers, and only while they run: Kafka does not read the key from a file.
    DynamicOnly,
    /// A broker: one of our own keys.
    Own,
    /// A topic. Topics without a value of their own take that of the first of these broker keys that is
    /// set.
    Topic(&'static [BrokerDefault]),
    /// A group. Groups without a value of their own take that of these broker keys.
    Group(&'static [BrokerDefault]),
    /// A subscription to metrics of clients (KIP-714).
    ClientMetrics,
}

/// A broker key from which topics or groups take their default, and its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokerDefault {
    /// The broker key.
    pub name: &'static str,
    /// The topic's value is the broker key's times this.
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

    /// Whether the key belongs in a file. All do but those that Kafka takes only while brokers run.
    pub fn is_static(&self) -> bool {
        self.scope != Scope::DynamicOnly
    }

    /// The broker keys from which topics or groups take their default, finest unit first; none for a key of
    /// brokers.
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

    /// What an operator who sets the key should know about it; `None` if it simply acts.
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

    /// The allowed values, for messages.
    pub fn allowed(&self) -> String {
        match self.rule.describe() {
            Some(rule) => format!("{}, {rule}", self.kind.describe()),
            None => self.kind.describe().to_owned(),
        }
    }
}

/// Drops duplicates of a list, as Kafka does: refusing them would refuse what older versions took.
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
