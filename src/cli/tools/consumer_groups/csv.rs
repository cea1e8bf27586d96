//! The CSV that a reset is told in, and read from: `topic,partition,offset`, with the group before it where there
//! may be many.

use std::collections::BTreeMap;

use super::offsets::Offsets;
use crate::client::PartitionKey;
use crate::protocol::Str;

/// A text that is longer is quoted, as Kafka's tool does.
const LONGEST_WITHOUT_QUOTES: usize = 24;
/// A text that has a character before this one is quoted.
const FIRST_SAFE: char = '-';

/// A record with its line feed, with a group if there may be many.
pub(super) fn record(group: Option<&str>, key: &PartitionKey, offset: i64) -> String {
    let group = group.map(|group| quoted(group) + ",");
    let (topic, partition) = (quoted(&key.0), key.1);
    format!(
        "{}{topic},{partition},{offset}\n",
        group.unwrap_or_default()
    )
}

fn quoted(text: &str) -> String {
    let is_unsafe = text.chars().any(|char| char < FIRST_SAFE);
    let is_long = text.chars().count() > LONGEST_WITHOUT_QUOTES;
    if is_unsafe || is_long {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// The offsets of each group in a file. Lines without a group are for `only`, if only one is meant.
///
/// # Errors
/// A line is no such record.
pub(super) fn plans(text: &str, only: Option<&str>) -> Result<BTreeMap<String, Offsets>, String> {
    let trimmed = text.trim_end_matches('\n');
    let lines: Vec<&str> = match (text, trimmed) {
        ("", _) => vec![""],
        (_, "") => Vec::new(),
        (_, trimmed) => trimmed.split('\n').collect(),
    };
    let first = lines.first();
    let only = only.filter(|_| first.is_some_and(|line| Row::parse(line, false).is_ok()));
    let mut plans: BTreeMap<String, Offsets> = BTreeMap::new();
    for line in lines {
        let row = Row::parse(line, only.is_none())?;
        let group = only.map_or(row.group, str::to_owned);
        let offsets = plans.entry(group).or_default();
        offsets.insert((Str::from(row.topic), row.partition), row.offset);
    }
    Ok(plans)
}

/// A line.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    group: String,
    topic: String,
    partition: i32,
    offset: i64,
}

impl Row {
    /// Reads a line. Cells that are missing at its end are empty, or 0.
    fn parse(line: &str, has_group: bool) -> Result<Self, String> {
        let line = line.trim_end_matches('\r');
        if line.is_empty() {
            return Err(
                "com.fasterxml.jackson.databind.exc.MismatchedInputException: No content to map due to end-of-input"
                    .to_owned(),
            );
        }
        let most = if has_group { 4 } else { 3 };
        let cells = cells(line);
        if let Some(cell) = cells.get(most) {
            return Err(format!(
                "com.fasterxml.jackson.dataformat.csv.CsvReadException: Too many entries: expected at most {most} \
                 (value #{most} ({} chars) \"{cell}\")",
                cell.chars().count()
            ));
        }
        let mut cells = cells.into_iter();
        let mut next = || cells.next().unwrap_or_default();
        Ok(Self {
            group: if has_group { next() } else { String::new() },
            topic: next(),
            partition: number(&next(), "int")?,
            offset: number(&next(), "long")?,
        })
    }
}

/// The number in a cell, of a type that Java calls `kind`.
fn number<T: TryFrom<i128> + Default>(cell: &str, kind: &str) -> Result<T, String> {
    let cell = cell.trim();
    if cell.is_empty() {
        return Ok(T::default());
    }
    let digits = cell.strip_prefix(['-', '+']).unwrap_or(cell);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!(
            "com.fasterxml.jackson.databind.exc.InvalidFormatException: Cannot deserialize value of type `{kind}` from \
             String \"{cell}\": not a valid `{kind}` value"
        ));
    }
    let number = cell.parse().ok().and_then(|it: i128| T::try_from(it).ok());
    number.ok_or_else(|| {
        let range = match kind {
            // Java's parser says the range only where the number is not even a long.
            "int" if cell.parse::<i64>().is_ok() => String::new(),
            "int" => format!(" ({} - {})", i32::MIN, i32::MAX),
            _ => format!(" ({} - {})", i64::MIN, i64::MAX),
        };
        format!(
            "com.fasterxml.jackson.databind.JsonMappingException: Numeric value ({cell}) out of range of {kind}{range}"
        )
    })
}

/// The cells of a line; within quotes a comma belongs to the text, and two quotes are one.
fn cells(line: &str) -> Vec<String> {
    let mut cells = Vec::new();
    let mut cell = String::new();
    let mut is_quoted = false;
    let mut chars = line.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '"' if is_quoted && chars.peek() == Some(&'"') => {
                chars.next();
                cell.push('"');
            }
            '"' if is_quoted || cell.is_empty() => is_quoted = !is_quoted,
            ',' if !is_quoted => cells.push(std::mem::take(&mut cell)),
            char => cell.push(char),
        }
    }
    cells.push(cell);
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_quoted_where_it_is_long_or_has_special_characters() {
        let key = (Str::from_static("a-b.c"), 0);

        assert_eq!(record(None, &key, 5), "a-b.c,0,5\n");
        assert_eq!(record(Some("a,\"b"), &key, 5), "\"a,\"\"b\",a-b.c,0,5\n");
        assert_eq!(quoted(&"a".repeat(24)), "a".repeat(24));
        assert_eq!(quoted(&"a".repeat(25)).len(), 27);
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(cells("\"a,\"\"b\",1,,x"), ["a,\"b", "1", "", "x"]);
        let plan = |text, only| {
            let plans = plans(text, only).expect("good");
            let lines = plans.into_iter().flat_map(|(group, offsets)| {
                let offsets = offsets.into_iter();
                offsets.map(move |((topic, at), offset)| format!("{group} {topic} {at} {offset}"))
            });
            lines.collect::<Vec<String>>()
        };

        assert_eq!(
            plan("t,1,7\r\nt,0, 8\n\n", Some("g")),
            ["g t 0 8", "g t 1 7"]
        );
        assert_eq!(plan("a,t,1,7\nb,t,1,9", Some("b")), ["a t 1 7", "b t 1 9"]);
        assert_eq!(plan("t,1", Some("g")), ["g t 1 0"]);
        assert!(plan("\n", Some("g")).is_empty());
    }

    #[test]
    fn what_is_no_record_is_refused() {
        assert!(plans("", Some("g")).is_err());
        assert!(plans("g,t,x,7", None).is_err());
        assert!(plans("t,0,99999999999999999999", Some("g")).is_err());
        assert!(plans("t,1,7\n\nt,2,7", Some("g")).is_err());
        assert!(plans("g,t,1,7,8", Some("g")).is_err());
    }
}
