//! The settings of listeners and connections, as the configuration gives them.

use std::time::Duration;

use crate::config::{Endpoint, NetworkConfig};

/// One listener.
#[derive(Clone, Debug)]
pub struct ListenerOptions {
    /// Name, protocol, host and port. An empty host binds all addresses, IPv6 and IPv4.
    pub endpoint: Endpoint,
    /// Only brokers and controllers connect here: they are counted apart from clients, and their requests
    /// have memory of their own. Who sends records is a client nevertheless.
    pub brokers_only: bool,
}

impl ListenerOptions {
    /// A listener for clients.
    pub fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            brokers_only: false,
        }
    }
}

/// What holds for every connection.
#[derive(Clone, Debug)]
pub struct ConnectionOptions {
    /// The largest request (`socket.request.max.bytes`).
    pub request_max_bytes: u32,
    /// The largest request of a peer that has yet to log in (`sasl.server.max.receive.size`).
    pub request_max_bytes_before_login: u32,
    /// A connection without requests and answers is closed after this (`connections.max.idle.ms`).
    pub max_idle: Duration,
    /// Each 64 KiB of a request, once begun, must arrive within this time.
    pub request_stall: Duration,
    /// A peer must have logged in this long after connecting, where login is required.
    pub login_time: Duration,
    /// Connections the system holds until they are accepted (`socket.listen.backlog.size`).
    pub backlog: u32,
    /// `None` leaves the system's own (`socket.send.buffer.bytes`).
    pub send_buffer_bytes: Option<usize>,
    /// `None` leaves the system's own, which grows and shrinks (`socket.receive.buffer.bytes`).
    pub receive_buffer_bytes: Option<usize>,
}

/// The duration of what never times out: no connection lasts 68 years.
const FOR_EVER: Duration = Duration::from_secs(i32::MAX as u64);

impl ConnectionOptions {
    /// The options of the configuration.
    pub fn from_config(config: &NetworkConfig) -> Self {
        let milliseconds = |ms: i64| u64::try_from(ms).map_or(FOR_EVER, Duration::from_millis);
        let positive = |value: i32| u32::try_from(value).unwrap_or(0);
        Self {
            request_max_bytes: positive(config.socket_request_max_bytes),
            max_idle: milliseconds(config.connections_max_idle_ms).min(FOR_EVER),
            request_stall: milliseconds(config.request_receive_timeout_ms).min(FOR_EVER),
            backlog: positive(config.socket_listen_backlog_size),
            send_buffer_bytes: usize::try_from(config.socket_send_buffer_bytes).ok(),
            receive_buffer_bytes: usize::try_from(config.socket_receive_buffer_bytes).ok(),
            ..Self::default()
        }
    }
}

impl Default for ConnectionOptions {
    fn default() -> Self {
        Self {
            request_max_bytes: 100 << 20,
            request_max_bytes_before_login: 512 << 10,
            max_idle: Duration::from_secs(600),
            request_stall: Duration::from_secs(30),
            login_time: Duration::from_secs(10),
            backlog: 1024,
            send_buffer_bytes: None,
            receive_buffer_bytes: None,
        }
    }
}
