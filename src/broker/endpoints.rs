//! The endpoints that others are told of this node's listeners: with real ports in place of 0, and a host
//! name in place of "all addresses".

use crate::config::{Endpoint, Listeners, host_and_port};

/// The advertised endpoints, complete.
#[derive(Clone, Debug)]
pub(super) struct Advertised {
    /// The endpoints of brokers and clients.
    pub(super) broker: Vec<Endpoint>,
    /// The endpoints of the controller.
    pub(super) controller: Vec<Endpoint>,
}

impl Advertised {
    /// Completes the configured endpoints; `port_of` gives the port that a listener is bound to.
    pub(super) fn new(listeners: &Listeners, port_of: impl Fn(&str) -> Option<u16>) -> Self {
        let complete = |endpoint: &Endpoint| Endpoint {
            host: match endpoint.host.as_str() {
                "" | "0.0.0.0" | "::" => host_name(),
                host => host.to_owned(),
            },
            port: match endpoint.port {
                0 => port_of(&endpoint.listener).unwrap_or(0),
                port => port,
            },
            ..endpoint.clone()
        };
        Self {
            broker: listeners.advertised.iter().map(complete).collect(),
            controller: listeners
                .advertised_controller
                .iter()
                .map(complete)
                .collect(),
        }
    }

    /// Host and port of the first listener for clients.
    pub(super) fn bootstrap(&self) -> String {
        let first = self.broker.first();
        first.map_or_else(String::new, |endpoint| {
            host_and_port(&endpoint.host, endpoint.port)
        })
    }
}

/// The machine's own name.
pub(super) fn host_name() -> String {
    let name = rustix::system::uname();
    name.nodename()
        .to_str()
        .map_or_else(|_| "localhost".to_owned(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SecurityProtocol;

    fn endpoint(host: &str, port: u16) -> Endpoint {
        Endpoint {
            listener: "PLAINTEXT".to_owned(),
            protocol: SecurityProtocol::Plaintext,
            host: host.to_owned(),
            port,
        }
    }

    fn advertised(host: &str, port: u16) -> Advertised {
        let listeners = Listeners {
            broker: vec![endpoint(host, port)],
            controller: Vec::new(),
            advertised: vec![endpoint(host, port)],
            advertised_controller: Vec::new(),
            to_controllers: "CONTROLLER".to_owned(),
            inter_broker: None,
            to_brokers: "PLAINTEXT".to_owned(),
        };
        Advertised::new(&listeners, |_| Some(1234))
    }

    #[test]
    fn port_0_becomes_the_bound_port_and_another_stays() {
        assert_eq!(advertised("a.example", 0).bootstrap(), "a.example:1234");
        assert_eq!(advertised("a.example", 9092).bootstrap(), "a.example:9092");
    }

    #[test]
    fn all_addresses_become_the_machines_name() {
        assert_ne!(advertised("", 9092).broker[0].host, "");
        assert_ne!(advertised("::", 9092).broker[0].host, "::");
    }

    #[test]
    fn an_ipv6_address_gets_brackets() {
        assert_eq!(advertised("::1", 9092).bootstrap(), "[::1]:9092");
    }
}
