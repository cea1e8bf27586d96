//! The JSON files that name partitions: `{"partitions": [{"topic": "t", "partition": 0}, ...]}`. What is wrong
//! with one is told in the words of Kafka's tools.

use std::fs;

use serde_json::Value;

use super::ending::Ending;
use crate::client::PartitionKey;
use crate::protocol::Str;

/// A file that was read; `None` if nothing but blanks is in it.
#[derive(Debug)]
pub(super) struct PartitionsFile(Option<Value>);

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
        Self::parse(&text).map_err(|_| Ending::Failed(invalid.to_owned()))
    }

    /// Reads what a file holds. As in Kafka's tools, what follows the first value does not count, and blanks
    /// are a value that is not there.
    ///
    /// # Errors
    /// It is no JSON: why.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("The input string shouldn't be empty".to_owned());
        }
        let mut values = serde_json::Deserializer::from_str(text).into_iter();
        let first = values.next().transpose();
        first.map(Self).map_err(|error| error.to_string())
    }

    /// The number of the format's version; 1 where there is none.
    ///
    /// # Errors
    /// It is no number, or the file no object.
    pub(super) fn version(&self) -> Result<i64, Ending> {
        match self.root()?.get("version") {
            None => Ok(1),
            Some(version) => integer(version).map(i64::from),
        }
    }

    /// What it says of each partition. `missing` is told if there is no list.
    ///
    /// # Errors
    /// It is not a list.
    pub(super) fn entries(&self, missing: &str) -> Result<Vec<Entry<'_>>, Ending> {
        let list = self.list("partitions")?;
        list.ok_or_else(|| Ending::Failed(missing.to_owned()))
    }

    /// The entries of the list `name`; `None` if there is no list.
    ///
    /// # Errors
    /// It is not a list.
    pub(super) fn list(&self, name: &str) -> Result<Option<Vec<Entry<'_>>>, Ending> {
        let Some(list) = self.root()?.get(name) else {
            return Ok(None);
        };
        let list = list
            .as_array()
            .ok_or_else(|| Ending::Failed(format!("Expected JSON array, received {list}")))?;
        Ok(Some(list.iter().map(Entry).collect()))
    }

    fn root(&self) -> Result<&serde_json::Map<String, Value>, Ending> {
        let nothing = || Ending::Failed("Expected JSON object, received ".to_owned());
        object(self.0.as_ref().ok_or_else(nothing)?)
    }
}

impl<'a> Entry<'a> {
    /// The partition.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn key(&self) -> Result<PartitionKey, Ending> {
        let topic = Str::copy_from(self.text("topic")?);
        Ok((topic, integer(self.field("partition")?)?))
    }

    /// The number `name` of the entry.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn long(&self, name: &str) -> Result<i64, Ending> {
        let value = self.field(name)?;
        value.as_i64().ok_or_else(|| mismatch("Long", value))
    }

    /// The text `name` of the entry.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn text(&self, name: &str) -> Result<&'a str, Ending> {
        text(self.field(name)?)
    }

    /// The numbers in the list `name` of the entry.
    ///
    /// # Errors
    /// There is none, or other things are in it.
    pub(super) fn integers(&self, name: &str) -> Result<Vec<i32>, Ending> {
        let list = array(self.field(name)?)?;
        list.iter().map(integer).collect()
    }

    /// The texts in the list `name` of the entry; `None` if there is no list.
    ///
    /// # Errors
    /// Other things are in it.
    pub(super) fn texts(&self, name: &str) -> Result<Option<Vec<&'a str>>, Ending> {
        let Some(list) = object(self.0)?.get(name) else {
            return Ok(None);
        };
        let texts = array(list)?.iter().map(text);
        texts.collect::<Result<_, _>>().map(Some)
    }

    fn field(&self, name: &str) -> Result<&'a Value, Ending> {
        let field = object(self.0)?.get(name);
        field.ok_or_else(|| Ending::Failed(format!("No such field exists: `{name}`")))
    }
}

/// `topic-0`.
pub(super) fn shown((topic, partition): &PartitionKey) -> String {
    format!("{topic}-{partition}")
}

/// Partitions with this between them.
pub(super) fn joined<'a>(
    keys: impl IntoIterator<Item = &'a PartitionKey>,
    separator: &str,
) -> String {
    let keys: Vec<String> = keys.into_iter().map(shown).collect();
    keys.join(separator)
}

fn object(value: &Value) -> Result<&serde_json::Map<String, Value>, Ending> {
    value
        .as_object()
        .ok_or_else(|| Ending::Failed(format!("Expected JSON object, received {value}")))
}

fn array(value: &Value) -> Result<&Vec<Value>, Ending> {
    value
        .as_array()
        .ok_or_else(|| mismatch("JSON array", value))
}

fn integer(value: &Value) -> Result<i32, Ending> {
    let number = value.as_i64().and_then(|it| i32::try_from(it).ok());
    number.ok_or_else(|| mismatch("Integer", value))
}

fn text(value: &Value) -> Result<&str, Ending> {
    value.as_str().ok_or_else(|| mismatch("String", value))
}

fn mismatch(kind: &str, value: &Value) -> Ending {
    Ending::Failed(format!("Expected `{kind}` value, received {value}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told<T>(outcome: Result<T, Ending>) -> String {
        outcome.err().map(|it| it.to_string()).unwrap_or_default()
    }

    #[test]
    fn the_first_value_counts_and_blanks_are_none() {
        let first = PartitionsFile::parse(r#"{"version": 3} {"version": 4} and more"#);
        let blank = PartitionsFile::parse(" \n").expect("no value");

        assert_eq!(first.expect("a value").version().expect("a number"), 3);
        assert_eq!(told(blank.version()), "Expected JSON object, received ");
        assert!(PartitionsFile::parse("").is_err() && PartitionsFile::parse("x").is_err());
    }

    #[test]
    fn what_is_not_what_it_should_be_is_told() {
        let text =
            r#"{"list": [{"n": [1, 2], "t": ["a"]}, {"n": [1.5], "t": 1}, {"n": 4294967296}]}"#;
        let file = PartitionsFile::parse(text).expect("JSON");
        let list = file.list("list").expect("a list").expect("it is there");

        assert_eq!(list[0].integers("n").expect("numbers"), [1, 2]);
        assert_eq!(list[0].texts("t").expect("texts"), Some(vec!["a"]));
        assert_eq!(list[2].texts("t").expect("no texts"), None);
        let wrong = "Expected `Integer` value, received 1.5";
        assert_eq!(told(list[1].integers("n")), wrong);
        let wrong = "Expected `JSON array` value, received 1";
        assert_eq!(told(list[1].texts("t")), wrong);
        let wrong = "Expected `JSON array` value, received 4294967296";
        assert_eq!(told(list[2].integers("n")), wrong);
        assert_eq!(told(list[2].key()), "No such field exists: `topic`");
        assert!(file.list("other").expect("no list").is_none());
    }
}
