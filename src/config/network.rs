//! The config of the network: listeners, connections, memory for requests.

use std::collections::BTreeMap;

use super::check::NOBODY;
use super::endpoint::parse_pairs;
use super::listeners::Listeners;
use super::value::InvalidValue;
use super::view::View;

/// Listeners, connections, memory for requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkConfig {
    /// The listeners to bind, and the endpoints to advertise.
    pub listeners: Listeners,
    /// 1 or above.
    pub socket_request_max_bytes: i32,
    /// -1 for the system's own.
    pub socket_send_buffer_bytes: i32,
    /// -1 for the system's own.
    pub socket_receive_buffer_bytes: i32,
    /// 1 or above.
    pub socket_listen_backlog_size: i32,
    /// Connections over all listeners.
    pub max_connections: i32,
    /// Connections of single listeners, by name.
    pub max_connections_of_listener: BTreeMap<String, i32>,
    /// Connections accepted per second, over all listeners; `i32::MAX` for any number.
    pub max_connection_creation_rate: i32,
    /// Connections accepted per second on single listeners, by name.
    pub max_connection_creation_rate_of_listener: BTreeMap<String, i32>,
    /// Connections from one address.
    pub max_connections_per_ip: i32,
    /// Connections from these addresses or host names, in place of the limit for all.
    pub max_connections_per_ip_overrides: BTreeMap<String, i32>,
    /// Negative for no limit.
    pub connections_max_idle_ms: i64,
    /// 0 or less for no limit.
    pub queued_max_request_bytes: i64,
    /// 1 or above.
    pub request_receive_timeout_ms: i64,
    /// 1 MiB or above.
    pub request_decoded_max_bytes: i32,
    /// 1 MiB or above.
    pub response_max_bytes: i32,
}

impl NetworkConfig {
    pub(super) fn read(view: &View<'_>, listeners: Listeners) -> Result<Self, InvalidValue> {
        Ok(Self {
            max_connections_of_listener: limits_of_listeners(view, &listeners, "max.connections")?,
            max_connection_creation_rate: view.int("max.connection.creation.rate"),
            max_connection_creation_rate_of_listener: limits_of_listeners(
                view,
                &listeners,
                "max.connection.creation.rate",
            )?,
            listeners,
            socket_request_max_bytes: view.int("socket.request.max.bytes"),
            socket_send_buffer_bytes: view.int("socket.send.buffer.bytes"),
            socket_receive_buffer_bytes: view.int("socket.receive.buffer.bytes"),
            socket_listen_backlog_size: view.int("socket.listen.backlog.size"),
            max_connections: view.int("max.connections"),
            max_connections_per_ip: view.int("max.connections.per.ip"),
            max_connections_per_ip_overrides: limits_of_addresses(view)?,
            connections_max_idle_ms: view.long("connections.max.idle.ms"),
            queued_max_request_bytes: view.long("queued.max.request.bytes"),
            request_receive_timeout_ms: view.long("request.receive.timeout.ms"),
            request_decoded_max_bytes: view.int("request.decoded.max.bytes"),
            response_max_bytes: view.int("response.max.bytes"),
        })
    }
}

fn limits_of_listeners(
    view: &View<'_>,
    listeners: &Listeners,
    key: &str,
) -> Result<BTreeMap<String, i32>, InvalidValue> {
    let mut limits = BTreeMap::new();
    for endpoint in listeners.broker.iter().chain(&listeners.controller) {
        let limit = view.of_listener(&endpoint.listener, key);
        let Some(limit) = limit.and_then(|limit| i32::try_from(limit.as_i64()?).ok()) else {
            continue;
        };
        if limit == 0 {
            let name = endpoint.listener.to_ascii_lowercase();
            let full_name = format!("listener.name.{name}.{key}");
            return Err(InvalidValue::new(&full_name, limit, NOBODY));
        }
        limits.insert(endpoint.listener.clone(), limit);
    }
    Ok(limits)
}

/// The limits of single addresses. If the limit for all others is 0, one of these must let somebody in.
fn limits_of_addresses(view: &View<'_>) -> Result<BTreeMap<String, i32>, InvalidValue> {
    const KEY: &str = "max.connections.per.ip.overrides";
    const OF_OTHERS: &str = "max.connections.per.ip";
    let invalid = || view.invalid(KEY, "Each entry should be in the form `{host}:{count}`");
    let pairs = parse_pairs(&view.text(KEY)).ok_or_else(invalid)?;
    let parsed: Result<BTreeMap<String, i32>, InvalidValue> = pairs
        .into_iter()
        .map(|(host, count)| match count.parse() {
            Ok(count) if count >= 0 && !host.is_empty() => Ok((host, count)),
            _ => Err(invalid()),
        })
        .collect();
    let limits = parsed?;
    if view.int(OF_OTHERS) == 0 && limits.values().all(|limit| *limit == 0) {
        let reason = format!("{NOBODY}; set {KEY} too");
        return Err(view.invalid(OF_OTHERS, &reason));
    }
    Ok(limits)
}
