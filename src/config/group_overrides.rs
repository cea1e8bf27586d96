//! The values that may be set for one group. The broker's values hold for groups without their own.

use std::collections::BTreeMap;

use super::key::{Key, Kind};
use super::keys;
use super::layers::Layers;
use super::value::{InvalidValue, Value};
use super::view::View;

type Check = Result<(), InvalidValue>;

/// The broker keys that bound a group's own value.
struct Bounds {
    key: &'static str,
    min: Option<&'static str>,
    max: &'static str,
}

/// The keys of a session: it has to last longer than the time between two heartbeats.
struct Session {
    timeout: &'static str,
    heartbeat: &'static str,
}

macro_rules! bounds {
    ($($key:literal: $min:expr, $max:literal;)*) => {
        &[$(Bounds { key: $key, min: $min, max: $max }),*]
    };
}

const BOUNDS: &[Bounds] = bounds! {
    "consumer.heartbeat.interval.ms":
        Some("group.consumer.min.heartbeat.interval.ms"), "group.consumer.max.heartbeat.interval.ms";
    "consumer.session.timeout.ms":
        Some("group.consumer.min.session.timeout.ms"), "group.consumer.max.session.timeout.ms";
    "consumer.assignment.interval.ms":
        Some("group.consumer.min.assignment.interval.ms"), "group.consumer.max.assignment.interval.ms";
    "share.heartbeat.interval.ms":
        Some("group.share.min.heartbeat.interval.ms"), "group.share.max.heartbeat.interval.ms";
    "share.session.timeout.ms":
        Some("group.share.min.session.timeout.ms"), "group.share.max.session.timeout.ms";
    "share.record.lock.duration.ms":
        Some("group.share.min.record.lock.duration.ms"), "group.share.max.record.lock.duration.ms";
    "share.delivery.count.limit":
        Some("group.share.min.delivery.count.limit"), "group.share.max.delivery.count.limit";
    "share.partition.max.record.locks":
        Some("group.share.min.partition.max.record.locks"), "group.share.max.partition.max.record.locks";
    "share.assignment.interval.ms":
        Some("group.share.min.assignment.interval.ms"), "group.share.max.assignment.interval.ms";
    "streams.heartbeat.interval.ms":
        Some("group.streams.min.heartbeat.interval.ms"), "group.streams.max.heartbeat.interval.ms";
    "streams.session.timeout.ms":
        Some("group.streams.min.session.timeout.ms"), "group.streams.max.session.timeout.ms";
    "streams.num.standby.replicas": None, "group.streams.max.standby.replicas";
    "streams.assignment.interval.ms":
        Some("group.streams.min.assignment.interval.ms"), "group.streams.max.assignment.interval.ms";
};

const SESSIONS: [Session; 3] = [
    Session {
        timeout: "consumer.session.timeout.ms",
        heartbeat: "consumer.heartbeat.interval.ms",
    },
    Session {
        timeout: "share.session.timeout.ms",
        heartbeat: "share.heartbeat.interval.ms",
    },
    Session {
        timeout: "streams.session.timeout.ms",
        heartbeat: "streams.heartbeat.interval.ms",
    },
];

/// Checks all of a group's own values together, as they would be after an alteration.
///
/// # Errors
/// A key is unknown; a value is not allowed, outside of the broker's bounds, or contradicts another. The
/// error code is `INVALID_CONFIG` for all of them.
pub fn check_group_overrides(overrides: &BTreeMap<String, String>, layers: &Layers<'_>) -> Check {
    for name in overrides.keys() {
        known(name)?;
    }
    let mut values = BTreeMap::new();
    for (name, text) in overrides {
        let key = known(name)?;
        distinct_entries(key, text)?;
        values.insert(key.name, key.parse(text)?);
    }
    for bounds in BOUNDS {
        within_bounds(bounds, &values, layers)?;
    }
    text_values(&values, layers)?;
    SESSIONS
        .iter()
        .try_for_each(|session| outlasts_heartbeat(session, &values, layers))
}

fn known(name: &str) -> Result<&'static Key, InvalidValue> {
    keys::group_key(name)
        .ok_or_else(|| InvalidValue::in_full(name, format!("Unknown group config name: {name}")))
}

/// Refuses duplicates: in other lists Kafka drops them, in these it does not.
fn distinct_entries(key: &Key, text: &str) -> Check {
    let Ok(Value::List(mut entries)) = Value::parse(Kind::List, text) else {
        return Ok(());
    };
    let count = entries.len();
    entries.sort_unstable();
    entries.dedup();
    if key.kind == Kind::List && entries.len() < count {
        let message = format!("{} must not contain duplicate tag keys.", key.name);
        return Err(InvalidValue::in_full(key.name, message));
    }
    Ok(())
}

fn within_bounds(bounds: &Bounds, values: &BTreeMap<&str, Value>, layers: &Layers<'_>) -> Check {
    let Some(value) = values.get(bounds.key).and_then(Value::as_i64) else {
        return Ok(());
    };
    let view = View { layers: *layers };
    let max = i64::from(view.int(bounds.max));
    let min = bounds.min.map(|min| i64::from(view.int(min)));
    if value <= max && min.is_none_or(|min| value >= min) {
        return Ok(());
    }
    let key = bounds.key;
    let message = match min {
        Some(min) => format!("{key} must be in the range {min} to {max} inclusive."),
        None => format!("{key} must be less than or equal to {max}"),
    };
    Err(InvalidValue::in_full(key, message))
}

fn text_values(values: &BTreeMap<&str, Value>, layers: &Layers<'_>) -> Check {
    const RESET: &str = "share.auto.offset.reset";
    const ASSIGNOR: &str = "streams.assignor.name";
    const DEAD_LETTERS: &str = "errors.deadletterqueue.topic.name";
    let text = |key: &str| values.get(key).and_then(Value::as_str);
    if let Some(reset) = text(RESET)
        && !is_offset_reset(reset)
    {
        let reason = "It must be earliest, latest, or by_duration:<duration> with a duration in \
                      ISO 8601 format (PnDTnHnMn.nS) that is not negative";
        return Err(InvalidValue::new(RESET, reset, reason));
    }
    let assignors = View { layers: *layers }.list("group.streams.assignors");
    if let Some(name) = text(ASSIGNOR)
        && !assignors.iter().any(|assignor| assignor == name)
    {
        let message = format!(
            "{ASSIGNOR} '{name}' is not a registered task assignor. Registered assignors are: \
             [{}].",
            assignors.join(", ")
        );
        return Err(InvalidValue::in_full(ASSIGNOR, message));
    }
    if text(DEAD_LETTERS).is_some_and(|topic| topic.starts_with("__")) {
        let message = format!("{DEAD_LETTERS}: DLQ topic name must not start with '__'");
        return Err(InvalidValue::in_full(DEAD_LETTERS, message));
    }
    Ok(())
}

fn outlasts_heartbeat(
    session: &Session,
    values: &BTreeMap<&str, Value>,
    layers: &Layers<'_>,
) -> Check {
    let (timeout, heartbeat) = (session.timeout, session.heartbeat);
    if !values.contains_key(timeout) && !values.contains_key(heartbeat) {
        return Ok(());
    }
    let holds = |name: &str| {
        let own = values.get(name).cloned();
        let value = own.or_else(|| layers.resource_default(keys::group_key(name)?));
        value.and_then(|value| value.as_i64())
    };
    if holds(timeout) <= holds(heartbeat) {
        let message = format!("{timeout} must be greater than {heartbeat}");
        return Err(InvalidValue::in_full(timeout, message));
    }
    Ok(())
}

fn is_offset_reset(text: &str) -> bool {
    match text.split_once(':') {
        None => matches!(text, "earliest" | "latest"),
        Some((strategy, duration)) => strategy == "by_duration" && is_duration(duration),
    }
}

/// Whether `text` is a duration as Java's `Duration` reads it, and not negative.
fn is_duration(text: &str) -> bool {
    let text = text.to_ascii_uppercase();
    let Some(rest) = text.strip_prefix('P') else {
        return false;
    };
    let (days, time) = match rest.split_once('T') {
        Some((days, time)) => (days, Some(time)),
        None => (rest, None),
    };
    let has_days = !days.is_empty();
    let is_time = time.is_none_or(|time| !time.is_empty() && has_units(time, "HMS"));
    has_units(days, "D") && is_time && (has_days || time.is_some())
}

/// Whether `text` consists of numbers that end in some of `units`, in that order. Only seconds may have a
/// fraction.
fn has_units(mut text: &str, units: &str) -> bool {
    for unit in units.chars() {
        let Some((number, rest)) = text.split_once(unit) else {
            continue;
        };
        let (whole, fraction) = match number.split_once('.') {
            Some((whole, fraction)) if unit == 'S' => (whole, fraction),
            Some(_) => return false,
            None => (number, ""),
        };
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(fraction) {
            return false;
        }
        text = rest;
    }
    text.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;

    fn check(pairs: &[(&str, &str)]) -> Result<(), String> {
        let overrides = pairs
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect();
        check_group_overrides(&overrides, &Layers::of(&Settings::default()))
            .map_err(|invalid| invalid.message)
    }

    #[test]
    fn a_groups_values_stay_within_the_brokers_bounds() {
        assert_eq!(check(&[("consumer.session.timeout.ms", "50000")]), Ok(()));
        assert_eq!(
            check(&[("consumer.session.timeout.ms", "60001")]),
            Err(
                "consumer.session.timeout.ms must be in the range 45000 to 60000 inclusive."
                    .to_owned()
            )
        );
        assert_eq!(
            check(&[("streams.num.standby.replicas", "3")]),
            Err("streams.num.standby.replicas must be less than or equal to 2".to_owned())
        );
    }

    #[test]
    fn a_key_of_another_resource_is_unknown() {
        assert_eq!(
            check(&[("retention.ms", "1")]),
            Err("Unknown group config name: retention.ms".to_owned())
        );
    }

    #[test]
    fn where_a_share_group_begins_is_named_or_a_duration() {
        let reset = |text: &str| check(&[("share.auto.offset.reset", text)]).is_ok();

        for text in [
            "earliest",
            "latest",
            "by_duration:PT1H",
            "by_duration:P2DT3H4M5.6S",
        ] {
            assert!(reset(text), "{text}");
        }
        for text in [
            "",
            "none",
            "by_duration",
            "by_duration:",
            "by_duration:P",
            "by_duration:PT",
            "by_duration:-PT1H",
            "by_duration:PT1M2H",
        ] {
            assert!(!reset(text), "{text}");
        }
    }

    #[test]
    fn an_assignor_is_one_that_the_broker_has() {
        assert!(check(&[("streams.assignor.name", "sticky")]).is_ok());
        assert!(check(&[("streams.assignor.name", "fair")]).is_err());
    }
}
