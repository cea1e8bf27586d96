//! What is spoken on each listener, by its name: `listener.security.protocol.map`.

use std::collections::BTreeMap;

use super::endpoint::{SecurityProtocol, parse_pairs};
use super::listeners::CONTROLLER_NAMES;
use super::value::InvalidValue;
use super::view::View;

const PROTOCOL_MAP: &str = "listener.security.protocol.map";

/// The protocols by the names of listeners, in upper case.
pub(super) struct Protocols(BTreeMap<String, SecurityProtocol>);

impl Protocols {
    /// Reads the map. Unless it is set, controllers' listeners are plaintext.
    pub(super) fn read(view: &View<'_>, controller_names: &[String]) -> Result<Self, InvalidValue> {
        let text = view.text(PROTOCOL_MAP);
        let invalid = |reason: &str| InvalidValue::new(PROTOCOL_MAP, &text, reason);
        let pairs = parse_pairs(&text)
            .ok_or_else(|| invalid("Each entry should be in the form `{name}:{protocol}`"))?;
        let mut protocols = BTreeMap::new();
        for (name, protocol) in pairs {
            let Some(protocol) = SecurityProtocol::from_name(&protocol) else {
                return Err(invalid(&format!(
                    "{protocol} is no security protocol; there are PLAINTEXT, SSL, SASL_PLAINTEXT \
                     and SASL_SSL"
                )));
            };
            protocols.insert(name.to_ascii_uppercase(), protocol);
        }
        if !view.is_set(PROTOCOL_MAP) {
            for name in controller_names {
                protocols
                    .entry(name.clone())
                    .or_insert(SecurityProtocol::Plaintext);
            }
        }
        Ok(Self(protocols))
    }

    /// The protocol of a listener, or why it cannot be served.
    pub(super) fn of(&self, listener: &str) -> Result<SecurityProtocol, String> {
        match self.0.get(listener) {
            None => Err(format!(
                "{PROTOCOL_MAP} does not say what is spoken on {listener}"
            )),
            Some(SecurityProtocol::Plaintext) => Ok(SecurityProtocol::Plaintext),
            Some(other) => Err(format!(
                "{other} is not served yet; only PLAINTEXT is, so keep the port inside a network \
                 you trust"
            )),
        }
    }

    /// Checks that it is known what controllers speak, also where they are other nodes.
    pub(super) fn check_controllers(
        &self,
        controller_names: &[String],
    ) -> Result<(), InvalidValue> {
        for name in controller_names {
            self.of(name).map_err(|reason| {
                InvalidValue::new(CONTROLLER_NAMES, controller_names.join(","), &reason)
            })?;
        }
        Ok(())
    }
}
