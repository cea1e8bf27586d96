//! The JSON files that name partitions: `{"partitions": [{"topic": "t", "partition": 0}, ...]}`. What is wrong
//! with one is told in the words of Kafka's tools.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;

use super::ending::Ending;
use crate::client::PartitionKey;
use crate::protocol::Str;

/// A file that was read.
#[derive(Debug)]
pub(super) struct PartitionsFile(Value);

/// What the file says of one partition.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'a>(&'a Value);

impl PartitionsFile {
    /// Reads a file. `invalid` is told if there is no JSON in it.
    ///
    /// # Errors
    /// It can't be read, or is no JSON.
    pub(super) fn read(path: &str, invalid: &str) -> Result<Self, Ending> {
        let text = fs::read_to_string(path);
        let text = text.map_err(|_| Ending::Failed(format!("Unable to read file {path}")))?;
        let value = serde_json::from_str(&text);
        value
            .map(Self)
            .map_err(|_| Ending::Failed(invalid.to_owned()))
    }

    /// The number of the format's version; 1 where there is none.
    ///
    /// # Errors
    /// It is no number, or the file no object.
    pub(super) fn version(&self) -> Result<i64, Ending> {
        match object(&self.0)?.get("version") {
            None => Ok(1),
            Some(version) => version.as_i64().ok_or_else(|| mismatch("Integer", version)),
        }
    }

    /// What it says of each partition. `missing` is told if there is no list.
    ///
    /// # Errors
    /// It is not a list.
    pub(super) fn entries(&self, missing: &str) -> Result<Vec<Entry<'_>>, Ending> {
        let list = object(&self.0)?.get("partitions");
        let list = list.ok_or_else(|| Ending::Failed(missing.to_owned()))?;
        let list = list
            .as_array()
            .ok_or_else(|| Ending::Failed(format!("Expected JSON array, received {list}")))?;
        Ok(list.iter().map(Entry).collect())
    }
}

impl Entry<'_> {
    /// The partition.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn key(&self) -> Result<PartitionKey, Ending> {
        let topic = self.field("topic")?;
        let topic = topic.as_str().ok_or_else(|| mismatch("String", topic))?;
        let partition = self.field("partition")?;
        let number = partition.as_i64().and_then(|it| i32::try_from(it).ok());
        let number = number.ok_or_else(|| mismatch("Integer", partition))?;
        Ok((Str::copy_from(topic), number))
    }

    /// The number `name` of the entry.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn long(&self, name: &str) -> Result<i64, Ending> {
        let value = self.field(name)?;
        value.as_i64().ok_or_else(|| mismatch("Long", value))
    }

    fn field(&self, name: &str) -> Result<&Value, Ending> {
        let field = object(self.0)?.get(name);
        field.ok_or_else(|| Ending::Failed(format!("No such field exists: `{name}`")))
    }
}

/// The partitions that are named more than once.
pub(super) fn repeated<'a>(keys: impl Iterator<Item = &'a PartitionKey>) -> Vec<String> {
    let mut counts: BTreeMap<&PartitionKey, usize> = BTreeMap::new();
    for key in keys {
        *counts.entry(key).or_default() += 1;
    }
    let repeated = counts.into_iter().filter(|(_, count)| *count > 1);
    repeated.map(|(key, _)| shown(key)).collect()
}

/// `topic-0`.
pub(super) fn shown((topic, partition): &PartitionKey) -> String {
    format!("{topic}-{partition}")
}

fn object(value: &Value) -> Result<&serde_json::Map<String, Value>, Ending> {
    value
        .as_object()
        .ok_or_else(|| Ending::Failed(format!("Expected JSON object, received {value}")))
}

fn mismatch(kind: &str, value: &Value) -> Ending {
    Ending::Failed(format!("Expected `{kind}` value, received {value}"))
}
