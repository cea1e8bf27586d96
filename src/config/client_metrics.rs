//! Subscriptions to metrics of clients (KIP-714): which values may be set, and what they mean.

use std::collections::BTreeMap;

use regex::Regex;

use super::keys;
use super::layers::Overrides;
use super::value::{InvalidValue, Value};

const METRICS: &str = "metrics";
const INTERVAL_MS: &str = "interval.ms";
const MATCH: &str = "match";

/// The least and the most that `interval.ms` may be: a tenth of a second, and an hour.
const INTERVALS_MS: std::ops::RangeInclusive<i64> = 100..=3_600_000;

/// The attributes of a client that a pattern may look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ClientAttribute {
    /// `client_instance_id`
    InstanceId,
    /// `client_id`
    ClientId,
    /// `client_software_name`
    SoftwareName,
    /// `client_software_version`
    SoftwareVersion,
    /// `client_source_address`
    SourceAddress,
    /// `client_source_port`
    SourcePort,
}

/// One subscription. A value that cannot be read counts as not set, because another version may have
/// written it.
#[derive(Clone, Debug)]
pub struct ClientMetricsConfig {
    /// Prefixes of the names of metrics; `*` for all metrics.
    pub metrics: Vec<String>,
    /// How often clients push, in milliseconds: 100 to 3,600,000.
    pub interval_ms: i32,
    /// The patterns that a client's attributes must match as a whole. If there are none, any client
    /// matches.
    pub matches: BTreeMap<ClientAttribute, Regex>,
}

/// Why a subscription is refused: the two reasons have different error codes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSubscription {
    /// An unknown key or an interval out of bounds: `INVALID_REQUEST`.
    #[error("{0}")]
    Request(String),
    /// A value that cannot be read: `INVALID_CONFIG`.
    #[error(transparent)]
    Value(#[from] InvalidValue),
}

/// Checks all values that a subscription would have after an alteration.
///
/// # Errors
/// A key is unknown, or a value is not allowed.
pub fn check_client_metrics(
    overrides: &BTreeMap<String, String>,
) -> Result<(), InvalidSubscription> {
    for name in overrides.keys() {
        if keys::client_metrics_key(name).is_none() {
            let message = format!("Unknown client metrics configuration: {name}");
            return Err(InvalidSubscription::Request(message));
        }
    }
    for (name, text) in overrides {
        let value = parse(name, text)?;
        if name == INTERVAL_MS
            && let Some(interval) = value.as_i64()
            && !INTERVALS_MS.contains(&interval)
        {
            return Err(InvalidSubscription::Request(format!(
                "Invalid value {interval} for {INTERVAL_MS}, interval must be between 100 and \
                 3600000 (1 hour)"
            )));
        }
        if name == MATCH {
            patterns(value.as_list().unwrap_or_default())?;
        }
    }
    Ok(())
}

impl ClientMetricsConfig {
    /// Reads the values that were set for a subscription.
    pub fn read(overrides: &dyn Overrides) -> Self {
        let value = |name: &str| {
            let set = overrides
                .value_of(name)
                .and_then(|text| parse(name, text).ok());
            set.or_else(|| keys::client_metrics_key(name)?.default_value())
        };
        let list = |name: &str| match value(name) {
            Some(Value::List(entries)) => entries,
            _ => Vec::new(),
        };
        let interval = value(INTERVAL_MS).and_then(|interval| interval.as_i64());
        let interval = interval.unwrap_or(*INTERVALS_MS.end());
        let interval = interval.clamp(*INTERVALS_MS.start(), *INTERVALS_MS.end());
        Self {
            metrics: list(METRICS),
            interval_ms: i32::try_from(interval).unwrap_or(i32::MAX),
            matches: patterns(&list(MATCH)).unwrap_or_default(),
        }
    }

    /// Whether the subscription is for a client, whose attributes `attribute` tells.
    pub fn is_for<'a>(&self, attribute: impl Fn(ClientAttribute) -> Option<&'a str>) -> bool {
        self.matches
            .iter()
            .all(|(wanted, pattern)| attribute(*wanted).is_some_and(|text| pattern.is_match(text)))
    }
}

impl ClientAttribute {
    fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "client_instance_id" => Self::InstanceId,
            "client_id" => Self::ClientId,
            "client_software_name" => Self::SoftwareName,
            "client_software_version" => Self::SoftwareVersion,
            "client_source_address" => Self::SourceAddress,
            "client_source_port" => Self::SourcePort,
            _ => return None,
        })
    }
}

fn parse(name: &str, text: &str) -> Result<Value, InvalidValue> {
    let key = keys::client_metrics_key(name).expect("unknown keys were refused, or are not asked");
    key.parse(text)
}

/// Reads the patterns. Of several for an attribute the last one counts.
fn patterns(entries: &[String]) -> Result<BTreeMap<ClientAttribute, Regex>, InvalidValue> {
    let pattern = |entry: &String| {
        let (name, pattern) = entry.split_once('=')?;
        if pattern.is_empty() || pattern.contains('=') {
            return None;
        }
        let attribute = ClientAttribute::from_name(name.trim())?;
        // The pattern has to match the whole attribute.
        let whole = format!("^(?:{})$", pattern.trim());
        Some((attribute, Regex::new(&whole).ok()?))
    };
    let illegal = |entry: &String| {
        InvalidValue::in_full(MATCH, format!("Illegal client matching pattern: {entry}"))
    };
    entries
        .iter()
        .map(|entry| pattern(entry).ok_or_else(|| illegal(entry)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect()
    }

    #[test]
    fn an_interval_is_a_tenth_of_a_second_to_an_hour() {
        let check = |text| check_client_metrics(&settings(&[("interval.ms", text)]));

        assert_eq!(check("100"), Ok(()));
        assert_eq!(
            check("99"),
            Err(InvalidSubscription::Request(
                "Invalid value 99 for interval.ms, interval must be between 100 and 3600000 \
                 (1 hour)"
                    .to_owned()
            ))
        );
        assert!(matches!(check("soon"), Err(InvalidSubscription::Value(_))));
    }

    #[test]
    fn a_pattern_names_an_attribute_and_is_a_regular_expression() {
        let check = |text| check_client_metrics(&settings(&[("match", text)]));

        assert_eq!(
            check("client_id=a.*, client_source_port = 90[0-9]+"),
            Ok(())
        );
        for text in [
            "client_id",
            "client=a",
            "client_id=",
            "client_id=(",
            "client_id=a=b",
        ] {
            assert!(check(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_client_is_meant_if_all_patterns_match_whole() {
        let config = ClientMetricsConfig::read(&settings(&[
            ("match", "client_id=ab+,client_software_name=librd.*"),
            ("metrics", "org.apache"),
        ]));
        let is_for = |id: &'static str, software: Option<&'static str>| {
            config.is_for(|attribute| match attribute {
                ClientAttribute::ClientId => Some(id),
                ClientAttribute::SoftwareName => software,
                _ => None,
            })
        };

        assert!(is_for("abb", Some("librdkafka")));
        assert!(!is_for("abbc", Some("librdkafka")));
        assert!(!is_for("abb", None));
        assert_eq!((config.interval_ms, config.metrics.len()), (300_000, 1));
    }
}
