//! What a node is in its cluster: `process.roles`.

use std::fmt;

use super::view::View;

pub(super) const PROCESS_ROLES: &str = "process.roles";

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Roles {
    /// It keeps partitions and serves clients; the controllers are other nodes.
    Broker,
    /// It is a member of the metadata quorum, and serves no clients.
    Controller,
    /// It is both at once.
    Both,
}

impl Roles {
    pub(super) fn read(view: &View<'_>) -> Self {
        let roles = view.list(PROCESS_ROLES);
        let is_listed = |role: &str| roles.iter().any(|listed| listed == role);
        if !is_listed("controller") {
            Self::Broker
        } else if !is_listed("broker") {
            Self::Controller
        } else {
            Self::Both
        }
    }

    /// Whether the node keeps partitions and serves clients.
    pub fn is_broker(self) -> bool {
        self != Self::Controller
    }

    /// Whether the node is a member of the metadata quorum.
    pub fn is_controller(self) -> bool {
        self != Self::Broker
    }
}

/// The roles as they are written in `process.roles`.
impl fmt::Display for Roles {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Broker => "broker",
            Self::Controller => "controller",
            Self::Both => "broker,controller",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Layers, Settings};

    fn roles(text: Option<&str>) -> Roles {
        let settings: Settings = text
            .map(|text| (PROCESS_ROLES.to_owned(), text.to_owned()))
            .into_iter()
            .collect();
        Roles::read(&View {
            layers: Layers::of(&settings),
        })
    }

    #[test]
    fn a_node_is_what_is_listed_in_whatever_order_and_both_if_nothing_is() {
        assert_eq!(roles(Some("broker")), Roles::Broker);
        assert_eq!(roles(Some("controller")), Roles::Controller);
        assert_eq!(roles(Some("broker,controller")), Roles::Both);
        assert_eq!(roles(Some("controller, broker")), Roles::Both);
        assert_eq!(roles(None), Roles::Both);
    }

    #[test]
    fn one_role_excludes_the_other() {
        assert!(Roles::Broker.is_broker() && !Roles::Broker.is_controller());
        assert!(Roles::Controller.is_controller() && !Roles::Controller.is_broker());
        assert!(Roles::Both.is_broker() && Roles::Both.is_controller());
    }
}
