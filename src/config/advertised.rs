//! What others are told of a node's listeners: `advertised.listeners`, or else `listeners`.

use super::endpoint::Endpoint;
use super::listeners::{CONTROLLER_NAMES, LISTENERS, check_names, endpoints, show, upper_case};
use super::membership::Membership;
use super::protocols::Protocols;
use super::roles::Roles;
use super::value::InvalidValue;
use super::view::View;

pub(super) const ADVERTISED: &str = "advertised.listeners";

/// The endpoints that others are told.
pub(super) struct Advertised {
    /// Those of brokers and clients.
    pub(super) broker: Vec<Endpoint>,
    /// One for each listener of the controller, in their order.
    pub(super) controller: Vec<Endpoint>,
}

impl Advertised {
    /// Reads what a node with these listeners says of them.
    pub(super) fn read(
        view: &View<'_>,
        node: &Membership,
        protocols: &Protocols,
        broker: &[Endpoint],
        controller: &[Endpoint],
    ) -> Result<Self, InvalidValue> {
        let (of_controller, of_broker) = match view.set_list(ADVERTISED) {
            None => (Vec::new(), broker.to_vec()),
            Some(entries) => {
                let mut told = endpoints(ADVERTISED, &entries, protocols)?;
                if !node.roles.is_controller() {
                    // As in Kafka, a file that nodes of all roles share may name what is not here.
                    let names = upper_case(view.list(CONTROLLER_NAMES));
                    told.retain(|endpoint| !names.contains(&endpoint.listener));
                }
                check_advertised(node.roles, &told, broker, controller)?;
                told.into_iter()
                    .partition(|endpoint| is_among(controller, endpoint))
            }
        };
        check_routable(&of_broker)?;
        check_routable(&of_controller)?;
        Ok(Self {
            broker: of_broker,
            controller: advertised_controller(controller, &of_controller, node),
        })
    }
}

/// What others are told of the controller's listeners. As in Kafka, `advertised.listeners` need not name
/// them; then the first, if it listens on all addresses, is where the voters say that this node is.
fn advertised_controller(
    controller: &[Endpoint],
    advertised: &[Endpoint],
    node: &Membership,
) -> Vec<Endpoint> {
    let of_first = |endpoint: &Endpoint| match node.own_voter() {
        Some(voter) if matches!(endpoint.host.as_str(), "" | "0.0.0.0" | "::") => Endpoint {
            host: voter.host.clone(),
            port: voter.port,
            ..endpoint.clone()
        },
        _ => endpoint.clone(),
    };
    let of_each = controller.iter().enumerate().map(|(index, endpoint)| {
        let same = |other: &&Endpoint| other.listener == endpoint.listener;
        match advertised.iter().find(same) {
            Some(advertised) => advertised.clone(),
            None if index == 0 => of_first(endpoint),
            None => endpoint.clone(),
        }
    });
    of_each.collect()
}

fn is_among(listeners: &[Endpoint], endpoint: &Endpoint) -> bool {
    listeners
        .iter()
        .any(|known| known.listener == endpoint.listener)
}

fn check_advertised(
    roles: Roles,
    advertised: &[Endpoint],
    broker: &[Endpoint],
    controller: &[Endpoint],
) -> Result<(), InvalidValue> {
    check_names(ADVERTISED, advertised)?;
    let is_listener =
        |endpoint: &&Endpoint| is_among(broker, endpoint) || is_among(controller, endpoint);
    if let Some(unknown) = advertised.iter().find(|endpoint| !is_listener(endpoint)) {
        let reason = format!("{LISTENERS} has no listener {}", unknown.listener);
        return Err(InvalidValue::new(ADVERTISED, show(advertised), &reason));
    }
    if roles.is_broker() && !advertised.iter().any(|it| is_among(broker, it)) {
        let reason = "It names no listener that clients could connect to";
        return Err(InvalidValue::new(ADVERTISED, show(advertised), reason));
    }
    Ok(())
}

/// Checks that others can connect to what is advertised: "all addresses" is refused, as in Kafka.
fn check_routable(advertised: &[Endpoint]) -> Result<(), InvalidValue> {
    if advertised.iter().any(|endpoint| endpoint.host == "0.0.0.0") {
        let reason = "Nobody can connect to 0.0.0.0: set it to a name or an address of this machine \
                      under which it is reached";
        return Err(InvalidValue::new(ADVERTISED, show(advertised), reason));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::listeners::Listeners;
    use crate::config::{Layers, Settings};

    const BROKER: &[(&str, &str)] = &[
        ("process.roles", "broker"),
        ("node.id", "4"),
        ("cluster.id", "MkU3OEVBNTcwNTJENDM2Qg"),
        ("controller.quorum.voters", "1@a:9093"),
    ];
    const CONTROLLER: &[(&str, &str)] = &[("process.roles", "controller")];

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
    fn a_node_that_is_only_a_controller_advertises_no_other_listener() {
        let told = (ADVERTISED, "CONTROLLER://a:1");

        let advertised = read(CONTROLLER, &[told]).unwrap();

        assert_eq!(show(&advertised.advertised_controller), "CONTROLLER://a:1");
        assert_eq!(advertised.advertised, []);
        let told = (ADVERTISED, "CONTROLLER://a:1,PLAINTEXT://a:2");
        refused(CONTROLLER, &[told], "no listener PLAINTEXT");
    }

    #[test]
    fn a_file_that_all_nodes_share_may_advertise_controllers_on_a_broker() {
        let shared = (ADVERTISED, "PLAINTEXT://a:1,CONTROLLER://a:2");

        assert_eq!(
            show(&read(BROKER, &[shared]).unwrap().advertised),
            "PLAINTEXT://a:1"
        );
        let reason = "no listener that clients";
        refused(BROKER, &[(ADVERTISED, "CONTROLLER://a:2")], reason);
    }

    #[test]
    fn a_controller_that_listens_everywhere_is_where_the_voters_have_it() {
        let names = ("controller.listener.names", "CONTROLLER,SECOND");
        let voters = ("controller.quorum.voters", "1@c1.local:19093");
        let of = |listeners: &str, advertised: Option<&'static str>| {
            let advertised = advertised.map(|text| (ADVERTISED, text));
            let more: Vec<_> = [names, voters, (LISTENERS, listeners)]
                .into_iter()
                .chain(advertised)
                .collect();
            show(&read(CONTROLLER, &more).unwrap().advertised_controller)
        };

        for host in ["", "0.0.0.0", "[::]"] {
            assert_eq!(
                of(&format!("CONTROLLER://{host}:9093,SECOND://:9094"), None),
                "CONTROLLER://c1.local:19093,SECOND://:9094"
            );
        }
        let named = "CONTROLLER://b:9093,SECOND://:9094";
        assert_eq!(of(named, None), named);
        assert_eq!(
            of(named, Some("SECOND://d:1")),
            "CONTROLLER://b:9093,SECOND://d:1"
        );
    }

    #[test]
    fn no_role_advertises_all_addresses() {
        let everywhere = (ADVERTISED, "CONTROLLER://0.0.0.0:1");
        refused(CONTROLLER, &[everywhere], "Nobody can connect to 0.0.0.0");
        let everywhere = (LISTENERS, "PLAINTEXT://0.0.0.0:1");
        refused(BROKER, &[everywhere], "Nobody can connect to 0.0.0.0");
    }
}
