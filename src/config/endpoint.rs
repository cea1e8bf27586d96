//! Addresses in config values: listeners (`NAME://host:port`), controllers (`id@host:port`), and
//! the protocol of each listener name.

use std::collections::BTreeMap;
use std::fmt;

use crate::model::BrokerId;

/// An endpoint of a listener: where it listens, or where clients are told to find it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The listener's name, in upper case as Kafka keeps it.
    pub listener: String,
    /// The protocol of the listener.
    pub protocol: SecurityProtocol,
    /// A host name or address; empty for all addresses of the machine. An IPv6 address stands without
    /// brackets.
    pub host: String,
    /// The port; 0 lets the system choose.
    pub port: u16,
}

/// The security protocol of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SecurityProtocol {
    /// Neither encrypted nor authenticated.
    Plaintext,
    /// Encrypted by TLS.
    Ssl,
    /// Authenticated by SASL.
    SaslPlaintext,
    /// Encrypted by TLS, and authenticated by SASL.
    SaslSsl,
}

/// One member of the metadata quorum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voter {
    /// The member's `node.id`.
    pub id: BrokerId,
    /// The host name or address of its controller listener.
    pub host: String,
    /// The port of its controller listener.
    pub port: u16,
}

impl Voter {
    /// The address to connect to: `host:port`, an IPv6 address in brackets.
    pub fn address(&self) -> String {
        host_and_port(&self.host, self.port)
    }
}

/// An address to connect to: `host:port`, an IPv6 address in brackets.
pub fn host_and_port(host: &str, port: u16) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

impl SecurityProtocol {
    const ALL: [Self; 4] = [
        Self::Plaintext,
        Self::Ssl,
        Self::SaslPlaintext,
        Self::SaslSsl,
    ];

    /// Kafka's name of the protocol.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plaintext => "PLAINTEXT",
            Self::Ssl => "SSL",
            Self::SaslPlaintext => "SASL_PLAINTEXT",
            Self::SaslSsl => "SASL_SSL",
        }
    }

    /// Kafka's number of the protocol, as RegisterBroker and DescribeCluster carry it.
    pub fn id(self) -> i16 {
        match self {
            Self::Plaintext => 0,
            Self::Ssl => 1,
            Self::SaslPlaintext => 2,
            Self::SaslSsl => 3,
        }
    }

    /// The protocol with this name, in upper or lower case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|protocol| protocol.name().eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for SecurityProtocol {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// The endpoint as it is written in `listeners`.
impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = host_and_port(&self.host, self.port);
        write!(formatter, "{}://{address}", self.listener)
    }
}

/// The voter as it is written in `controller.quorum.voters`.
impl fmt::Display for Voter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}@{}", self.id, self.address())
    }
}

/// Reads one entry of `listeners`; `None` if it is not `NAME://host:port`.
///
/// The protocol is looked up afterwards, so only name, host and port are returned.
pub(super) fn parse_listener(entry: &str) -> Option<(String, String, u16)> {
    let (name, address) = entry.split_once("://")?;
    let (host, port) = split_host_port(address)?;
    (!name.is_empty() && (host.is_empty() || is_host(host)))
        .then(|| (name.to_ascii_uppercase(), host.to_owned(), port))
}

/// Reads `id@host:port`.
pub(super) fn parse_voter(entry: &str) -> Option<Voter> {
    let (id, address) = entry.split_once('@')?;
    let (host, port) = parse_host_port(address)?;
    let id = id.parse().ok().filter(|id| *id >= 0)?;
    Some(Voter {
        id: BrokerId(id),
        host,
        port,
    })
}

/// Reads `host:port`; an IPv6 address stands in brackets.
pub(super) fn parse_host_port(address: &str) -> Option<(String, u16)> {
    let (host, port) = split_host_port(address)?;
    is_host(host).then(|| (host.to_owned(), port))
}

/// Reads `name:value` pairs, separated by commas; the name may hold colons.
pub(super) fn parse_pairs(text: &str) -> Option<BTreeMap<String, String>> {
    if text.is_empty() {
        return Some(BTreeMap::new());
    }
    text.split(',')
        .map(|pair| {
            let (name, value) = pair.rsplit_once(':')?;
            Some((name.trim().to_owned(), value.trim().to_owned()))
        })
        .collect()
}

fn split_host_port(address: &str) -> Option<(&str, u16)> {
    let (host, port) = address.rsplit_once(':')?;
    let host = match host.strip_prefix('[') {
        Some(bracketed) => bracketed.strip_suffix(']')?,
        None => host,
    };
    Some((host, port.parse().ok()?))
}

fn is_host(host: &str) -> bool {
    let is_allowed =
        |character: char| character.is_ascii_alphanumeric() || "-%._:".contains(character);
    !host.is_empty() && host.chars().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_is_a_name_a_host_and_a_port() {
        let listener =
            |name: &str, host: &str, port| Some((name.to_owned(), host.to_owned(), port));

        assert_eq!(
            parse_listener("plaintext://:9092"),
            listener("PLAINTEXT", "", 9092)
        );
        assert_eq!(
            parse_listener("IN://10.0.0.1:0"),
            listener("IN", "10.0.0.1", 0)
        );
        assert_eq!(
            parse_listener("IN://[::1]:9092"),
            listener("IN", "::1", 9092)
        );
        for entry in [
            "",
            "9092",
            "localhost:9092",
            "://:1",
            "A://h",
            "A://h:65536",
            "A://h:-1",
        ] {
            assert_eq!(parse_listener(entry), None, "{entry:?}");
        }
    }

    #[test]
    fn a_voter_is_an_id_and_an_address() {
        let voter = Voter {
            id: BrokerId(3),
            host: "c3.local".to_owned(),
            port: 9093,
        };

        assert_eq!(voter.to_string(), "3@c3.local:9093");
        assert_eq!(parse_voter("3@c3.local:9093"), Some(voter));
        assert_eq!(parse_voter("3@[::1]:9").unwrap().to_string(), "3@[::1]:9");
        for entry in [
            "3@:9093",
            "c3:9093",
            "x@c3:9093",
            "-1@c3:9093",
            "3@c 3:9093",
            "3@c3",
        ] {
            assert_eq!(parse_voter(entry), None, "{entry:?}");
        }
    }

    #[test]
    fn an_endpoint_is_written_as_it_is_read() {
        for text in ["PLAINTEXT://:9092", "A://host:1", "B://[::1]:2"] {
            let (listener, host, port) = parse_listener(text).unwrap();
            let protocol = SecurityProtocol::Plaintext;
            let endpoint = Endpoint {
                listener,
                protocol,
                host,
                port,
            };

            assert_eq!(endpoint.to_string(), text);
        }
    }
}
