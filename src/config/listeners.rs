//! The listeners of a broker as a whole: which there are, what clients are told of them, and which belong
//! to the controller. Everything that is wrong between these keys is found here.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::endpoint::{Endpoint, SecurityProtocol, parse_listener, parse_pairs};
use super::value::InvalidValue;
use super::view::View;

const LISTENERS: &str = "listeners";
const ADVERTISED: &str = "advertised.listeners";
const PROTOCOL_MAP: &str = "listener.security.protocol.map";
const INTER_BROKER: &str = "inter.broker.listener.name";
const CONTROLLER_NAMES: &str = "controller.listener.names";

/// The controller's listener, if neither `listeners` nor another key mentions one. Only this machine needs
/// to reach the controller of a single node.
const LOCAL_CONTROLLER: &str = "CONTROLLER://localhost:9093";

/// All listeners of a broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listeners {
    /// The listeners of brokers and clients, to be bound.
    pub broker: Vec<Endpoint>,
    /// The listeners of the controller, to be bound.
    pub controller: Vec<Endpoint>,
    /// The endpoints that clients are told for `broker`. An empty host stands for the machine's own name,
    /// port 0 for the port that was bound.
    pub advertised: Vec<Endpoint>,
    /// The endpoints that others are told for `controller`, likewise.
    pub advertised_controller: Vec<Endpoint>,
    /// The listener among `broker` on which only brokers connect, if there are others for clients.
    pub inter_broker: Option<String>,
}

impl Listeners {
    pub(super) fn read(view: &View<'_>) -> Result<Self, InvalidValue> {
        let controller_names = upper_case(view.list(CONTROLLER_NAMES));
        let protocols = protocols(view, &controller_names)?;
        let is_controller = |endpoint: &Endpoint| controller_names.contains(&endpoint.listener);

        let listeners = endpoints(LISTENERS, &configured(view), &protocols)?;
        check_names(LISTENERS, &listeners)?;
        check_ports(&listeners)?;
        let (controller, broker): (Vec<_>, Vec<_>) = listeners.into_iter().partition(is_controller);
        check_roles(&controller_names, &broker, &controller)?;

        let (advertised_controller, advertised) = match view.set_list(ADVERTISED) {
            None => (Vec::new(), broker.clone()),
            Some(entries) => {
                let advertised = endpoints(ADVERTISED, &entries, &protocols)?;
                check_advertised(&advertised, &broker, &controller)?;
                advertised.into_iter().partition(is_controller)
            }
        };
        let inter_broker = inter_broker(view, &broker)?;
        let advertised = routable(advertised)?;
        // As in Kafka, `advertised.listeners` need not name those of the controller.
        let advertised_controller = if advertised_controller.is_empty() {
            controller.clone()
        } else {
            advertised_controller
        };
        Ok(Self {
            broker,
            controller,
            advertised,
            advertised_controller,
            inter_broker,
        })
    }

    /// The first controller listener, which voters are told.
    pub fn first_controller(&self) -> &Endpoint {
        self.advertised_controller
            .first()
            .expect("check_roles found one")
    }
}

/// The entries of `listeners`, with one for the controller if no key mentions it.
fn configured(view: &View<'_>) -> Vec<String> {
    let mut entries = view.list(LISTENERS);
    let speaks_of_controller = [
        CONTROLLER_NAMES,
        "process.roles",
        "controller.quorum.voters",
    ]
    .map(|key| view.is_set(key));
    let has_controller = entries
        .iter()
        .filter_map(|entry| parse_listener(entry))
        .any(|(name, ..)| name == "CONTROLLER");
    if view.is_set(LISTENERS) && !speaks_of_controller.contains(&true) && !has_controller {
        entries.push(LOCAL_CONTROLLER.to_owned());
    }
    entries
}

/// The protocol of each listener name. Unless the map is set, controllers' listeners are plaintext.
fn protocols(
    view: &View<'_>,
    controller_names: &[String],
) -> Result<BTreeMap<String, SecurityProtocol>, InvalidValue> {
    let text = view.text(PROTOCOL_MAP);
    let invalid = |reason: &str| InvalidValue::new(PROTOCOL_MAP, &text, reason);
    let pairs = parse_pairs(&text)
        .ok_or_else(|| invalid("Each entry should be in the form `{name}:{protocol}`"))?;
    let mut protocols = BTreeMap::new();
    for (name, protocol) in pairs {
        let Some(protocol) = SecurityProtocol::from_name(&protocol) else {
            return Err(invalid(&format!(
                "{protocol} is no security protocol; there are PLAINTEXT, SSL, SASL_PLAINTEXT and \
                 SASL_SSL"
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
    Ok(protocols)
}

fn endpoints(
    key: &str,
    entries: &[String],
    protocols: &BTreeMap<String, SecurityProtocol>,
) -> Result<Vec<Endpoint>, InvalidValue> {
    entries
        .iter()
        .map(|entry| endpoint(key, entry, protocols))
        .collect()
}

fn endpoint(
    key: &str,
    entry: &str,
    protocols: &BTreeMap<String, SecurityProtocol>,
) -> Result<Endpoint, InvalidValue> {
    let invalid = |reason: String| InvalidValue::new(key, entry, &reason);
    let (listener, host, port) = parse_listener(entry).ok_or_else(|| {
        invalid("Each entry should be in the form `{name}://{host}:{port}`".to_owned())
    })?;
    let protocol = *protocols.get(&listener).ok_or_else(|| {
        invalid(format!(
            "{PROTOCOL_MAP} does not say what is spoken on {listener}"
        ))
    })?;
    if protocol != SecurityProtocol::Plaintext {
        return Err(invalid(format!(
            "{protocol} is not served yet; only PLAINTEXT is, so keep the port inside a network \
             you trust"
        )));
    }
    Ok(Endpoint {
        listener,
        protocol,
        host,
        port,
    })
}

fn check_names(key: &str, endpoints: &[Endpoint]) -> Result<(), InvalidValue> {
    for (index, endpoint) in endpoints.iter().enumerate() {
        if endpoints[..index]
            .iter()
            .any(|earlier| earlier.listener == endpoint.listener)
        {
            return Err(InvalidValue::new(
                key,
                show(endpoints),
                "Each listener needs its own name",
            ));
        }
    }
    Ok(())
}

fn check_ports(listeners: &[Endpoint]) -> Result<(), InvalidValue> {
    for (index, endpoint) in listeners.iter().enumerate() {
        if listeners[..index]
            .iter()
            .any(|earlier| collide(earlier, endpoint))
        {
            let reason = format!("Two listeners cannot share port {}", endpoint.port);
            return Err(InvalidValue::new(LISTENERS, show(listeners), &reason));
        }
    }
    Ok(())
}

/// Whether two listeners collide: those of one port do, unless they are bound to different addresses.
fn collide(one: &Endpoint, other: &Endpoint) -> bool {
    let specific = |endpoint: &Endpoint| {
        endpoint
            .host
            .parse::<IpAddr>()
            .ok()
            .filter(|address| !address.is_unspecified())
    };
    let differ = match (specific(one), specific(other)) {
        (Some(one), Some(other)) => one != other,
        _ => false,
    };
    one.port != 0 && one.port == other.port && !differ
}

/// The listener on which only brokers connect; `None` if clients share it.
fn inter_broker(view: &View<'_>, broker: &[Endpoint]) -> Result<Option<String>, InvalidValue> {
    let Some(name) = view.optional_text(INTER_BROKER) else {
        return Ok(None);
    };
    let name = name.to_ascii_uppercase();
    if !broker.iter().any(|endpoint| endpoint.listener == name) {
        let reason = format!("{LISTENERS} has no listener {name} for brokers");
        return Err(InvalidValue::new(INTER_BROKER, name, &reason));
    }
    Ok((broker.len() > 1).then_some(name))
}

fn check_roles(
    controller_names: &[String],
    broker: &[Endpoint],
    controller: &[Endpoint],
) -> Result<(), InvalidValue> {
    let missing = controller_names.iter().find(|name| {
        !controller
            .iter()
            .any(|endpoint| endpoint.listener == **name)
    });
    if let Some(name) = missing {
        let reason = format!(
            "{LISTENERS} has no listener {name}, which the controller needs; add for instance \
             {name}://:9093"
        );
        return Err(InvalidValue::new(
            CONTROLLER_NAMES,
            controller_names.join(","),
            &reason,
        ));
    }
    if broker.is_empty() {
        let reason =
            format!("All of them are named in {CONTROLLER_NAMES}: none is left for clients");
        return Err(InvalidValue::new(LISTENERS, show(controller), &reason));
    }
    Ok(())
}

fn check_advertised(
    advertised: &[Endpoint],
    broker: &[Endpoint],
    controller: &[Endpoint],
) -> Result<(), InvalidValue> {
    check_names(ADVERTISED, advertised)?;
    let is_listener = |endpoint: &Endpoint| {
        broker
            .iter()
            .chain(controller)
            .any(|known| known.listener == endpoint.listener)
    };
    if let Some(unknown) = advertised.iter().find(|endpoint| !is_listener(endpoint)) {
        let reason = format!("{LISTENERS} has no listener {}", unknown.listener);
        return Err(InvalidValue::new(ADVERTISED, show(advertised), &reason));
    }
    let is_broker = |endpoint: &Endpoint| {
        broker
            .iter()
            .any(|known| known.listener == endpoint.listener)
    };
    if !advertised.iter().any(is_broker) {
        let reason = "It names no listener that clients could connect to";
        return Err(InvalidValue::new(ADVERTISED, show(advertised), reason));
    }
    Ok(())
}

/// Checks that clients can connect to what is advertised: "all addresses" is refused, as in Kafka.
fn routable(advertised: Vec<Endpoint>) -> Result<Vec<Endpoint>, InvalidValue> {
    if advertised.iter().any(|endpoint| endpoint.host == "0.0.0.0") {
        let reason = "Clients cannot connect to 0.0.0.0: set it to a name or an address of this \
                      machine that they can reach";
        return Err(InvalidValue::new(ADVERTISED, show(&advertised), reason));
    }
    Ok(advertised)
}

fn show(endpoints: &[Endpoint]) -> String {
    let texts: Vec<String> = endpoints.iter().map(ToString::to_string).collect();
    texts.join(",")
}

fn upper_case(names: Vec<String>) -> Vec<String> {
    names
        .into_iter()
        .map(|name| name.to_ascii_uppercase())
        .collect()
}
