//! Values of config keys: read from text as Kafka reads it, written as DescribeConfigs shows them.

use std::fmt;

use super::key::Kind;

/// A value of one of the kinds.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Of [`Kind::Boolean`].
    Boolean(bool),
    /// Of [`Kind::String`] or [`Kind::Class`].
    String(String),
    /// Of [`Kind::Int`].
    Int(i32),
    /// Of [`Kind::Short`].
    Short(i16),
    /// Of [`Kind::Long`].
    Long(i64),
    /// Of [`Kind::Double`]; always finite.
    Double(f64),
    /// Of [`Kind::List`].
    List(Vec<String>),
    /// Of [`Kind::Password`].
    Password(Secret),
}

/// A secret text, which neither `Debug` nor `Display` shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl Value {
    /// What is shown instead of a secret.
    pub const HIDDEN: &'static str = "[hidden]";

    /// Reads `text`. The error says in Kafka's words why it cannot be read.
    pub(super) fn parse(kind: Kind, text: &str) -> Result<Self, String> {
        // Java's `trim` takes off every character up to the space.
        let text = text.trim_matches(|character| character <= ' ');
        Ok(match kind {
            Kind::Boolean => Self::Boolean(parse_boolean(text)?),
            Kind::String | Kind::Class => Self::String(text.to_owned()),
            Kind::Int => Self::Int(text.parse().map_err(|_| not_a_number("INT"))?),
            Kind::Short => Self::Short(text.parse().map_err(|_| not_a_number("SHORT"))?),
            Kind::Long => Self::Long(text.parse().map_err(|_| not_a_number("LONG"))?),
            Kind::Double => Self::Double(parse_double(text)?),
            Kind::List => Self::List(split_list(text)),
            Kind::Password => Self::Password(Secret(text.to_owned())),
        })
    }

    /// The truth value; `None` for another kind.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Boolean(value) => Some(*value),
            _ => None,
        }
    }

    /// The integer, of whatever width; `None` for another kind.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(i64::from(*value)),
            Self::Short(value) => Some(i64::from(*value)),
            Self::Long(value) => Some(*value),
            _ => None,
        }
    }

    /// The number as a floating point one; `None` for a kind that is no number.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Double(value) => Some(*value),
            // Kafka compares a number with its bounds as doubles, too.
            _ => self.as_i64().map(|value| value as f64),
        }
    }

    /// The text; `None` for another kind, and for a secret.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(value) => Some(value),
            _ => None,
        }
    }

    /// The entries; `None` for another kind.
    pub fn as_list(&self) -> Option<&[String]> {
        match self {
            Self::List(value) => Some(value),
            _ => None,
        }
    }
}

impl Secret {
    /// The text of the secret.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(Value::HIDDEN)
    }
}

/// The value as DescribeConfigs shows it; a secret is hidden.
impl fmt::Display for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean(value) => value.fmt(formatter),
            Self::String(value) => value.fmt(formatter),
            Self::Int(value) => value.fmt(formatter),
            Self::Short(value) => value.fmt(formatter),
            Self::Long(value) => value.fmt(formatter),
            Self::Double(value) => write_double(*value, formatter),
            Self::List(entries) => formatter.write_str(&entries.join(",")),
            Self::Password(_) => formatter.write_str(Self::HIDDEN),
        }
    }
}

/// A value that a key does not take. Its text is Kafka's, as clients and tools show it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct InvalidValue {
    /// The key.
    pub name: String,
    /// The whole sentence: the key, the value, and why the key does not take it.
    pub message: String,
}

impl InvalidValue {
    /// A complaint in Kafka's usual form.
    pub fn new(name: &str, value: impl fmt::Display, reason: &str) -> Self {
        let message = format!("Invalid value {value} for configuration {name}: {reason}");
        Self {
            name: name.to_owned(),
            message,
        }
    }

    /// A complaint in a sentence of its own, which names the key.
    pub fn in_full(name: &str, message: String) -> Self {
        Self {
            name: name.to_owned(),
            message,
        }
    }
}

fn not_a_number(kind: &str) -> String {
    format!("Not a number of type {kind}")
}

fn parse_boolean(text: &str) -> Result<bool, String> {
    if text.eq_ignore_ascii_case("true") {
        Ok(true)
    } else if text.eq_ignore_ascii_case("false") {
        Ok(false)
    } else {
        Err("Expected value to be either true or false".to_owned())
    }
}

/// Reads a double. Java also accepts NaN and infinities, which then pass every range; nobody means them.
fn parse_double(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(number),
        _ => Err(not_a_number("DOUBLE")),
    }
}

/// Splits a list. An empty text is an empty list; otherwise an empty entry stays, for rules to refuse.
fn split_list(text: &str) -> Vec<String> {
    if text.is_empty() {
        return Vec::new();
    }
    text.split(',')
        .map(|entry| entry.trim().to_owned())
        .collect()
}

/// Writes a double as Java's `Double.toString` does: always with a fraction, and outside 10^-3 to 10^7 with
/// an exponent.
fn write_double(value: f64, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
    let size = value.abs();
    if value == 0.0 || (1e-3..1e7).contains(&size) {
        return write!(formatter, "{value:?}");
    }
    let scientific = format!("{value:E}");
    match scientific.split_once('E') {
        Some((mantissa, exponent)) if !mantissa.contains('.') => {
            write!(formatter, "{mantissa}.0E{exponent}")
        }
        _ => formatter.write_str(&scientific),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_with_space_around_and_a_plus() {
        assert_eq!(Value::parse(Kind::Int, " 12\n"), Ok(Value::Int(12)));
        assert_eq!(Value::parse(Kind::Long, "+7"), Ok(Value::Long(7)));
        assert_eq!(
            Value::parse(Kind::Short, "32768"),
            Err("Not a number of type SHORT".to_owned())
        );
        assert_eq!(
            Value::parse(Kind::Int, "1_000"),
            Err("Not a number of type INT".to_owned())
        );
    }

    #[test]
    fn a_number_that_is_none_is_refused_as_a_double() {
        for text in ["NaN", "inf", "-Infinity", "1e999", ""] {
            assert!(
                Value::parse(Kind::Double, text).is_err(),
                "{text:?} was taken"
            );
        }
    }

    #[test]
    fn lists_lose_the_space_around_commas_and_keep_empty_entries() {
        let list = |entries: &[&str]| {
            Ok(Value::List(
                entries.iter().map(|entry| (*entry).to_owned()).collect(),
            ))
        };

        assert_eq!(
            Value::parse(Kind::List, " a ,b,\tc"),
            list(&["a", "b", "c"])
        );
        assert_eq!(Value::parse(Kind::List, "  "), list(&[]));
        assert_eq!(Value::parse(Kind::List, "a,,b"), list(&["a", "", "b"]));
    }

    #[test]
    fn doubles_are_written_as_java_writes_them() {
        let shown = [
            (0.5, "0.5"),
            (0.0, "0.0"),
            (1.0, "1.0"),
            (0.001, "0.001"),
            (0.0001, "1.0E-4"),
            (9_999_999.0, "9999999.0"),
            (12_345_678.0, "1.2345678E7"),
            (f64::MAX, "1.7976931348623157E308"),
        ];
        for (value, text) in shown {
            assert_eq!(Value::Double(value).to_string(), text);
        }
    }

    #[test]
    fn a_secret_is_never_shown() {
        let secret = Value::parse(Kind::Password, "hunter2").unwrap();

        assert_eq!(secret.to_string(), "[hidden]");
        assert!(!format!("{secret:?}").contains("hunter2"));
    }
}
