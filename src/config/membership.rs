//! Who a node is among those of its cluster: its number, its roles, and the voters of the metadata quorum.
//!
//! It is read before the listeners, which depend on it. Voters are static (kraft.version 0): all nodes are
//! told the same ones. Kafka takes some of what is refused here, such as two voters of one number, of
//! which it forgets the first.

use std::collections::BTreeMap;

use super::endpoint::{Voter, parse_host_port, parse_voter};
use super::roles::{PROCESS_ROLES, Roles};
use super::value::InvalidValue;
use super::view::View;
use crate::model::BrokerId;

pub(super) const VOTERS: &str = "controller.quorum.voters";
const SERVERS: &str = "controller.quorum.bootstrap.servers";

/// Who a node is, as far as the keys say it.
#[derive(Clone, Debug)]
pub(super) struct Membership {
    pub(super) node_id: BrokerId,
    pub(super) roles: Roles,
    /// The voters; empty if no key names any. Then this node is the only one.
    pub(super) voters: Vec<Voter>,
}

impl Membership {
    pub(super) fn read(view: &View<'_>) -> Result<Self, InvalidValue> {
        let node_id = node_id(view);
        let roles = Roles::read(view);
        let entries = view.list(VOTERS);
        let named = entries.iter().filter_map(|entry| parse_voter(entry));
        let mut voters: Vec<Voter> = named.collect();
        check_apart(view, &voters)?;
        if voters.is_empty() {
            voters.extend(behind_servers(view, node_id, roles)?);
        }
        let membership = Self {
            node_id,
            roles,
            voters,
        };
        membership.check(view)?;
        Ok(membership)
    }

    /// This node among the voters that are named.
    pub(super) fn own_voter(&self) -> Option<&Voter> {
        self.voters.iter().find(|voter| voter.id == self.node_id)
    }

    /// Whether this node is all of its cluster, so far as the config tells.
    pub(super) fn is_alone(&self) -> bool {
        self.roles == Roles::Both && self.voters.len() <= 1
    }

    fn check(&self, view: &View<'_>) -> Result<(), InvalidValue> {
        if self.roles == Roles::Broker && self.voters.is_empty() {
            let reason = format!(
                "A node that is only a broker has to know its controllers; add {VOTERS} = \
                 \"{{id}}@{{host}}:{{port}},...\""
            );
            return Err(view.invalid(PROCESS_ROLES, &reason));
        }
        let is_one_of_several = self.voters.len() > 1 || self.roles == Roles::Broker;
        if is_one_of_several {
            self.check_names_itself(view)?;
        }
        self.check_is_voter(view)
    }

    /// A node of several has to say which it is. Of which cluster, its directories say as well.
    fn check_names_itself(&self, view: &View<'_>) -> Result<(), InvalidValue> {
        if !view.is_set("node.id") && !view.is_set("broker.id") {
            let reason =
                "Each node of several has to say which it is; add node.id, its own on each";
            return Err(view.invalid(VOTERS, reason));
        }
        Ok(())
    }

    fn check_is_voter(&self, view: &View<'_>) -> Result<(), InvalidValue> {
        let id = self.node_id;
        let reason = match (self.roles, self.own_voter()) {
            (Roles::Broker, Some(_)) => format!(
                "This node, {id}, is only a broker by {PROCESS_ROLES}, so it cannot be in it; give \
                 it another node.id"
            ),
            (Roles::Controller | Roles::Both, None) if !self.voters.is_empty() => format!(
                "This node, {id}, has to be in it, as it is a controller; add \
                 {id}@{{host}}:{{port}}, or set node.id to its number here"
            ),
            _ => return Ok(()),
        };
        Err(view.invalid(VOTERS, &reason))
    }
}

fn node_id(view: &View<'_>) -> BrokerId {
    BrokerId(if view.is_set("broker.id") && !view.is_set("node.id") {
        view.int("broker.id")
    } else {
        view.int("node.id")
    })
}

/// The voter that `controller.quorum.bootstrap.servers` stands for: this node, if it can be no other.
fn behind_servers(
    view: &View<'_>,
    node_id: BrokerId,
    roles: Roles,
) -> Result<Option<Voter>, InvalidValue> {
    let servers = view.list(SERVERS);
    match &servers[..] {
        [] => Ok(None),
        [server] if roles.is_controller() => {
            let (host, port) = parse_host_port(server).expect("its rule let it pass");
            Ok(Some(Voter {
                id: node_id,
                host: reachable(host),
                port,
            }))
        }
        _ => {
            let reason = format!(
                "Voters are static here (kraft.version 0), so servers do not tell who they are; \
                 name them in {VOTERS}, as `{{id}}@{{host}}:{{port}}`"
            );
            Err(view.invalid(SERVERS, &reason))
        }
    }
}

/// A host in place of one that stands for all addresses of this machine: no node can connect to that.
pub(super) fn reachable(host: String) -> String {
    match host.as_str() {
        "" | "0.0.0.0" | "::" => "localhost".to_owned(),
        _ => host,
    }
}

/// Checks that the voters can be told apart and be connected to.
fn check_apart(view: &View<'_>, voters: &[Voter]) -> Result<(), InvalidValue> {
    let invalid = |reason: String| Err(view.invalid(VOTERS, &reason));
    let mut ids = BTreeMap::new();
    let mut endpoints = BTreeMap::new();
    for voter in voters {
        let Voter { id, host, port } = voter;
        if host == "0.0.0.0" {
            return invalid(format!(
                "No node can connect to 0.0.0.0; give voter {id} the name or the address under \
                 which the others reach it"
            ));
        }
        if *port == 0 && voters.len() > 1 {
            return invalid(format!(
                "Other nodes cannot know which port the system chooses in place of 0; give voter \
                 {id} the port of its controller listener"
            ));
        }
        if ids.insert(id.0, voter).is_some() {
            return invalid(format!(
                "Two voters have the number {id}; each needs its own, which is its node.id"
            ));
        }
        if let Some(other) = endpoints.insert((host.to_ascii_lowercase(), port), id) {
            return invalid(format!(
                "Voters {other} and {id} cannot both be at {host}:{port}; each needs its own \
                 controller listener"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Layers, Settings};

    const ID: (&str, &str) = ("cluster.id", "MkU3OEVBNTcwNTJENDM2Qg");
    const THREE: (&str, &str) = (VOTERS, "1@a:9093,2@b:9093,3@[::1]:9094");

    fn read(pairs: &[(&str, &str)]) -> Result<Membership, InvalidValue> {
        let settings: Settings = pairs
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect();
        Membership::read(&View {
            layers: Layers::of(&settings),
        })
    }

    /// Checks that the settings are refused for the voters, with a reason that has this in it.
    fn refused(pairs: &[(&str, &str)], reason: &str) {
        refused_for(VOTERS, pairs, reason);
    }

    fn refused_for(key: &str, pairs: &[(&str, &str)], reason: &str) {
        let error = read(pairs).expect_err("the settings are wrong");
        assert_eq!(error.name, key, "{error}");
        assert!(error.message.contains(reason), "{pairs:?}: {error}");
    }

    #[test]
    fn a_node_of_which_nothing_is_said_is_alone() {
        let node = read(&[]).unwrap();

        assert_eq!((node.node_id, node.roles), (BrokerId(1), Roles::Both));
        assert!(node.voters.is_empty() && node.is_alone());
    }

    #[test]
    fn each_of_three_finds_itself_among_the_voters() {
        for (roles, id) in [("controller", "1"), ("broker,controller", "3")] {
            let node = read(&[THREE, ID, ("process.roles", roles), ("node.id", id)]).unwrap();

            assert_eq!(node.voters.len(), 3);
            assert_eq!(node.own_voter().map(|voter| voter.id), Some(node.node_id));
            assert!(!node.is_alone());
        }
    }

    #[test]
    fn a_broker_is_beside_the_voters() {
        let broker = ("process.roles", "broker");

        let node = read(&[THREE, ID, broker, ("node.id", "4")]).unwrap();

        assert_eq!(node.own_voter(), None);
        assert!(!node.is_alone());
        let reason = "This node, 2, is only a broker";
        refused(&[THREE, ID, broker, ("node.id", "2")], reason);
        refused_for(PROCESS_ROLES, &[broker], "has to know its controllers");
    }

    #[test]
    fn a_broker_names_itself_even_beside_a_single_controller() {
        let broker = ("process.roles", "broker");
        let one = (VOTERS, "1@a:9093");

        refused(&[one, ID, broker], "add node.id");
        read(&[one, broker, ("node.id", "2")]).unwrap();
        read(&[one, ID, broker, ("broker.id", "2")]).unwrap();
    }

    #[test]
    fn a_controller_has_to_be_a_voter() {
        for roles in ["controller", "broker,controller"] {
            let roles = ("process.roles", roles);
            let reason = "This node, 4, has to be in it";
            refused(&[THREE, ID, roles, ("node.id", "4")], reason);
            refused(&[(VOTERS, "2@a:1"), roles], "This node, 1, has to be in it");
        }
    }

    #[test]
    fn a_node_of_several_names_itself() {
        refused(&[THREE, ID], "add node.id");
        read(&[THREE, ("node.id", "1")]).unwrap();
        read(&[THREE, ID, ("broker.id", "1")]).unwrap();
        // A single one may leave both out.
        read(&[(VOTERS, "1@a:9093")]).unwrap();
        read(&[(VOTERS, "1@a:9093"), ("process.roles", "controller")]).unwrap();
    }

    #[test]
    fn voters_are_told_apart_by_number_and_address() {
        let of = |voters| [(VOTERS, voters), ID, ("node.id", "1")];

        refused(&of("1@a:1,1@b:2"), "Two voters have the number 1");
        refused(&of("1@a:1,1@a:1"), "Two voters have the number 1");
        let both = "Voters 1 and 2 cannot both be at A:1";
        refused(&of("1@a:1,2@A:1"), both);
        refused(&of("1@a:1,2@b:0"), "give voter 2 the port");
        refused(&of("1@a:1,2@0.0.0.0:1"), "No node can connect to 0.0.0.0");
        refused(&of("1@0.0.0.0:1"), "No node can connect to 0.0.0.0");
        read(&of("1@a:0")).unwrap();
        read(&of("1@a:1,2@a:2")).unwrap();
    }

    #[test]
    fn a_server_is_this_node_and_several_are_not_told_apart() {
        let servers = |text| (SERVERS, text);
        let voter = |host: &str| Voter {
            id: BrokerId(1),
            host: host.to_owned(),
            port: 9093,
        };

        let named = read(&[servers("a:9093")]).unwrap();
        let wildcard = read(&[servers("0.0.0.0:9093")]).unwrap();

        assert_eq!(named.voters, [voter("a")]);
        assert_eq!(wildcard.voters, [voter("localhost")]);
        let reason = "name them in controller.quorum.voters";
        refused_for(SERVERS, &[servers("a:1,b:2")], reason);
        let broker = ("process.roles", "broker");
        refused_for(SERVERS, &[servers("a:1"), broker], reason);
        // Beside voters they say nothing that is not known.
        let both = [servers("a:1,b:2"), THREE, ID, ("node.id", "1")];
        assert_eq!(read(&both).unwrap().voters.len(), 3);
    }
}
