//! What AlterConfigs may do to a broker while it runs (KIP-226). Topics are checked by
//! [`super::check_overrides`].

use std::collections::BTreeMap;

use super::broker::BrokerConfig;
use super::key::Update;
use super::keys;
use super::layers::{Layers, Overrides as _};
use super::value::InvalidValue;
use super::view::View;

/// Keys that Kafka changes only for one listener at a time.
const OF_A_LISTENER: [&str; 10] = [
    "ssl.keystore.type",
    "ssl.keystore.location",
    "ssl.keystore.password",
    "ssl.key.password",
    "ssl.keystore.certificate.chain",
    "ssl.keystore.key",
    "ssl.truststore.type",
    "ssl.truststore.location",
    "ssl.truststore.password",
    "ssl.truststore.certificates",
];

/// Keys of a listener that can also be set for all brokers at once.
const OF_ALL_BROKERS: [&str; 3] = [
    "max.connections",
    "max.connection.creation.rate",
    "num.network.threads",
];

/// Keys that Kafka changes while the broker runs, but that are read only at the start here.
const AT_START_ONLY: [&str; 2] = ["listeners", "listener.security.protocol.map"];

/// Counts of threads that Kafka lets nobody more than halve or double in one step, besides
/// `log.cleaner.threads`, in the order in which Kafka looks at them.
const THREAD_COUNTS: [&str; 5] = [
    "num.network.threads",
    "background.threads",
    "num.io.threads",
    "num.replica.fetchers",
    "num.recovery.threads.per.data.dir",
];

/// Which dynamic config is altered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlteredBroker {
    /// The config of this broker.
    This,
    /// The default of all brokers.
    All,
}

/// Checks the dynamic config that a broker, or all brokers, would have after an alteration. Names that
/// Kafka does not know pass, because they may belong to a plug-in.
///
/// # Errors
/// A key cannot be changed while brokers run, or not for all at once; or a value is not allowed or
/// contradicts another. The error code is `INVALID_REQUEST` for all of them.
pub fn check_broker_alteration(
    after: &BTreeMap<String, String>,
    whose: AlteredBroker,
    before: &Layers<'_>,
) -> Result<(), InvalidValue> {
    let fixed = |name: &str| keys::broker_key(name).is_some_and(|key| !key.is_dynamic());
    refuse(after, "Cannot update these configs dynamically", fixed)?;
    refuse(
        after,
        "These security configs can be dynamically updated only per-listener using the listener \
         prefix",
        |name| OF_A_LISTENER.contains(&name),
    )?;
    for (name, text) in after {
        if let Some(key) = keys::broker_key_behind(name) {
            key.parse(text)?;
        }
    }
    if whose == AlteredBroker::All {
        refuse(
            after,
            "Cannot update these configs at default cluster level, broker id must be specified",
            is_of_one_broker,
        )?;
    }
    let held = match whose {
        AlteredBroker::This => before.of_broker,
        AlteredBroker::All => before.of_cluster,
    };
    refuse(
        after,
        "These configs take effect at the start of the broker only; set them in its file",
        |name| AT_START_ONLY.contains(&name) && held.value_of(name) != after.value_of(name),
    )?;
    let layers = match whose {
        AlteredBroker::This => Layers {
            of_broker: after,
            ..*before
        },
        AlteredBroker::All => Layers {
            of_cluster: after,
            ..*before
        },
    };
    // Values are judged together with those that stay, as at the start.
    BrokerConfig::read(&layers)?;
    thread_counts(before, &layers)
}

/// Lets counts of threads at most halve or double, as Kafka does, whether or not there are such threads
/// here.
fn thread_counts(before: &Layers<'_>, after: &Layers<'_>) -> Result<(), InvalidValue> {
    let count = |layers: &Layers<'_>, name: &str| View { layers: *layers }.int(name);
    for name in THREAD_COUNTS {
        let (old, new) = (count(before, name), count(after, name));
        if let Some(wrong) = step_of_threads(old, new) {
            let reason = format!(
                "Dynamic thread count update validation failed for {name}={new}, value should \
                 {wrong}"
            );
            return Err(refused_by_a_part(name, &reason));
        }
    }
    let name = "log.cleaner.threads";
    let (old, new) = (count(before, name), count(after, name));
    let reason = match step_of_threads(old, new) {
        None => return Ok(()),
        Some(_) if new < 1 => "Log cleaner threads should be at least 1".to_owned(),
        Some(_) if new < old => {
            format!(
                "Log cleaner threads cannot be reduced to less than half the current value {old}"
            )
        }
        Some(_) => format!(
            "Log cleaner threads cannot be increased to more than double the current value {old}"
        ),
    };
    Err(refused_by_a_part(name, &reason))
}

/// What is wrong with a new count of threads; `None` if it is allowed.
fn step_of_threads(old: i32, new: i32) -> Option<String> {
    if new == old {
        None
    } else if new < 1 {
        Some("be at least 1".to_owned())
    } else if new < old / 2 {
        Some(format!("be at least half the current value {old}"))
    } else if new > old.saturating_mul(2) {
        Some(format!(
            "not be greater than double the current value {old}"
        ))
    } else {
        None
    }
}

/// The message of Kafka for a value that a part of the broker objects to.
fn refused_by_a_part(name: &str, reason: &str) -> InvalidValue {
    let text = format!(
        "Invalid value org.apache.kafka.common.config.ConfigException: {reason} for configuration \
         Invalid dynamic configuration"
    );
    InvalidValue::in_full(name, text)
}

fn is_of_one_broker(name: &str) -> bool {
    match keys::broker_key(name) {
        Some(key) => key.update == Update::PerBroker,
        // The key of one listener.
        None => {
            keys::broker_key_behind(name).is_some_and(|key| !OF_ALL_BROKERS.contains(&key.name))
        }
    }
}

fn refuse(
    after: &BTreeMap<String, String>,
    reason: &str,
    is_refused: impl Fn(&str) -> bool,
) -> Result<(), InvalidValue> {
    let refused: Vec<&str> = after
        .keys()
        .map(String::as_str)
        .filter(|name| is_refused(name))
        .collect();
    match refused.first() {
        None => Ok(()),
        Some(first) => Err(InvalidValue::in_full(
            first,
            format!("{reason}: [{}]", refused.join(", ")),
        )),
    }
}
