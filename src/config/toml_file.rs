//! Reads `broker.toml`: Kafka's names as dotted keys are flattened back to names and texts.

use toml::{Table, Value};

use super::keys;

/// Reads all settings in the order of their names.
///
/// # Errors
/// A sentence that says what is wrong, and where.
pub(super) fn read(text: &str) -> Result<Vec<(String, String)>, String> {
    let table: Table = text.parse().map_err(|error| explain(&error))?;
    let mut settings = Vec::new();
    flatten("", table, &mut settings)?;
    Ok(settings)
}

/// A message for a key that is also the parent of others: such a key must be quoted, and TOML's own message
/// does not say so.
fn explain(error: &toml::de::Error) -> String {
    let parents: Vec<&str> = keys::broker_keys()
        .map(|key| key.name)
        .filter(|name| keys::is_parent(name))
        .collect();
    format!(
        "{error}If this is about one of {}: the names of other keys begin with it, so write it in \
         quotes, as in \"max.connections\" = 1000.",
        parents.join(", ")
    )
}

fn flatten(parent: &str, table: Table, settings: &mut Vec<(String, String)>) -> Result<(), String> {
    for (name, value) in table {
        let name = match parent {
            "" => name,
            _ => format!("{parent}.{name}"),
        };
        match value {
            Value::Table(table) => flatten(&name, table, settings)?,
            value => {
                let text = text_of(&value).ok_or_else(|| {
                    format!("{name} = {value}: a value is a text, a number, true, false or a list")
                })?;
                settings.push((name, text));
            }
        }
    }
    Ok(())
}

/// The value as `server.properties` would have it.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Boolean(truth) => Some(truth.to_string()),
        Value::Array(entries) => {
            let entries: Option<Vec<String>> = entries.iter().map(text_of).collect();
            Some(entries?.join(","))
        }
        Value::Datetime(_) | Value::Table(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> Result<Vec<(String, String)>, String> {
        Ok(pairs
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect())
    }

    #[test]
    fn dotted_quoted_and_nested_keys_are_the_same() {
        let expected = settings(&[("log.retention.ms", "1000")]);

        assert_eq!(read("log.retention.ms = 1000"), expected);
        assert_eq!(read("\"log.retention.ms\" = \"1000\""), expected);
        assert_eq!(read("[log.retention]\nms = 1_000"), expected);
        assert_eq!(read("log = { retention = { ms = 1000 } }"), expected);
    }

    #[test]
    fn every_toml_type_that_has_a_text_is_read() {
        let text = "a = 0.5\nb = true\nc = [\"x\", \"y\"]\nd = [1, 2]\ne = []";

        let expected = [
            ("a", "0.5"),
            ("b", "true"),
            ("c", "x,y"),
            ("d", "1,2"),
            ("e", ""),
        ];
        assert_eq!(read(text), settings(&expected));
    }

    #[test]
    fn a_date_is_no_value() {
        let error = read("log.roll.ms = 2026-01-01").unwrap_err();

        assert!(error.starts_with("log.roll.ms = 2026-01-01: "), "{error}");
    }

    #[test]
    fn keys_that_are_parents_of_others_are_taken_in_quotes() {
        let text = "\"max.connections\" = 10\n\"max.connections.per.ip\" = 5\n\
                    max.connections.per.ip.overrides = \"a:1\"";

        let expected = [
            ("max.connections.per.ip.overrides", "a:1"),
            ("max.connections", "10"),
            ("max.connections.per.ip", "5"),
        ];
        let mut read = read(text).unwrap();
        read.sort();
        let mut expected = settings(&expected).unwrap();
        expected.sort();
        assert_eq!(read, expected);
    }

    #[test]
    fn without_quotes_the_error_says_to_quote_them() {
        let text = "max.connections = 10\nmax.connections.per.ip = 5";

        let error = read(text).unwrap_err();

        assert!(error.contains("line 2"), "{error}");
        assert!(error.contains("\"max.connections\" = 1000"), "{error}");
    }
}
