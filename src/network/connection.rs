//! One connection as the rest of the broker sees it: who it is, and the few things that may be
//! asked of it. Its socket and buffers belong to its task (`connection_task.rs`), which reads this.

use std::any::Any;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Waker;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::budget::Lane;
use super::close::CloseReason;
use super::options::ListenerOptions;
use crate::config::SecurityProtocol;
use crate::security::Principal;

/// A connection of a client or of another broker.
#[derive(Debug)]
pub struct Connection {
    id: u64,
    listener: Arc<ListenerOptions>,
    peer: SocketAddr,
    local: SocketAddr,
    opened: Instant,
    software: OnceLock<ClientSoftware>,
    /// Who acts on the connection. Unset until the peer has logged in, if it must.
    principal: OnceLock<Principal>,
    /// Microseconds after `opened` until which no further request is started.
    muted_until_us: AtomicU64,
    order: AtomicU8,
    peer_has_closed: AtomicBool,
    /// Whether a follower has fetched by it.
    is_of_follower: AtomicBool,
    task: Mutex<Option<Waker>>,
    companion: OnceLock<Box<dyn Any + Send + Sync>>,
}

/// What the peer said of itself in ApiVersions (KIP-511).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientSoftware {
    /// For example `apache-kafka-java`.
    pub name: String,
    /// For example `4.4.0`.
    pub version: String,
}

/// What was asked of a connection from outside; a later order never takes an earlier one back.
const STOP: u8 = 1;
const CLOSE: u8 = 2;

impl Connection {
    pub(super) fn new(
        id: u64,
        listener: Arc<ListenerOptions>,
        peer: SocketAddr,
        local: SocketAddr,
    ) -> Self {
        let needs_login = matches!(
            listener.endpoint.protocol,
            SecurityProtocol::SaslPlaintext | SecurityProtocol::SaslSsl
        );
        let principal = OnceLock::new();
        if !needs_login {
            let _ = principal.set(Principal::ANONYMOUS);
        }
        Self {
            id,
            listener,
            peer,
            local,
            opened: Instant::now(),
            software: OnceLock::new(),
            principal,
            muted_until_us: AtomicU64::new(0),
            order: AtomicU8::new(0),
            peer_has_closed: AtomicBool::new(false),
            is_of_follower: AtomicBool::new(false),
            task: Mutex::new(None),
            companion: OnceLock::new(),
        }
    }

    /// Unique while the process runs.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The listener that accepted it.
    pub fn listener(&self) -> &ListenerOptions {
        &self.listener
    }

    /// Whether a broker or a controller is at the other end: by the listener, or because a follower has
    /// fetched by the connection.
    pub fn is_of_brokers(&self) -> bool {
        self.listener.brokers_only || self.is_of_follower.load(Ordering::Relaxed)
    }

    /// Notes that a broker is at the other end: it has fetched as a follower, and named its registration.
    pub fn note_follower(&self) {
        self.is_of_follower.store(true, Ordering::Relaxed);
    }

    /// The part of the memory budget for requests, by whether they carry records: no broker sends any.
    pub(super) fn lane(&self, carries_records: bool) -> Lane {
        if carries_records {
            Lane::Bulk
        } else if self.is_of_brokers() {
            Lane::Brokers
        } else {
            Lane::Reserved
        }
    }

    /// The listener's name, such as `PLAINTEXT`.
    pub fn listener_name(&self) -> &str {
        &self.listener.endpoint.listener
    }

    /// The protocol of the listener: plain or TLS, with or without SASL.
    pub fn security_protocol(&self) -> SecurityProtocol {
        self.listener.endpoint.protocol
    }

    /// The peer's address and port.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// The peer's address; an IPv4 one is written as such, also on a dual-stack listener.
    pub fn peer_ip(&self) -> IpAddr {
        self.peer.ip().to_canonical()
    }

    /// This broker's end of the connection.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// When the connection was accepted.
    pub fn opened(&self) -> Instant {
        self.opened
    }

    /// What the peer said of itself in ApiVersions, if it did.
    pub fn software(&self) -> Option<&ClientSoftware> {
        self.software.get()
    }

    /// Notes what the peer says of itself; only the first time counts.
    pub fn set_software(&self, software: ClientSoftware) {
        // A second ApiVersions is legal, and changes nothing.
        let _ = self.software.set(software);
    }

    /// Whether the peer has logged in, or need not.
    pub fn is_authenticated(&self) -> bool {
        self.principal.get().is_some()
    }

    /// Who acts on the connection; before the login, the anonymous principal.
    pub fn principal(&self) -> &Principal {
        static NOBODY: Principal = Principal::ANONYMOUS;
        self.principal.get().unwrap_or(&NOBODY)
    }

    /// A value that lives as long as the connection does: whoever serves it learns of its end when the value
    /// is dropped. The first caller makes it; `None` if that was of another type.
    pub fn companion<T: Any + Send + Sync>(&self, make: impl FnOnce() -> T) -> Option<&T> {
        let companion = self.companion.get_or_init(|| Box::new(make()));
        companion.downcast_ref()
    }

    /// Notes who has logged in, and lifts the limits on size and time that hold until then. A later
    /// login (KIP-368) must be the same principal's, and changes nothing.
    pub fn set_authenticated(&self, principal: Principal) {
        let _ = self.principal.set(principal);
    }

    /// Whether the peer has closed its end, and sends no more: it may read what it asked for, but
    /// nothing should be waited for on its behalf.
    pub fn peer_has_closed(&self) -> bool {
        self.peer_has_closed.load(Ordering::Relaxed)
    }

    pub(super) fn note_close_by_peer(&self) {
        self.peer_has_closed.store(true, Ordering::Relaxed);
    }

    /// Starts no further request of this connection for this long (KIP-219: the answer goes out at
    /// once and tells the client the same time). The longest of several holds.
    pub fn mute_for(&self, duration: Duration) {
        let until = self.opened.elapsed().saturating_add(duration);
        let until_us = u64::try_from(until.as_micros()).unwrap_or(u64::MAX);
        self.muted_until_us.fetch_max(until_us, Ordering::Relaxed);
    }

    /// Closes the connection after those answers that are being made now.
    pub fn close(&self) {
        self.give_order(CLOSE);
    }

    pub(super) fn stop(&self) {
        self.give_order(STOP);
    }

    fn give_order(&self, order: u8) {
        self.order.fetch_max(order, Ordering::SeqCst);
        if let Some(task) = &*self.task.lock() {
            task.wake_by_ref();
        }
    }

    /// The order to end the connection, if one was given.
    pub(super) fn ordered_end(&self) -> Option<CloseReason> {
        match self.order.load(Ordering::SeqCst) {
            0 => None,
            STOP => Some(CloseReason::Stopping),
            _ => Some(CloseReason::Asked),
        }
    }

    /// Lets orders wake this task. An order may have come before: the caller looks for one afterwards.
    pub(super) fn attach_task(&self, waker: &Waker) {
        *self.task.lock() = Some(waker.clone());
    }

    /// The end of the muting, if that is after `now`: no request may be started before.
    pub(super) fn muted_until(&self, now: Instant) -> Option<Instant> {
        let until_us = self.muted_until_us.load(Ordering::Relaxed);
        let until = self.opened + Duration::from_micros(until_us);
        (until_us > 0 && until > now).then_some(until)
    }

    /// Whether `mute_for` was ever called. If not, nobody need ask the clock whether the muting has ended.
    pub(super) fn was_muted(&self) -> bool {
        self.muted_until_us.load(Ordering::Relaxed) > 0
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::config::Endpoint;
    use crate::protocol::Str;

    fn connection(protocol: SecurityProtocol) -> Connection {
        let listener = ListenerOptions::new(Endpoint {
            listener: "CLIENTS".to_owned(),
            protocol,
            host: String::new(),
            port: 0,
        });
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Connection::new(1, Arc::new(listener), address, address)
    }

    #[test]
    fn a_peer_that_need_not_log_in_is_anonymous() {
        let connection = connection(SecurityProtocol::Plaintext);

        assert!(connection.is_authenticated());
        assert_eq!(*connection.principal(), Principal::ANONYMOUS);
    }

    #[test]
    fn a_connection_of_a_follower_has_the_memory_of_brokers_but_for_records() {
        let connection = connection(SecurityProtocol::Plaintext);
        assert_eq!(connection.lane(false), Lane::Reserved);

        connection.note_follower();

        assert_eq!(connection.lane(false), Lane::Brokers);
        assert_eq!(connection.lane(true), Lane::Bulk);
    }

    #[test]
    fn the_first_login_says_who_acts_on_a_connection() {
        let connection = connection(SecurityProtocol::SaslPlaintext);
        let named = |name| Principal {
            name: Str::from_static(name),
            ..Principal::ANONYMOUS
        };
        assert!(!connection.is_authenticated());
        assert_eq!(*connection.principal(), Principal::ANONYMOUS);

        connection.set_authenticated(named("alice"));
        connection.set_authenticated(named("bob"));

        assert!(connection.is_authenticated());
        assert_eq!(*connection.principal(), named("alice"));
    }
}
