//! What AlterConfigs may do to a broker while it runs (KIP-226). Topics are checked by
//! [`super::check_overrides`].

use std::collections::BTreeMap;

use super::broker::BrokerConfig;
use super::key::Update;
use super::keys;
use super::layers::{Layers, Overrides as _};
use super::value::InvalidValue;

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

/// Keys of a listener that can be set for all brokers at once.
const OF_ALL_BROKERS: [&str; 3] = [
    "max.connections",
    "max.connection.creation.rate",
    "num.network.threads",
];

/// Keys that Kafka changes while the broker runs and that are read only at its start here.
const AT_START_ONLY: [&str; 2] = ["listeners", "listener.security.protocol.map"];

/// Whose dynamic config is altered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlteredBroker {
    /// This one's.
    This,
    /// The default of all.
    All,
}

/// Checks the dynamic config that a broker, or all, would have after an alteration. Names that
/// Kafka does not know pass, as they may be a plug-in's.
///
/// # Errors
/// A key cannot be changed while brokers run, or not for all at once; or a value is not allowed or
/// contradicts another. The code for all of them is `INVALID_REQUEST`.
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
    BrokerConfig::read(&layers).map(|_| ())
}

fn is_of_one_broker(name: &str) -> bool {
    match keys::broker_key(name) {
        Some(key) => key.update == Update::PerBroker,
        // Of a listener.
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
