//! The names by which the admin listeners may be asked. A web page anywhere may have its own name lead to this
//! machine, and would then read with its visitor's browser what is served here; but that browser says which
//! name it looked up.

use std::collections::BTreeSet;
use std::net::IpAddr;

use axum::http::uri::Authority;
use axum::http::{HeaderMap, Request, StatusCode, Version, header};

use crate::config::BrokerConfig;

/// The names that are known.
#[derive(Debug)]
pub(super) struct Hosts {
    names: BTreeSet<String>,
    takes_any: bool,
}

/// Why a request is refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum WrongHost {
    /// It does not say which host it is for, or not clearly.
    Unclear,
    /// It is for another host.
    Unknown(String),
}

impl Hosts {
    /// The hosts that the config names, and the machine's own name.
    pub(super) fn of(config: &BrokerConfig, machine: &str) -> Self {
        let listeners = &config.network.listeners;
        let endpoints = (config.admin.admin_listeners.iter())
            .chain(&listeners.broker)
            .chain(&listeners.controller)
            .chain(&listeners.advertised)
            .chain(&listeners.advertised_controller)
            .map(|endpoint| endpoint.host.as_str());
        let asked_for = config.admin.admin_hosts.iter().map(String::as_str);
        let names = endpoints.chain(asked_for).chain([machine, "localhost"]);
        Self {
            names: names.map(comparable).filter(|it| !it.is_empty()).collect(),
            takes_any: config.admin.admin_hosts.iter().any(|host| host == "*"),
        }
    }

    /// Whether a request may be answered.
    pub(super) fn check<B>(&self, request: &Request<B>) -> Result<(), WrongHost> {
        let Some(host) = host_of(request)? else {
            return Ok(());
        };
        let name = comparable(&host);
        let is_known = self.takes_any || is_address(&name) || self.names.contains(&name);
        is_known.then_some(()).ok_or(WrongHost::Unknown(name))
    }
}

impl WrongHost {
    /// The answer's code, and its sentence.
    pub(super) fn answer(&self) -> (StatusCode, String) {
        match self {
            Self::Unclear => (
                StatusCode::BAD_REQUEST,
                "The request does not say which host it is for.\n".to_owned(),
            ),
            Self::Unknown(name) => {
                // It is shown to whoever sent it, and as text.
                let shown: String = name.chars().take(100).collect();
                let sentence = format!(
                    "This node does not know the name {shown:?}. Ask it by its address, or add the \
                     name to admin.hosts.\n"
                );
                (StatusCode::FORBIDDEN, sentence)
            }
        }
    }
}

/// The host without its port; `None` if an old client names none. An absolute target counts for more than the
/// header.
fn host_of<B>(request: &Request<B>) -> Result<Option<String>, WrongHost> {
    if let Some(authority) = request.uri().authority() {
        return Ok(Some(authority.host().to_owned()));
    }
    match only_host(request.headers())? {
        None if request.version() < Version::HTTP_11 => Ok(None),
        None => Err(WrongHost::Unclear),
        Some(authority) => Ok(Some(authority.host().to_owned())),
    }
}

fn only_host(headers: &HeaderMap) -> Result<Option<Authority>, WrongHost> {
    let mut all = headers.get_all(header::HOST).iter();
    match (all.next(), all.next()) {
        (None, _) => Ok(None),
        (Some(one), None) => {
            let authority = Authority::try_from(one.as_bytes());
            authority.map(Some).map_err(|_| WrongHost::Unclear)
        }
        (Some(_), Some(_)) => Err(WrongHost::Unclear),
    }
}

fn comparable(host: &str) -> String {
    let host = host.strip_prefix('[').unwrap_or(host);
    let host = host.strip_suffix(']').unwrap_or(host);
    let host = host.strip_suffix('.').unwrap_or(host);
    host.to_ascii_lowercase()
}

fn is_address(host: &str) -> bool {
    host.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Layers, Settings};

    fn hosts(admin_hosts: &str) -> Hosts {
        let pairs = [
            ("admin.hosts", admin_hosts),
            (
                "listeners",
                "PLAINTEXT://inner.example:9092,CONTROLLER://:9093",
            ),
            ("advertised.listeners", "PLAINTEXT://outer.example:9092"),
        ];
        let settings: Settings = pairs
            .map(|(name, text)| (name.to_owned(), text.to_owned()))
            .into_iter()
            .collect();
        let config = BrokerConfig::read(&Layers::of(&settings)).unwrap();
        Hosts::of(&config, "machine")
    }

    fn ask(hosts: &Hosts, values: &[&str]) -> Result<(), WrongHost> {
        let mut request = Request::builder().uri("/metrics");
        for value in values {
            request = request.header("host", *value);
        }
        hosts.check(&request.body(()).unwrap())
    }

    #[test]
    fn a_node_is_asked_by_address_or_by_a_name_of_its_own() {
        let hosts = hosts("");

        for host in [
            "127.0.0.1:9000",
            "10.1.2.3",
            "[::1]:9000",
            "localhost",
            "LOCALHOST.:9000",
            "machine:9000",
            "inner.example",
            "outer.example:9000",
        ] {
            assert_eq!(ask(&hosts, &[host]), Ok(()), "{host}");
        }
    }

    #[test]
    fn a_name_that_leads_here_is_not_enough() {
        let hosts = hosts("");

        for host in [
            "evil.example:9000",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
        ] {
            let refused = ask(&hosts, &[host]).unwrap_err();
            assert_eq!(refused.answer().0, StatusCode::FORBIDDEN, "{host}");
        }
    }

    #[test]
    fn no_host_or_two_are_unclear() {
        let hosts = hosts("*");

        for values in [&[][..], &["localhost", "evil.example"], &["a b"], &[""]] {
            let refused = ask(&hosts, values).unwrap_err();
            assert_eq!(refused, WrongHost::Unclear, "{values:?}");
        }
        let old = Request::builder()
            .version(Version::HTTP_10)
            .body(())
            .unwrap();
        assert_eq!(hosts.check(&old), Ok(()));
    }

    #[test]
    fn the_operator_can_name_hosts_or_take_any() {
        assert_eq!(
            ask(&hosts("metrics.example"), &["metrics.example:80"]),
            Ok(())
        );
        assert_eq!(ask(&hosts("*"), &["anything.example"]), Ok(()));
    }
}
