//! The rules for the values of keys: ranges, choices, lists. The complaints are Kafka's, as clients show
//! them.

use super::endpoint::{parse_host_port, parse_voter};
use super::value::{InvalidValue, Value};

/// Which values of its kind a key takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// Any value.
    Any,
    /// A number between bounds, both included.
    Range(Option<f64>, Option<f64>),
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// One of these texts, in upper or lower case.
    OneOfAnyCase(&'static [&'static str]),
    /// A text that is not empty.
    NotEmpty,
    /// A level of gzip: 1 to 9, or -1 for the codec's default.
    GzipLevel,
    /// A list without empty entries. Duplicates are dropped before it is checked.
    List {
        /// The allowed entries; if none are named, anything is allowed.
        allowed: &'static [&'static str],
        /// Whether the list itself may be empty.
        may_be_empty: bool,
    },
    /// `partition:broker` entries, or `*`.
    ThrottledReplicas,
    /// `id@host:port` entries.
    QuorumVoters,
    /// `host:port` entries.
    BootstrapServers,
}

impl Rule {
    /// Checks a value of the key `name`.
    ///
    /// # Errors
    /// The value is not allowed.
    pub(super) fn check(self, name: &str, value: &Value) -> Result<(), InvalidValue> {
        match self {
            Self::Any => Ok(()),
            Self::Range(min, max) => check_range(name, value, min, max),
            Self::OneOf(choices) => check_choice(name, text(value), choices),
            Self::OneOfAnyCase(choices) => check_choice_of_any_case(name, text(value), choices),
            Self::NotEmpty if text(value).is_empty() => {
                Err(InvalidValue::new(name, value, "String must be non-empty"))
            }
            Self::NotEmpty => Ok(()),
            Self::GzipLevel => check_gzip_level(name, value),
            Self::List {
                allowed,
                may_be_empty,
            } => check_list(name, entries(value), allowed, may_be_empty),
            Self::ThrottledReplicas => check_throttled_replicas(name, entries(value)),
            Self::QuorumVoters => check_entries(name, value, "{id}@{host}:{port}", |entry| {
                parse_voter(entry).is_some()
            }),
            Self::BootstrapServers => check_entries(name, value, "{host}:{port}", |entry| {
                parse_host_port(entry).is_some()
            }),
        }
    }

    /// The rule in Kafka's short form, such as `[1,...]`; `None` if all values pass.
    pub(super) fn describe(self) -> Option<String> {
        Some(match self {
            Self::Any | Self::List { allowed: &[], .. } => return None,
            Self::Range(min, max) => {
                let bound = |bound: Option<f64>, comma: &str| match bound {
                    Some(number) => format!("{number}"),
                    None => comma.to_owned(),
                };
                match max {
                    Some(max) => format!("[{},...,{max}]", bound(min, "")),
                    None => format!("[{},...]", bound(min, "")),
                }
            }
            Self::OneOf(choices) => format!("[{}]", choices.join(", ")),
            Self::OneOfAnyCase(choices) => {
                format!("(case insensitive) [{}]", choices.join(", "))
            }
            Self::NotEmpty => "non-empty string".to_owned(),
            Self::GzipLevel => "[1,...,9] or -1".to_owned(),
            Self::List { allowed, .. } => format!("[{}]", allowed.join(", ")),
            Self::ThrottledReplicas => {
                "[partitionId]:[brokerId],[partitionId]:[brokerId],...".to_owned()
            }
            Self::QuorumVoters => "{id}@{host}:{port},...".to_owned(),
            Self::BootstrapServers => "{host}:{port},...".to_owned(),
        })
    }
}

fn text(value: &Value) -> &str {
    value
        .as_str()
        .expect("a test reads every key's default, so its rule fits its kind")
}

fn entries(value: &Value) -> &[String] {
    value
        .as_list()
        .expect("a test reads every key's default, so its rule fits its kind")
}

fn check_range(
    name: &str,
    value: &Value,
    min: Option<f64>,
    max: Option<f64>,
) -> Result<(), InvalidValue> {
    let number = value.as_f64().expect("only numbers have ranges");
    if let Some(min) = min
        && number < min
    {
        return Err(InvalidValue::new(
            name,
            value,
            &format!("Value must be at least {min}"),
        ));
    }
    if let Some(max) = max
        && number > max
    {
        let reason = format!("Value must be no more than {max}");
        return Err(InvalidValue::new(name, value, &reason));
    }
    Ok(())
}

fn check_gzip_level(name: &str, value: &Value) -> Result<(), InvalidValue> {
    match value.as_i64() {
        Some(-1 | 1..=9) => Ok(()),
        _ => {
            let reason = "Value must be between 1 and 9 or equal to -1";
            Err(InvalidValue::new(name, value, reason))
        }
    }
}

fn check_choice(name: &str, text: &str, choices: &[&str]) -> Result<(), InvalidValue> {
    if choices.contains(&text) {
        return Ok(());
    }
    let reason = format!("String must be one of: {}", choices.join(", "));
    Err(InvalidValue::new(name, text, &reason))
}

fn check_choice_of_any_case(name: &str, text: &str, choices: &[&str]) -> Result<(), InvalidValue> {
    if choices
        .iter()
        .any(|choice| choice.eq_ignore_ascii_case(text))
    {
        return Ok(());
    }
    let reason = format!(
        "String must be one of (case insensitive): {}",
        choices.join(", ")
    );
    Err(InvalidValue::new(name, text, &reason))
}

fn check_list(
    name: &str,
    entries: &[String],
    allowed: &[&str],
    may_be_empty: bool,
) -> Result<(), InvalidValue> {
    if entries.is_empty() && !may_be_empty {
        let allowed = match allowed {
            [] => "any non-empty value".to_owned(),
            _ => format!("[{}]", allowed.join(", ")),
        };
        let message =
            format!("Configuration '{name}' must not be empty. Valid values include: {allowed}");
        return Err(InvalidValue::in_full(name, message));
    }
    for entry in entries {
        if entry.is_empty() {
            let message = format!("Configuration '{name}' values must not be empty.");
            return Err(InvalidValue::in_full(name, message));
        }
        if !allowed.is_empty() {
            check_choice(name, entry, allowed)?;
        }
    }
    Ok(())
}

/// Checks the entries. An empty one passes, as in Kafka.
fn check_throttled_replicas(name: &str, entries: &[String]) -> Result<(), InvalidValue> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_replica = |entry: &String| {
        entry.is_empty()
            || entry
                .split_once(':')
                .is_some_and(|(partition, broker)| is_number(partition) && is_number(broker))
    };
    if entries.iter().all(is_replica) || entries.concat() == "*" {
        return Ok(());
    }
    let reason = format!(
        "{name} must be the literal '*' or a list of replicas in the following format: \
         [partitionId]:[brokerId],[partitionId]:[brokerId],..."
    );
    Err(InvalidValue::new(name, as_java_list(entries), &reason))
}

fn check_entries(
    name: &str,
    value: &Value,
    form: &str,
    is_valid: impl Fn(&str) -> bool,
) -> Result<(), InvalidValue> {
    match entries(value).iter().find(|entry| !is_valid(entry)) {
        None => Ok(()),
        Some(entry) => {
            let reason = format!("Each entry should be in the form `{form}`");
            Err(InvalidValue::new(name, entry, &reason))
        }
    }
}

/// A list as Java shows it in a message.
fn as_java_list(entries: &[String]) -> String {
    format!("[{}]", entries.join(", "))
}
