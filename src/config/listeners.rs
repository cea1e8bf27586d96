//! The listeners of a node as a whole: which there are, what clients are told of them, and which belong
//! to the controller. Everything that is wrong between these keys is found here.

use std::net::IpAddr;

use super::advertised::{ADVERTISED, Advertised};
use super::endpoint::{Endpoint, parse_listener};
use super::membership::{Membership, VOTERS};
use super::protocols::Protocols;
use super::roles::{PROCESS_ROLES, Roles};
use super::value::InvalidValue;
use super::view::View;

pub(super) const LISTENERS: &str = "listeners";
const INTER_BROKER: &str = "inter.broker.listener.name";
pub(super) const CONTROLLER_NAMES: &str = "controller.listener.names";

/// The controller's listener, if neither `listeners` nor another key mentions one. Only this machine needs
/// to reach the controller of a single node.
const LOCAL_CONTROLLER: &str = "CONTROLLER://localhost:9093";

/// All listeners of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listeners {
    /// The listeners of brokers and clients, to be bound; none on a node that is only a controller.
    pub broker: Vec<Endpoint>,
    /// The listeners of the controller, to be bound, in the order of `controller.listener.names`; none on
    /// a node that is only a broker.
    pub controller: Vec<Endpoint>,
    /// The endpoints that clients are told for `broker`. An empty host stands for the machine's own name,
    /// port 0 for the port that was bound.
    pub advertised: Vec<Endpoint>,
    /// The endpoints that others are told for `controller`, likewise, and in the same order.
    pub advertised_controller: Vec<Endpoint>,
    /// The listener over which this node speaks to other controllers: the first of
    /// `controller.listener.names`.
    pub to_controllers: String,
    /// The listener among `broker` on which only brokers connect, if there are others for clients.
    pub inter_broker: Option<String>,
    /// The listener over which this node speaks to other brokers, which all of them have under this name:
    /// `inter.broker.listener.name`, or that of the protocol, or else the first one.
    pub to_brokers: String,
}

impl Listeners {
    pub(super) fn read(view: &View<'_>, node: &Membership) -> Result<Self, InvalidValue> {
        let controller_names = upper_case(view.list(CONTROLLER_NAMES));
        let protocols = Protocols::read(view, &controller_names)?;
        let place = |endpoint: &Endpoint| {
            let mut names = controller_names.iter();
            names.position(|name| *name == endpoint.listener)
        };
        let is_controller = |endpoint: &Endpoint| place(endpoint).is_some();

        let listeners = endpoints(LISTENERS, &configured(view, node.roles), &protocols)?;
        check_names(LISTENERS, &listeners)?;
        check_ports(&listeners)?;
        let (mut controller, broker): (Vec<_>, Vec<_>) =
            listeners.into_iter().partition(is_controller);
        controller.sort_by_key(place);
        check_roles(node.roles, &controller_names, &broker, &controller)?;
        protocols.check_controllers(&controller_names)?;

        let advertised = Advertised::read(view, node, &protocols, &broker, &controller)?;
        let inter_broker =
            inter_broker(view, node, &controller_names, &broker, &advertised.broker)?;
        let to_controllers = controller_names[0].clone();
        let to_brokers = to_brokers(view, &advertised.broker);
        Ok(Self {
            broker,
            controller,
            advertised: advertised.broker,
            advertised_controller: advertised.controller,
            to_controllers,
            inter_broker,
            to_brokers,
        })
    }

    /// The first controller listener, which voters are told; `None` on a node that is only a broker.
    pub fn first_controller(&self) -> Option<&Endpoint> {
        self.advertised_controller.first()
    }
}

/// The entries of `listeners`, with one for the controller if no key mentions it. Of the default, which
/// has one for each role, a node has those of its own.
fn configured(view: &View<'_>, roles: Roles) -> Vec<String> {
    let mut entries = view.list(LISTENERS);
    let is_controller =
        |entry: &String| parse_listener(entry).is_some_and(|(name, ..)| name == "CONTROLLER");
    if !view.is_set(LISTENERS) {
        entries.retain(|entry| match roles {
            Roles::Broker => !is_controller(entry),
            Roles::Controller => is_controller(entry),
            Roles::Both => true,
        });
        return entries;
    }
    let speaks_of_controller =
        [CONTROLLER_NAMES, PROCESS_ROLES, VOTERS].map(|key| view.is_set(key));
    if !speaks_of_controller.contains(&true) && !entries.iter().any(is_controller) {
        entries.push(LOCAL_CONTROLLER.to_owned());
    }
    entries
}

pub(super) fn endpoints(
    key: &str,
    entries: &[String],
    protocols: &Protocols,
) -> Result<Vec<Endpoint>, InvalidValue> {
    entries
        .iter()
        .map(|entry| endpoint(key, entry, protocols))
        .collect()
}

fn endpoint(key: &str, entry: &str, protocols: &Protocols) -> Result<Endpoint, InvalidValue> {
    let invalid = |reason: String| InvalidValue::new(key, entry, &reason);
    let (listener, host, port) = parse_listener(entry).ok_or_else(|| {
        invalid("Each entry should be in the form `{name}://{host}:{port}`".to_owned())
    })?;
    let protocol = protocols.of(&listener).map_err(invalid)?;
    Ok(Endpoint {
        listener,
        protocol,
        host,
        port,
    })
}

pub(super) fn check_names(key: &str, endpoints: &[Endpoint]) -> Result<(), InvalidValue> {
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
fn inter_broker(
    view: &View<'_>,
    node: &Membership,
    controller_names: &[String],
    broker: &[Endpoint],
    advertised: &[Endpoint],
) -> Result<Option<String>, InvalidValue> {
    let is_advertised = |name: &str| advertised.iter().any(|it| it.listener == name);
    let Some(name) = view.optional_text(INTER_BROKER) else {
        // Kafka asks for it of a single node as well, of which no broker needs to know.
        let protocol = view.text("security.inter.broker.protocol");
        if node.roles.is_broker() && !node.is_alone() && !is_advertised(&protocol) {
            let reason = format!(
                "Other brokers have to know where to connect; set it to one of the listeners that \
                 are advertised, {}",
                show(advertised)
            );
            return Err(view.invalid(INTER_BROKER, &reason));
        }
        return Ok(None);
    };
    let name = name.to_ascii_uppercase();
    let reason = if !node.roles.is_broker() {
        if !controller_names.contains(&name) {
            return Ok(None);
        }
        format!("It is a listener of controllers, by {CONTROLLER_NAMES}; leave it out")
    } else if !broker.iter().any(|endpoint| endpoint.listener == name) {
        format!("{LISTENERS} has no listener {name} for brokers")
    } else if !is_advertised(&name) {
        format!("{ADVERTISED} has no listener {name}, so no broker would be told of it")
    } else {
        return Ok((broker.len() > 1).then_some(name));
    };
    Err(InvalidValue::new(INTER_BROKER, name, &reason))
}

/// The name of the listener over which brokers speak to each other; empty on a node without one.
fn to_brokers(view: &View<'_>, advertised: &[Endpoint]) -> String {
    if let Some(name) = view.optional_text(INTER_BROKER) {
        return name.to_ascii_uppercase();
    }
    let protocol = view.text("security.inter.broker.protocol");
    let mut names = advertised.iter().map(|endpoint| &endpoint.listener);
    let of_protocol = names.clone().find(|name| **name == protocol);
    of_protocol.or(names.next()).cloned().unwrap_or_default()
}

/// Checks that a node has the listeners of its roles, and no others.
fn check_roles(
    roles: Roles,
    controller_names: &[String],
    broker: &[Endpoint],
    controller: &[Endpoint],
) -> Result<(), InvalidValue> {
    if !roles.is_controller() {
        if controller.is_empty() {
            return Ok(());
        }
        let reason = format!(
            "{CONTROLLER_NAMES} has {} of them, but by {PROCESS_ROLES} this node is only a broker; \
             take it out",
            show(controller)
        );
        return Err(InvalidValue::new(
            LISTENERS,
            show_all(broker, controller),
            &reason,
        ));
    }
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
    let reason = match (roles.is_broker(), broker) {
        (true, []) => {
            format!("All of them are named in {CONTROLLER_NAMES}: none is left for clients")
        }
        (false, [first, ..]) => format!(
            "By {PROCESS_ROLES} this node is only a controller, and {} is not named in \
             {CONTROLLER_NAMES}; take it out, or name it there",
            first.listener
        ),
        _ => return Ok(()),
    };
    Err(InvalidValue::new(
        LISTENERS,
        show_all(broker, controller),
        &reason,
    ))
}

fn show_all(broker: &[Endpoint], controller: &[Endpoint]) -> String {
    show(&[broker, controller].concat())
}

pub(super) fn show(endpoints: &[Endpoint]) -> String {
    let texts: Vec<String> = endpoints.iter().map(ToString::to_string).collect();
    texts.join(",")
}

pub(super) fn upper_case(names: Vec<String>) -> Vec<String> {
    names
        .into_iter()
        .map(|name| name.to_ascii_uppercase())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Layers, Settings};

    const BROKER: &[(&str, &str)] = &[
        (PROCESS_ROLES, "broker"),
        ("node.id", "4"),
        ("cluster.id", "MkU3OEVBNTcwNTJENDM2Qg"),
        (VOTERS, "1@a:9093"),
    ];
    const CONTROLLER: &[(&str, &str)] = &[(PROCESS_ROLES, "controller")];
    const BOTH: &[(&str, &str)] = &[(PROCESS_ROLES, "broker,controller")];

    fn read(roles: &[(&str, &str)], more: &[(&str, &str)]) -> Result<Listeners, InvalidValue> {
        let settings: Settings = roles
            .iter()
            .chain(more)
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect();
        let view = View {
            layers: Layers::of(&settings),
        };
        Listeners::read(&view, &Membership::read(&view).unwrap())
    }

    fn refused(roles: &[(&str, &str)], more: &[(&str, &str)], reason: &str) {
        let error = read(roles, more).expect_err("the settings are wrong");
        assert!(error.message.contains(reason), "{more:?}: {error}");
    }

    #[test]
    fn of_the_default_a_node_has_what_its_roles_need() {
        let [broker, controller, both] =
            [BROKER, CONTROLLER, BOTH].map(|roles| read(roles, &[]).unwrap());

        assert_eq!(show(&broker.broker), "PLAINTEXT://:9092");
        assert_eq!(show(&broker.controller), "");
        assert_eq!(broker.to_controllers, "CONTROLLER");
        assert_eq!(show(&controller.broker), "");
        assert_eq!(show(&controller.controller), "CONTROLLER://:9093");
        assert_eq!(controller.advertised, []);
        assert_eq!(both.broker, broker.broker);
        assert_eq!(both.controller, controller.controller);
    }

    #[test]
    fn a_node_that_is_only_a_controller_has_no_other_listeners() {
        let names = ("controller.listener.names", "OUT,IN");
        let listeners = (LISTENERS, "IN://:1,OUT://:2");

        let read = read(CONTROLLER, &[names, listeners]).unwrap();

        assert_eq!(show(&read.controller), "OUT://:2,IN://:1");
        assert_eq!(read.to_controllers, "OUT");
        assert_eq!(read.broker, []);
        refused(
            CONTROLLER,
            &[(LISTENERS, "PLAINTEXT://:1,CONTROLLER://:2")],
            "PLAINTEXT is not named in controller.listener.names",
        );
        refused(CONTROLLER, &[names], "what is spoken on CONTROLLER");
        let reason = "listeners has no listener IN";
        refused(CONTROLLER, &[names, (LISTENERS, "OUT://:2")], reason);
    }

    #[test]
    fn a_node_that_is_only_a_broker_has_no_listener_of_controllers() {
        let ctl = ("controller.listener.names", "CTL,OTHER");

        let read = read(BROKER, &[ctl, (LISTENERS, "PLAINTEXT://:1")]).unwrap();

        assert_eq!(read.to_controllers, "CTL");
        assert_eq!(read.first_controller(), None);
        let reason = "CTL://:2 of them, but by process.roles this node is only a broker";
        refused(
            BROKER,
            &[ctl, (LISTENERS, "PLAINTEXT://:1,CTL://:2")],
            reason,
        );
        let map = ("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT");
        refused(BROKER, &[ctl, map], "what is spoken on CTL");
        let ssl = ("controller.listener.names", "SSL");
        refused(BROKER, &[ssl], "SSL is not served yet");
    }

    #[test]
    fn other_brokers_are_told_where_to_connect() {
        let two = (LISTENERS, "IN://:1,OUT://:2");
        let map = (
            "listener.security.protocol.map",
            "IN:PLAINTEXT,OUT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        );
        let inside = (INTER_BROKER, "in");

        let named = read(BROKER, &[two, map, inside]).unwrap();

        assert_eq!(named.inter_broker.as_deref(), Some("IN"));
        refused(BROKER, &[two, map], "set it to one of the listeners");
        let only_out = (ADVERTISED, "OUT://a:2");
        let reason = "advertised.listeners has no listener IN";
        refused(BROKER, &[two, map, inside, only_out], reason);
        // Nobody else needs to know of a node that is alone.
        let alone = (LISTENERS, "IN://:1,CONTROLLER://:2");
        assert_eq!(read(BOTH, &[alone, map]).unwrap().inter_broker, None);
    }

    #[test]
    fn a_controllers_listener_is_not_for_brokers_among_themselves() {
        let reason = "It is a listener of controllers";
        refused(CONTROLLER, &[(INTER_BROKER, "CONTROLLER")], reason);
        let other = read(CONTROLLER, &[(INTER_BROKER, "PLAINTEXT")]).unwrap();
        assert_eq!(other.inter_broker, None);
    }
}
